"""Shared by tests of the directory: the real directories, rules, and small packages made by the test."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from bot.domain.directory.hsds.mapping import DirectoryMapping, read_mapping
from bot.domain.directory.needs import load_rules
from bot.usecases.directory.files import open_files
from bot.usecases.directory.import_services import ImportOptions, ImportReport, import_directory
from tests.paths import ROOT, SHARED_DATA

NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
"""Eleven in the morning of a Monday in St. Louis, nine in San Francisco."""
CITY = ZoneInfo("America/Chicago")
RULES = load_rules((ROOT / "directory/needs.yaml").read_text("utf-8"))
DIRECTORIES = ("asheville", "florida", "hsds3/examples", "mock_hsds_api", "ohana", "oruk", "sheltertech")


def real(name: str) -> Path:
    """A real directory's folder."""
    path = SHARED_DATA / "directory" / name
    if not path.exists():
        pytest.skip(f"the real directory {name} is not here")
    return path


def mapping_of(name: str) -> DirectoryMapping | None:
    path = ROOT / f"directory/mappings/{name}.yaml"
    return read_mapping(path.read_text("utf-8")) if path.exists() else None


def take_in(
    db: Session, path: Path, source: str, *, checked: date | None = date(2026, 11, 1), now: datetime = NOW
) -> ImportReport:
    """Import a folder as an admin who has checked all of it on `checked`."""
    wish = ImportOptions(source, "test", 180, CITY, checked, "Ana" if checked else "")
    return import_directory(db, open_files(path), wish, mapping_of(source), RULES, now)


def package(
    root: Path, services: Iterable[tuple[str, str, str]], *, assured: str = "2026-11-01", named: str = "Food pantry"
) -> Path:
    """A package in CSV of services as (id, name, telephone), all at one place in St. Louis."""
    rows = list(services)
    _write(root, "organizations", ["id", "name", "description"], [["o1", "Helpers", "They help."]])
    where = ["o1", "House", "38.63", "-90.2"]
    _write(root, "locations", ["id", "organization_id", "name", "latitude", "longitude"], [["l1", *where]])
    columns = ["id", "organization_id", "name", "status", "assured_date"]
    _write(root, "services", columns, [[key, "o1", name, "active", assured] for key, name, _ in rows])
    _write(root, "phones", ["id", "service_id", "number"], [[f"p{key}", key, phone] for key, _, phone in rows])
    _write(root, "service_at_location", ["id", "service_id", "location_id"], [[f"a{key}", key, "l1"] for key, *_ in rows])
    return root


def _write(root: Path, table: str, columns: list[str], rows: list[list[str]]) -> None:
    root.mkdir(exist_ok=True)
    with (root / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
