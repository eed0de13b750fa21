"""The files of a directory as an admin has them: a folder, a .zip, or one single .json or .csv; and a folder to write to."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from bot.domain.directory.records import Files

LARGEST = 2 * 1024**3
"""Bytes that a .zip may hold unpacked."""

STEEPEST = 200
"""How many times larger than itself a .zip may be: text shrinks to a tenth. What shrinks more was made to fill a disk."""

_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
"""The ways of packing that can be undone here; some desktops pack large files in another (Deflate64)."""

_SMALL = 10 * 1024**2
"""Up to this size nobody minds how much it shrank."""


class CannotRead(Exception):
    """This is nothing that can be imported; the text says why and what to do."""


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))

    def names(self) -> Sequence[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")


class _Single:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Sequence[str]:
        return (self._path.name,)

    def open(self, name: str) -> BinaryIO:
        return self._path.open("rb")


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = tuple(sorted(info.filename for info in archive.infolist() if not info.is_dir()))

    def names(self) -> Sequence[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        # It reads no more than the size that `_checked` has added up, whatever the stream goes on to hold.
        return cast(BinaryIO, self._archive.open(name))


def open_files(path: Path) -> Files:
    """The files of a folder, of a .zip, or the one file. Raises CannotRead."""
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise CannotRead(f"{path.name} is not there. Name a folder, a .zip, or a .json or .csv file.")
    if path.suffix.lower() in (".json", ".csv"):
        return _Single(path)
    if path.suffix.lower() == ".zip":
        return _Zip(_checked(path))
    raise CannotRead(f"{path.name} is none of folder, .zip, .json and .csv. A spreadsheet can be saved as .csv.")


class FolderSink:
    """Writes files into a folder that is made, or empty."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        with (self._root / name).open("wb") as stream:
            yield stream


def open_sink(path: Path) -> FolderSink:
    """A folder to write into. Raises CannotRead where something stands in it, which would be mixed with what is written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise CannotRead(f"{path.name} is not empty. Name a folder that is new or empty.")
    except OSError as error:
        raise CannotRead(f"{path.name} cannot be made into a folder: {error.strerror}.") from error
    return FolderSink(path)


def _checked(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise CannotRead(f"{path.name} is broken. Get it again, or unpack it and name the folder.") from error
    held = archive.infolist()
    unpacked, packed = sum(info.file_size for info in held), max(path.stat().st_size, 1)
    if unpacked > LARGEST or (unpacked > _SMALL and unpacked / packed > STEEPEST):
        archive.close()
        raise CannotRead(
            f"{path.name} would be {unpacked // 1024**2} MB unpacked, {unpacked // packed} times its size. That is refused: "
            "unpack it yourself, look at it, and name the folder."
        )
    if any(info.flag_bits & 1 for info in held):
        archive.close()
        raise CannotRead(f"{path.name} is locked with a password. Unpack it and name the folder.")
    if any(info.compress_type not in _PACKED for info in held):
        archive.close()
        raise CannotRead(f"{path.name} is packed in a way that cannot be read here. Unpack it and name the folder.")
    return archive
