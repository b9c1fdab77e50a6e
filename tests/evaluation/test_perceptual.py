"""LPIPS and FID against torchmetrics' own, Fréchet distances against scipy, and what is said of wrong weights."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from scanwise.errors import InputError
from scanwise.evaluation import perceptual
from scanwise.evaluation.perceptual import LPIPS, alexnet, efficientnet_frechet, fid, frechet_distance
from tests.pictures import COLOURS, picture

oracle = pytest.importorskip("torchmetrics.functional.image.lpips")


class Pooled(nn.Module):
    """Looks like NVIDIA's Inception from outside; its features are colours of quarters."""

    def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        assert return_features
        return nn.functional.adaptive_avg_pool2d(images.float(), 2).flatten(1)


@pytest.fixture
def weights(tmp_path):
    """AlexNet with random weights, as torchvision would save it."""
    torch.manual_seed(0)
    network = alexnet()
    state = {f"features.{name}": value for name, value in network.state_dict().items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth", network


def test_lpips_is_torchmetrics(weights, monkeypatch):
    path, network = weights
    padded = nn.Sequential(*network, nn.MaxPool2d(3, 2))
    monkeypatch.setattr(oracle, "_get_tv_model_features", lambda net, pretrained: padded)
    theirs = oracle._LPIPS(net="alex")
    images, others = torch.rand(3, 3, 40, 48), torch.rand(3, 3, 40, 48)
    expected = theirs(images, others, normalize=True).flatten()
    found = LPIPS(path)(images, others)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)
    assert found.min() > 0
    assert LPIPS(path)(images, images).abs().max() == 0


def test_fid_is_the_frechet_distance_of_the_networks_features(tmp_path):
    torch.jit.script(Pooled()).save(str(tmp_path / "inception.pt"))
    torch.manual_seed(0)
    first, second = torch.rand(80, 3, 8, 8), (torch.rand(70, 3, 8, 8) * 0.8).sqrt()
    found = fid(first.split(30), second.split(30), tmp_path / "inception.pt")
    pooled = [Pooled()((255 * images).round().byte(), return_features=True) for images in (first, second)]
    assert found == pytest.approx(frechet_distance(*pooled), rel=1e-3)


def test_wrong_weights_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "text.pt").write_text("no network")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name, said in (("text.pt", "cannot be read"), ("no.pth", "cannot be read"), ("other.pth", "not AlexNet")):
        with pytest.raises(InputError, match=said) as error:
            LPIPS(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="not a TorchScript network"):
        fid([], [], tmp_path / "text.pt")
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="need torchmetrics"):
        fid([], [], tmp_path / "text.pt")


def test_frechet_distance_against_scipy():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(200, 5, generator=generator)
    second = torch.randn(300, 5, generator=generator) @ torch.diag(torch.arange(1.0, 6)) + 1
    a, b = np.cov(first.numpy().T), np.cov(second.numpy().T)
    means = (first.mean(0) - second.mean(0)).square().sum().item()
    expected = means + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b)).real
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_worse_pictures_are_farther_in_efficientnets_features():
    generator = torch.Generator().manual_seed(0)
    images = torch.stack(
        [
            torch.from_numpy(np.array(picture(colour, row))).permute(2, 0, 1) / 255
            for row in range(6)
            for colour in COLOURS.values()
        ]
    )
    noisy = (images + 0.3 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    assert efficientnet_frechet([images], [images]) < 1e-2 < efficientnet_frechet([images], [noisy])
