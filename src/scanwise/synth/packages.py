"""Debian's package of furniture: got by apt-get or over HTTPS, opened without root, its catalogues added."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from scanwise.errors import InputError
from scanwise.progress import Progress, silent
from scanwise.synth import store

PACKAGE = "sweethome3d-furniture"
POOL = "https://deb.debian.org/debian/pool/main/s/sweethome3d-furniture/"
OFFLINE = "get the package on another machine, unpack it, and run `scanwise furniture add` on its .sh3f files"


def fetch_catalogues(progress: Progress = silent) -> list[Path]:
    """Gets the package, and adds those of its catalogues whose pieces scanwise knows by name.

    Args:
        progress: told ("downloading" or "adding", share done).

    Returns:
        Where the catalogues are now.

    Raises:
        InputError: the package is not to be had, is damaged, or holds other catalogues.
        OutputError: the user's furniture folder cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="scanwise-furniture-") as name:
        folder = Path(name)
        found = unpack(download(folder, progress), folder / "unpacked")
        catalogues = [path for path in found if path.name in store.KNOWN]
        if not catalogues:
            raise InputError(f"{PACKAGE}: none of the catalogues {', '.join(store.KNOWN)} in it; {OFFLINE}")
        for path in catalogues:
            if store.sha256(path) != store.KNOWN[path.name]:
                raise InputError(f"{path.name}: not the known catalogue (its SHA-256 differs); nothing was added")
        return store.add_catalogues(catalogues, progress)


def download(folder: Path, progress: Progress = silent) -> Path:
    """The package's .deb in a folder: by apt-get where there is one, else, or where that fails, over HTTPS.

    Args:
        folder: to download to.
        progress: told ("downloading", share done).

    Raises:
        InputError: neither works.
    """
    progress("downloading", 0.0)
    if shutil.which("apt-get"):
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, check=False)
        if found := sorted(folder.glob("*.deb")):
            progress("downloading", 1.0)
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
                progress("downloading", min(done / size, 0.99) if size else 0.5)
        if size and done != size:
            raise InputError(f"{PACKAGE}: the download broke off after {done:,} of {size:,} bytes; try again")
    except OSError as error:
        raise InputError(f"{PACKAGE}: neither apt-get nor {POOL} gives it ({error}); {OFFLINE}") from error
    progress("downloading", 1.0)
    return target


def unpack(package: Path, folder: Path) -> list[Path]:
    """The .sh3f files of a Debian package, taken out of it into a folder.

    Args:
        package: the .deb, an `ar` archive.
        folder: a new one.

    Raises:
        InputError: it is damaged, or packed by zstd and there is no dpkg.
    """
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
