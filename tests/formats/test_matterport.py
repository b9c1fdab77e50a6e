"""Matterport3D regions, written by the test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.ply_elements import Element, ListColumn, Ply
from scanwise.formats.ply_writing import write_elements
from scanwise.formats.registry import read_scene
from tests import layouts
from tests.formats.recorded_room import right_paint, wall_distance

MAPPING = (
    "index\traw_category\tnyu40id\tmpcat40index\tmpcat40\n"
    "1\twall\t1\t1\twall\n"
    "4\tarmchair\t5\t3\tchair\n"
    "9\tx\t\t0\tvoid\n"
)


@pytest.fixture
def region(tmp_path: Path) -> Path:
    place = tmp_path / "17DRP5sb8fy" / "region_segmentations"
    place.mkdir(parents=True)
    (tmp_path / "category_mapping.tsv").write_text(MAPPING)
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [6, 5, 5], [5, 6, 5], [9, 9, 9]], np.float32)
    vertex = {axis: np.ascontiguousarray(points[:, k]) for k, axis in enumerate("xyz")}
    vertex |= {name: np.full(7, 9, np.uint8) for name in ("red", "green", "blue")}
    faces = {
        "vertex_indices": ListColumn(np.full(2, 3, np.uint8), np.arange(6, dtype=np.int32)),
        "material_id": np.zeros(2, np.int32),
        "segment_id": np.array([10, 20], np.int32),
        "category_id": np.array([1, 4], np.int32),
    }
    ply = Ply({"vertex": Element(7, vertex), "face": Element(2, faces)})
    write_elements(ply, place / "region0.ply", encoding="binary_little_endian")
    (place / "region0.fsegs.json").write_text(json.dumps({"segIndices": [10, 20]}))
    groups = [{"id": 0, "segments": [10], "label": "wall"}, {"id": 1, "segments": [20], "label": "armchair"}]
    (place / "region0.semseg.json").write_text(json.dumps({"segGroups": groups}))
    return place / "region0.ply"


def test_points_take_the_labels_of_their_faces(region: Path) -> None:
    scene = read_scene(region)
    assert [scene.classes[k] if k >= 0 else "" for k in scene.labels] == ["wall"] * 3 + ["chair"] * 3 + [""]
    assert scene.attributes["nyu40"].tolist() == [1, 1, 1, 5, 5, 5, 0]
    assert scene.attributes["scannet20"].tolist() == [0, 0, 0, 4, 4, 4, -1]
    assert scene.instances.tolist() == [0, 0, 0, 1, 1, 1, -1]
    assert [(box.name, box.center) for box in scene.boxes] == [("wall", (0.5, 0.5, 0)), ("armchair", (5.5, 5.5, 5))]


def test_without_the_mapping_categories_stay_numbers(region: Path) -> None:
    (region.parents[2] / "category_mapping.tsv").unlink()
    with pytest.warns(ScanwiseWarning, match="category_mapping"):
        scene = read_scene(region)
    assert scene.labels is None
    assert scene.attributes["category"].tolist() == [1, 1, 1, 4, 4, 4, -1]


def test_without_segments_there_are_no_instances(region: Path) -> None:
    region.with_suffix(".fsegs.json").unlink()
    with pytest.warns(ScanwiseWarning, match="no instances"):
        assert read_scene(region).instances is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (".fsegs.json", '{"segIndices": [1]}', "1 segIndices for the 2 faces"),
        (".semseg.json", "{", "damaged JSON"),
        (".semseg.json", "{}", "damaged"),
    ],
)
def test_damage_is_one_line(region: Path, name: str, text: str, said: str) -> None:
    region.with_suffix(name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_scene(region)


def test_pictures_that_were_taken_in_the_region(tmp_path: Path) -> None:
    """The walls of the room as its cameras see them have the paint that their pictures show."""
    root = layouts.matterport(tmp_path)
    scene = read_scene(root / "v1" / "scans" / "17DRP5sb8fy" / "region_segmentations" / "region0.ply")
    assert [view.name for view in scene.views] == ["a_i1_0", "a_i1_1", "a_i1_2"]
    for view in scene.views:
        rows, columns = np.indices(view.depth.shape)
        rays = np.stack([columns, rows, np.ones(rows.shape)], -1) @ np.linalg.inv(view.intrinsics).T
        seen = (rays * view.depth[..., None]) @ view.camera_to_world[:3, :3].T + view.camera_to_world[:3, 3]
        assert wall_distance(seen.reshape(-1, 3)).max() < 0.01
        assert right_paint(seen.reshape(-1, 3), view.image.reshape(-1, 3)) > 0.8


def test_damaged_camera_parameters_are_named(tmp_path: Path) -> None:
    root = layouts.matterport(tmp_path)
    house = root / "v1" / "scans" / "17DRP5sb8fy"
    conf = house / "undistorted_camera_parameters" / "17DRP5sb8fy.conf"
    conf.write_text(conf.read_text().replace("intrinsics_matrix", "intrinsics_matrix x"))
    with pytest.raises(InputError, match="line 2: 9 numbers are needed"):
        read_scene(house / "region_segmentations" / "region0.ply")
