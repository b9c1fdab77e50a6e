"""Builds the two wheels, installs them into an environment of their own, and walks a stranger's first minutes there.

    python scripts/wheel_test.py                          # make wheel-test
    python scripts/wheel_test.py --only-build             # make wheels: dist/

Needs Python alone. Says what is installed, in how many seconds, and how large it is; ends with 1 where a step fails.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_CODE = 2_000_000  # bytes of the wheel of the code
PARTS = {"sentence_transformers", "sklearn", "transformers", "embreex", "lightning_fabric"}  # that few need
STEPS = (
    "scanwise --version",
    "scanwise --help",
    "scanwise doctor",
    "scanwise demo --out demo",
    "scanwise train segment recipes/segment-rooms-small.yaml",
)


def main() -> None:
    """Builds, installs, runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-build", action="store_true")
    parser.add_argument("--torch", default="torch==2.13.0", help="what pip installs first")
    parser.add_argument("--keep", type=Path, help="folder of the environment, which then stays")
    arguments = parser.parse_args()
    wheels = build()
    if arguments.only_build:
        return
    place = arguments.keep or Path(tempfile.mkdtemp(prefix="scanwise-wheel-test-"))
    try:
        walk(install(place / "venv", wheels, arguments.torch), place)
    finally:
        if arguments.keep is None:
            shutil.rmtree(place)


def build() -> list[Path]:
    """The wheels of code and weights, in dist/."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for project in (ROOT, ROOT / "packages" / "weights"):
        shutil.rmtree(project / "build", ignore_errors=True)
        run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist), str(project)])
    wheels = sorted(dist.glob("*.whl"))
    for wheel in wheels:
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    code = next(wheel for wheel in wheels if not wheel.name.startswith("scanwise_weights"))
    if code.stat().st_size > MOST_CODE:
        raise SystemExit(f"{code.name} is larger than {MOST_CODE / 1e6:.0f} MB")
    return wheels


def install(venv: Path, wheels: list[Path], torch: str) -> Path:
    """The folder of programs of a new environment with the wheels."""
    started = time.monotonic()
    run([sys.executable, "-m", "venv", str(venv)])
    programs = venv / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
    run([*pip, *shlex.split(torch)])
    run([*pip, *map(str, wheels)])
    size = sum(file.stat().st_size for file in venv.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"installed in {time.monotonic() - started:.0f} s, {size / 1e9:.2f} GB")
    packages = next(venv.glob("**/site-packages"))
    dragged = sorted(name for name in PARTS if (packages / name).exists())
    if dragged:
        raise SystemExit(f"dragged in, and needed by few: {', '.join(dragged)}")
    return programs


def walk(programs: Path, home: Path) -> None:
    """The steps, as a new user with nothing in the cache; the last needs a part that is not there, and says so."""
    clean = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "USERPROFILE": str(home)}
    taken = {name: os.environ[name] for name in ("SYSTEMROOT", "OMP_NUM_THREADS") if name in os.environ}
    environment = taken | clean
    for step in STEPS:
        started = time.monotonic()
        command = [str(programs / "scanwise"), *shlex.split(step)[1:]]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        print(f"{step}: {done.returncode} after {time.monotonic() - started:.1f} s; {' '.join(last)[:160]}", flush=True)
        wanted = 2 if "train" in step else 0
        if done.returncode != wanted or (wanted and "pip install 'scanwise[train]'" not in done.stderr):
            raise SystemExit(f"{step} failed:\n{done.stdout}{done.stderr}")


def run(command: list[str]) -> None:
    """Runs a step; its own words where it fails."""
    if subprocess.run(command).returncode:
        raise SystemExit(f"failed: {shlex.join(command)}")


if __name__ == "__main__":
    main()
