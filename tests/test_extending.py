"""The page on bringing one's own is true: its files are written, and all else on it is run, in order."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import scanwise
from tests.worlds import corner_scene

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def file_name(code: str) -> str | None:
    found = re.match(r"# (\S+\.\w+)\n", code)
    return found and found[1]


def install(folder: Path) -> None:
    """What pip would leave of the package, for whoever has the folder on its path."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    metadata = folder / f"{project['name']}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the files of the page, whose package is installed, and a recording."""
    folder = tmp_path_factory.mktemp("desk")
    for _, code in BLOCKS:
        if name := file_name(code):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(code)
    install(folder)
    scanwise.write_scene(corner_scene(), folder / "recordings" / "kitchen")
    return folder


def run(desk: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(desk), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_brings_one_of_each():
    assert {language for language, _ in BLOCKS} == {"toml", "python", "yaml", "sh"}
    assert {file_name(code) for _, code in BLOCKS} >= {
        *(f"spots/{name}.py" for name in ("spot", "pointwise", "paints", "tint")), "pointwise.yaml",
    }  # fmt: skip


def test_everything_on_the_page_runs(desk):
    said = {}
    for language, code in BLOCKS:
        if language == "sh":
            for line in code.splitlines():
                program, *arguments = shlex.split(line)
                said[line] = run(desk, *(["-m", "scanwise"] if program == "scanwise" else []), *arguments)
        elif language == "python" and file_name(code) is None:
            said[code] = run(desk, "-c", code)
    assert len(said) == 8
    assert "floor 516" in said["scanwise info spots-1/val/0.spot"]
    assert (desk / "out" / "paints" / "labels.ply").exists()
    assert "mIoU" in said["scanwise evaluate segment out/pointwise spots-1 --split val"]
    table = list(said.values())[-1]
    assert float(re.search(r"\*\*mean\*\* \| \*\*([\d.]+)", table)[1]) > 95
