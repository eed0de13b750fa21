"""The input files of a directory import (a folder, a .zip, or one .json or .csv), and the output folder of an export."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from bot.domain.directory.hsds.records import PackageFiles

MAX_UNPACKED_BYTES = 2 * 1024**3
"""Bytes that a .zip may have unpacked."""

MAX_COMPRESSION_RATIO = 200
"""The highest compression ratio of a .zip. Text packs to a tenth; much more than that is a zip bomb."""

_SUPPORTED_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
"""The supported compression methods; some desktops use another for large files (Deflate64)."""

_RATIO_EXEMPT_BYTES = 10 * 1024**2
"""Up to this size the ratio does not matter."""


class DirectoryFilesError(Exception):
    """The path cannot be read or written; the text says why and what to do."""


class _FolderFiles:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = tuple(sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()))

    def names(self) -> Sequence[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")


class _SingleFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Sequence[str]:
        return (self._path.name,)

    def open(self, name: str) -> BinaryIO:
        return self._path.open("rb")


class _ZipFiles:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = tuple(sorted(info.filename for info in archive.infolist() if not info.is_dir()))

    def names(self) -> Sequence[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        # Reads no more than the declared size, which `_checked` has added up, whatever the stream holds.
        return cast(BinaryIO, self._archive.open(name))


def open_files(path: Path) -> PackageFiles:
    """The files of a folder or a .zip, or a single file. Raises CannotRead."""
    if path.is_dir():
        return _FolderFiles(path)
    if not path.is_file():
        raise DirectoryFilesError(f"{path.name} is not there. Name a folder, a .zip, or a .json or .csv file.")
    if path.suffix.lower() in (".json", ".csv"):
        return _SingleFile(path)
    if path.suffix.lower() == ".zip":
        return _ZipFiles(_open_checked_zip(path))
    raise DirectoryFilesError(f"{path.name} is none of folder, .zip, .json and .csv. A spreadsheet can be saved as .csv.")


class FolderSink:
    """Writes files into a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        with (self._root / name).open("wb") as stream:
            yield stream


def open_sink(path: Path) -> FolderSink:
    """A new or empty folder to write into. Raises CannotRead where it has content, which would mix with the export."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise DirectoryFilesError(f"{path.name} is not empty. Name a folder that is new or empty.")
    except OSError as error:
        raise DirectoryFilesError(f"{path.name} cannot be made into a folder: {error.strerror}.") from error
    return FolderSink(path)


def _open_checked_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DirectoryFilesError(f"{path.name} is broken. Get it again, or unpack it and name the folder.") from error
    held = archive.infolist()
    unpacked, packed = sum(info.file_size for info in held), max(path.stat().st_size, 1)
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > _RATIO_EXEMPT_BYTES and unpacked / packed > MAX_COMPRESSION_RATIO):
        archive.close()
        raise DirectoryFilesError(
            f"{path.name} would be {unpacked // 1024**2} MB unpacked, {unpacked // packed} times its size. That is refused: "
            "unpack it yourself, look at it, and name the folder."
        )
    if any(info.flag_bits & 1 for info in held):
        archive.close()
        raise DirectoryFilesError(f"{path.name} is locked with a password. Unpack it and name the folder.")
    if any(info.compress_type not in _SUPPORTED_METHODS for info in held):
        archive.close()
        raise DirectoryFilesError(f"{path.name} is packed in a way that cannot be read here. Unpack it and name the folder.")
    return archive
