"""Imports point down the list of rooms in docs/architecture.md, and what starts often starts fast."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "scanwise"
ROOMS = [
    ["app"],
    ["interop"],
    ["understand"],
    ["show"],
    ["methods"],
    ["training"],
    ["evaluation"],
    ["vision"],
    ["nn"],
    ["data"],
    ["synth"],
    ["formats"],
    ["geometry"],
    ["scene"],
    ["ranges"],
    ["devices"],
    ["cache"],
    ["lazy"],
    ["shipped"],
    ["progress"],
    ["threads"],
    ["memory"],
    ["plugins"],
    ["files"],
    ["errors"],
]
HEIGHT = {room: len(ROOMS) - place for place, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("scanwise.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    room = path.relative_to(SOURCE).with_suffix("").parts[0]
    if room in ("__init__", "__main__"):
        return
    for name in imports(path):
        other = name.split(".")[1]
        if other in HEIGHT and other != room:
            assert HEIGHT[other] < HEIGHT[room], f"{room} imports {name}"


def test_no_method_imports_another():
    packages = [path for path in (SOURCE / "methods").iterdir() if (path / "train.py").exists()]
    assert len(packages) >= 8
    for package in packages:
        for path in package.rglob("*.py"):
            others = {name.split(".")[2] for name in imports(path) if name.startswith("scanwise.methods.")}
            assert others <= {package.name}, f"{path} imports {others}"


def test_every_file_is_of_a_size_one_can_read():
    assert {path.name: lines for path in MODULES if (lines := len(path.read_text().splitlines())) > 450} == {}


@pytest.mark.parametrize("module", ["scanwise", "scanwise.app.cli", "scanwise.formats.ply"])
def test_starting_does_not_load_what_takes_long(module):
    code = f"import {module}, sys; print(sorted({{'torch', 'transformers', 'scipy', 'trimesh'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
