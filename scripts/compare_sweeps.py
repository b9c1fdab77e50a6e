"""How made sweeps compare with real ones: classes, ranges, heights above the ground, intensities, places on the plan.

    python scripts/compare_sweeps.py data/streets-1/train sweep.bin LIDAR_TOP.pcd.bin --json compared.json

Each argument is a sweep, or a folder of sweeps, of which the first `--most` are taken. The published class shares of
all of SemanticKITTI are printed beside them. docs/outdoors.md says what was made alike with this.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np

import scanwise
from scanwise.files import write_json
from scanwise.formats import folder
from scanwise.geometry.ground import Ground
from scanwise.geometry.voxels import voxelize

SEMANTIC_KITTI = {
    "car": 4.1, "road": 19.9, "parking": 1.5, "sidewalk": 14.4, "other-ground": 0.4, "building": 13.3, "fence": 7.2,
    "vegetation": 26.7, "trunk": 0.6, "terrain": 7.8, "pole": 0.3,
}  # fmt: skip
"""Per cent of the points of its sequences 00 to 10, as its authors' class weights have them."""
SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
HEIGHTS = (-0.5, -0.1, 0.1, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0)


def measured(path: Path, most: int) -> dict[str, object]:
    """Facts of a sweep, or of several together."""
    scenes = [scanwise.read_scene(each) for each in sweeps(path)[:most]]
    ranges, heights, intensities, rises = [], [], [], []
    classes: dict[str, int] = {}
    for scene in scenes:
        points = scene.points[scene.finite]
        voxels = voxelize(points, 0.2)
        centers = voxels.mean(points)
        ground = Ground.under(centers).at(centers)
        ranges.append(np.hypot(*points[:, :2].T))
        heights.append((centers[:, 2] - ground)[voxels.of_point])
        rises.append(ground[np.hypot(*centers[:, :2].T) < 30])
        if scene.intensity is not None:
            intensities.append(scene.intensity[scene.finite])
        if scene.labels is not None and scene.classes is not None:
            for label, count in zip(*np.unique(scene.labels, return_counts=True), strict=True):
                name = scene.classes[label] if label >= 0 else "none"
                classes[name] = classes.get(name, 0) + int(count)
    found = {"sweeps": len(scenes), "points": round(float(np.mean([len(scene) for scene in scenes])))}
    found["range"] = np.round(np.quantile(np.concatenate(ranges), SHARES), 1).tolist()
    high = np.concatenate(heights)
    found["height"] = np.round(np.quantile(high, SHARES), 2).tolist()
    shares = np.diff([0, *((high < edge).sum() for edge in HEIGHTS), len(high)]) / len(high)
    found["height_shares"] = np.round(100 * shares, 1).tolist()
    found["ground_spans"] = np.round(np.mean([np.quantile(each, 0.95) - np.quantile(each, 0.05) for each in rises]), 2)
    if intensities:
        found["intensity"] = np.round(np.quantile(np.concatenate(intensities), SHARES), 2).tolist()
    total = sum(count for name, count in classes.items() if name != "none")
    found["classes"] = {name: round(100 * count / total, 1) for name, count in classes.items() if name != "none"}
    return found


def sweeps(path: Path) -> list[Path]:
    """Scenes under a folder, or the one file."""
    if path.is_file() or folder.recognises(path):
        return [path]
    return sorted(each for each in path.glob("**/") if folder.recognises(each))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=20, help="sweeps of a folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {path.name: measured(path, options.most) for path in options.paths}
    for name, facts in found.items():
        print(f"{name}: {facts['sweeps']} sweeps of {facts['points']:,} points")
        for key in ("range", "height", "intensity"):
            if key in facts:
                rows = ", ".join(f"{100 * share:g} %: {value}" for share, value in zip(SHARES, facts[key], strict=True))
                print(f"  {key:<12} {rows}")
        print(f"  heights below {', '.join(map(str, HEIGHTS))} m and above, %: {facts['height_shares']}")
        print(f"  ground within 30 m spans {facts['ground_spans']} m (5 to 95 %)")
    names = list(SEMANTIC_KITTI)
    print(f"\n{'per cent':<14}{'all of KITTI':>14}" + "".join(f"{name[:18]:>20}" for name in found))
    for name in names:
        row = "".join(f"{facts['classes'].get(name, float('nan')):>20.1f}" for facts in found.values())
        print(f"{name:<14}{SEMANTIC_KITTI[name]:>14.1f}{row}")
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
