"""All sentences of a batch at once answer, cost and learn as each of them alone, by formulas written out here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from scanwise.methods.less import losses
from scanwise.methods.less.data import MakeReferSample, ReferBatch, collate_refer
from scanwise.methods.less.model import LESS
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.nn.sentence import GRUEncoder, words_of
from scanwise.nn.sparse import SparseTensor
from tests.rooms_with_sentences import TEXTS, room

FUSIONS = [
    {"fusion": "levels"},
    {"fusion": "late", "word_heads": 2},
    {"fusion": "late", "positions": True, "attend": 1},
    {"fusion": "queries"},
    {"fusion": "none"},
]


def setting(**changes: Any) -> tuple[LESS, ReferBatch]:
    """A model in double precision, and two rooms of different size with three sentences each."""
    small: dict[str, object] = {
        "data": ".", "text": "gru", "media": 8, "levels": 3, "blocks": 1, "queries": 5, "width": 16, "hidden": 32,
        "heads": 2, "layers": 2, "voxel": 0.15, "sentences": 3, "edge": 0.5, "dice": 1.0, "presence": 1.0,
    }  # fmt: skip
    recipe = LESSRecipe.model_validate(small | changes)
    vocabulary = sorted({word for text in TEXTS for word in words_of(text)})
    torch.manual_seed(0)
    model = LESS(recipe, GRUEncoder(vocabulary, 16)).double().eval()
    scene, generator = room(), np.random.default_rng(0)
    make = MakeReferSample(recipe)
    assert scene.colors is not None
    assert scene.instances is not None
    here = scene.points[:, 1] < 1.5
    half = replace(
        scene, points=scene.points[here], colors=scene.colors[here], labels=None, instances=scene.instances[here]
    )
    batch = collate_refer([make(each, generator) for each in (scene, half)])
    return model, replace(batch, clouds=replace(batch.clouds, feats=batch.clouds.feats.double()))


# One sentence at a time


def attention(module: Any, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    width = queries.shape[1]
    weights, biases = module.project.weight.split(width), module.project.bias.split(width)
    query, key, value = map(functional.linear, (queries, keys, keys), weights, biases)
    size = width // module.heads
    found = []
    for head in range(module.heads):
        own = slice(head * size, (head + 1) * size)
        logits = query[:, own] @ key[:, own].T / size**0.5
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        found.append(logits.softmax(1) @ value[:, own])
    return module.out(torch.cat(found, 1))


def fused(module: Any, feats: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    return feats + module.gate(module.norm(attention(module.attention, feats, module.project(words), None))).tanh()


def decoded(decoder: Any, feats: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    keys, pixels, queries = decoder.inputs(feats), decoder.masks(feats), decoder.queries
    for layer in decoder.layers:
        inside = queries @ pixels.T >= 0
        inside[~inside.any(1)] = True
        if decoder.words is not None:
            queries = layer.words_norm(queries + attention(layer.words, queries, decoder.words(words), None))
        queries = layer.cross_norm(queries + attention(layer.cross, queries, keys, inside))
        queries = layer.self_norm(queries + attention(layer.self_attention, queries, queries, None))
        queries = decoder.out_norm(layer.feed_forward_norm(queries + layer.feed_forward(queries)))
    return queries


def cells_of(feats: torch.Tensor, coords: torch.Tensor) -> torch.Tensor:
    cells: dict[tuple[int, ...], list[torch.Tensor]] = {}
    for row, place in zip(feats, coords.tolist(), strict=True):
        cells.setdefault(tuple(value // 2 for value in place), []).append(row)
    return torch.stack([torch.stack(rows).mean(0) for rows in cells.values()])


def alone(model: LESS, batch: ReferBatch) -> list[dict[str, torch.Tensor]]:
    """Logits, feats, queries, presence of each sentence."""
    recipe, words = model.recipe, model.text(batch.texts)
    clouds = int(batch.clouds.batch.max()) + 1
    replies = []
    for place in range(len(batch.texts)):
        own = words.vectors[place][words.mask[place]]
        here = batch.clouds.batch == place % clouds
        voxels = SparseTensor(batch.clouds.coords[here], batch.clouds.feats[here], batch.clouds.batch[here] * 0)
        if recipe.fusion == "levels":
            look: Any = lambda level, at, own=own: at.replace(fused(model.fusion[level], at.feats, own))  # noqa: E731
            feats = model.backbone(voxels, look).feats
        else:
            feats = model.backbone(voxels).feats
        if model.places is not None:
            feats = feats + model.places(voxels.coords * recipe.voxel, voxels.batch)
        coarse = cells_of(feats, voxels.coords) if recipe.attend else feats
        if recipe.fusion == "late":
            feats, coarse = fused(model.fusion[0], feats, own), fused(model.fusion[0], coarse, own)
        queries, sentence = decoded(model.decoder, coarse, own), model.sentence(words.sentence[place])
        weights = (queries @ sentence).softmax(0)
        logits, query = weights @ (queries @ model.decoder.masks(feats).T), weights @ queries
        assert model.presence is not None
        presence = model.presence(torch.cat([query, sentence, query * sentence, logits.max()[None]]))[0]
        replies.append({"logits": logits, "feats": feats, "queries": queries, "presence": presence})
    return replies


def contrast(feats: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    feats = feats / feats.norm(dim=1, keepdim=True)
    inside, outside = feats[target], feats[~target]
    if not len(inside) or not len(outside):
        return feats.sum() * 0
    near, far = (inside @ inside.mean(0) / 0.05).exp(), (inside @ outside.T / 0.05).exp().sum(1)
    return -(near / (near + far)).log().mean()


def cost(model: LESS, batch: ReferBatch) -> torch.Tensor:
    recipe = model.recipe
    replies = alone(model, batch)
    voxels = SparseTensor(batch.clouds.coords, batch.clouds.feats, batch.clouds.batch)
    targets = batch.targets.split([len(reply["logits"]) for reply in replies])
    table = voxels.cache.submanifold(0)
    edges = torch.cat([losses.edges(each[:, None], table)[:, 0] for each in batch.targets.view(3, -1)])
    near = edges.split([len(each) for each in targets])
    of_masks, of_presence = [], []
    for reply, target, edge, present in zip(replies, targets, near, batch.present, strict=True):
        logits, truth = reply["logits"], target.double()
        each = -truth * functional.logsigmoid(logits) * recipe.positive - (1 - truth) * functional.logsigmoid(-logits)
        plain = -truth * functional.logsigmoid(logits) - (1 - truth) * functional.logsigmoid(-logits)
        probability = logits.sigmoid()
        total = each.mean() + recipe.area * probability.mean()
        total = total + recipe.contrast * contrast(reply["feats"], target)
        total = total + (recipe.edge * plain[edge].mean() if edge.any() else 0)
        total = total + recipe.dice * (
            1 - (2 * (probability * truth).sum() + 1) / (probability.sum() + truth.sum() + 1)
        )
        of_masks.append(total * present)
        sign = 1 if present else -1
        of_presence.append(-recipe.presence * functional.logsigmoid(sign * reply["presence"]))
    return torch.stack(of_masks).sum() / batch.present.sum() + torch.stack(of_presence).mean()


# Against all at once


@pytest.mark.parametrize("changes", FUSIONS, ids=lambda changes: "-".join(map(str, changes.values())))
def test_answers_losses_and_gradients_are_those_of_each_sentence_alone(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # losses are taken in float32 otherwise
    monkeypatch.setattr("scanwise.nn.word_fusion._IN_CACHE", 5000)  # several chunks
    monkeypatch.setattr("scanwise.methods.less.losses._ROWS", 7)
    monkeypatch.setattr("scanwise.methods.less.model._TOGETHER", 500)
    model, batch = setting(**changes)
    assert batch.present.tolist().count(True) in range(1, 6)  # some are meant, some are not
    voxels = SparseTensor(batch.clouds.coords, batch.clouds.feats, batch.clouds.batch)
    together, apart = model(voxels, model.text(batch.texts)), alone(model, batch)
    for reply, other in zip(together, apart, strict=True):
        assert torch.allclose(reply.logits, other["logits"], rtol=0, atol=1e-10)
        assert torch.allclose(reply.feats, other["feats"], rtol=0, atol=1e-10)
        assert torch.allclose(reply.proposals.queries, other["queries"], rtol=0, atol=1e-10)
        assert torch.allclose(reply.presence, other["presence"], rtol=0, atol=1e-10)
        assert torch.allclose(reply.weights @ reply.proposals.masks, reply.logits, rtol=0, atol=1e-10)
    names, parameters = zip(*model.named_parameters(), strict=True)
    loss, reference = model.training_step(batch, 0.0)["loss"], cost(model, batch)
    assert float(loss.detach()) == pytest.approx(float(reference.detach()), rel=1e-10)
    mine = torch.autograd.grad(loss, parameters, allow_unused=True)
    theirs = torch.autograd.grad(reference, parameters, allow_unused=True)
    for name, one, his in zip(names, mine, theirs, strict=True):
        assert (one is None) == (his is None), name
        if one is not None and his is not None:
            assert torch.allclose(one, his, rtol=1e-8, atol=1e-10), name
