"""Directory packages for the tests: in memory, and the real ones in the shared data."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bot.domain.directory.hsds.mapping import DirectoryMapping, read_mapping
from bot.domain.directory.hsds.package import read
from bot.domain.directory.hsds.records import (
    ImportRefusal,
    ImportRemark,
    LocationRecord,
    OrganizationRecord,
    PackageFiles,
    Record,
    RecordOrReport,
    ServiceAtLocationRecord,
    ServiceRecord,
)
from tests.paths import ROOT

SHARED = ROOT.parent / "shared" / "data" / "directory"


class _Kept(io.BytesIO):
    """A file in memory that keeps its bytes when it is closed."""

    def close(self) -> None:
        pass


class Memory:
    """A package in memory, to read from and to write to."""

    def __init__(self, **files: str | bytes | object) -> None:
        self.files = {name.replace("__", "."): _bytes(value) for name, value in files.items()}

    def names(self) -> Sequence[str]:
        return tuple(self.files)

    def open(self, name: str) -> BinaryIO:
        return io.BytesIO(self.files[name])

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        stream = _Kept()
        yield stream
        self.files[name] = stream.getvalue()


class Folder:
    """A folder of real files; `only` selects them by name."""

    def __init__(self, root: Path, only: Callable[[str], bool] = lambda _: True) -> None:
        self._root = root
        self._names = tuple(path.name for path in sorted(root.iterdir()) if path.is_file() and only(path.name))

    def names(self) -> Sequence[str]:
        return self._names

    def open(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def shared(folder: str, only: Callable[[str], bool] = lambda _: True) -> Folder:
    """A real package from the shared data; skips the test where its folder is absent."""
    if not (SHARED / folder).is_dir():
        pytest.skip(f"the shared test data has no directory/{folder} here")
    return Folder(SHARED / folder, only)


def our_mapping(name: str) -> DirectoryMapping:
    return read_mapping((ROOT / "directory" / "mappings" / f"{name}.yaml").read_text("utf-8"))


def found_in(files: PackageFiles, mapping: DirectoryMapping | None = None) -> list[RecordOrReport]:
    return list(read(files, mapping))


def records(found: list[RecordOrReport]) -> list[Record]:
    return [one for one in found if not isinstance(one, ImportRefusal | ImportRemark)]


def refusals(found: list[RecordOrReport]) -> list[ImportRefusal]:
    return [one for one in found if isinstance(one, ImportRefusal)]


def remarks(found: list[RecordOrReport]) -> list[ImportRemark]:
    return [one for one in found if isinstance(one, ImportRemark)]


def services(found: list[RecordOrReport]) -> list[ServiceRecord]:
    return [one for one in found if isinstance(one, ServiceRecord)]


def counts(found: list[RecordOrReport]) -> dict[str, int]:
    made: dict[str, int] = {}
    for one in found:
        made[type(one).__name__] = made.get(type(one).__name__, 0) + 1
    return made


def the_service(found: list[RecordOrReport]) -> ServiceRecord:
    (one,) = services(found)
    return one


def the_location(found: list[RecordOrReport]) -> LocationRecord:
    (one,) = (one for one in found if isinstance(one, LocationRecord))
    return one


def the_organization(found: list[RecordOrReport]) -> OrganizationRecord:
    (one,) = (one for one in found if isinstance(one, OrganizationRecord))
    return one


def the_link(found: list[RecordOrReport]) -> ServiceAtLocationRecord:
    (one,) = (one for one in found if isinstance(one, ServiceAtLocationRecord))
    return one


PANTRY: dict[str, Any] = {
    "id": "pantry",
    "name": "Food pantry",
    "status": "active",
    "phones": [{"id": "p1", "number": "314-555-0100"}],
    "organization": {"id": "helpers", "name": "Helpers", "description": "They help."},
}
