"""Scans in memory: each read once, the ones used longest ago given up."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scanwise import cache
from scanwise.app.options import read_scan
from scanwise.app.service.detail import Detail, detail_of
from scanwise.app.service.problems import not_open
from scanwise.app.service.scans import Scan
from scanwise.app.service.settings import Settings
from scanwise.geometry.units import unit_of
from scanwise.progress import Progress
from scanwise.scene import Scene, array_digest
from scanwise.show.raster import best_view, ceiling_cut, oriented

if TYPE_CHECKING:
    from scanwise.understand.corrections import CorrectionStore
    from scanwise.understand.labels import Labels
    from scanwise.understand.prepared import Prepared

_POINT, _VOXEL = 120, 2600  # bytes of memory that a prepared scan takes, about
_MOST_VOXELS = 400_000
_LABELS = 3  # of a scan, that are kept in memory
_FRAMES = 240  # whose cameras are shown
_VERSION = "1"


@dataclass(eq=False)
class Opened:
    """A scan that was read.

    Attributes:
        scan: which.
        scene: its points, in metres and upright.
        prepared: what is made of it when it is first needed.
        detail: its points in the viewer's order.
        content: digest of its points.
        store: its corrections.
        labels: of results, as they were and as corrected.
        lock: held while something is made of it that others would make too.
    """

    scan: Scan
    scene: Scene
    prepared: Prepared
    detail: Detail
    content: str
    store: CorrectionStore
    labels: OrderedDict[Any, Labels] = field(default_factory=OrderedDict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def bytes(self) -> float:
        """Of memory that it takes or will, about."""
        kept = sum(each.scores.nbytes for each in list(self.labels.values()))
        return _POINT * len(self.scene) + _VOXEL * min(len(self.scene), _MOST_VOXELS) + kept

    @cached_property
    def normals(self) -> np.ndarray | None:
        """(N, 3) towards the side that was seen; None where that is not known."""
        finite, normals = self.scene.finite, self.scene.normals
        if normals is None or oriented(self.scene.points[finite], normals[finite]) is None:
            return None
        return np.nan_to_num(normals)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What a viewer needs to know first."""
        scene, points = self.scene, self.scene.points[self.scene.finite]
        sample = points[:: max(1, len(points) // 50_000)]
        seen = None if self.normals is None else self.normals[scene.finite]
        cut = ceiling_cut(points) if seen is None else None
        azimuth, elevation = best_view(points, seen, 1.4)
        low, high = points.min(0), points.max(0)
        ends = np.percentile(sample[:, 2], (1, 99))
        return {
            "id": self.scan.id, "name": self.scan.name, "points": len(scene), "shown": len(self.detail.order),
            "unit": unit_of(scene), "to_source": scene.to_source.tolist(), "low": low.tolist(), "high": high.tolist(),
            "center": np.percentile(sample, (2, 98), axis=0).mean(0).tolist(), "heights": ends.tolist(),
            "ceiling": cut, "view": [float(azimuth), 52.0 if cut is not None else float(elevation)],
            "colors": scene.colors is not None, "normals": self.normals is not None,
            "frames": len(scene.views), "can_be_labelled": self.prepared.can_be_labelled,
        }  # fmt: skip

    @cached_property
    def frames(self) -> list[int]:
        """Numbers of the pictures whose cameras are shown, evenly among all."""
        count = len(self.scene.views)
        return np.unique(np.linspace(0, count - 1, min(count, _FRAMES)).round().astype(int)).tolist() if count else []

    def keep(self, key: Any, labels: Labels) -> Labels:
        """Puts labels by, and gives up the oldest of too many."""
        with self.lock:
            self.labels[key] = labels
            self.labels.move_to_end(key)
            while len(self.labels) > _LABELS:
                self.labels.popitem(last=False)
        return labels

    def close(self) -> None:
        """Closes what is open on disk."""
        self.store.close()


class Memory:
    """The scans that are open, bounded in number and in bytes.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: OrderedDict[str, Opened] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, scan: Scan) -> Opened:
        """A scan that is open.

        Raises:
            Problem: 409, it is not.
        """
        with self._lock:
            if scan.id not in self._open:
                raise not_open(scan.name)
            self._open.move_to_end(scan.id)
            return self._open[scan.id]

    def open(self, scan: Scan, progress: Progress) -> Opened:
        """The scan, read where it is not open yet; called by the thread of the jobs alone."""
        with self._lock:
            if scan.id in self._open:
                self._open.move_to_end(scan.id)
                return self._open[scan.id]
        opened = self._read(scan, progress)
        with self._lock:
            self._open[scan.id] = opened
            self._make_room()
        return opened

    def all(self) -> list[Opened]:
        """Every scan that is open."""
        with self._lock:
            return list(self._open.values())

    def is_open(self, number: str) -> bool:
        """Whether a scan is in memory."""
        return number in self._open

    def drop(self, number: str) -> None:
        """Gives a scan up."""
        with self._lock:
            opened = self._open.pop(number, None)
        if opened:
            opened.close()

    def close(self) -> None:
        """Gives all of them up."""
        for number in list(self._open):
            self.drop(number)

    @property
    def bytes(self) -> float:
        """That the open scans take, about."""
        with self._lock:
            return sum(each.bytes for each in self._open.values())

    def _make_room(self) -> None:
        most = self._settings
        while len(self._open) > 1 and (
            len(self._open) > most.scenes or sum(each.bytes for each in self._open.values()) > most.memory
        ):
            self._open.popitem(last=False)[1].close()

    def _read(self, scan: Scan, progress: Progress) -> Opened:
        from scanwise.understand.corrections import CorrectionStore, store_path
        from scanwise.understand.prepared import Prepared

        said = self._settings
        progress("reading", 0.0)
        scene = read_scan(scan.path, said.up, said.unit, said.columns)
        progress("reading", 1.0)
        content = array_digest(scene.points)
        progress("levels of detail", 0.0)
        detail = _detail(scene, content)
        progress("levels of detail", 1.0)
        store = CorrectionStore(
            store_path(scan.path), scene, scan=scan.path, up=said.up, unit=said.unit,
            columns=None if said.columns is None else said.columns.split(","),
        )  # fmt: skip
        prepared = Prepared(scene, up=None, progress=progress)
        prepared.learned = store.learned()
        return Opened(scan, scene, prepared, detail, content, store)


def _detail(scene: Scene, content: str) -> Detail:
    """The levels of detail of a scene; kept in the cache where that saves time."""
    names = ("order", "starts", "counts", "parents", "corners", "sizes", "spacings")

    def made() -> dict[str, np.ndarray]:
        detail = detail_of(scene.points)
        return {name: getattr(detail, name) for name in names}

    arrays = made() if len(scene) < 1_000_000 else cache.arrays("detail", cache.key_of(_VERSION, content), made)
    return Detail(**{name: np.array(arrays[name]) for name in names})
