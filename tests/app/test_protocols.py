"""Each recipe of a paper begins on a tiny tree in the layout that its data set is published in, and is evaluated there.

Sizes are scaled down by `--set`, as anybody can: docs/protocols.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from scanwise import vision
from scanwise.app.cli import app
from scanwise.vision import register_vision
from tests import layouts

RECIPES = Path(__file__).parents[2] / "recipes"
ONE_STEP = {"steps": 1, "batch": 2, "validate_every": 1, "workers": 0}
POINTS = ONE_STEP | {"backbone": "tiny", "voxel": 0.3, "precision": "32-true"}
LESS = ONE_STEP | {"text": "gru", "media": 8, "levels": 2, "blocks": 1, "queries": 4, "width": 16, "hidden": 16}
LESS |= {"voxel": 0.2, "points": 800}
DOS = POINTS | {"prototypes": 16, "hidden": 16, "channels": 8, "probe_scenes": 2}
SEGMENT = POINTS | {"init": "", "freeze": "false"}
GEOPURIFY = ONE_STEP | {"vision": "paints", "teacher": "random", "scenes": 2, "reduced": 4, "hidden": 8, "channels": 8}
GEOPURIFY |= {"blocks": 1, "anchors": 32, "macro": 4, "micro": 4, "val_scenes": 1}
PICTURES = ONE_STEP | {"size": "nano", "image": 16, "patch": 4, "crop_size": 8, "decoder_width": 24, "decoder_depth": 1}
PICTURES |= {"decoder_heads": 2, "precision": "32-true"}
STELLAR = PICTURES | {
    "init": "",
    "crops": 1,
    "masked_views": 1,
    "prototypes": 16,
    "prototype_width": 8,
    "predictor": 16,
}


class Paints:
    """A 2D model of four paints, in place of one whose weights must be downloaded."""

    name, dim, scale, model_hashes, words = "paints", 4, 10.0, {"paints": "1"}, ["wall", "floor", "table", "ceiling"]

    def __init__(self, argument: str) -> None:
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> Paints:
        return self

    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        colours = torch.from_numpy(image[::2, ::2].astype(np.float32) / 255).permute(2, 0, 1)
        return torch.cat([colours, 1 - colours[:1]])

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(len(text) % (k + 2)) + 0.1 for k in range(4)] for text in texts])

    def class_scores(self, features: torch.Tensor) -> torch.Tensor:
        return 10 * features


@pytest.fixture(scope="module", autouse=True)
def paints() -> Iterator[None]:
    register_vision("paints", Paints)
    yield
    del vision._MODELS._here["paints"]


def changes(values: dict[str, object]) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], Path]], tuple[Path, Path]]:
    """A layout's tree, written once: its root, and what its function returns."""
    made: dict[str, tuple[Path, Path]] = {}

    def get(layout: Callable[[Path], Path]) -> tuple[Path, Path]:
        if layout.__name__ not in made:
            root = tmp_path_factory.mktemp(layout.__name__)
            made[layout.__name__] = root, layout(root)
        return made[layout.__name__]

    return get


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (layouts.scanrefer, {"sentences": 6, "unique_sentences": 2, "multiple_sentences": 4}),
        (layouts.multi3drefer, {"sentences": 4, "mt_sentences": 2, "st_wo_d_sentences": 2}),
        (layouts.nr3d, {"sentences": 4, "easy_sentences": 2, "hard_sentences": 2}),
    ],
)
@pytest.mark.filterwarnings("default:.*do not name their target")
def test_less_learns_from_sentences_as_they_lie(tree, tmp_path, layout, expected):
    root, spoken = tree(layout)
    recipe, out = RECIPES / "less-scanrefer.yaml", tmp_path / "less"
    run("train", "less", recipe, "--sentences", spoken, "--out", out, *changes(LESS | {"data": root}))
    run("evaluate", "less", out, root, "--sentences", str(spoken).replace("train", "val"))
    found = json.loads(next(out.glob("*-val.json")).read_text())["all"]
    assert {key: found[key] for key in expected} == expected
    assert layout is not layouts.multi3drefer or {"f1_25", "zt_wo_d_f1_25", "not_here"} <= found.keys()


