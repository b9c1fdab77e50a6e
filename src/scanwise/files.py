"""Files that are whole or absent, rasters that are read when touched."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from scanwise.errors import InputError, OutputError

_PREFIX = ".scanwise-"  # of temporary names


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside `path` to write to, and renames it on success; on failure nothing is left.

    The temporary name keeps the suffix, for libraries that choose the format by it.

    Args:
        path: of the file; its folder is made.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file, in UTF-8, whole or not at all.

    Args:
        path: of the file.
        text: what it holds; bytes of file names that are no UTF-8 become escapes, as JSON has them.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a JSON file, a line a value and one more at the end, whole or not at all.

    Args:
        path: of the file.
        value: what it holds.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    write_text(path, json.dumps(value, indent=1) + "\n")


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Like `replacing`, for a folder that is made whole and then put in place of an older one.

    Args:
        path: of the folder.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(path.parent) as temporary:
            os.chmod(temporary, 0o777 & ~_umask())
            yield temporary
            if path.exists():
                old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{_PREFIX}old-"))
                os.replace(path, old / "was")
                os.replace(temporary, path)
                shutil.rmtree(old)
            else:
                os.replace(temporary, path)


@contextmanager
def adding_files(folder: Path) -> Iterator[Path]:
    """A temporary folder within `folder`, whose files move there when all are written; other files there stay.

    Args:
        folder: is made where it is missing.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(folder) as temporary:
            yield temporary
            for file in sorted(temporary.iterdir()):
                os.replace(file, folder / file.name)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    temporary = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error that a failed write to `path` is."""
    if disk_is_full(error):
        return OutputError(f"{path}: the disk is full; free some space or choose another place", option="out")
    return OutputError(f"{path}: cannot write here ({error.strerror or error}); choose another place", option="out")


def disk_is_full(error: OSError) -> bool:
    """Whether a write failed for want of space; NumPy says so in words of its own."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or " requested and " in str(error)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


def read_json(path: Path, what: str = "JSON") -> Any:
    """What a JSON file holds.

    Args:
        path: of the file.
        what: what it is called in the error.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"{path}: damaged {what} ({error})") from error
    except RecursionError as error:
        raise InputError(f"{path}: damaged {what} (brackets within brackets, too many to be read)") from error


@dataclass(frozen=True, eq=False)
class ImageFile:
    """A colour picture on disk: any mode and 8 or 16 bits in, uint8 (H, W, 3) out.

    Attributes:
        path: of the file.
    """

    path: Path

    def read(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3)."""
        return to_rgb8(decode(self.path, self.path))

    def size(self) -> tuple[int, int]:
        """(H, W), without decoding the whole."""
        return picture_size(self.path, self.path)

    def digest(self) -> str:
        """Hex SHA-256 of what `read` gives, by the bytes of the file."""
        return hashlib.sha256(read_bytes(self.path)).hexdigest()


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture held as the bytes of its file, as a camera would store it.

    Attributes:
        data: the file's bytes.
        suffix: of the file (".jpg").
    """

    data: bytes
    suffix: str

    def read(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3)."""
        with opened_picture(io.BytesIO(self.data), f"a picture ({self.suffix})") as picture:
            return np.asarray(picture.convert("RGB"))

    def size(self) -> tuple[int, int]:
        """(H, W), without decoding the whole."""
        return picture_size(io.BytesIO(self.data), f"a picture ({self.suffix})")

    def digest(self) -> str:
        """Hex SHA-256 of what `read` gives, by the bytes of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class DepthFile:
    """A depth map on disk, read as float32 metres (H, W), 0 = no reading.

    Attributes:
        path: of a picture, or of a .npy file.
        units_per_metre: stored values that make a metre.
        far: metres; readings beyond it, and the largest value of a 16-bit file, become 0.
    """

    path: Path
    units_per_metre: float = 1000.0
    far: float = float("inf")

    def read(self) -> np.ndarray:
        """The depth map, float32 (H, W) in metres."""
        stored = self._array() if self.path.suffix == ".npy" else decode(self.path, self.path)
        return to_metres(stored, self.units_per_metre, self.far, self.path)

    def size(self) -> tuple[int, int]:
        """(H, W), without decoding the whole."""
        if self.path.suffix == ".npy":
            height, width = self._array(mmap_mode="r").shape[:2]
            return height, width
        return picture_size(self.path, self.path)

    def digest(self) -> str:
        """Hex SHA-256 of what `read` gives, by the bytes of the file."""
        state = hashlib.sha256(read_bytes(self.path))
        state.update(f"{self.units_per_metre} {self.far}".encode())
        return state.hexdigest()

    def _array(self, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
        try:
            return np.load(self.path, mmap_mode, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.path}: truncated or corrupt depth map ({error})") from error


def decode(source: Path | BinaryIO, where: object) -> np.ndarray:
    """The pixels of a picture as they are stored; of palettes and CMYK, RGB.

    Args:
        source: the file.
        where: what errors begin with.

    Raises:
        InputError: there is no such picture, or it is damaged.
    """
    with opened_picture(source, where) as picture:
        picture.load()
        return np.asarray(picture.convert("RGB") if picture.mode in ("P", "CMYK", "YCbCr") else picture)


def picture_size(source: Path | BinaryIO, where: object) -> tuple[int, int]:
    """(H, W), without decoding the whole.

    Args:
        source: the file.
        where: what errors begin with.

    Raises:
        InputError: there is no such picture, or it is damaged.
    """
    with opened_picture(source, where) as picture:
        return picture.height, picture.width


@contextmanager
def opened_picture(source: Path | BinaryIO, where: object) -> Iterator[Image.Image]:
    """A picture to be read; what goes wrong meanwhile is an error in one line.

    Args:
        source: the file.
        where: what errors begin with.

    Raises:
        InputError: there is no such picture, it is damaged, or too large for Pillow.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Pillow's limit is told below
            picture = Image.open(source)
        with picture:
            yield picture
    except FileNotFoundError as error:
        raise InputError(f"{where}: no such picture") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
        raise InputError(f"{where}: pictures of more than {most} million pixels are not read; scale it down") from error
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise InputError(f"{where}: truncated or corrupt picture ({error})") from error


