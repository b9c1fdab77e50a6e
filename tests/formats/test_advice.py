"""A folder of no known layout is answered with what is there, the nearest layout and what that one lacks."""

import pytest

from scanwise.errors import InputError
from scanwise.formats.registry import read_scene


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (("rgb/", "depth/", "poses/"), ("ScanNet's frames", "color is called rgb here", "pose is called poses here")),
        (("rgb.txt", "depth.txt"), ("TUM RGB-D", "groundtruth.txt is missing")),
        (("rgb.txt", "depth.txt", "poses.txt"), ("groundtruth.txt is called poses.txt here",)),
        (("images/1.jpg", "images/2.jpg"), ("2 pictures without poses", "COLMAP")),
        (("keyframes/images/", "keyframes/depth/"), ("Polycam", "keyframes/cameras or keyframes/corrected_cameras is")),
        (("notes.docx",), ("1 .docx", "the known layouts are")),
        (("frame-000000.color.jpg.tmp", "frame-000000.pose.txt", "x.mp4"), ("7-Scenes", "frame-*.depth.* is missing")),
    ],
)
def test_advice(entries, told, tmp_path):
    for entry in entries:
        path = tmp_path / "scan" / entry
        (path if entry.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not entry.endswith("/"):
            path.write_text("")
    if entries[0].startswith("frame"):
        (tmp_path / "scan" / entries[0]).unlink()
    with pytest.raises(InputError) as error:
        read_scene(tmp_path / "scan")
    for words in told:
        assert words in str(error.value)
    assert "\n" not in str(error.value)