def test_a_folder_and_a_file_of_sentences_are_enough(tree, tmp_path):
    root, spoken = tree(layouts.scanrefer)
    run("train", "less", root, "--sentences", spoken, "--out", tmp_path / "run", *changes(LESS))
    assert (tmp_path / "run" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("name", "layout", "classes"),
    [
        ("scannet", layouts.scannet, 20),
        ("scannet200", layouts.scannet, 200),
        ("matterport", layouts.matterport, 21),
    ],
)
def test_geopurify(tree, tmp_path, name, layout, classes):
    root, _ = tree(layout)
    recipe, out = RECIPES / "paper" / f"geopurify-{name}.yaml", tmp_path / "run"
    run("train", "geopurify", recipe, "--out", out, *changes(GEOPURIFY | {"data": root}))
    said = run("evaluate", "geopurify", out, root, "--split", "val", "--scenes", 1)
    report = json.loads((out / "val.json").read_text())
    assert report["learned"]["miou"] >= 0
    assert ("foreground" in said) == (classes == 200)


OUTDOORS = {"nuscenes": layouts.nuscenes, "semantickitti": layouts.semantickitti, "waymo": layouts.waymo}


@pytest.mark.parametrize("name", ["scannet", "scannet200", *OUTDOORS])
def test_dos_and_its_probe(tree, tmp_path, name):
    root, _ = tree(OUTDOORS.get(name, layouts.scannet))
    recipe, out = RECIPES / "paper" / f"dos-{name}.yaml", tmp_path / "dos"
    said = run("pretrain", "dos", recipe, "--out", out, *changes(DOS | {"data": root}))
    assert "linear probe" in said
    probe = RECIPES / "paper" / f"segment-{name}.yaml"
    run("train", "segment", probe, "--out", tmp_path / "probe", *changes(POINTS | {"data": root, "init": out}))
    run("evaluate", "segment", tmp_path / "probe", root, "--split", "val")
    assert json.loads((tmp_path / "probe" / "val.json").read_text())["all"]["miou"] >= 0


def test_few_labels_and_a_decoder(tree, tmp_path):
    root, _ = tree(layouts.scannet)
    few = SEGMENT | {"data": root, "decoder": 1, "scenes": 2, "labelled": 0.1}
    run("train", "segment", RECIPES / "paper" / "segment-scannet.yaml", "--out", tmp_path / "few", *changes(few))
    decoder = POINTS | {"data": root, "init": tmp_path / "few", "decoder": 1, "freeze": "encoder"}
    out = tmp_path / "decoder"
    run("train", "segment", RECIPES / "paper" / "segment-scannet.yaml", "--out", out, *changes(decoder))
    words = ["--scenes", 1, "--points", 0.1, "--labels", "scannet20", "--split", "val", "--knn"]
    assert "from 1 scenes" in run("probe", root, "--model", tmp_path / "few", *words)


def test_stellar_starts_from_mae_and_is_probed(tree, tmp_path):
    root, _ = tree(layouts.imagenet)
    mae, out = tmp_path / "mae", tmp_path / "stellar"
    run(
        "pretrain", "images", RECIPES / "paper" / "mae-imagenet.yaml", "--out", mae, *changes(PICTURES | {"data": root})
    )
    start = STELLAR | {"data": root, "init": mae}
    run("pretrain", "stellar", RECIPES / "paper" / "stellar-imagenet.yaml", "--out", out, *changes(start))
    run("evaluate", "stellar", out, root, "--segmentation", tree(layouts.ade20k)[0])
    found = json.loads((out / "val.json").read_text())
    assert {"knn_sparse", "linear_cls"} <= found["classes"].keys()
    assert {"mse", "ssim"} <= found["reconstruction"].keys()
    assert found["segmentation"].keys() == {"dense", "low_rank"}


def tiny_bert(folder: Path) -> Path:
    """A text encoder as transformers stores them, in place of RoBERTa, whose weights must be downloaded."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "table", "chair"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(folder)
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "layout", "sizes"),
    [
        (["train", "less", RECIPES / "less-scanrefer.yaml"], layouts.scanrefer, LESS),
        (["pretrain", "dos", RECIPES / "paper" / "dos-nuscenes.yaml"], layouts.nuscenes, DOS),
        (["pretrain", "stellar", RECIPES / "paper" / "stellar-imagenet.yaml"], layouts.imagenet, STELLAR),
    ],
)
def test_under_torchrun(tree, tmp_path, words, layout, sizes):
    root, given = tree(layout)
    sizes = sizes | {"steps": 2} | ({"text": tiny_bert(tmp_path / "bert")} if "text" in sizes else {})
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "scanwise"]
    more = ["--sentences", given] if layout is layouts.scanrefer else []
    command = [*launch, *words, *more, "--out", tmp_path / "run", "--device", "cpu", *changes(sizes | {"data": root})]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([str(word) for word in command], check=True, capture_output=True, env=environment)
    assert (tmp_path / "run" / "best.ckpt").exists()
