"""Sentences as vectors, one a word and one for the whole: MiniLM, any BERT-like model of transformers, or a GRU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from scanwise.errors import InputError
from scanwise.nn import text

_KEPT = 50_000  # sentences whose vectors a frozen encoder remembers
_MOST_TOKENS = 128


@dataclass(frozen=True, eq=False)
class Words:
    """S sentences, padded to T words.

    Attributes:
        vectors: (S, T, W).
        mask: (S, T) bool, True at words; at least one a sentence.
        sentence: (S, W), of each as a whole.
        texts: of each sentence its words, as the encoder cut them, without padding.
    """

    vectors: torch.Tensor
    mask: torch.Tensor
    sentence: torch.Tensor
    texts: list[list[str]]

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: Sequence[int]) -> Words:
        """Some of the sentences."""
        chosen = list(rows)
        texts = [self.texts[row] for row in chosen]
        return Words(self.vectors[chosen], self.mask[chosen], self.sentence[chosen], texts)


class SentenceEncoder(nn.Module):
    """Sentences to `Words`; a frozen one reads each sentence once.

    Args:
        trained: it learns; else it is frozen.

    Attributes:
        width: W, channels of its vectors.
    """

    width: int

    def __init__(self, trained: bool) -> None:
        super().__init__()
        self.trained = trained
        self._known: dict[str, tuple[torch.Tensor, torch.Tensor, list[str]]] = {}

    def forward(self, sentences: Sequence[str]) -> Words:
        """The words of sentences, none of them empty."""
        if self.trained:
            found = self._read(sentences)
        else:
            new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._known]
            if len(self._known) + len(new) > _KEPT:
                self._known.clear()
                new = list(dict.fromkeys(sentences))
            if new:
                self.eval()
                with torch.no_grad():
                    self._known.update(zip(new, self._read(new), strict=True))
            found = [self._known[sentence] for sentence in sentences]
        vectors = pad_sequence([words for words, _, _ in found], batch_first=True)
        lengths = torch.tensor([len(words) for words, _, _ in found], device=vectors.device)
        mask = torch.arange(vectors.shape[1], device=vectors.device) < lengths[:, None]
        return Words(
            vectors, mask, torch.stack([sentence for _, sentence, _ in found]), [names for _, _, names in found]
        )

    def _read(self, sentences: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        """Of each sentence words (t, W), t at least 1, the whole (W,), and the words' texts."""
        raise NotImplementedError


