"""An index of pictures by their tokens: some kilobytes a picture, written as it goes, asked by optimal transport.

    index = TokenIndex.open(Path("out/index"))
    rows, scores = index.search(tokens, 10)          # tokens (r, D) of a picture, as `index.encode(pictures)` gives

A folder holds

    index.json      weights and their hash, shape of the tokens, how pictures are scaled, the basis of shortened ones
    tokens.f16      (n, r, D) half floats, read by memory map
    frames.jsonl    a line a picture: source, number in it, name, camera position where there is one
    words.f16       (n, r, C) half floats: what a 2D model that knows words, if any, sees where each token looks

A run that was stopped goes on after the last whole picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scanwise.errors import InputError
from scanwise.files import read_json, write_json
from scanwise.methods.stellar.evaluate import Spread, scaled, similarity
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.progress import Progress, silent

WIDTH = 128  # channels of a token that are kept; wider ones are shortened to their principal axes
FITTED = 512  # pictures that the axes are found from
PART = 4096  # pictures that are compared at once
FORMAT = 1


@dataclass
class TokenIndex:
    """Tokens of many pictures, and where the pictures are.

    Attributes:
        folder: of the index.
        facts: content of index.json.
        frames: of frames.jsonl, one a picture.
        tokens: (n, r, D) half floats.
        words: (n, r, C) half floats, or None.
    """

    folder: Path
    facts: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    tokens: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))
    words: np.ndarray | None = None
    _clean: bool = field(default=False, repr=False)

    @classmethod
    def open(cls, folder: Path) -> TokenIndex:
        """An index that is there; what a stopped run left half written is passed over.

        Raises:
            InputError: there is none, or its files do not belong together.
        """
        facts = read_json(folder / "index.json")
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise InputError(f"{folder}: no index that this version reads; `scanwise index` makes one")
        shape, words = (facts["tokens"], facts["width"]), (facts["tokens"], facts["words"])
        lines = _whole_lines(folder / "frames.jsonl")
        counts = [len(lines), _rows(folder / "tokens.f16", shape)]
        if facts["words"]:
            counts.append(_rows(folder / "words.f16", words))
        count = min(counts)
        try:
            frames = [json.loads(line) for line in lines[:count]]
        except ValueError as error:
            raise InputError(
                f"{folder / 'frames.jsonl'}: damaged ({error}); remove {folder} and index again"
            ) from error
        stored = _mapped(folder / "words.f16", count, words) if facts["words"] else None
        return cls(folder, facts, frames, _mapped(folder / "tokens.f16", count, shape), stored)

    @classmethod
    def create(cls, folder: Path, network: SparseTokens, facts: dict[str, Any], words: int = 0) -> TokenIndex:
        """A new one without pictures.

        Args:
            folder: of the index; it is made.
            network: whose tokens are kept.
            facts: "weights", "sha256", "whole", and what else is to be known of it.
            words: channels of a 2D model's features that are kept too; 0 = none.

        Raises:
            InputError: every patch is a token of the network.
            OutputError: the place cannot be written.
        """
        config = network.config
        if not config.tokens:
            raise InputError("every patch is a token there; an index needs weights with tokens")
        facts = {"format": FORMAT, "tokens": config.tokens, "width": min(config.encoder.width, WIDTH), "words": words,
                 "basis": None, **facts}  # fmt: skip
        write_json(folder / "index.json", facts)
        return cls(folder, facts)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def bytes_a_frame(self) -> int:
        """Of tokens, and words where there are any."""
        return 2 * self.facts["tokens"] * (self.facts["width"] + self.facts["words"])

    def fit(self, tokens: torch.Tensor) -> None:
        """Finds the axes that tokens are shortened to, where they are wider than is kept.

        Args:
            tokens: (m, r, W) of some pictures.
        """
        width = self.facts["width"]
        if tokens.shape[2] > width and self.facts["basis"] is None:
            rows = tokens.flatten(0, 1).double()
            basis = torch.linalg.eigh(torch.cov(rows.T)).eigenvectors[:, -width:].flip(1)
            self.facts["basis"] = [[round(value, 6) for value in row] for row in basis.tolist()]
            write_json(self.folder / "index.json", self.facts)

    def shortened(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., W) -> (..., D)."""
        basis = self.facts["basis"]
        return tokens if basis is None else tokens @ torch.tensor(basis, dtype=tokens.dtype)

    def add(self, frames: Sequence[dict[str, Any]], tokens: torch.Tensor, words: torch.Tensor | None = None) -> None:
        """Appends pictures; `open` sees them.

        Args:
            frames: what is to be known of each: "source", "number", "name".
            tokens: (m, r, W).
            words: (m, r, C), where the index has words.
        """
        if not self._clean:
            self._cut()
            self._clean = True
        with (self.folder / "tokens.f16").open("ab") as stream:
            stream.write(self.shortened(tokens).half().numpy().tobytes())
        if words is not None:
            with (self.folder / "words.f16").open("ab") as stream:
                stream.write(words.half().numpy().tobytes())
        with (self.folder / "frames.jsonl").open("a", encoding="utf-8") as stream:
            stream.write("".join(json.dumps(frame) + "\n" for frame in frames))
        self.frames += frames

    def _cut(self) -> None:
        """Removes what is half written, before more is appended."""
        kept = TokenIndex.open(self.folder)
        lines = _whole_lines(self.folder / "frames.jsonl")[: len(kept)]
        (self.folder / "frames.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        for name, width in (("tokens", self.facts["width"]), ("words", self.facts["words"])):
            if width:
                with (self.folder / f"{name}.f16").open("ab") as stream:
                    stream.truncate(2 * self.facts["tokens"] * width * len(kept))

    @cached_property
    def spread(self) -> Spread:
        """Of the tokens of all pictures."""
        return Spread.of(self.tokens)

    def search(
        self, tokens: torch.Tensor, count: int, *, rows: np.ndarray | None = None, progress: Progress = silent
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pictures whose tokens match best, each compared by optimal transport.

        Args:
            tokens: (r, W) of a picture.
            count: how many, at most.
            rows: (k,) pictures that are compared; None = all.
            progress: told the share that was compared.

        Returns:
            Rows (m,) of pictures, the best first, and their scores: mean cosine of matched tokens as `spread` has them.
        """
        rows = np.arange(len(self)) if rows is None else rows
        query, scores = self.spread(self.shortened(tokens.float())), []
        for start in range(0, len(rows), PART):
            part = torch.from_numpy(np.asarray(self.tokens[rows[start : start + PART]], np.float32))
            scores.append(similarity(query, self.spread(part)))
            progress("comparing", min(1.0, (start + PART) / len(rows)))
        found = torch.cat(scores).numpy() if scores else np.zeros(0, np.float32)
        best = np.argsort(-found, kind="stable")[:count]
        return rows[best], found[best]

    def search_words(self, text: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of which one token looks where a text fits best.

        Args:
            text: (C,) of the 2D model that the index was made with.
            count: how many, at most.

        Returns:
            Rows (m,), the best first, and the largest cosine of each.

        Raises:
            InputError: the index has no words.
        """
        if self.words is None:
            raise InputError(f"{self.folder}: was indexed without words; `scanwise index --vision rooms` keeps them")
        query, found = functional.normalize(text.float(), dim=0), []
        for start in range(0, len(self), PART):
            part = torch.from_numpy(np.asarray(self.words[start : start + PART], np.float32))
            found.append((functional.normalize(part, dim=2) @ query).amax(1))
        scores = torch.cat(found).numpy()
        best = np.argsort(-scores, kind="stable")[:count]
        return best, scores[best]


def batches_of(
    network: SparseTokens, pictures: Iterator[tuple[Any, np.ndarray]], *, whole: bool, batch: int = 32
) -> Iterator[tuple[list[Any], torch.Tensor]]:
    """Pictures scaled for a network, those of one shape together.

    Args:
        network: whose size they get.
        pictures: something of each, and uint8 (H, W, 3).
        whole: all of it, its shorter side scaled to the network's; else the square in the middle.
        batch: the most of a batch.

    Yields:
        What was given of each, and (m, 3, H, W) in [0, 1].
    """
    keys: list[Any] = []
    waiting: list[torch.Tensor] = []
    for key, picture in pictures:
        pixels = scaled(picture, network, square=not whole)[1]
        if waiting and (len(waiting) == batch or waiting[0].shape != pixels.shape):
            yield keys, torch.cat(waiting)
            keys, waiting = [], []
        keys.append(key)
        waiting.append(pixels)
    if waiting:
        yield keys, torch.cat(waiting)


def _rows(path: Path, shape: tuple[int, int]) -> int:
    return path.stat().st_size // (2 * shape[0] * shape[1]) if path.exists() else 0


def _mapped(path: Path, count: int, shape: tuple[int, int]) -> np.ndarray:
    if not count:
        return np.zeros((0, *shape), np.float16)
    return np.memmap(path, np.float16, "r", shape=(count, *shape))


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return lines[:-1]  # what stands behind the last line's end is half a line
