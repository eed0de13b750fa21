"""`warmline directory` as an admin uses it: exit code 0 when done, 1 with the reason when refused, 2 when misused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from bot.commands.directory import directory
from bot.domain.refused import Refused
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.tables.directory import DirectoryImport, Service
from tests.paths import ROOT
from tests.usecases.directory.example_directory import package, real

Run = Callable[..., Result]
PANTRY = ("s1", "Food pantry", "314-555-0101")
CHECKED = ("--checked-on", "2026-01-05", "--checked-by", "Ana Ruiz")


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Iterator[Run]:
    env = {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
        "DIRECTORY_FRESH_DAYS": "3000",
    }
    yield lambda *arguments: CliRunner(env=env).invoke(directory, [str(one) for one in arguments])


def refused(result: Result) -> str:
    assert isinstance(result.exception, Refused), result.output
    return str(result.exception)


def test_it_imports_a_real_directory_and_finds_in_it(run: Run, database: Database) -> None:
    mapping = ROOT / "directory/mappings/sheltertech.yaml"
    done = run("import", real("sheltertech"), "--mapping", mapping, "--source", "San Francisco", *CHECKED)
    assert done.exit_code == 0, done.output
    assert "services: 239 taken (239 new, 0 changed, 0 as they were)" in done.output
    assert "3 refused:" in done.output and "the service has no name; add its name" in done.output
    assert "239 services of san-francisco are checked and offered" in done.output
    found = run("search", "--need", "food", "--near", "94103", "--language", "es", "--most", "5")
    assert found.exit_code == 0 and len(found.output.splitlines()) == 6, found.output
    assert "name" in found.output.splitlines()[0] and "415-" in found.output
    assert "Nothing was found" in refused(run("search", "--words", "xylophone"))
    assert "no ZIP code" in refused(run("search", "--near", "00000"))
    assert run("search").exit_code == 2
    with database.transaction() as db:
        assert db.scalars(select(Service.assured_by).distinct()).all() == ["Ana Ruiz"]


def test_it_names_the_folder_and_reports_as_json(run: Run, database: Database, tmp_path: Path) -> None:
    folder = package(tmp_path / "St Louis", [PANTRY, ("s2", "", "")])
    done = run("import", folder, "--report", "json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["source"], report["counts"]["service"]["new"], report["refused"]) == (
        "st-louis",
        1,
        len(report["refused_rows"]),
    )
    assert {"file", "row", "key", "what", "remedy"} == set(report["refused_rows"][0])
    with database.transaction() as db:
        assert db.scalars(select(DirectoryImport.report)).one()["refused"] == report["refused"]


def test_it_shows_twenty_refused_rows_and_says_how_many_more(run: Run, tmp_path: Path) -> None:
    done = run("import", package(tmp_path / "city", [PANTRY, *((f"b{n}", "", "") for n in range(30))]))
    assert "more, see --report json" in done.output and done.exit_code == 0
    assert len([line for line in done.output.splitlines() if line.startswith("  services.csv")]) <= 20


def test_it_changes_nothing_in_a_dry_run(run: Run, database: Database, tmp_path: Path) -> None:
    done = run("import", package(tmp_path / "city", [PANTRY]), "--dry-run")
    assert "1 new" in done.output and "Nothing was changed" in done.output and done.exit_code == 0
    with database.transaction() as db:
        assert not db.scalar(select(func.count()).select_from(Service))


def test_it_refuses_what_it_cannot_read_and_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sheet.xlsx").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("mapping: x\nservises: []\n")
    assert "saved as .csv" in refused(run("import", tmp_path / "sheet.xlsx"))
    assert "is not there" in refused(run("import", tmp_path / "nowhere"))
    assert "nothing here could be taken" in refused(run("import", tmp_path / "empty"))
    folder = package(tmp_path / "city", [PANTRY])
    assert "servises" in refused(run("import", folder, "--mapping", tmp_path / "bad.yaml"))
    assert "--source" in refused(run("import", folder, "--source", "files"))


def test_it_requires_the_name_of_who_checked(run: Run, tmp_path: Path) -> None:
    folder = package(tmp_path / "city", [PANTRY])
    assert run("import", folder, "--checked-on", "2026-01-05").exit_code == 2
    assert run("import", folder, "--checked-by", "Ana").exit_code == 2
    assert run("import", folder, "--checked-on", "2999-01-05", "--checked-by", "Ana").exit_code == 2


def test_it_exports_into_an_empty_folder(run: Run, tmp_path: Path) -> None:
    assert "nothing to export" in refused(run("export", tmp_path / "out"))
    run("import", package(tmp_path / "city", [PANTRY]))
    done = run("export", tmp_path / "out", "--format", "csv")
    assert done.exit_code == 0 and "Food pantry" in (tmp_path / "out/services.csv").read_text("utf-8"), done.output
    assert "not empty" in refused(run("export", tmp_path / "out"))
    assert "No directory nowhere" in refused(run("export", tmp_path / "more", "--source", "nowhere"))


def test_it_loads_the_files_and_leaves_what_was_imported(run: Run, database: Database, tmp_path: Path) -> None:
    run("import", package(tmp_path / "city", [PANTRY]))
    done = run("load")
    assert done.exit_code == 0 and "checked and offered" in done.output
    assert run("load").exit_code == 0
    with database.transaction() as db:
        assert db.scalar(select(func.count()).where(Service.origin == "city")) == 1
        assert (db.scalar(select(func.count()).where(Service.origin == "files")) or 0) > 10
    found = run("search", "--words", "energy", "--offered")
    assert "Missouri energy assistance" in found.output, found.output
