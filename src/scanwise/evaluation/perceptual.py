"""How alike images look to networks: LPIPS and FID with weights that the user has, and an offline stand-in for FID.

torchmetrics has FID's sums and LPIPS's linear weights, but would fetch the networks by torchvision or torch-fidelity,
which scanwise does without. So the networks come from files:

    lpips       AlexNet's weights as torchvision publishes them (alexnet-owt-7be5be79.pth)
    fid         Inception as a TorchScript file (NVIDIA's inception-2015-12-05.pt)
    efficientnet_frechet    nothing: EfficientNet-Lite0 comes with scanwise; its values are no FID
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from scanwise.errors import InputError

LPIPS_SHIFT, LPIPS_SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
READ_OUT = (1, 4, 7, 9, 11)  # layers of AlexNet, each behind a ReLU
INCEPTION_SIDE = 299


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al., arXiv 1801.03924) on AlexNet: 0 = alike.

        distance = LPIPS(Path("alexnet-owt-7be5be79.pth"))(images, others)     # (B,)

    Args:
        weights: AlexNet's state dict; its classifier may be there, and is not used.

    Raises:
        InputError: no such file, not AlexNet's weights, or torchmetrics is not installed.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.features = alexnet()
        state = _state_dict(weights)
        try:
            self.features.load_state_dict(
                {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}
            )
        except RuntimeError as error:
            raise InputError(f"{weights}: not AlexNet's weights ({' '.join(str(error).split())[:200]})") from error
        linear = _state_dict(_torchmetrics() / "functional" / "image" / "lpips_models" / "alex.pth")
        self.linear = nn.ParameterList(linear[f"lin{number}.model.1.weight"] for number in range(len(READ_OUT)))
        self.register_buffer("shift", torch.tensor(LPIPS_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(LPIPS_SCALE).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Distances (B,) of images (B, 3, H, W) in [0, 1], at least 32 pixels a side."""
        layers = zip(self._layers(images), self._layers(others), self.linear, strict=True)
        parts = [functional.conv2d((a - b).square(), weight).mean((1, 2, 3)) for a, b, weight in layers]
        return torch.stack(parts).sum(0)

    def _layers(self, images: torch.Tensor) -> list[torch.Tensor]:
        values, found = (2 * images - 1 - self.shift) / self.scale, []
        for number, layer in enumerate(self.features):
            values = layer(values)
            if number in READ_OUT:
                found.append(values / (values.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return found


def alexnet() -> nn.Sequential:
    """The convolutions of AlexNet, layer by layer as torchvision numbers them, up to the last that LPIPS reads."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip


class _Inception(nn.Module):
    """The TorchScript network as torchmetrics asks for it: pictures in [0, 1] -> (B, C)."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self.network = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path}: not a TorchScript network ({reason}); FID wants NVIDIA's "
                             "inception-2015-12-05.pt") from error  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network((255 * images.clamp(0, 1)).round().byte(), return_features=True)


@torch.no_grad()
def fid(first: Iterable[torch.Tensor], second: Iterable[torch.Tensor], weights: Path) -> float:
    """Fréchet Inception distance (Heusel et al., arXiv 1706.08500) by torchmetrics.

    Args:
        first: batches (B, 3, H, W) in [0, 1]; FID is biased below some ten thousand images.
        second: other batches.
        weights: a TorchScript file of a network `(uint8 (B, 3, H, W), return_features=True) -> (B, C)`, which scales
            images itself. TorchScript is a program: take it from a place that you trust.

    Raises:
        InputError: no such file, not TorchScript, or torchmetrics is not installed.
    """
    _torchmetrics()
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(
        feature=_Inception(weights), normalize=True, input_img_size=(3, INCEPTION_SIDE, INCEPTION_SIDE)
    )
    for real, sets in ((True, first), (False, second)):
        for images in sets:
            metric.update(images.cpu().float(), real=real)
    return float(metric.compute())


def _torchmetrics() -> Path:
    """Its folder."""
    spec = find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        raise InputError("LPIPS and FID need torchmetrics: pip install torchmetrics")
    return Path(spec.origin).parent


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what it cannot read
        raise InputError(f"{path}: cannot be read as weights ({str(error).strip().splitlines()[0]})") from error
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds no state dict")
    return state


# The offline stand-in


def efficientnet_frechet(first: Iterable[torch.Tensor], second: Iterable[torch.Tensor]) -> float:
    """Fréchet distance of two sets of images in the 1280 features of EfficientNet-Lite0.

    An offline stand-in for FID, whose Inception weights scanwise does not have; the values are not comparable with
    FID. It needs no fewer than some thousand images.

    Args:
        first: batches (B, 3, H, W) in [0, 1].
        second: other batches.
    """
    return frechet_distance(efficientnet_features(first), efficientnet_features(second))


@torch.no_grad()
def efficientnet_features(images: Iterable[torch.Tensor]) -> torch.Tensor:
    """Features (n, 1280) of batches (B, 3, H, W) in [0, 1]."""
    from scanwise.vision.conse import CROP, classifier_path, load_classifier

    network = load_classifier(classifier_path())
    found = []
    for batch in images:
        for part in batch.cpu().float().clamp(0, 1).split(8):
            large = functional.interpolate(part, size=(CROP, CROP), mode="bicubic", antialias=True).clamp(0, 1)
            found.append(network.extract_features((255 * large - 127) / 128).mean((2, 3)))
    return torch.cat(found)


def frechet_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Of the Gaussians fitted to two sets: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2).

    Args:
        first: (n, C) features.
        second: (m, C) features.
    """
    a, b = first.double(), second.double()
    first_root = _root(torch.cov(a.T))
    shared = torch.linalg.eigvalsh(first_root @ torch.cov(b.T) @ first_root).clamp(min=0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return float(means + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * shared)


def _root(matrix: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
