"""Which of some objects a sentence means: a graph of near objects that reads the words (after TGNN, AAAI 2021).

Each object asks its nearest neighbours, and what it takes from one depends on where that lies and on the sentence.
"""

from __future__ import annotations

import torch
from torch import nn

from scanwise.nn.word_fusion import WordFusion

RELATION = 10  # dx, dy, dz, their length, the sizes' logarithms and those of the neighbour


class RelationLayer(nn.Module):
    """Attention of each object to its neighbours, with relation and sentence in keys and values; feed-forward.

    Args:
        width: D, of an object.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.relation = nn.Sequential(nn.Linear(RELATION, width), nn.ReLU(), nn.Linear(width, width))
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.sentence = nn.Linear(width, width)
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(
        self, objects: torch.Tensor, near: torch.Tensor, relation: torch.Tensor, sentence: torch.Tensor
    ) -> torch.Tensor:
        """(S, P, D): the objects, having asked their neighbours.

        Args:
            objects: (S, P, D).
            near: (P, k) neighbours of each.
            relation: (P, k, RELATION) of each and its neighbours.
            sentence: (S, D).
        """
        edge = self.relation(relation) + objects[:, near]
        query = self.query(objects) + self.sentence(sentence)[:, None]
        share = ((query[:, :, None] * self.key(edge)).sum(3) / query.shape[2] ** 0.5).softmax(2)
        objects = self.norm(objects + (share[:, :, :, None] * self.value(edge)).sum(2))
        return self.last_norm(objects + self.feed_forward(objects))


class RelationGraph(nn.Module):
    """Objects and sentences to logits (S, P + 1); the last says that none is meant.

    Args:
        in_channels: of an object.
        words: channels of a word and of a whole sentence.
        width: D, of an object in the graph.
        layers: of the graph.
        neighbours: k, the objects that one asks, itself among them.
    """

    def __init__(self, in_channels: int, words: int, width: int, layers: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.objects = nn.Sequential(nn.Linear(in_channels + 6, width), nn.ReLU(), nn.Linear(width, width))
        self.words = WordFusion(words, width, 1)
        self.sentence = nn.Sequential(nn.Linear(words, width), nn.ReLU(), nn.Dropout(0.15), nn.Linear(width, width))
        self.layers = nn.ModuleList(RelationLayer(width) for _ in range(layers))
        self.score = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.none = nn.Sequential(nn.Linear(2 * width + 1, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(
        self, feats: torch.Tensor, centers: torch.Tensor, sizes: torch.Tensor, words: torch.Tensor, mask: torch.Tensor,
        sentence: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """(S, P + 1) logits.

        Args:
            feats: (P, C), P at least 1.
            centers: (P, 3) metres.
            sizes: (P, 3) metres.
            words: (S, T, W).
            mask: (S, T) bool, True at words.
            sentence: (S, W).
        """
        known = self.objects(torch.cat([feats, centers, sizes], 1))
        count = len(known)
        many = known.repeat(len(words), 1)
        objects = (many + self.words(many, [count] * len(words), words, mask)).view(len(words), count, -1)
        near = torch.cdist(centers, centers).topk(min(self.neighbours, count), largest=False).indices
        relation, whole = relations(centers, sizes, near), self.sentence(sentence)
        for layer in self.layers:
            objects = layer(objects, near, relation, whole)
        wide = whole[:, None].expand_as(objects)
        scores = self.score(torch.cat([objects * wide, objects], 2))[:, :, 0]
        best = (scores.softmax(1)[:, :, None] * objects).sum(1)
        none = self.none(torch.cat([best * whole, whole, scores.amax(1, keepdim=True)], 1))
        return torch.cat([scores, none], 1)


def relations(centers: torch.Tensor, sizes: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """(P, k, RELATION) of each object and its neighbours: metres, and logarithms of both sizes.

    Args:
        centers: (P, 3) metres.
        sizes: (P, 3) metres.
        near: (P, k) neighbours of each.
    """
    way = centers[near] - centers[:, None]
    size = torch.log(sizes.clamp(min=0.05))
    own = size[:, None].expand(-1, near.shape[1], -1)
    return torch.cat([way, way.norm(dim=2, keepdim=True), own, size[near]], 2)
