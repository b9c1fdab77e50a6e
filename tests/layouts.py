"""Tiny trees in the layouts that data sets are published in: a few scenes each, of what a box room or a street has."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.formats.ply_elements import Element, ListColumn, Ply
from scanwise.formats.ply_writing import write_elements
from scanwise.formats.scannet_labels import TSV
from tests.formats.recorded_room import CAMERA, HIGH, LOW, SIZE, poses, render, save_depth

SCENES = {"train": ("scene0000_00", "scene0001_00"), "val": ("scene0011_00", "scene0015_00")}
HOUSES = {"train": "17DRP5sb8fy", "val": "2azQ1b91cZZ"}
OBJECTS = ("floor", "office chair", "chair", "table", "wall", "ceiling")  # of a room, by number
_NYU40 = {"floor": 2, "office chair": 5, "chair": 5, "table": 7, "wall": 1, "ceiling": 22}
_TSV = (
    "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class",
    "3\tfloor\tfloor\t9\t2\t\tfloor\tfloor", "10\toffice chair\toffice chair\t9\t5\t\tchair\tchair",
    "2\tchair\tchair\t9\t5\t\tchair\tchair", "4\ttable\ttable\t9\t7\t\ttable\ttable",
    "1\twall\twall\t9\t1\t\twall\twall", "41\tceiling\tceiling\t9\t22\t\tceiling\tceiling",
)  # fmt: skip


def _room(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) on the box room, and which of `OBJECTS` each is of: three things on the floor, walls, ceiling."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(LOW, HIGH, (count, 3))
    side = generator.integers(0, 6, count)
    for axis in range(3):
        points[side == 2 * axis, axis], points[side == 2 * axis + 1, axis] = LOW[axis], HIGH[axis]
    kinds = np.array([4, 4, 4, 4, 0, 5])[side]
    for number, corner in ((1, (-1.5, -1)), (2, (0, 0)), (3, (1, 0.5))):
        near = (np.abs(points[:, :2] - corner) < 0.5).all(1) & (side == 4)
        kinds[near] = number
        points[near, 2] = generator.uniform(0, 0.6, near.sum())
    return points.astype(np.float32), kinds


def scannet(root: Path) -> Path:
    """ROOT/scans/sceneXXXX_YY with frames as exported, the table of categories, and the lists of the splits."""
    for number, name in enumerate(name for names in SCENES.values() for name in names):
        place = root / "scans" / name
        place.mkdir(parents=True)
        points, kinds = _room(number)
        _mesh(place / f"{name}_vh_clean_2.ply", points)
        labels = np.array([_NYU40[each] for each in OBJECTS], np.uint16)[kinds]
        _mesh(place / f"{name}_vh_clean_2.labels.ply", points, label=labels)
        (place / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": kinds.tolist()}))
        groups = [{"id": i, "objectId": i, "segments": [i], "label": label} for i, label in enumerate(OBJECTS)]
        (place / f"{name}.aggregation.json").write_text(json.dumps({"sceneId": name, "segGroups": groups}))
        (place / f"{name}.txt").write_text("axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 \n")
        _frames(place)
    (root / "scans" / TSV).write_text("\n".join(_TSV) + "\n")
    for split, names in SCENES.items():
        (root / f"scannetv2_{split}.txt").write_text("\n".join(names) + "\n")
    return root


def scanrefer(root: Path) -> Path:
    """`scannet`, and ScanRefer's two files: of each room the table, and one of two chairs."""
    scannet(root)
    for split, names in SCENES.items():
        entries = [
            {
                "scene_id": name,
                "object_id": str(number),
                "object_name": OBJECTS[number].replace(" ", "_"),
                "ann_id": "0",
            }
            | {"description": text, "token": text.split()}
            for name in names
            for number, text in (
                (3, "this is a table. it is low."),
                (1, "the office chair in the corner"),
                (2, "a chair"),
            )
        ]
        (root / f"ScanRefer_filtered_{split}.json").write_text(json.dumps(entries))
    return root / "ScanRefer_filtered_train.json"


def multi3drefer(root: Path) -> Path:
    """`scannet`, and Multi3DRefer's two files: one thing, several, none."""
    scannet(root)
    asked = ((["3"], "st_wo_d", "the table"), (["1", "2"], "mt", "all chairs"), ([], "zt_wo_d", "the piano"))
    for split, names in SCENES.items():
        entries = [
            {"scene_id": name, "object_ids": [int(i) for i in ids], "object_name": "x", "ann_id": k, "eval_type": kind}
            | {"description": text}
            for name in names
            for k, (ids, kind, text) in enumerate(asked)
        ]
        (root / f"multi3drefer_{split}.json").write_text(json.dumps(entries))
    return root / "multi3drefer_train.json"


