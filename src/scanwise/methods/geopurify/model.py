"""GeoPurify: which voxels belong together, learned without labels, so that pooling over them cleans lifted 2D features.

"GeoPurify: A Data-Efficient Geometric Distillation Framework for Open-Vocabulary 3D Segmentation" (arXiv 2510.02186,
ICLR 2026). A frozen teacher gives features of a scene's points. The student embeds voxels: each anchor is drawn to the
place most like it in the teacher's eyes, and pushed from the 48 places least like it and from the 15 of its 96 nearest
neighbours that are least like it (InfoNCE). At use, lifted features are averaged over neighbours by the cosine of
embeddings (`nn/pooling.py`). A few scenes are enough; they are chosen to differ (`selection.py`).

What differs from the paper, and why: scenes are chosen by the teacher's features, not by the entropy of their labels,
which a user's own scans do not have; lifted features are reduced to a few directions, so that a laptop can train;
normals are given up to their sign, as scans without any have estimated ones; anchors and partners are one voxel of
each teacher voxel, since our teachers' voxels are coarser than the student's: those within one are always alike.

Shapes: M voxels of a scene, N of a batch, F inputs, D channels of the embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from scanwise.errors import InputError
from scanwise.methods.geopurify.losses import contrast_pairs, info_nce
from scanwise.methods.geopurify.network import AffinityConfig, AffinityNetwork
from scanwise.nn.pooling import chunked_matmul, plane_embedding
from scanwise.nn.sparse import SparseTensor
from scanwise.training.checkpoints import load_model

if TYPE_CHECKING:
    from scanwise.methods.geopurify.data import SampleBatch
    from scanwise.methods.geopurify.recipe import GeoPurifyRecipe


@dataclass(frozen=True)
class StudentConfig:
    """What a student looks like.

    Attributes:
        vision: name of the 2D model whose features it is given; "" = it sees colours and normals alone.
        lifted: channels of those features.
        reduced: channels they are brought to by `Student.basis`.
        hidden: channels of the affinity network's convolutions.
        channels: of the embedding.
        blocks: residual blocks of the affinity network.
    """

    vision: str
    lifted: int
    reduced: int
    hidden: int
    channels: int
    blocks: int


class Student(nn.Module):
    """An affinity network over reduced lifted features, colour (-1..1) and the plane of the normal.

        embedding = student.embed(coords, student.inputs(student.reduce(features), colors, normals))

    Normals are given as their `pooling.plane_embedding`, as those of a scan without any are estimated up to their sign.

    Attributes:
        mean: (lifted,) that is taken from lifted features; not trained.
        basis: (lifted, reduced) that they are then multiplied by; not trained.
    """

    mean: torch.Tensor
    basis: torch.Tensor

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.lifted))
        self.register_buffer("basis", torch.zeros(config.lifted, config.reduced))
        channels = AffinityConfig(config.reduced + 3 + 6, config.hidden, config.channels, config.blocks)
        self.network = AffinityNetwork(channels)

    def suits(self, vision: str, channels: int) -> bool:
        """Whether features of this 2D model, (M, channels), are what it was trained on."""
        return not self.config.vision or (vision, channels) == (self.config.vision, self.config.lifted)

    def check_vision(self, vision: str, channels: int, where: object) -> None:
        """Raises unless it suits a 2D model.

        Args:
            vision: the model's name.
            channels: of its features.
            where: what the error begins with.

        Raises:
            InputError: it was trained on features of another.
        """
        if not self.suits(vision, channels):
            raise InputError(
                f"{where}: this student was trained on features of {self.config.vision}, not of {vision}; "
                "choose geometry, or train one on these features"
            )

    def reduce(self, features: np.ndarray) -> torch.Tensor:
        """(M, reduced) on the CPU of lifted features (M, C); one that is given none does not look at them."""
        if not self.config.lifted:
            return torch.zeros(len(features), 0)
        return self.centred(chunked_matmul(features, self.basis.cpu()))

    def centred(self, projected: torch.Tensor) -> torch.Tensor:
        """(M, reduced) on the CPU of lifted features that were multiplied by `basis` already."""
        return projected - (self.mean @ self.basis).cpu()

    def inputs(self, reduced: torch.Tensor, colors: np.ndarray | None, normals: np.ndarray) -> torch.Tensor:
        """What the network is given of each voxel.

        Args:
            reduced: (M, reduced), as of `reduce` or `centred`.
            colors: (M, 3) in 0..255; None = none.
            normals: (M, 3).

        Returns:
            (M, reduced + 9) float32.
        """
        color = torch.zeros(len(normals), 3) if colors is None else torch.from_numpy(colors / np.float32(127.5) - 1)
        return torch.cat([reduced.float(), color.float(), plane_embedding(normals)], 1)

    def forward(self, voxels: SparseTensor) -> torch.Tensor:
        """Embeddings (N, channels) of voxels that have `inputs` as features."""
        return self.network(voxels)

    @torch.no_grad()
    def embed(self, coords: np.ndarray, inputs: torch.Tensor, *, max_voxels: int = 120_000) -> torch.Tensor:
        """Embeds a whole scene, in slabs of about `max_voxels`: exactly as if in one piece.

        Args:
            coords: (M, 3) voxels of a `Surface`.
            inputs: (M, reduced + 9).
            max_voxels: that are held at once.

        Returns:
            (M, channels) on the CPU.
        """
        device, before = next(self.parameters()).device, self.training
        self.eval()
        result = torch.empty(len(coords), self.config.channels)
        for core, rows in _slabs(coords, max_voxels, self.network.reach):
            here = torch.from_numpy(coords[rows]).to(device)
            voxels = SparseTensor(
                here, inputs[rows].to(device), torch.zeros(len(rows), dtype=torch.long, device=device)
            )
            result[rows[core]] = self(voxels).float().cpu()[core]
        self.train(before)
        return result

    def facts(self) -> dict[str, Any]:
        """What `load_student` needs besides the weights."""
        return {"student": asdict(self.config)}


class GeoPurify(nn.Module):
    """The student and its loss.

    model = GeoPurify(recipe, StudentConfig("conse", 1000, 32, hidden=64, channels=64, blocks=2))
    model.training_step(collate(samples), progress=0.0)["loss"].backward()
    """

    def __init__(self, recipe: GeoPurifyRecipe, config: StudentConfig) -> None:
        super().__init__()
        self.recipe, self.student = recipe, Student(config)

    def training_step(self, batch: SampleBatch, progress: float) -> dict[str, torch.Tensor]:
        """InfoNCE, the mean over scenes.

        Args:
            batch: crops of scenes.
            progress: share of the run that is done; nothing here depends on it.

        Returns:
            `loss`, and `found`: the share of anchors whose positive beats all negatives.
        """
        embedding = self.student(SparseTensor(batch.coords, batch.inputs, batch.batch))
        losses, found = [], []
        parts = embedding.split([len(sample) for sample in batch.samples])
        for part, sample in zip(parts, batch.samples, strict=True):
            macro = min(self.recipe.macro, len(sample.candidates) - 2)
            micro = min(self.recipe.micro, sample.neighbours.shape[1] - 2)
            pairs = contrast_pairs(
                sample.teacher,
                sample.neighbours,
                sample.anchors,
                candidates=sample.candidates,
                macro=macro,
                micro=micro,
            )
            loss, logits = info_nce(part, sample.anchors, *pairs, temperature=self.recipe.temperature)
            losses.append(loss)
            found.append((logits.detach().argmax(1) == 0).float().mean())
        return {"loss": torch.stack(losses).mean(), "found": torch.stack(found).mean()}


def load_student(path: Path) -> Student:
    """A trained student, in evaluation mode.

    Args:
        path: a checkpoint, a run's folder, or the name of shipped weights.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    student = load_model(
        path, "geopurify", lambda checkpoint: Student(StudentConfig(**checkpoint.facts["student"])),
        made_by="train geopurify", prefix="student.",
    )  # fmt: skip
    return student.requires_grad_(False)


def _slabs(coords: np.ndarray, most: int, reach: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cuts across the longest axis: which rows are a slab's own (bool), and rows with `reach` of the neighbours."""
    axis = int(np.ptp(coords, axis=0).argmax())
    along = coords[:, axis]
    count = -(-len(coords) // most)
    edges = np.unique(np.quantile(along, np.linspace(0, 1, count + 1)).astype(np.int64))
    edges[-1] += 1
    starts = edges[:-1] if len(edges) > 1 else edges - 1
    for low, high in zip(starts, [*starts[1:], edges[-1]], strict=True):
        rows = np.flatnonzero((along >= low - reach) & (along < high + reach))
        yield (along[rows] >= low) & (along[rows] < high), rows
