"""Scans that come over the network: one cloud file each, streamed to disk, with every size bounded."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from scanwise.app.service.problems import Problem

SUFFIXES = ("ply", "pcd", "las", "laz", "xyz", "txt", "csv", "asc", "pts", "xyzrgb", "xyzn", "ptx", "npy", "e57", "stl")
"""Formats of one file that refers to no other and is no archive."""
_ARCHIVES = {
    b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "rar",
    b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstandard",
}  # fmt: skip
_PICTURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"II*\x00": "TIFF", b"MM\x00*": "TIFF"}
_SILENCE = 30.0  # seconds without a byte after which an upload is given up
_LONGEST = 3600.0  # seconds
_NAME = 120  # characters


def checked_name(name: str) -> str:
    """A file's name as it is kept.

    Raises:
        Problem: 422, it is a path, hidden, or too long; 415, it is of no format that is taken.
    """
    bad = not name or len(name) > _NAME or name.startswith((".", "-")) or name != name.strip()
    if bad or any(sign in name for sign in "/\\:\0") or not name.isprintable() or ".corrections.db" in name:
        raise Problem(f"name: the name of a file, such as room.ply, of at most {_NAME} characters", 422, "name")
    if Path(name).suffix.lower().lstrip(".") not in SUFFIXES:
        text = "recordings and archives belong below the root of the service"
        raise Problem(f"name: uploads are one file of {', '.join(SUFFIXES)}; {text}", 415, "format")
    return name


async def receive(
    stream: AsyncIterator[bytes], name: str, folder: Path, *, declared: int | None, most: float, room: float
) -> str:
    """Writes an upload to `folder/ID/NAME`; all of it, or nothing.

    Args:
        stream: the body.
        name: as of `checked_name`.
        folder: of all uploads.
        declared: bytes that are announced; None = not.
        most: bytes that an upload may have.
        room: bytes that all of them may have.

    Returns:
        The id.

    Raises:
        Problem: 413, 415, 408 or 507.
    """
    most = min(most, room - _bytes_in(folder), _free(folder) - 1e9)
    if most <= 0:
        raise Problem("no room for uploads is left; delete some", 507, "full")
    if declared is not None and declared > most:
        raise _too_large(most)
    number = secrets.token_hex(8)
    place = folder / f".{number}"
    place.mkdir(parents=True, mode=0o700)
    try:
        await _written(stream, place / name, most)
        place.rename(folder / number)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return number


async def _written(stream: AsyncIterator[bytes], path: Path, most: float) -> None:
    size, clock = 0, asyncio.get_running_loop().time
    started, pieces = clock(), aiter(stream)
    with path.open("wb") as file:
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces), _SILENCE)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise Problem(f"nothing came for {_SILENCE:g} seconds", 408, "slow") from None
            if size < 8 <= size + len(piece) or (size == 0 and piece):
                _check_kind(piece)
            size += len(piece)
            if size > most:
                raise _too_large(most)
            if clock() - started > _LONGEST:
                raise Problem("the upload takes too long", 408, "slow")
            file.write(piece)
    if not size:
        raise Problem("the file is empty", 422, "empty")


def _check_kind(start: bytes) -> None:
    for magic, kind in (*_ARCHIVES.items(), *_PICTURES.items()):
        if start.startswith(magic):
            raise Problem(f"a {kind} file; uploads are point clouds as they are, without an archive", 415, "format")


def _too_large(most: float) -> Problem:
    return Problem(f"larger than the {most / 1e6:.0f} MB that are taken", 413, "too_large")


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _free(folder: Path) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free
