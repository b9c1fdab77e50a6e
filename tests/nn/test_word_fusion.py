"""Attention of many rows to few is the attention of each alone, to the last digits, gradients included."""

import pytest
import torch

from scanwise.nn.word_fusion import Attention, WordFusion


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_many_queries_are_treated_as_each_alone(heads, masked):
    torch.manual_seed(0)
    attention = Attention(16, heads).double()
    queries = torch.randn(200, 16, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(5, 16, dtype=torch.float64, requires_grad=True)
    allowed = torch.tensor([[True, False, True, True, False]]) if masked else None
    together = attention(queries, keys, allowed)
    apart = torch.cat([attention(row, keys, allowed) for row in queries.split(1)])
    assert torch.allclose(together, apart)
    goal = torch.randn_like(together)
    for one, other in zip(
        torch.autograd.grad((together * goal).sum(), (queries, keys)),
        torch.autograd.grad((apart * goal).sum(), (queries, keys)),
        strict=True,
    ):
        assert torch.allclose(one, other)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_few_queries_of_many_keys_find_what_they_would_among_few(heads, masked, monkeypatch):
    torch.manual_seed(0)
    attention = Attention(16, heads).double()
    queries = torch.randn(3, 16, dtype=torch.float64, requires_grad=True)
    keys = torch.randn(100, 16, dtype=torch.float64, requires_grad=True)
    allowed = torch.rand(3, 100) < 0.5 if masked else None
    found = []
    for many in (16, 1000):
        monkeypatch.setattr("scanwise.nn.word_fusion._MANY", many)
        attended = attention(queries, keys, allowed)
        found.append((attended, *torch.autograd.grad(attended.sin().sum(), (queries, keys))))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other)


def test_words_that_are_not_allowed_change_nothing():
    attention = Attention(8, 2)
    queries, keys = torch.randn(100, 8), torch.randn(4, 8)
    allowed = torch.tensor([[True, True, False, False]])
    changed = keys.clone()
    changed[2:] = 7
    assert torch.equal(attention(queries, keys, allowed), attention(queries, changed, allowed))


@pytest.mark.parametrize("official", [False, True])
def test_padding_counts_in_the_official_fusion_alone(official: bool) -> None:
    torch.manual_seed(0)
    fusion = WordFusion(6, 8, 2, official=official).eval()
    feats, words = torch.randn(5, 8), torch.randn(1, 3, 6)
    padded = torch.cat([words, torch.randn(1, 2, 6)], 1)
    one = fusion(feats, [5], words, torch.ones(1, 3, dtype=torch.bool))
    other = fusion(feats, [5], padded, torch.tensor([[True] * 3 + [False] * 2]))
    assert torch.allclose(one, other, atol=1e-6) is not official
