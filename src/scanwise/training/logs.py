"""What a run wrote down: a CSV file, TensorBoard's files where it is installed, and a picture of the loss."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from scanwise.files import replacing


class RunLog:
    """The log of a run in a folder: `log.csv`, a line a step; `validation.csv`; `loss.png`.

    Args:
        folder: of the run; it is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._board = _tensorboard(folder)

    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Puts down the metrics of one training step."""
        self._append("log.csv", step, metrics)

    def add_validation(self, step: int, metrics: dict[str, float]) -> None:
        """Puts down the metrics of a validation; draws the picture anew."""
        self._append("validation.csv", step, metrics)
        self.draw()

    def cut(self, step: int) -> None:
        """Forgets lines after a step: those of a run that was stopped after its last checkpoint."""
        for name in ("log.csv", "validation.csv"):
            path = self._folder / name
            if not path.exists():
                continue
            header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and int(line.split(",")[0]) <= step]
            with replacing(path) as temporary:
                temporary.write_text(header + "".join(kept), encoding="utf-8")

    def draw(self) -> None:
        """Draws the loss over the steps into `loss.png`."""
        from matplotlib.figure import Figure

        steps = read_log(self._folder / "log.csv")
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(steps["step"], steps["loss"], color="0.8", linewidth=0.6)
        axes.plot(steps["step"], _smooth(steps["loss"]), color="C0", label="loss")
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(loc="upper right")
        path = self._folder / "loss.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110)

    def close(self) -> None:
        """Finishes TensorBoard's files."""
        if self._board is not None:
            self._board.close()

    def _append(self, name: str, step: int, metrics: dict[str, float]) -> None:
        path = self._folder / name
        new = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            if new:
                writer.writerow(["step", *metrics])
            writer.writerow([step, *(repr(float(value)) for value in metrics.values())])
        if self._board is not None:
            for key, value in metrics.items():
                self._board.add_scalar(f"{path.stem}/{key}", value, step)


def read_log(path: Path) -> dict[str, list[float]]:
    """The columns of a run's CSV file by name."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    return {name: [float(row[column]) for row in rows[1:]] for column, name in enumerate(rows[0])}


def _smooth(values: list[float]) -> list[float]:
    """Running means that forget half in 3 % of the run."""
    keep = 0.5 ** (1 / max(1.0, 0.03 * len(values)))
    result, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + value, keep * weight + 1
        result.append(mean / weight)
    return result


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))
