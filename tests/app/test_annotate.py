"""`scanwise annotate`, and training with what it wrote."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import scanwise
from scanwise.app.cli import app
from scanwise.data.annotations import annotated_scenes, read
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.less import LESS, LESSRecipe, load_trained
from scanwise.methods.less.train import train
from scanwise.nn.sentence import sentence_encoder
from scanwise.scene import Scene
from scanwise.training.checkpoints import load, start_from
from scanwise.training.launch import make_fabric
from scanwise.training.referring import sources
from tests.rooms_with_sentences import room


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    scene = room()
    scanwise.write_scene(Scene(scene.points, scene.colors), tmp_path / "scan.ply")
    return tmp_path / "scan.ply"


def annotate(scan: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["annotate", str(scan), *arguments, "--to", str(scan.parent / "ours.jsonl")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_box_lasso_and_nothing(scan: Path) -> None:
    truth = room().instances
    assert truth is not None
    annotate(scan, "the red block", "--box", "0.3,0.3,0.08,1,1,1", "--picture", str(scan.parent / "seen.png"))
    annotate(scan, "the blue block", "--lasso", "1.8,1.8,2.5,1.8,2.5,2.5,1.8,2.5", "--heights", "0.07,2")
    annotate(scan, "the green lamp", "--absent")
    red, blue, lamp = read(scan.parent / "ours.jsonl")
    assert np.array_equal(red.mask, truth == 0)
    assert np.array_equal(blue.mask, truth == 1)
    assert not lamp.mask.any()
    assert (scan.parent / "seen.png").stat().st_size > 1000


def test_a_click_grows(scan: Path) -> None:
    annotate(scan, "the red block", "--point", "0.65,0.65,0.6", "--reach", "0.5")
    (found,) = read(scan.parent / "ours.jsonl")
    points = room().points
    assert found.mask.any()
    assert np.linalg.norm(points[found.mask] - [0.65, 0.65, 0.6], axis=1).max() <= 0.5


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "say where it is"),
        (["--absent", "--point", "0,0,0"], "say where it is"),
        (["--box", "1,2,3"], "write 6 numbers"),
        (["--box", "8,8,8,9,9,9"], "no point is in the box"),
        (["--lasso", "1,2,3"], "write x,y of each corner"),
        (["--point", "a,b,c"], "write 3 numbers"),
    ],
)
def test_what_cannot_be_marked(scan: Path, arguments: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        annotate(scan, "it", *arguments)
    assert not (scan.parent / "ours.jsonl").exists()


def small(**changes: object) -> LESSRecipe:
    settings: dict[str, object] = {
        "text": "gru", "media": 8, "levels": 2, "blocks": 1, "queries": 4, "width": 16, "hidden": 16, "voxel": 0.1,
        "sentences": 2, "fusion": "late", "batch": 1, "steps": 2, "validate_every": 2, "several": 0.5,
    }  # fmt: skip
    return LESSRecipe.model_validate(settings | changes)


def test_training_on_annotations_and_from_whole_weights(scan: Path, tmp_path: Path) -> None:
    annotate(scan, "the red block", "--box", "0.3,0.3,0.08,1,1,1")
    annotate(scan, "the blue block", "--box", "1.8,1.8,0.08,2.5,2.5,1")
    ours = str(tmp_path / "ours.jsonl")
    (source,) = annotated_scenes(Path(ours))
    assert [each.instance for each in source.read().sentences] == [0, 1]
    with pytest.warns(ScanwiseWarning, match="validation is on what is trained on"):
        metrics = train(small(annotations=ours), tmp_path / "first", make_fabric(device="cpu"))
    assert metrics["sentences"] == 2
    first = load(tmp_path / "first").tensors
    vocabulary = ["block", "blue", "red", "the"]
    model = LESS(small(annotations=ours), sentence_encoder("gru", trained=True, vocabulary=vocabulary))
    start_from(model, tmp_path / "first", "less")
    assert all(bool((value == first[name]).all()) for name, value in model.state_dict().items())
    assert load_trained(tmp_path / "first").recipe.annotations == ours


@pytest.mark.filterwarnings("ignore:.*validation is on what is trained on")
def test_ones_own_scan_gets_normals_where_the_network_wants_them(scan: Path, tmp_path: Path) -> None:
    annotate(scan, "the red block", "--box", "0.3,0.3,0.08,1,1,1")
    for features, wanted in ((("color",), False), (("color", "normal"), True)):
        (source,), _ = sources(small(annotations=str(tmp_path / "ours.jsonl"), features=features))
        assert not isinstance(source, Path)
        assert (source.read().normals is not None) is wanted


@pytest.mark.filterwarnings("ignore:.*validation is on what is trained on")
def test_going_on_with_weights_and_ones_own_sentences_needs_no_recipe(scan: Path, tmp_path: Path) -> None:
    annotate(scan, "the red block", "--box", "0.3,0.3,0.08,1,1,1")
    ours, first = str(tmp_path / "ours.jsonl"), tmp_path / "first"
    train(small(annotations=ours, steps=1), first, make_fabric(device="cpu"))
    words = ["train", "less", "--from", ours, "--init", str(first), "--out", str(tmp_path / "own"), "--set", "steps=2"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    recipe = load_trained(tmp_path / "own").recipe
    assert (recipe.steps, recipe.width, recipe.init) == (2, 16, str(first))
    assert recipe.learning_rate == pytest.approx(small(annotations=ours).learning_rate / 3)


@pytest.mark.parametrize("words", [[], ["--from", "ours.jsonl"], ["--init", "first"]])
def test_without_a_recipe_both_weights_and_sentences_are_needed(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["train", "less", *words])
    assert isinstance(result.exception, InputError)
    assert "--from FILE and --init WEIGHTS" in str(result.exception)


def test_weights_that_fit_in_part_or_not_at_all(scan: Path, tmp_path: Path) -> None:
    annotate(scan, "the red block", "--box", "0.3,0.3,0.08,1,1,1")
    ours = str(tmp_path / "ours.jsonl")
    with pytest.warns(ScanwiseWarning, match="validation"):
        train(small(annotations=ours, steps=1), tmp_path / "first", make_fabric(device="cpu"))
    encoder = sentence_encoder("gru", trained=True, vocabulary=["block", "red", "the", "vase"])
    wider = LESS(small(annotations=ours, width=32), encoder)
    with pytest.warns(ScanwiseWarning, match="start at random"):
        start_from(wider, tmp_path / "first", "less")
    other = LESS(small(annotations=ours, media=16, features=["color"]), encoder)
    with pytest.raises(InputError, match="nothing in it fits"):
        start_from(other, tmp_path / "first", "less")


def test_a_recipe_needs_scenes() -> None:
    with pytest.raises(ValueError, match="give data, annotations, or both"):
        small()