class MiniLMEncoder(SentenceEncoder):
    """all-MiniLM-L6-v2, which needs no network; the whole sentence is the mean of its tokens, as it was trained.

    Frozen, its weights stay out of checkpoints: they are those of the installed package.

    Args:
        trained: as of `SentenceEncoder`.

    Raises:
        InputError: the package is not installed, or damaged.
    """

    width = text.DIM

    def __init__(self, trained: bool = False) -> None:
        super().__init__(trained)
        weights, self._tokenizer = text.load_minilm(most_tokens=_MOST_TOKENS)
        self._names = {}
        for name, value in weights.items():
            own = name.replace(".", "__")
            self._names[name] = own
            if trained and value.is_floating_point():
                self.register_parameter(own, nn.Parameter(value))
            else:
                self.register_buffer(own, value, persistent=False)

    def _read(self, sentences: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        weights = {name: getattr(self, own) for name, own in self._names.items()}
        device = next(iter(weights.values())).device
        codes = self._tokenizer.encode_batch(list(sentences))
        ids, mask = text.padded([code.ids for code in codes])
        states = text.bert(weights, ids.to(device), mask.to(device))
        result = []
        for rows, code in zip(states, codes, strict=True):
            whole = functional.normalize(rows[: len(code.ids)].mean(0), dim=0)
            words = slice(1, max(2, len(code.ids) - 1))  # without the marks of beginning and end
            result.append((rows[words], whole, code.tokens[words]))
        return result


class TransformersEncoder(SentenceEncoder):
    """A BERT-like model of transformers; the whole sentence is its first token, as in LESS.

    Args:
        name: for `from_pretrained`: "roberta-base", "bert-base-uncased", or a folder.
        model: the model; None loads it.
        trained: as of `SentenceEncoder`.

    Raises:
        InputError: there is no such model, neither here nor on the hub.
    """

    def __init__(self, name: str, model: Any = None, trained: bool = True) -> None:
        super().__init__(trained)
        self._name, self._tokenizer = name, None
        if model is None:
            from transformers import AutoModel

            model = _from_pretrained(AutoModel, name)
        self.model = model
        if getattr(model, "pooler", None) is not None:
            model.pooler.requires_grad_(False)  # not read here; DDP waits for the gradient of whatever may have one
        self.width = int(model.config.hidden_size)

    def _read(self, sentences: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = _from_pretrained(AutoTokenizer, self._name)
        tokenizer: Any = self._tokenizer
        device = next(self.model.parameters()).device
        codes = tokenizer(list(sentences), return_tensors="pt", padding=True, truncation=True, max_length=_MOST_TOKENS)
        codes = codes.to(device)
        states = self.states(codes["input_ids"], codes["attention_mask"])
        result = []
        for rows, ids, mask in zip(states, codes["input_ids"], codes["attention_mask"], strict=True):
            words = slice(1, int(mask.sum()))  # with the mark of the end, as LESS has them
            result.append((rows[words], rows[0], tokenizer.convert_ids_to_tokens(ids[words].tolist())))
        return result

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Last hidden states (S, T, W) of token ids (S, T), mask (S, T) 1 at tokens."""
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state


class GRUEncoder(SentenceEncoder):
    """A bidirectional GRU over learnt word vectors; the whole sentence is its two last states.

    Args:
        vocabulary: lower-case words it knows; every other is one and the same unknown word.
        width: W, channels of its vectors, even.
    """

    def __init__(self, vocabulary: Sequence[str], width: int = 256) -> None:
        super().__init__(trained=True)
        self.width = width
        self._ids = {word: number for number, word in enumerate(vocabulary, 1)}
        self.embedding = nn.Embedding(len(vocabulary) + 1, width)
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def _read(self, sentences: Sequence[str]) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        names = [words_of(sentence) or ["?"] for sentence in sentences]
        device = self.embedding.weight.device
        ids = [torch.tensor([self._ids.get(word, 0) for word in words], device=device) for words in names]
        packed = pack_padded_sequence(
            self.embedding(pad_sequence(ids, batch_first=True)), torch.tensor([len(row) for row in ids]),
            batch_first=True, enforce_sorted=False,
        )  # fmt: skip
        states, last = self.gru(packed)
        padded, _ = pad_packed_sequence(states, batch_first=True)
        whole = last.transpose(0, 1).flatten(1)
        return [(padded[row, : len(words)], whole[row], words) for row, words in enumerate(names)]


def sentence_encoder(name: str, *, trained: bool, vocabulary: Sequence[str] = ()) -> SentenceEncoder:
    """An encoder by name.

    Args:
        name: "minilm", "gru", "roberta", "bert", or a model's name or folder for transformers.
        trained: it learns; a GRU always does.
        vocabulary: words that a GRU knows.

    Raises:
        InputError: there is no such model.
    """
    if name == "minilm":
        return MiniLMEncoder(trained)
    if name == "gru":
        return GRUEncoder(vocabulary)
    return TransformersEncoder({"roberta": "roberta-base", "bert": "bert-base-uncased"}.get(name, name), None, trained)


def words_of(sentence: str) -> list[str]:
    """Its words, lower-case, without punctuation."""
    return re.findall(r"[\w'-]+", sentence.lower())


def _from_pretrained(kind: Any, name: str) -> Any:
    try:
        return kind.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"text: {name}: transformers finds no such model here or on the hub; give a folder that holds it, or "
            "use minilm, which is installed"
        ) from error
