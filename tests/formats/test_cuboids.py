"""Boxes into labelling tools' files and back; files in the layout that the tools publish."""

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.formats.cuboids import read_segments, read_tracklets, write_cuboids
from scanwise.scene import Box

BOXES = [
    Box(0, "office chair", (1.5, -2.0, 0.45), (0.6, 0.5, 0.9), 0.3),
    Box(1, "table & lamp", (4e5, 5.6e6, 100.25), (1.6, 0.8, 0.75), -1.2),
]
SEGMENTS = """{"labels": {"ground-truth": {"label_status": "LABELED", "attributes": {"format_version": "0.1",
 "annotations": [{"id": 1, "category_id": 2, "type": "cuboid", "position": {"x": 0.0, "y": 0.2, "z": 0.5},
  "dimensions": {"x": 1.2, "y": 1.0, "z": 1.0}, "yaw": 0.63}]}}}}"""
TRACKLETS = """<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<!DOCTYPE boost_serialization>
<boost_serialization version="9" signature="serialization::archive">
  <tracklets version="0" tracking_level="0" class_id="0">
    <count>1</count><item_version>1</item_version>
    <item version="1" tracking_level="0" class_id="1">
      <objectType>Car</objectType><h>1.5</h><w>1.8</w><l>4.2</l><first_frame>3</first_frame>
      <poses version="0" tracking_level="0" class_id="2"><count>2</count><item_version>2</item_version>
        <item version="2" tracking_level="0" class_id="3"><tx>9.0</tx><ty>1.0</ty><tz>0.5</tz><rx>0</rx><ry>0</ry>
          <rz>0.1</rz><state>2</state><occlusion>0</occlusion><occlusion_kf>0</occlusion_kf></item>
        <item version="2" tracking_level="0" class_id="3"><tx>9.5</tx><ty>1.0</ty><tz>0.5</tz><rx>0</rx><ry>0</ry>
          <rz>0.2</rz><state>2</state><occlusion>0</occlusion><occlusion_kf>0</occlusion_kf></item>
      </poses><finished>1</finished></item></tracklets></boost_serialization>"""


@pytest.mark.parametrize(("name", "read"), [("boxes.json", read_segments), ("tracklet_labels.xml", read_tracklets)])
def test_there_and_back(tmp_path, name, read):
    write_cuboids(BOXES, tmp_path / name)
    for box, again in zip(BOXES, read(tmp_path / name), strict=True):
        assert again.name == box.name
        for field in ("center", "size", "heading"):
            np.testing.assert_array_equal(getattr(again, field), getattr(box, field))
    write_cuboids([], tmp_path / name)
    assert read(tmp_path / name) == []


def test_a_sample_of_segments(tmp_path):
    (tmp_path / "sample.json").write_text(SEGMENTS)
    (box,) = read_segments(tmp_path / "sample.json", {2: "car"})
    assert (box.name, box.center, box.size, box.heading) == ("car", (0.0, 0.2, 0.5), (1.2, 1.0, 1.0), 0.63)
    assert read_segments(tmp_path / "sample.json")[0].name == "category 2"


def test_tracklets_of_a_frame(tmp_path):
    (tmp_path / "t.xml").write_text(TRACKLETS)
    assert read_tracklets(tmp_path / "t.xml", 0) == []
    (box,) = read_tracklets(tmp_path / "t.xml", 4)
    assert (box.name, box.center, box.size, box.heading) == ("Car", (9.5, 1.0, 0.5), (4.2, 1.8, 1.5), 0.2)


@pytest.mark.parametrize("text", ["[]", '{"annotations": [{"type": "polygon"}]}', '{"annotations": [{}]}', "{}"])
def test_what_is_no_label_of_segments(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"x\.json: no cuboids"):
        read_segments(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["<a", "<tracklets/>x", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_tracklet_file(tmp_path, text):
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(InputError, match=r"x\.xml"):
        read_tracklets(tmp_path / "x.xml")