def nr3d(root: Path) -> Path:
    """`scannet`, and nr3d.csv of all splits: two sentences of each room, and one whose target is not named."""
    scannet(root)
    columns = ("stimulus_id", "utterance", "scan_id", "target_id", "mentions_target_class", "correct_guess")
    with (root / "nr3d.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for name in (name for names in SCENES.values() for name in names):
            writer.writerow([f"{name}-chair-2-1-2", "the chair, in the corner", name, 1, "True", "True"])
            writer.writerow([f"{name}-chair-3-2-1-0", "the middle chair", name, 2, "True", "True"])
            writer.writerow([f"{name}-table-2-3-1", "that one", name, 3, "False", "True"])
    return root / "nr3d.csv"


def _mesh(path: Path, points: np.ndarray, **columns: np.ndarray) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (4, len(points))).astype(np.uint8)
    vertex = {axis: np.ascontiguousarray(points[:, k]) for k, axis in enumerate("xyz")} | columns
    vertex |= dict(zip(("red", "green", "blue", "alpha"), colours, strict=True))
    faces = ListColumn(np.array([3], np.uint8), np.array([0, 1, 2], np.int32))
    ply = Ply({"vertex": Element(len(points), vertex), "face": Element(1, {"vertex_indices": faces})})
    write_elements(ply, path, encoding="binary_little_endian")


def _frames(place: Path) -> None:
    for name in ("color", "depth", "pose", "intrinsic"):
        (place / name).mkdir()
    for number, pose in enumerate(poses(3)):
        colours, depth = render(pose)
        Image.fromarray(colours).save(place / "color" / f"{number}.jpg")
        save_depth(place / "depth" / f"{number}.png", depth)
        np.savetxt(place / "pose" / f"{number}.txt", pose)
    camera = np.eye(4)
    camera[:3, :3] = CAMERA
    for kind in ("color", "depth"):
        np.savetxt(place / "intrinsic" / f"intrinsic_{kind}.txt", camera)
        np.savetxt(place / "intrinsic" / f"extrinsic_{kind}.txt", np.eye(4))


def matterport(root: Path) -> Path:
    """ROOT/v1/scans/HOUSE: two regions each, with undistorted pictures; lists of houses as the set's code has them."""
    names = list(dict.fromkeys(OBJECTS))
    mapping = ["index\traw_category\tnyu40id\tmpcat40index\tmpcat40"]
    mapping += [f"{i}\t{name}\t{_NYU40[name]}\t{i}\t{name}" for i, name in enumerate(names, 1)]
    (root / "v1" / "scans").mkdir(parents=True)
    (root / "v1" / "category_mapping.tsv").write_text("\n".join(mapping) + "\n")
    (root / "tasks" / "benchmark").mkdir(parents=True)
    for number, (split, house) in enumerate(HOUSES.items()):
        (root / "tasks" / "benchmark" / f"scenes_{split}.txt").write_text(f"{house}\n")
        place = root / "v1" / "scans" / house
        _house_pictures(place)
        (place / "region_segmentations").mkdir()
        for region in range(2):
            _region(place / "region_segmentations" / f"region{region}.ply", 10 * number + region)
    return root


def _region(path: Path, seed: int) -> None:
    middles, kinds = _room(seed, 500)
    offsets = 0.02 * np.random.default_rng(seed).standard_normal((len(middles), 3, 3)).astype(np.float32)
    points = (middles[:, None] + offsets).reshape(-1, 3)
    vertex = {axis: np.ascontiguousarray(points[:, k]) for k, axis in enumerate("xyz")}
    vertex |= {name: np.full(len(points), 90 + 20 * k, np.uint8) for k, name in enumerate(("red", "green", "blue"))}
    corners = ListColumn(np.full(len(middles), 3, np.uint8), np.arange(len(points), dtype=np.int32))
    faces = {"vertex_indices": corners, "category_id": (kinds + 1).astype(np.int32)}
    ply = Ply({"vertex": Element(len(points), vertex), "face": Element(len(middles), faces)})
    write_elements(ply, path, encoding="binary_little_endian")
    path.with_suffix(".fsegs.json").write_text(json.dumps({"segIndices": kinds.tolist()}))
    groups = [{"id": i, "segments": [i], "label": name} for i, name in enumerate(OBJECTS)]
    path.with_suffix(".semseg.json").write_text(json.dumps({"segGroups": groups}))


