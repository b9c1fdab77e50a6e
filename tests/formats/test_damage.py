"""Files of every format with bytes overwritten, cut off or doubled: read or refused in a line, whatever the damage.

`python -m tests.formats.test_damage COUNT [SUFFIX ...]` tries COUNT files a format and prints what came of them.
"""

from __future__ import annotations

import importlib.util
import logging
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from scanwise.errors import ScanwiseError, ScanwiseWarning
from scanwise.formats import registry
from scanwise.formats.registry import read_scene, write_scene
from scanwise.scene import Scene

logging.getLogger("trimesh").addHandler(logging.NullHandler())
N = 50
LARGE = [n.to_bytes(size, "little") for size in (4, 8) for n in (0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)]


def _scene() -> Scene:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(N, 3))
    return Scene(
        rng.uniform(0, 5, (N, 3)),
        colors=rng.integers(0, 256, (N, 3)),
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        intensity=rng.random(N),
        labels=rng.integers(-1, 3, N),
        instances=rng.integers(-1, 5, N),
        classes=["wall", "floor", "chair"],
        attributes={"time": rng.random(N)},
    )


def _mesh() -> trimesh.Trimesh:
    box = trimesh.creation.box((1, 2, 3))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
    box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2], material=material)
    return box


def _write_e57(path: Path) -> None:
    import pye57

    points = dict(zip(("cartesianX", "cartesianY", "cartesianZ"), np.random.default_rng(0).random((3, N)), strict=True))
    with pye57.E57(str(path), mode="w") as file:
        file.write_scan_raw(points)


def _write_ptx(path: Path) -> None:
    rows = "".join(f"{x:.3f} {y:.3f} 0 0.5 10 20 30\n" for x, y in np.random.default_rng(0).random((20, 2)))
    path.write_text("4\n5\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n" + rows)


def samples(folder: Path, suffix: str) -> list[bytes]:
    """Whole files of a format."""
    path = folder / f"sample.{suffix}"
    if suffix == "e57":
        _write_e57(path)
    elif suffix == "ptx":
        _write_ptx(path)
    elif suffix == "gltf":
        path.write_bytes(trimesh.Scene(_mesh()).export(file_type="gltf", embed_buffers=True)["model.gltf"])
    elif suffix in ("obj", "glb", "stl", "off"):
        _mesh().export(path)
    else:
        write_scene(_scene(), path)
    found = [path.read_bytes()]
    if suffix == "ply":
        found += [trimesh.creation.box().export(file_type="ply", encoding=kind) for kind in ("ascii", "binary")]
    if suffix == "pcd":
        from scanwise.formats import pcd

        for encoding in pcd.ENCODINGS[::2]:
            pcd.write(_scene(), path, encoding=encoding)
            found.append(path.read_bytes())
    return found


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with something wrong: bytes, whole numbers, digits, a cut, a piece twice."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data))) if rng.random() < 0.5 else int(rng.integers(min(len(data), 400)))
        match rng.integers(6):
            case 0 | 1:
                data[place] = rng.integers(256)
            case 2:
                number = LARGE[rng.integers(len(LARGE))]
                data[place : place + len(number)] = number
            case 3:
                digits = [at for at, byte in enumerate(data) if 48 <= byte < 58]
                if digits:
                    data[digits[rng.integers(len(digits))]] = rng.integers(48, 58)
            case 4:
                del data[place : None if rng.random() < 0.3 else place + 8]
            case _:
                data[place:place] = data[place : place + int(rng.integers(1, 30))]
        if not data:
            break
    return bytes(data)


def outcome(path: Path) -> str:
    """ "read", "refused", or what was raised in place of a line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scene = read_scene(path)
        except ScanwiseError as error:
            return "refused" if "\n" not in str(error) and len(str(error)) < 600 else f"not a line: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error} {traceback.extract_tb(error.__traceback__)[-1]}"
    return "read" if scene.points.shape == (len(scene), 3) else "a scene of another shape"


def tried(folder: Path, suffix: str, count: int) -> Counter[str]:
    """How many of `count` damaged files of a format had which outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScanwiseWarning)
        wholes = samples(folder, suffix)
    rng = np.random.default_rng(len(suffix) + count)
    found: Counter[str] = Counter()
    for number in range(count):
        path = folder / f"damaged.{suffix}"
        path.write_bytes(damaged(wholes[number % len(wholes)], rng))
        found[outcome(path)] += 1
    return found


SUFFIXES = sorted({suffix for form in registry._FILES for suffix in form.suffixes} - {"r3d"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_is_read_or_refused(tmp_path, suffix):
    if suffix == "e57" and importlib.util.find_spec("pye57") is None:
        pytest.skip("pye57 is not installed")
    found = tried(tmp_path, suffix, 20)
    assert set(found) <= {"read", "refused"}, found


def main() -> None:
    count, suffixes = int(sys.argv[1]), sys.argv[2:] or SUFFIXES
    for suffix in suffixes:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            found = tried(Path(folder), suffix, count)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(f"{suffix:7} {dict(found)} {time.perf_counter() - started:.0f} s, peak {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
