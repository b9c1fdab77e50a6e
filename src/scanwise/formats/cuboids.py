"""Boxes for labelling tools, and back: Segments.ai's cuboids (JSON) and CVAT's "Kitti Raw" (tracklet_labels.xml).

Both stand upright: centre, length, width, height and a turn about z. Coordinates are those of the cloud that the tool
shows, so those of the scan's own file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes, read_json, write_text
from scanwise.scene import Box

_VERSION = "0.1"  # of Segments.ai's cuboid format
_MOST = 64 * 2**20  # bytes of an XML file that is read


def segments_text(boxes: Sequence[Box]) -> str:
    """Boxes as a Segments.ai label of the type "point-cloud-cuboid"; categories are numbered from 1 by their names.

    Args:
        boxes: in the frame of the cloud there.
    """
    names = sorted({box.name for box in boxes})
    annotations = [
        {
            "id": number, "category_id": names.index(box.name) + 1, "type": "cuboid",
            "position": _axes(box.center), "dimensions": _axes(box.size), "yaw": box.heading,
        }
        for number, box in enumerate(boxes, 1)
    ]  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    label = {"format_version": _VERSION, "annotations": annotations, "categories": categories}
    return json.dumps(label, indent=1) + "\n"


def read_segments(path: Path, categories: dict[int, str] | None = None) -> list[Box]:
    """The boxes of a Segments.ai label, or of a release's sample, which has it at labels/ground-truth/attributes.

    Args:
        path: of the JSON.
        categories: names by id; None = as the file says, and "category 3" where it does not.

    Raises:
        InputError: it is no such label.
    """
    content = read_json(path)
    try:
        names = {int(each["id"]): str(each["name"]) for each in content.get("categories", [])} | (categories or {})
        label = content.get("labels", {}).get("ground-truth", {}).get("attributes", content)
        return [_segments_box(each, number, names) for number, each in enumerate(label["annotations"])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: no cuboids of Segments.ai ({error})") from error


def tracklets_text(boxes: Sequence[Box], frame: int = 0) -> str:
    """Boxes as the tracklet_labels.xml of CVAT's "Kitti Raw Format", each a track of one frame.

    Args:
        boxes: in the frame of the cloud there.
        frame: number of the frame.
    """
    root = ElementTree.Element("boost_serialization", version="9", signature="serialization::archive")
    tracks = ElementTree.SubElement(root, "tracklets", class_id="0", tracking_level="0", version="0")
    _put(tracks, count=len(boxes), item_version=1)
    for box in boxes:
        item = ElementTree.SubElement(tracks, "item", class_id="1", tracking_level="0", version="1")
        length, width, height = map(float, box.size)
        _put(item, objectType=box.name, h=height, w=width, l=length, first_frame=frame)
        poses = ElementTree.SubElement(item, "poses", class_id="2", tracking_level="0", version="0")
        _put(poses, count=1, item_version=2)
        pose = ElementTree.SubElement(poses, "item", class_id="3", tracking_level="0", version="2")
        x, y, z = map(float, box.center)
        _put(pose, tx=x, ty=y, tz=z, rx=0.0, ry=0.0, rz=float(box.heading), state=2)
        _put(pose, occlusion=-1, occlusion_kf=0, truncation=-1, amt_occlusion=0, amt_occlusion_kf=-1)
        _put(pose, amt_border_l=0, amt_border_r=0, amt_border_kf=-1)
        _put(item, finished=1)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n<!DOCTYPE boost_serialization>\n' + (
        ElementTree.tostring(root, encoding="unicode") + "\n"
    )


def read_tracklets(path: Path, frame: int = 0) -> list[Box]:
    """The boxes of a frame of a tracklet_labels.xml.

    Args:
        path: of the file.
        frame: number of the frame.

    Raises:
        InputError: it is none, or defines entities.
    """
    content = read_bytes(path)
    if b"<!ENTITY" in content or len(content) > _MOST:
        raise InputError(f"{path}: defines entities or is too large; tracklets need neither")
    try:
        root = ElementTree.fromstring(content)
        found = list[Any]()
        for item in root.findall("./tracklets/item"):
            pose = item.findall("./poses/item")
            at = frame - int(_text(item, "first_frame"))
            if 0 <= at < len(pose):
                center = tuple(float(_text(pose[at], name)) for name in ("tx", "ty", "tz"))
                size = tuple(float(_text(item, name)) for name in ("l", "w", "h"))
                heading = float(_text(pose[at], "rz"))
                found.append(Box(len(found), _text(item, "objectType"), center, size, heading))  # type: ignore[arg-type]
        return found
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no tracklet_labels.xml ({error})") from error


def write_cuboids(boxes: Sequence[Box], path: Path) -> None:
    """Writes boxes: .json for Segments.ai, .xml for CVAT.

    Raises:
        OutputError: the place cannot be written.
    """
    write_text(path, tracklets_text(boxes) if path.suffix.lower() == ".xml" else segments_text(boxes))


def _segments_box(each: dict[str, Any], number: int, names: dict[int, str]) -> Box:
    if each.get("type", "cuboid") != "cuboid":
        raise ValueError(f"annotation {number} is a {each['type']}")
    center, size = (tuple(float(each[key][axis]) for axis in "xyz") for key in ("position", "dimensions"))
    if not np.isfinite([*center, *size]).all():
        raise ValueError(f"annotation {number} has no finite box")
    category = int(each["category_id"])
    name = names.get(category, f"category {category}")
    return Box(number, name, center, size, float(each.get("yaw", 0.0)))  # type: ignore[arg-type]


def _axes(values: Sequence[float]) -> dict[str, float]:
    return dict(zip("xyz", map(float, values), strict=True))


def _put(parent: ElementTree.Element, **values: object) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, name).text = str(value)


def _text(parent: ElementTree.Element, name: str) -> str:
    found = parent.findtext(name)
    if found is None:
        raise KeyError(name)
    return found
