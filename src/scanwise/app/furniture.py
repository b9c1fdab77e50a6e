"""`scanwise furniture`: the catalogues that rooms and streets are furnished from."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.console import progress
from scanwise.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Furniture catalogues: get them, add your own, see what is there.")

PACKAGE = "sweethome3d-furniture"
POOL = "https://deb.debian.org/debian/pool/main/s/sweethome3d-furniture/"
OFFLINE = "get the package on another machine, unpack it, and run `scanwise furniture add` on its .sh3f files"


@app.command()
def fetch() -> None:
    """Get the 820 models of Debian's sweethome3d-furniture (120 MB, free licences), without root.

    Example:

        scanwise furniture fetch
    """
    from scanwise.synth.store import KNOWN, add_catalogue, sha256

    with tempfile.TemporaryDirectory(prefix="scanwise-furniture-") as name, progress() as show:
        folder = Path(name)
        found = unpack(download(folder, show), folder / "unpacked")
        catalogues = [path for path in found if path.name in KNOWN]
        if not catalogues:
            raise InputError(f"{PACKAGE}: none of the catalogues {', '.join(KNOWN)} in it; {OFFLINE}")
        for path in catalogues:
            if sha256(path) != KNOWN[path.name]:
                raise InputError(f"{path.name}: not the known catalogue (its SHA-256 differs); nothing was added")
        for number, path in enumerate(catalogues, 1):
            print(add_catalogue(path))
            show("adding", number / len(catalogues))


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.sh3f...", help="Catalogues of Sweet Home 3D.")],
) -> None:
    """Copy catalogues to where scanwise looks for them, and note what they are.

    Example:

        scanwise furniture add ~/Downloads/Contributions.sh3f
    """
    from scanwise.synth.furniture import Catalogue
    from scanwise.synth.store import add_catalogue

    for path in files:
        if path.suffix != ".sh3f":
            raise InputError(f"{path}: not a .sh3f catalogue; nothing was added")
        Catalogue([path])
    for path in files:
        print(add_catalogue(path))


@app.command("list")
def list_models() -> None:
    """Show which models there are, by class.

    Example:

        scanwise furniture list
    """
    from rich.console import Console
    from rich.table import Table

    from scanwise.synth.store import furniture_supply

    store = furniture_supply()
    table = Table("class", "open name", "models", "held out", "source")
    names = sorted(store.names(), key=lambda name: (store.models(name, held_out=True)[0].kind, name))
    for name in names:
        models = [model for model in store.all() if model.name == name]
        sources = sorted({model.id.partition("#")[0] for model in models})
        held_out = sum(model.held_out for model in models)
        table.add_row(models[0].kind, name, str(len(models)), str(held_out), ", ".join(sources))
    everything = store.all()
    table.add_row("", "all", str(len(everything)), str(sum(model.held_out for model in everything)), "")
    Console().print(table)


def download(folder: Path, show: Callable[[str, float], None]) -> Path:
    """The package's .deb in a folder: by apt-get where there is one, else, or where that fails, over HTTPS.

    Raises InputError when neither works.
    """
    show("downloading", 0.0)
    if shutil.which("apt-get"):
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, check=False)
        if found := sorted(folder.glob("*.deb")):
            show("downloading", 1.0)
            return found[0]
    try:
        with urllib.request.urlopen(POOL, timeout=30) as page:
            names = re.findall(rf'href="({PACKAGE}_[^"/]+_all\.deb)"', page.read().decode("utf-8", "replace"))
        if not names:
            raise InputError(f"{POOL}: no package {PACKAGE} there any more; {OFFLINE}")
        target = folder / sorted(names)[-1]
        with urllib.request.urlopen(POOL + target.name, timeout=30) as source, target.open("wb") as stream:
            size, done = int(source.headers.get("Content-Length") or 0), 0
            while block := source.read(1 << 20):
                stream.write(block)
                done += len(block)
                show("downloading", min(done / size, 0.99) if size else 0.5)
        if size and done != size:
            raise InputError(f"{PACKAGE}: the download broke off after {done:,} of {size:,} bytes; try again")
    except OSError as error:
        raise InputError(f"{PACKAGE}: neither apt-get nor {POOL} gives it ({error}); {OFFLINE}") from error
    show("downloading", 1.0)
    return target


def unpack(package: Path, folder: Path) -> list[Path]:
    """The .sh3f files of a Debian package, taken out of it into a folder. Raises InputError when it is damaged."""
    folder.mkdir(parents=True)
    name, start, size = _data_member(package)
    if name.endswith(".zst"):
        if not shutil.which("dpkg"):
            raise InputError(f"{package.name}: packed by zstd, which takes dpkg to unpack; install dpkg, or {OFFLINE}")
        subprocess.run(["dpkg", "-x", str(package), str(folder)], capture_output=True, check=False)
        return sorted(folder.rglob("*.sh3f"))
    try:
        with tempfile.TemporaryFile() as data, package.open("rb") as source:
            source.seek(start)
            while size > 0 and (block := source.read(min(size, 1 << 20))):
                data.write(block)
                size -= len(block)
            data.seek(0)
            with tarfile.open(fileobj=data) as archive:
                return _take(archive, folder)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"{package.name}: damaged package ({error}); download it again") from error


def _take(archive: tarfile.TarFile, folder: Path) -> list[Path]:
    taken = []
    for member in archive:
        stream = archive.extractfile(member) if member.isfile() and member.name.endswith(".sh3f") else None
        if stream is not None:
            target = folder / Path(member.name).name
            with target.open("wb") as copy:
                shutil.copyfileobj(stream, copy)
            taken.append(target)
    return sorted(taken)


def _data_member(package: Path) -> tuple[str, int, int]:
    """Name, offset and length of data.tar.* in the `ar` archive that a .deb is."""
    try:
        with package.open("rb") as stream:
            if stream.read(8) != b"!<arch>\n":
                raise InputError(f"{package.name}: not a Debian package; download it again")
            while len(header := stream.read(60)) == 60:
                name, size = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
                if name.startswith("data.tar"):
                    return name, stream.tell(), size
                stream.seek(size + size % 2, 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{package.name}: damaged package ({error}); download it again") from error
    raise InputError(f"{package.name}: no data.tar in it; download it again")
