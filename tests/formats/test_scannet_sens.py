""".sens streams, packed by the test byte for byte."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.scannet_sens import read_views


def jpeg(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), value, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def stream(version: int = 4, lost: int | None = None, depth_packing: int = 1) -> bytes:
    name = b"StructureSensor"
    camera = np.diag([10, 10, 1, 1]).astype("<f4").tobytes()
    rig = np.eye(4, dtype="<f4").tobytes()
    data = struct.pack("<IQ", version, len(name)) + name + camera + rig + camera + rig
    data += struct.pack("<2i4IfQ", 2, depth_packing, 8, 6, 4, 3, 1000.0, 3)
    for index in range(3):
        pose = np.eye(4, dtype="<f4") if index != lost else np.full((4, 4), -np.inf, "<f4")
        pose[0, 3] += index
        color = jpeg(50 * index)
        depth = zlib.compress(np.array([[0, 65535, 2500, 1000 + index]] * 3, "<u2").tobytes())
        data += pose.tobytes() + struct.pack("<4Q", 1, 2, len(color), len(depth)) + color + depth
    return data + struct.pack("<Q", 0)


def test_frames_are_found_and_decoded_when_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.sens"
    path.write_bytes(stream())
    views = read_views(path)
    assert [view.name for view in views] == ["0", "1", "2"]
    assert views[2].camera_to_world[0, 3] == 2
    assert views[0].image_size == (6, 8)
    assert abs(int(views[2].image.mean()) - 100) <= 1
    np.testing.assert_allclose(views[1].depth[0], [0, 0, 2.5, 1.001])
    assert len({view.digest() for view in views}) == 3


def test_lost_frames_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.sens"
    path.write_bytes(stream(lost=1))
    with pytest.warns(ScanwiseWarning, match="1 of 3 frames"):
        views = read_views(path)
    assert [view.name for view in views] == ["0", "2"]
    assert abs(int(views[1].image.mean()) - 100) <= 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (stream()[:-40], "cut off within frame 2 of 3"),
        (stream()[:400], "cut off after 0 of 3 frames"),
        (stream()[:100], "cut off within its header"),
        (b"", "cut off within its header"),
        (stream(version=3), "version 3"),
        (stream(depth_packing=2), "cannot be read"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.sens"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_views(path)