def _house_pictures(place: Path) -> None:
    for name in ("color_images", "depth_images", "camera_parameters"):
        (place / f"undistorted_{name}").mkdir(parents=True)
    up = SIZE[0] - 1 - CAMERA[1, 2]  # pixels are counted from the bottom
    lines = ["dataset matterport", f"intrinsics_matrix {CAMERA[0, 0]} 0 {CAMERA[0, 2]}  0 {CAMERA[1, 1]} {up} 0 0 1"]
    for number, pose in enumerate(poses(3)):
        colours, depth = render(pose)
        Image.fromarray(colours).save(place / "undistorted_color_images" / f"a_i1_{number}.jpg")
        save_depth(place / "undistorted_depth_images" / f"a_d1_{number}.png", depth, 4000)
        opengl = pose @ np.diag([1, -1, -1, 1])
        lines.append(
            f"scan a_d1_{number}.png a_i1_{number}.jpg " + " ".join(f"{value:.9f}" for value in opengl.ravel())
        )
    (place / "undistorted_camera_parameters" / f"{place.name}.conf").write_text("\n".join(lines) + "\n")


def _street(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) of a road, a car and a house; 0, 1 or 2 of each."""
    generator = np.random.default_rng(seed)
    points = generator.uniform((-15, -8, -1.8), (15, 8, -1.7), (count, 3))
    kinds = np.zeros(count, int)
    kinds[: count // 5], kinds[count // 5 : count // 2] = 1, 2
    points[kinds == 1] = generator.uniform((3, -2, -1.7), (7, 0, -0.2), ((kinds == 1).sum(), 3))
    points[kinds == 2] = generator.uniform((-15, 8, -1.7), (15, 8.5, 4), ((kinds == 2).sum(), 3))
    return points.astype(np.float32), kinds


def semantickitti(root: Path) -> Path:
    """ROOT/dataset/sequences/00 (trained on) and 08 (validated on)."""
    for number, name in enumerate(("00", "08")):
        place = root / "dataset" / "sequences" / name
        for folder in ("velodyne", "labels"):
            (place / folder).mkdir(parents=True)
        for sweep in range(2):
            points, kinds = _street(10 * number + sweep)
            rows = np.column_stack([points, np.full(len(points), 0.5)]).astype("<f4")
            rows.tofile(place / "velodyne" / f"{sweep:06d}.bin")
            np.array([40, 10, 50], "<u4")[kinds].tofile(place / "labels" / f"{sweep:06d}.label")
        identity = "1 0 0 0 0 1 0 0 0 0 1 0"
        (place / "poses.txt").write_text(f"{identity}\n" * 2)
        (place / "calib.txt").write_text("".join(f"{key}: {identity}\n" for key in ("P0", "P1", "P2", "P3", "Tr")))
        (place / "times.txt").write_text("0\n0.1\n")
    return root


def nuscenes(root: Path) -> Path:
    """v1.0-mini with two key frames of scene-0061 (trained on) and of scene-0103 (validated on)."""
    still = {"translation": [0, 0, 0], "rotation": [1, 0, 0, 0]}
    tables: dict[str, list[dict]] = {
        "sensor": [{"token": "lidar", "channel": "LIDAR_TOP"}],
        "calibrated_sensor": [{"token": "cs", "sensor_token": "lidar", "camera_intrinsic": []} | still],
        "ego_pose": [{"token": "ego"} | still],
        "category": [
            {"token": f"c{i}", "name": name, "index": i}
            for i, name in enumerate(("noise", "vehicle.car", "flat.driveable_surface", "static.manmade"))
        ],
    }
    tables |= {key: [] for key in ("scene", "sample", "sample_data", "sample_annotation", "instance", "lidarseg")}
    for folder in ("v1.0-mini", "samples/LIDAR_TOP", "lidarseg/v1.0-mini"):
        (root / folder).mkdir(parents=True)
    for number, scene in enumerate(("scene-0061", "scene-0103")):
        tables["scene"].append({"token": scene, "name": scene})
        for frame in range(2):
            token = f"{scene}-{frame}"
            points, kinds = _street(10 * number + frame)
            rows = np.column_stack([points, np.full(len(points), 90), np.zeros(len(points))]).astype("<f4")
            rows.tofile(root / "samples" / "LIDAR_TOP" / f"{token}.pcd.bin")
            np.array([2, 1, 3], np.uint8)[kinds].tofile(root / "lidarseg" / "v1.0-mini" / f"{token}_lidarseg.bin")
            tables["sample"].append({"token": token, "timestamp": 10 * number + frame, "scene_token": scene})
            tables["sample_data"].append(
                {"token": f"d{token}", "sample_token": token, "ego_pose_token": "ego", "calibrated_sensor_token": "cs"}
                | {"filename": f"samples/LIDAR_TOP/{token}.pcd.bin", "is_key_frame": True}
            )
            tables["lidarseg"].append(
                {"token": f"l{token}", "sample_data_token": f"d{token}"}
                | {"filename": f"lidarseg/v1.0-mini/{token}_lidarseg.bin"}
            )
    for name, rows in tables.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(rows))
    return root


def waymo(root: Path) -> Path:
    """ROOT/training and ROOT/validation, a segment each of three frames, the first two of which have labels."""
    for number, split in enumerate(("training", "validation")):
        _segment(root / split, f"segment{number}")
    return root


def _segment(root: Path, name: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    height, width, times = 16, 90, (100, 200, 300)
    ranges = np.zeros((height, width, 4), np.float32)
    ranges[..., 0] = np.where(np.arange(height)[:, None] > 8, 6 + np.arange(height)[:, None] / 4, 12.0)
    ranges[..., 3] = -1
    labels = np.zeros((height, width, 2), np.int32)
    labels[..., 1] = np.where(np.arange(height)[:, None] > 8, 18, 14)

    def key(time: int | None, laser: int | None) -> dict[str, object]:
        found: dict[str, object] = {"key.segment_context_name": name}
        found |= {} if time is None else {"key.frame_timestamp_micros": time}
        return found | ({} if laser is None else {"key.laser_name": laser})

    def image(component: str, values: np.ndarray) -> dict[str, object]:
        stem = f"[{component}].range_image_return1"
        return {f"{stem}.values": values.ravel().tolist(), f"{stem}.shape": list(values.shape)}

    calibration, pose = "[LiDARCalibrationComponent]", "[VehiclePoseComponent].world_from_vehicle.transform"
    still = np.eye(4).ravel().tolist()
    components = {
        "lidar": [key(time, 1) | image("LiDARComponent", ranges) for time in times],
        "lidar_calibration": [
            key(None, 1) | {f"{calibration}.extrinsic.transform": still}
            | {f"{calibration}.beam_inclination.min": -0.4, f"{calibration}.beam_inclination.max": 0.2}
        ],
        "vehicle_pose": [key(time, None) | {pose: still} for time in times],
        "lidar_pose": [key(time, 1) | image("LiDARPoseComponent", np.zeros((height, width, 6))) for time in times],
        "lidar_segmentation": [key(time, 1) | image("LiDARSegmentationLabelComponent", labels) for time in times[:2]],
    }  # fmt: skip
    for component, rows in components.items():
        (root / component).mkdir(parents=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), root / component / f"{name}.parquet")


def imagenet(root: Path) -> Path:
    """ROOT/train/WNID/*.JPEG and ROOT/val/WNID/*.JPEG."""
    generator = np.random.default_rng(0)
    for split, count in {"train": 8, "val": 2}.items():
        for number, wnid in enumerate(("n01440764", "n01443537")):
            place = root / split / wnid
            place.mkdir(parents=True)
            for picture in range(count):
                pixels = generator.integers(0, 128, (40, 48, 3)) + 100 * number
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{wnid}_{picture}.JPEG")
    return root


def ade20k(root: Path) -> Path:
    """ROOT/images and ROOT/annotations, training and validation."""
    for split in ("training", "validation"):
        for folder in ("images", "annotations"):
            (root / folder / split).mkdir(parents=True)
        for number in range(3):
            pixels = np.zeros((30, 40, 3), np.uint8)
            pixels[:, 20:] = 200
            Image.fromarray(pixels).save(root / "images" / split / f"ADE_{number}.jpg")
            Image.fromarray((pixels[..., 0] > 0).astype(np.uint8) + 1).save(
                root / "annotations" / split / f"ADE_{number}.png"
            )
    (root / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t.5\t1\t1\t1\twall\n2\t.5\t1\t1\t1\tsky, air\n"
    )
    return root