def to_metres(stored: np.ndarray, units_per_metre: float, far: float, where: object) -> np.ndarray:
    """float32 metres (H, W) of a stored depth map.

    Args:
        stored: (H, W) of any type.
        units_per_metre: stored values that make a metre.
        far: metres. What is no reading (beyond that, negative, not finite, the largest value of 16 bits) is 0.
        where: what errors begin with.

    Raises:
        InputError: it has several channels.
    """
    if stored.ndim != 2:
        raise InputError(f"{where}: a depth map has one channel, this one is {stored.shape}")
    depth = stored.astype(np.float32) / np.float32(units_per_metre)
    unusable = ~np.isfinite(depth) | (depth > far) | (depth < 0)
    if stored.dtype == np.uint16:
        unusable |= stored == 65535
    depth[unusable] = 0
    return depth


def to_rgb8(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) of decoded pixels (H, W) or (H, W, 1 to 4), of 1, 8 or 16 bits."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    elif pixels.dtype != np.uint8:
        pixels = np.clip(pixels.astype(np.float32) / 257.0, 0, 255).round().astype(np.uint8)
    if pixels.shape[2] in (1, 2):
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


# Folders of results, whose summary names its files


def summary_text(content: Mapping[str, Any]) -> str:
    """A summary as people read it: JSON, names as they are."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def written_before(summary: Path, *, older: Callable[[dict[str, Any]], list[str]] | None = None) -> list[str]:
    """Names of the files that an earlier run says, in its summary, that it left beside it; none where it does not.

    Args:
        summary: JSON whose `files` has the names.
        older: what a summary without names means.
    """
    if not summary.is_file():
        return []
    try:
        found = json.loads(read_bytes(summary))
        names = found.get("files", []) or ([] if older is None else older(found))
    except (ValueError, AttributeError):
        return []
    return [name for name in names if isinstance(name, str) and Path(name).name == name]


def take_away(folder: Path, names: Sequence[str]) -> None:
    """Takes files of a folder away, and folders in it with the files that they hold."""
    for name in names:
        path = folder / name
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            file.unlink(missing_ok=True)
        if path.is_dir():
            path.rmdir()
