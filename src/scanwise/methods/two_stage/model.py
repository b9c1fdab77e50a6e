"""The baseline of LESS: first all objects of a scene, then which of them a sentence means (after TGNN, AAAI 2021).

It is taught with the class and the object of every point, LESS with one mask a sentence; backbone, words, metrics and
the loop that measures are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import Batch
from scanwise.methods.two_stage.data import TwoStageBatch
from scanwise.methods.two_stage.losses import proposal_losses
from scanwise.methods.two_stage.proposals import (
    Instances,
    ProposalHead,
    clustered,
    instances_of,
    overlaps,
    with_missing,
)
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.methods.two_stage.relation_graph import RelationGraph
from scanwise.nn.sentence import SentenceEncoder, Words
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig


class TwoStage(nn.Module):
    """Voxels to objects, objects and sentences to the one that is meant.

    Args:
        recipe: its shape, and the weights of its losses.
        text: the sentence encoder.
        classes: names of the K classes.
        things: (K,) bool, those that have objects.

    Attributes:
        things: (K,) bool.
        threshold: () of the presence, from which a thing counts as found; calibrated on validation.
    """

    threshold: torch.Tensor
    things: torch.Tensor

    def __init__(
        self, recipe: TwoStageRecipe, text: SentenceEncoder, classes: Sequence[str], things: Sequence[bool]
    ) -> None:
        super().__init__()
        self.recipe, self.text = recipe, text
        self.backbone = SparseUNet(SparseUNetConfig(recipe.channels, recipe.widths, recipe.blocks))
        self.head = ProposalHead(recipe.media, len(classes))
        known = recipe.media + len(classes)
        self.graph = RelationGraph(known, text.width, recipe.width, recipe.layers, recipe.neighbours)
        self.register_buffer("things", torch.tensor(list(things)))
        self.register_buffer("threshold", torch.tensor(0.5))

    def encode(self, clouds: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of the voxels features (N, media), class logits (N, K) and offsets (N, 3) in metres."""
        feats = self.backbone(SparseTensor(clouds.coords, clouds.feats, clouds.batch)).feats
        return feats, *self.head(feats)

    def propose(self, centers: np.ndarray, logits: torch.Tensor, offsets: torch.Tensor) -> Instances:
        """The objects of one cloud.

        Args:
            centers: (n, 3) metres, of its voxels.
            logits: (n, K).
            offsets: (n, 3) metres.
        """
        classes, shifts = logits.detach().argmax(1).cpu().numpy(), offsets.detach().float().cpu().numpy()
        things, recipe = self.things.cpu().numpy(), self.recipe
        return clustered(centers, shifts, classes, things, reach=recipe.reach, fewest=recipe.fewest)

    def match(self, feats: torch.Tensor, logits: torch.Tensor, instances: Instances, words: Words) -> torch.Tensor:
        """Which object each of S sentences means.

        Args:
            feats: (n, media) of one cloud's voxels.
            logits: (n, K).
            instances: P objects, at least one.
            words: of the sentences.

        Returns:
            (S, P + 1) logits; the last says that none is meant.
        """
        of_voxel = torch.from_numpy(instances.of_voxel).to(feats.device)
        inside = of_voxel >= 0
        seen = torch.cat([feats, logits.softmax(1)], 1)[inside].float()
        sums = seen.new_zeros(len(instances), seen.shape[1]).index_add(0, of_voxel[inside], seen)
        counts = torch.bincount(of_voxel[inside], minlength=len(instances))
        centers, sizes = (torch.from_numpy(each).to(feats.device) for each in (instances.centers, instances.sizes))
        return self.graph(sums / counts[:, None], centers, sizes, words.vectors, words.mask, words.sentence)

    def training_step(self, batch: TwoStageBatch, progress: float) -> dict[str, torch.Tensor]:
        """Losses of the objects, and of the choice among them: true ones first, then its own and those it missed."""
        clouds = batch.clouds
        assert clouds.labels is not None
        feats, logits, offsets = self.encode(clouds)
        parts = proposal_losses(logits.float(), offsets.float(), clouds.labels, batch.offsets, batch.instances >= 0)
        words = self.text(batch.texts)
        choices = []
        counts = torch.bincount(clouds.batch).tolist()
        columns = (feats, logits, offsets, clouds.centers, batch.instances, clouds.labels)
        split = zip(*(each.split(counts) for each in columns), strict=True)
        for cloud, (own_feats, own_logits, own_offsets, *known) in enumerate(split):
            centers, truth, labels = (each.cpu().numpy() for each in known)
            proposed = _true_instances(centers, truth, labels)
            if progress >= self.recipe.own_from:
                proposed = with_missing(self.propose(centers, own_logits, own_offsets), truth, centers, labels)
            if not len(proposed):
                proposed = instances_of(centers, np.zeros(len(centers), np.int64), labels)
            asked = range(cloud, len(batch.texts), len(counts))
            scores = self.match(own_feats, own_logits, proposed, words.take(asked))
            wanted = [_best(proposed, truth, batch.targets[row]) for row in asked]
            choices.append(functional.cross_entropy(scores.float(), torch.tensor(wanted, device=scores.device)))
        parts["matching"] = self.recipe.matching * torch.stack(choices).mean()
        return {
            "loss": torch.stack(list(parts.values())).sum(),
            **{name: each.detach() for name, each in parts.items()},
        }


def _true_instances(centers: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> Instances:
    """The true objects, numbered without gaps."""
    names = np.unique(truth[truth >= 0])
    return instances_of(centers, np.where(truth >= 0, np.searchsorted(names, truth), -1), labels)


def _best(proposed: Instances, truth: np.ndarray, meant: int) -> int:
    """The object that covers what is meant best; their number, which says none, where nothing is meant or seen."""
    target = truth == meant
    if meant < 0 or not target.any():
        return len(proposed)
    return int(overlaps(proposed, target).argmax())
