"""Arrays out of NumPy's own files. What their headers declare is looked at first; pickled objects are never loaded."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from scanwise.errors import InputError, ScanwiseError
from scanwise.memory import check_fits

_COPIES = 4
"""Times that the numbers of a cloud are in memory while it is read."""


def load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    """The array of an .npy file, or those of an .npz by name.

    Raises:
        InputError: the file is damaged, holds something else than arrays, or does not fit into the memory that is free.
    """
    try:
        return _load(path)
    except (ScanwiseError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    except Exception as error:  # besides ValueError: zlib.error, BadZipFile, what NumPy's header parser lets through
        said = " ".join(str(error).split())[:120] or type(error).__name__
        if "pickle" in said.lower() or "magic string" in said:
            said = "pickled objects, or not of NumPy at all"
        raise InputError(f"{path}: no whole file of plain arrays ({said}); save it again with NumPy") from error


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:  # NumPy would leave a file open that it cannot read
            declared = _declared(file)
            there = os.path.getsize(path) - file.tell()
            if there < declared:
                raise InputError(f"{path}: its header declares {declared:,} bytes of numbers, {there:,} follow")
            check_fits(_COPIES * declared, path)
            file.seek(0)
            array: np.ndarray = np.load(file, allow_pickle=False)
            return array
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if other := next((member.filename for member in members if not member.filename.endswith(".npy")), None):
            raise InputError(f"{path}: {other} in it is no array; save it again with NumPy")
        check_fits(_COPIES * sum(_declared_in(archive, member, path) for member in members), path)
        arrays = {}
        for member in members:
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
        return arrays


def _declared_in(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> int:
    """Bytes of numbers that a member declares; they must be there by the archive's own count."""
    with archive.open(member) as file:
        declared = _declared(file)
        there = member.file_size - file.tell()
    if there < declared:
        raise InputError(f"{path}: {member.filename} declares {declared:,} bytes of numbers, {there:,} follow")
    return declared


def _declared(file: IO[bytes]) -> int:
    """Bytes of numbers that the header at the start of a file declares."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("pickled objects")
    return math.prod(shape) * dtype.itemsize
