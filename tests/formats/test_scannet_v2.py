"""ScanNet v2 scene folders, written by the test as the release has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.ply_elements import Element, ListColumn, Ply
from scanwise.formats.ply_writing import write_elements
from scanwise.formats.registry import read_scene, write_scene
from scanwise.formats.scannet_labels import SCANNET_200_IDS, TSV
from tests.formats.test_scannet_sens import stream

NAME = "scene0000_00"
POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 2, 1]], np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "scans" / NAME
    place.mkdir(parents=True)
    mesh(place / f"{NAME}_vh_clean_2.ply")
    mesh(place / f"{NAME}_vh_clean_2.labels.ply", label=np.array([2, 2, 2, 5, 5, 40], np.uint16))
    (place / f"{NAME}_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": [7, 7, 7, 9, 9, 11]}))
    groups = [
        {"id": 0, "objectId": 0, "segments": [7], "label": "floor"},
        {"id": 1, "objectId": 1, "segments": [9], "label": "office chair"},
    ]
    (place / f"{NAME}.aggregation.json").write_text(json.dumps({"sceneId": NAME, "segGroups": groups}))
    (place / f"{NAME}.txt").write_text("axisAlignment = 0 -1 0 5 1 0 0 0 0 0 1 2 0 0 0 1 \nnumColorFrames = 2\n")
    rows = ["id\traw_category\tcategory\tcount\tnyu40id", "3\tfloor\tfloor\t99\t2", "10\toffice chair\tchair\t50\t5"]
    (tmp_path / "scans" / TSV).write_text("\n".join(rows) + "\n")
    return place


def mesh(path: Path, points: np.ndarray = POINTS, **columns: np.ndarray) -> None:
    colour = {name: np.arange(len(points), dtype=np.uint8) for name in ("red", "green", "blue", "alpha")}
    vertex = {axis: np.ascontiguousarray(points[:, k]) for k, axis in enumerate("xyz")} | colour | columns
    faces = ListColumn(np.array([3], np.uint8), np.array([0, 1, 2], np.int32))
    write_elements(
        Ply({"vertex": Element(len(points), vertex), "face": Element(1, {"vertex_indices": faces})}), path,
        encoding="binary_little_endian",
    )  # fmt: skip


def test_a_scene_is_aligned_and_labelled(folder: Path) -> None:
    scene = read_scene(folder)
    np.testing.assert_allclose(scene.points[1], [5, 1, 2])
    np.testing.assert_allclose(scene.points.astype(float) @ scene.to_source[:3, :3].T + scene.to_source[:3, 3], POINTS)
    np.testing.assert_array_equal(scene.points_in_source(), POINTS)
    np.testing.assert_allclose(scene.normals[:3], [[0, 0, 1]] * 3)
    assert [scene.classes[k] if k >= 0 else "" for k in scene.labels] == ["floor"] * 3 + ["chair"] * 2 + [""]
    assert scene.instances.tolist() == [0, 0, 0, 1, 1, -1]
    assert scene.attributes["scannet200"].tolist() == [3, 3, 3, 10, 10, 0]
    assert [(box.instance, box.name) for box in scene.boxes] == [(0, "floor"), (1, "office chair")]
    assert scene.boxes[1].center == pytest.approx((5, 0.5, 3))


def test_it_becomes_a_scene_folder(folder: Path, tmp_path: Path) -> None:
    write_scene(read_scene(folder), tmp_path / "out")
    again = read_scene(tmp_path / "out")
    assert again.instances.tolist() == [0, 0, 0, 1, 1, -1]
    assert len(again.boxes) == 2


def test_views_of_the_stream_are_aligned_with_the_points(folder: Path, tmp_path: Path) -> None:
    (folder / f"{NAME}.sens").write_bytes(stream())
    scene = read_scene(folder)
    np.testing.assert_allclose(scene.views[2].camera_to_world[:3, 3], [5, 2, 2])
    write_scene(scene, tmp_path / "out")
    again = read_scene(tmp_path / "out")
    np.testing.assert_array_equal(again.views[1].image, scene.views[1].image)
    np.testing.assert_array_equal(again.views[1].depth, scene.views[1].depth)


def test_the_hidden_test_set_has_no_labels(folder: Path) -> None:
    for path in [*folder.glob("*.json"), *folder.glob("*.labels.ply"), folder / f"{NAME}.txt"]:
        path.unlink()
    scene = read_scene(folder)
    assert scene.labels is None
    assert scene.instances is None
    np.testing.assert_array_equal(scene.points, POINTS)


def test_half_of_the_instance_files_is_named(folder: Path) -> None:
    next(folder.glob("*.segs.json")).unlink()
    with pytest.warns(ScanwiseWarning, match="segs.json: missing"):
        assert read_scene(folder).instances is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (f"{NAME}_vh_clean_2.0.010000.segs.json", '{"segIndices": [1, 2]}', "2 segIndices for the 6 vertices"),
        (f"{NAME}_vh_clean_2.0.010000.segs.json", '{"segIndices": [1, ', "damaged JSON"),
        (f"{NAME}.aggregation.json", '{"segGroups": [{"id": 1}]}', "no list segGroups"),
        (f"{NAME}.txt", "axisAlignment = 1 2 3", "axisAlignment must be"),
    ],
)
def test_damage_is_one_line(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_scene(folder)


def test_labels_of_another_mesh(folder: Path) -> None:
    mesh(folder / f"{NAME}_vh_clean_2.labels.ply", POINTS[:4], label=np.zeros(4, np.uint16))
    with pytest.raises(InputError, match="4 vertices, the mesh beside it has 6"):
        read_scene(folder)


def test_scannet_200_has_200_ids() -> None:
    assert len(set(SCANNET_200_IDS)) == 200
    assert max(SCANNET_200_IDS) == 1191
