"""GeoPurify's student as it is used: what it is given of each voxel, and its embedding of whole scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from scanwise.errors import InputError
from scanwise.methods.geopurify.network import AffinityConfig, AffinityNetwork
from scanwise.nn.pooling import plane_of, times
from scanwise.nn.sparse import SparseTensor


@dataclass(frozen=True)
class StudentConfig:
    """What a student looks like.

    Attributes:
        vision: name of the 2D model whose features it is given; "" = it sees colours and normals alone.
        lifted: channels of those features. reduced: channels they are brought to by `Student.basis`.
        hidden, channels, blocks: of the affinity network.
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

    Normals are given as `pooling.plane_of` them, as those of a scan without any are estimated up to their sign.

    Attributes:
        mean: (lifted,). basis: (lifted, reduced): what lifted features are reduced by; not trained.
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
        """Raises InputError, which begins with `where`, unless it suits this 2D model."""
        if not self.suits(vision, channels):
            raise InputError(
                f"{where}: this student was trained on features of {self.config.vision}, not of {vision}; "
                "choose geometry, or train one on these features"
            )

    def reduce(self, features: np.ndarray) -> torch.Tensor:
        """(M, reduced) on the CPU of lifted features (M, C); one that is given none does not look at them."""
        if not self.config.lifted:
            return torch.zeros(len(features), 0)
        return self.centred(times(features, self.basis.cpu()))

    def centred(self, projected: torch.Tensor) -> torch.Tensor:
        """(M, reduced) on the CPU of lifted features that were multiplied by `basis` already."""
        return projected - (self.mean @ self.basis).cpu()

    def inputs(self, reduced: torch.Tensor, colors: np.ndarray | None, normals: np.ndarray) -> torch.Tensor:
        """(M, reduced + 9) float32 of `centred` features, colours (M, 3) in 0..255 or none, normals (M, 3)."""
        color = torch.zeros(len(normals), 3) if colors is None else torch.from_numpy(colors / np.float32(127.5) - 1)
        return torch.cat([reduced.float(), color.float(), plane_of(normals)], 1)

    def forward(self, voxels: SparseTensor) -> torch.Tensor:
        """Embeddings (N, channels) of voxels that have `inputs` as features."""
        return self.network(voxels)

    @torch.no_grad()
    def embed(self, coords: np.ndarray, inputs: torch.Tensor, *, most: int = 120_000) -> torch.Tensor:
        """(M, channels) on the CPU of a whole scene, in slabs of about `most` voxels: exactly as if in one piece.

        Args:
            coords: (M, 3) voxels of `lifted.VOXEL`. inputs: (M, reduced + 9).
        """
        device, before = next(self.parameters()).device, self.training
        self.eval()
        result = torch.empty(len(coords), self.config.channels)
        for core, rows in _slabs(coords, most, reach=1 + 2 * self.config.blocks):
            here = torch.from_numpy(coords[rows]).to(device)
            voxels = SparseTensor(
                here, inputs[rows].to(device), torch.zeros(len(rows), dtype=torch.long, device=device)
            )
            result[rows[core]] = self(voxels).float().cpu()[core]
        self.train(before)
        return result

    def facts(self) -> dict[str, Any]:
        """What `student_of` needs besides the weights."""
        return {"student": asdict(self.config)}


def student_of(tensors: dict[str, torch.Tensor], facts: dict[str, Any], where: object) -> Student:
    """The student of a checkpoint's tensors and facts, in evaluation mode.

    Raises:
        InputError: it holds none; the error begins with `where`.
    """
    if "student" not in facts:
        raise InputError(f"{where}: holds no student; give the best.ckpt of a `scanwise train geopurify` run")
    student = Student(StudentConfig(**facts["student"]))
    prefix = "student."
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    student.load_state_dict(own)
    return student.eval().requires_grad_(False)


def _slabs(coords: np.ndarray, most: int, reach: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cuts across the longest axis: rows with `reach` voxels of the neighbours, and (bool) which are a slab's own."""
    axis = int(np.ptp(coords, axis=0).argmax())
    along = coords[:, axis]
    count = -(-len(coords) // most)
    edges = np.unique(np.quantile(along, np.linspace(0, 1, count + 1)).astype(np.int64))
    edges[-1] += 1
    starts = edges[:-1] if len(edges) > 1 else edges - 1
    for low, high in zip(starts, [*starts[1:], edges[-1]], strict=True):
        rows = np.flatnonzero((along >= low - reach) & (along < high + reach))
        yield (along[rows] >= low) & (along[rows] < high), rows
