"""The page on bringing one's own is true: its files are written, and all else on it is run, in order."""

import json
import os
import re
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


DRIVER = """
import io, json, runpy, shlex, sys
from contextlib import redirect_stdout
from scanwise.app import cli

sys.path.insert(0, "")
said = []
for language, code in json.load(open("steps.json")):
    out = io.StringIO()
    with redirect_stdout(out):
        if language == "python":
            exec(code, {})
        else:
            program, *arguments = shlex.split(code)
            sys.argv = [program, *arguments] if program == "scanwise" else arguments
            try:
                cli.main() if program == "scanwise" else runpy.run_path(arguments[0], run_name="__main__")
            except SystemExit as stop:
                assert not stop.code, code
    said.append(out.getvalue())
json.dump(said, open("said.json", "w"))
"""


def run(desk: Path, steps: list[tuple[str, str]]) -> list[str]:
    """What each of these steps printed: lines of a shell, and Python. One process, as each start loads torch."""
    (desk / "steps.json").write_text(json.dumps(steps))
    environment = os.environ | {"PYTHONPATH": str(desk)}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads((desk / "said.json").read_text())


def test_the_page_brings_one_of_each():
    assert {language for language, _ in BLOCKS} == {"toml", "python", "yaml", "sh"}
    assert {file_name(code) for _, code in BLOCKS} >= {
        *(f"spots/{name}.py" for name in ("spot", "pointwise", "paints", "tint")), "pointwise.yaml",
    }  # fmt: skip


def test_everything_on_the_page_runs(desk):
    steps = []
    for language, code in BLOCKS:
        if language == "sh":
            steps += [(language, line) for line in code.splitlines()]
        elif language == "python" and file_name(code) is None:
            steps.append((language, code))
    assert len(steps) == 8
    said = {code: text for (_, code), text in zip(steps, run(desk, steps), strict=True)}
    assert "floor 516" in said["scanwise info spots-1/val/0.spot"]
    assert (desk / "room.ply").exists()
    assert (desk / "out" / "paints" / "labels.ply").exists()
    assert "mIoU" in said["scanwise evaluate segment out/pointwise spots-1 --split val"]
    table = said[steps[-1][1]]
    assert float(re.search(r"\*\*mean\*\* \| \*\*([\d.]+)", table)[1]) > 95
