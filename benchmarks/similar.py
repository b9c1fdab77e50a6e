"""Recall of `scanwise similar` on recordings: is a frame of the same place found among those of another pass?

    python benchmarks/similar.py --json docs/results/data/similar.json
    python benchmarks/similar.py --split val --variants         # how the mean token is best subtracted

The made rooms' frames are dealt out into two passes, odd and even, and so are a recording's (`--recording`). All frames
of the first pass are asked, all of the second, of all rooms and the recording, are looked among. Right is a frame
which shows at least `--overlap` of what the asked one's depth shows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rows import Rows
from torch.nn import functional

from scanwise.data.datasets import read_source, scene_paths
from scanwise.formats.registry import read_scene
from scanwise.geometry.cameras import nearest_pixels, project
from scanwise.methods.image_baselines import load_encoder
from scanwise.methods.stellar.evaluate import Spread, best_weights, is_published, load_network, scaled, similarity
from scanwise.methods.stellar.index import TokenIndex
from scanwise.methods.stellar.nearest import candidates
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.scene import Scene
from scanwise.training.checkpoints import locate

POINTS = 400  # of each frame's depth
NEAR = 0.1  # metres between a point and the depth that another frame has there
BINS = 8  # of each colour of a histogram
RECALLS = (1, 5, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=Path, default=Path("data/rooms-1"))
    parser.add_argument("--split", default="test")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--recording", type=Path, help="a real recording with depth, beside the rooms")
    parser.add_argument("--overlap", type=float, default=0.3)
    parser.add_argument("--stellar", type=Path, nargs="*", default=[], help="more weights of ours")
    parser.add_argument("--dino", type=Path, nargs="*", default=[], help="runs of `pretrain images` with method dino")
    parser.add_argument("--variants", action="store_true", help="ways to subtract the mean token")
    rows = Rows("", parser)
    torch.set_num_threads(1)
    asked, database, right = passes(rows.arguments)
    answerable = right.any(1)
    print(f"{answerable.sum()} of {len(asked)} frames asked have a right one among {len(database)}", flush=True)

    def add(name: str, score: Callable[[], np.ndarray]) -> None:
        started = time.process_time()
        scores = score()
        rows.add(name, recall(scores, right), "%", more=recalls(scores, right),
                 frames=len(database), asked=int(answerable.sum()), split=rows.arguments.split,
                 cpu_seconds=round(time.process_time() - started, 1))  # fmt: skip

    add("colour histograms", lambda: histograms(asked) @ histograms(database).T)
    for weights in [best_weights(), *rows.arguments.stellar]:
        network, whole = load_network(weights), not is_published(locate(weights))
        first, second = (tokens_of(network, frames, whole) for frames in (asked, database))
        name = str(weights) if not weights.exists() else weights.resolve().parent.name
        add(f"STELLAR {name}, transport", lambda: by_transport(first, second, "whitened"))  # noqa: B023
        if rows.arguments.variants:
            for mean in ("none", "mean", "place"):
                add(f"STELLAR {name}, transport, mean {mean}", lambda: by_transport(first, second, mean))  # noqa: B023
        add(f"STELLAR {name}, mean of tokens", lambda: by_cosine(first.mean(1), second.mean(1)))  # noqa: B023
        if weights == best_weights():
            add(f"STELLAR {name}, approximate", lambda: approximately(network, first, second))  # noqa: B023
    for run in rows.arguments.dino:
        encoder = load_encoder(run)
        side = encoder.config.image
        with torch.no_grad():
            parts = [[encoder(pixels(frame, side)) for frame in frames] for frames in (asked, database)]
        for kind, of in (("CLS", lambda e: e.cls), ("mean of patches", lambda e: e.dense.mean(1))):
            first, second = (torch.cat([of(each) for each in part]) for part in parts)
            add(f"DINO {run.name}, {kind}", lambda: by_cosine(first, second))  # noqa: B023
    rows.write()


def passes(arguments: argparse.Namespace) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Pictures asked, pictures looked among, and (asked, among) bool which of these are right."""
    sources = scene_paths(arguments.rooms, arguments.split)[: arguments.scenes]
    scenes = [read_source(source) for source in sources]
    if arguments.recording is not None:
        scenes.append(read_scene(arguments.recording))
    asked, database, blocks = [], [], []
    for scene in scenes:
        even, odd = range(0, len(scene.views), 2), range(1, len(scene.views), 2)
        asked += [scene.views[number].image for number in even]
        database += [scene.views[number].image for number in odd]
        blocks.append(overlaps(scene, even, odd) >= arguments.overlap)
    right = np.zeros((len(asked), len(database)), bool)
    row = column = 0
    for block in blocks:
        right[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return asked, database, right


def overlaps(scene: Scene, asked: range, among: range) -> np.ndarray:
    """(asked, among) share of what a frame's depth shows that another shows too."""
    depths = [view.depth for view in scene.views]
    cameras = [view.depth_camera(depth.shape) for view, depth in zip(scene.views, depths, strict=True)]
    result = np.zeros((len(asked), len(among)))
    random = np.random.default_rng(0)
    for i, number in enumerate(asked):
        rows, columns = np.nonzero(depths[number] > 0)
        if not len(rows):
            continue
        some = random.choice(len(rows), min(POINTS, len(rows)), replace=False)
        z = depths[number][rows[some], columns[some]]
        intrinsics, pose = cameras[number]
        rays = np.linalg.inv(intrinsics) @ np.stack([columns[some], rows[some], np.ones(len(some))])
        points = (pose[:3, :3] @ (rays * z) + pose[:3, 3:]).T
        for j, other in enumerate(among):
            to_camera = np.linalg.inv(cameras[other][1])
            to_image = np.eye(4)
            to_image[:3] = cameras[other][0] @ to_camera[:3]
            places, depth = project(points.astype(np.float32), np.eye(3), to_image)
            row, column, inside = nearest_pixels(places, depths[other].shape)
            seen = inside & (depth > 0.05) & (np.abs(depths[other][row, column] - depth) < NEAR)
            result[i, j] = seen.mean()
    return result


@torch.no_grad()
def tokens_of(network: SparseTokens, frames: list[np.ndarray], whole: bool) -> torch.Tensor:
    return torch.cat([network.encode(scaled(frame, network, square=not whole)[1]).sparse for frame in frames])


def pixels(frame: np.ndarray, side: int) -> torch.Tensor:
    """A frame squeezed to a square, as a batch of one."""
    whole = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float() / 255
    return functional.interpolate(whole, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def by_transport(first: torch.Tensor, second: torch.Tensor, mean: str) -> np.ndarray:
    """Each picture asked by `similarity`; of the tokens the "mean" is subtracted, or the mean of each "place"."""
    ways = {
        "whitened": Spread.of(second.numpy()), "mean": lambda tokens: tokens - second.mean((0, 1)),
        "place": lambda tokens: tokens - second.mean(0), "none": lambda tokens: tokens,
    }  # fmt: skip
    spread = ways[mean]
    return np.stack([similarity(spread(tokens), spread(second)).numpy() for tokens in first])


def by_cosine(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    shift = second.mean(0)
    return (functional.normalize(first - shift, dim=1) @ functional.normalize(second - shift, dim=1).T).numpy()


def approximately(network: SparseTokens, first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """By an index on disk, of whose frames faiss gives two hundred to compare."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = TokenIndex.create(Path(folder), network, {"weights": "", "sha256": "", "whole": True, "vision": ""})
        made.fit(second)
        made.add([{"source": "", "number": number, "name": ""} for number in range(len(second))], second)
        index, scores = TokenIndex.open(Path(folder)), np.full((len(first), len(second)), -1.0)
        for row, tokens in zip(scores, first, strict=True):
            found, values = index.search(tokens, 10, rows=candidates(index, tokens, 200))
            row[found] = values
    return scores


def histograms(frames: list[np.ndarray]) -> np.ndarray:
    """(n, 512) square roots of the shares of 8 x 8 x 8 colours: their products are Bhattacharyya's coefficient."""
    found = []
    for frame in frames:
        codes = (frame.astype(int) * BINS // 256) @ np.array([BINS * BINS, BINS, 1])
        found.append(np.sqrt(np.bincount(codes.ravel(), minlength=BINS**3) / codes.size))
    return np.stack(found)


def recalls(scores: np.ndarray, right: np.ndarray) -> dict[str, float]:
    return {f"recall@{count}": recall(scores, right, count) for count in RECALLS}


def recall(scores: np.ndarray, right: np.ndarray, count: int = 1) -> float:
    """Share of the frames with a right one, in per cent, that have one among the best `count`."""
    answerable = right.any(1)
    best = np.argsort(-scores[answerable], axis=1, kind="stable")[:, :count]
    return round(100 * float(np.take_along_axis(right[answerable], best, 1).any(1).mean()), 1)


if __name__ == "__main__":
    main()
