"""The classifier's cells lie where the network looks, crops merge without seams, texts meet classes."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from scanwise.errors import InputError
from scanwise.vision import DEFAULT_VISION, Vision, conse, load_vision
from scanwise.vision.conse import CROP, NET_CELLS, NET_FIRST, NET_STRIDE, Conse


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCANWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Conse()


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def centre_taps_only() -> EfficientNet:
    """The network with spatial kernels that pass their centre alone: a cell then sees exactly one pixel."""
    network = EfficientNet.from_name("efficientnet-lite0", image_size=CROP).double().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            kernel = torch.zeros_like(module.weight)
            middle = module.kernel_size[0] // 2
            kernel[:, :, middle, middle] = 1 / module.weight.shape[1]
            module.weight.data = kernel
    return network


def test_cells_lie_where_the_network_looks():
    image = torch.full((1, 3, CROP, CROP), 0.01, dtype=torch.float64, requires_grad=True)
    cells = centre_taps_only().extract_features(image)
    assert cells.shape[2:] == (NET_CELLS, NET_CELLS)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        (gradient,) = torch.autograd.grad(cells[0, :, row, column].sum(), image, retain_graph=True)
        seen = gradient[0].abs().sum(0).nonzero()
        expected = [NET_FIRST - 0.5 + NET_STRIDE * row, NET_FIRST - 0.5 + NET_STRIDE * column]
        assert seen.tolist() == [expected]


def test_folded_network_equals_the_package_one():
    path = conse.classifier_path()
    reference = EfficientNet.from_name("efficientnet-lite0", image_size=CROP).eval()
    reference.load_state_dict(torch.load(path, weights_only=True))
    crops = torch.from_numpy(picture(CROP, CROP))[None].repeat(5, 1, 1, 1)
    crops[3:] //= 2
    with torch.inference_mode():
        expected = reference((crops.permute(0, 3, 1, 2).float() - 127) / 128)
        cells = conse.class_logits(conse.load_classifier(path), crops)
    assert torch.allclose(cells.mean((1, 2)), expected, atol=1e-4)


@pytest.mark.parametrize("length", [240, 241, 320, 480, 500, 640, 1920])
def test_crops_cover_a_side(length: int):
    starts = conse.crop_starts(length)
    assert starts[0] == 0
    assert starts[-1] == length - CROP
    assert all(0 < b - a <= conse.STRIDE for a, b in pairwise(starts))


@pytest.mark.parametrize("size", [(480, 640), (480, 487), (240, 333)])
def test_merging_restores_a_linear_map(size: tuple[int, int]):
    """Crops of one linear function of the place merge to that function, away from the border."""
    rows, columns = conse.crop_starts(size[0]), conse.crop_starts(size[1])
    within = NET_FIRST + NET_STRIDE * torch.arange(NET_CELLS)
    y = (torch.tensor(rows)[:, None] + within)[:, None, :, None]
    x = (torch.tensor(columns)[:, None] + within)[None, :, None, :]
    logits = torch.stack(torch.broadcast_tensors(y, x), -1)
    merged = conse.merge_crops(logits, rows, columns, size)
    height, width = round(size[0] / 16), round(size[1] / 16)
    assert merged.shape == (height, width, 2)
    expected_y = (torch.arange(height) + 0.5) * size[0] / height
    expected_x = (torch.arange(width) + 0.5) * size[1] / width
    assert torch.allclose(merged[1:, 5, 0], expected_y[1:], atol=1e-3)
    assert torch.allclose(merged[5, 1:, 1], expected_x[1:], atol=1e-3)
    assert merged[0, 5, 0] >= expected_y[0]  # no cell is centred further out, so the first one holds


def test_crops_are_weighed_by_distance_from_their_centres():
    weights = conse._interpolation(torch.tensor([0, 80]), 320).reshape(20, 2, NET_CELLS).sum(2)
    assert torch.allclose(weights.sum(1), torch.ones(20))
    place = 8.5 * 16
    near, far = (np.exp(-0.5 * ((place - centre) / 60) ** 2) for centre in (120, 200))
    assert torch.allclose(weights[8], torch.tensor([near, far], dtype=torch.float32) / (near + far))


def test_features_are_the_likeliest_classes(model: Conse):
    features = model.encode_image(picture(240, 320))
    assert features.shape == (1000, 30, 40)
    assert features.dtype == torch.float32
    assert ((features > 0).sum(0) == conse.LIKELIEST).all()
    logits = torch.randn(7, 1000, generator=torch.Generator().manual_seed(0))
    kept = conse.likeliest(logits)
    soft = (logits / 2).softmax(1)
    assert torch.equal(kept[kept > 0], soft[kept > 0])
    assert torch.equal(kept.argmax(1), logits.argmax(1))


def test_a_place_does_not_depend_on_what_is_far_from_it(model: Conse):
    left, other = picture(480, 960), picture(480, 960)
    other[:, 480:] = 0
    a, b = model.encode_image(left), model.encode_image(other)
    assert torch.allclose(a[:, :, :14], b[:, :, :14], atol=1e-5)
    assert not torch.allclose(a[:, :, 40:], b[:, :, 40:], atol=1e-3)


def test_grey_pictures_are_read_as_colour(model: Conse):
    grey = picture(30, 40)[:, :, 0]
    assert torch.equal(model.encode_image(grey), model.encode_image(np.repeat(grey[:, :, None], 3, 2)))


def test_texts_meet_the_classes_they_name(model: Conse):
    texts = ["television screen", "sink", "chair", "cup"]
    embeddings = model.encode_texts(texts)
    assert torch.allclose(embeddings.sum(1), torch.ones(4))
    best = [conse.class_names()[number] for number in embeddings.argmax(1).tolist()]
    assert best[:2] == ["television", "sink"]
    assert "chair" in best[2]
    assert "cup" in best[3]


def test_damaged_cache_is_made_again(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(conse, "class_names", lambda: ["cat"] * 1000)
    expected = Conse().encode_texts(["cat"])
    (stored,) = tmp_path.rglob("*.npy")
    for damage in (stored.read_bytes()[:1000], b"not an array"):
        stored.write_bytes(damage)
        assert torch.allclose(Conse().encode_texts(["cat"]), expected)
    np.save(stored, np.zeros((3, 3), np.float32))
    assert torch.allclose(Conse().encode_texts(["cat"]), expected)


def test_texts_alone_do_not_load_the_classifier(model: Conse):
    fresh = Conse()
    fresh.encode_texts(["chair"])
    assert "_classifier" not in vars(fresh)


def test_views_are_weighed_by_their_probabilities(model: Conse):
    features = torch.zeros(3, 1000)
    features[:, 7] = torch.tensor([0.4, 0.1, 0.0])
    scores = model.class_scores(features)
    assert torch.allclose(scores[:2, 7].softmax(0), torch.tensor([0.8, 0.2]))
    assert scores.mean(0).argmax() == 7
    assert scores.isfinite().all()


def test_hashes_name_both_weight_files(model: Conse):
    assert {len(value) for value in model.model_hashes.values()} == {64}
    assert len(model.model_hashes) == 2


def test_wrong_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"weights\.pth: not the weights"):
        conse.load_classifier(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"weights\.pth: not the weights"):
        conse.load_classifier(path)


def test_default_is_found_by_name():
    assert load_vision(None).name == DEFAULT_VISION
    assert isinstance(load_vision("conse"), Vision)
    with pytest.raises(InputError, match="unknown vision model 'cone'"):
        load_vision("cone")


def test_start_up_stays_light():
    code = (
        "import sys; from scanwise.vision import load_vision; load_vision(None); "
        "print([m for m in ('transformers', 'efficientnet_lite_pytorch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
