"""Candidates for a search among many pictures, by faiss: those with tokens near the query's; transport then ranks them.

faiss (extra `index`) keeps a byte a channel of each token and looks into the nearest of its lists alone, so that of a
million pictures some hundred are compared exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scanwise.errors import InputError
from scanwise.files import replacing
from scanwise.methods.stellar.index import PART, TokenIndex
from scanwise.progress import Progress, silent

NEAR = 64  # tokens that each token of a query is compared with
LOOKED = 0.05  # share of the lists that are looked into, at least 16 of them


def candidates(index: TokenIndex, tokens: torch.Tensor, count: int, progress: Progress = silent) -> np.ndarray:
    """The pictures that most of the tokens near a query's belong to; the search structure is made when there is none.

    Args:
        index: of pictures.
        tokens: (r, W) of a picture.
        count: how many, at most.
        progress: told of the making.

    Returns:
        (m,) rows of the index.

    Raises:
        InputError: faiss is not installed.
    """
    found = _structure(index, progress)
    query = functional.normalize(index.spread(index.shortened(tokens.float())), dim=1).numpy()
    found.nprobe = max(16, round(LOOKED * found.nlist))
    near = min(max(NEAR, 2 * count), found.ntotal)
    cosines, places = found.search(np.ascontiguousarray(query), near)
    scores = np.zeros(len(index))
    for row_cosines, row_places in zip(cosines, places, strict=True):
        inside = row_places >= 0
        best = np.full(len(index), -1.0)  # each token of the query counts once for each picture
        np.maximum.at(best, row_places[inside] // index.facts["tokens"], row_cosines[inside])
        scores += best
    return np.argsort(-scores, kind="stable")[:count]


def _structure(index: TokenIndex, progress: Progress) -> Any:
    """The index that faiss makes of all tokens, as unit vectors, kept beside the others."""
    faiss, path = _faiss(), index.folder / "tokens.faiss"
    if path.exists():
        stored = faiss.read_index(str(path))
        if stored.ntotal == len(index) * index.facts["tokens"]:
            return stored
    vectors = len(index) * index.facts["tokens"]
    lists = max(1, min(65536, round(2 * vectors**0.5), vectors // 40))
    made = faiss.index_factory(index.facts["width"], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    made.cp.seed = 1
    some = np.random.default_rng(1).permutation(len(index))[: max(1, 64 * lists // index.facts["tokens"])]
    made.train(_units(index, np.sort(some)))
    for start in range(0, len(index), PART):
        made.add(_units(index, np.arange(start, min(start + PART, len(index)))))
        progress("nearest tokens", min(1.0, (start + PART) / len(index)))
    with replacing(path) as temporary:
        faiss.write_index(made, str(temporary))
    return made


def _units(index: TokenIndex, rows: np.ndarray) -> np.ndarray:
    tokens = index.spread(torch.from_numpy(np.asarray(index.tokens[rows], np.float32)))
    return np.ascontiguousarray(functional.normalize(tokens, dim=2).flatten(0, 1).numpy())


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError('an approximate search needs faiss: pip install "scanwise[index]"; without it every picture '
                         "is compared") from error  # fmt: skip
    return faiss
