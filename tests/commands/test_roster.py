"""`warmline roster` and `warmline staff` as a supervisor or operator uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.commands.roster import roster
from bot.commands.staff import staff
from bot.domain.messages.message import Address, Channel
from bot.domain.refused import Refused
from bot.operations.settings.settings import Settings
from bot.storage import rosters
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.storage.staff import staff as rows

HEADER = "kind,team,staff,day,starts,ends,place,since,until,name\n"
ALL_WEEK = HEADER + "shift,housing,ana@x.example,Mon-Sun,08:00,08:00,1,,,\n"
Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Iterator[Run]:
    """Run one command of `roster` or `staff` against this test's database."""
    env = {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
    }

    def runs(group: str, *arguments: str, typed: str = "") -> Result:
        command = {"roster": roster, "staff": staff}[group]
        return CliRunner(env=env).invoke(command, arguments, input=typed)

    yield runs


def refused(result: Result) -> str:
    assert isinstance(result.exception, Refused), result.output
    return str(result.exception)


def add_ana(run: Run) -> None:
    assert run("staff", "team", "housing", "--name", "Housing").exit_code == 0
    ana = ("ana@x.example", "--name", "Ana Ruiz", "--team", "housing", "--language", "en", "--language", "es")
    added = run("staff", "add", *ana, typed="314-555-0142\n")
    assert added.exit_code == 0 and "0142" not in added.output, added.output


def test_it_adds_a_member_of_staff_and_asks_for_the_telephone(run: Run, database: Database, settings: Settings) -> None:
    add_ana(run)
    sealer = Sealer(settings.encryption_keys, settings.secret_key)
    with database.transaction() as db:
        ana = rows.find_by_email(db, "ana@x.example")
        assert ana is not None and rows.phone_of(sealer, ana) == Address(Channel.SIMULATOR, "+13145550142")
    listed = run("staff", "list").output
    assert "ana@x.example" in listed and "housing" in listed and "en,es" in listed and "0142" not in listed


def test_it_adds_no_one_where_anything_is_wrong(run: Run, database: Database) -> None:
    joe = ("add", "joe@x.example", "--name", "Joe")
    assert "no telephone number" in refused(run("staff", *joe, typed="12\n"))
    assert "no team medical" in refused(run("staff", *joe, "--team", "medical", "--no-phone"))
    assert "e-mail" in refused(run("staff", "add", "joe", "--name", "Joe"))
    assert run("staff", *joe, "--role", "king").exit_code == 2
    with database.transaction() as db:
        assert not rows.list_active(db)


def test_it_deactivates_a_member_of_staff(run: Run) -> None:
    add_ana(run)
    assert "has left" in run("staff", "leave", "ANA@x.example", "--yes").output
    assert "0 here" in run("staff", "list").output
    assert "Nobody" in refused(run("staff", "leave", "ana@x.example", "--yes"))


def test_it_imports_a_roster_and_gives_it_back(run: Run, tmp_path: Path) -> None:
    add_ana(run)
    (tmp_path / "in.csv").write_text(ALL_WEEK)
    done = run("roster", "import", str(tmp_path / "in.csv"))
    assert done.exit_code == 0 and "7 new, 0 taken out" in done.output, done.output
    assert "7 rows" in run("roster", "export", str(tmp_path / "out.csv")).output
    again = run("roster", "import", str(tmp_path / "out.csv"))
    assert "0 new, 0 taken out, 7 as they were" in again.output
    assert run("roster", "check").output.startswith("The roster of the next 14 days is whole")


def test_it_names_the_mistakes_in_a_file_and_changes_nothing(run: Run, tmp_path: Path, database: Database) -> None:
    add_ana(run)
    (tmp_path / "in.csv").write_text(ALL_WEEK + "shift,housing,joe@x.example,Mon,08:00,17:00,1,,,\n")
    result = run("roster", "import", str(tmp_path / "in.csv"))
    assert "nothing was changed" in refused(result) and "in.csv, line 3, staff: Nobody" in result.output
    with database.transaction() as db:
        assert not rosters.list_entries(db)


def test_it_asks_before_it_removes_rows(run: Run, tmp_path: Path, database: Database) -> None:
    add_ana(run)
    for name, text in (("week.csv", ALL_WEEK), ("none.csv", HEADER)):
        (tmp_path / name).write_text(text)
    run("roster", "import", str(tmp_path / "week.csv"))
    assert run("roster", "import", str(tmp_path / "none.csv"), typed="n\n").exit_code == 1
    shown = run("roster", "import", str(tmp_path / "none.csv"), "--dry-run").output
    assert "7 taken out" in shown and "!! Nobody of any team is on." in shown
    with database.transaction() as db:
        assert len(rosters.list_entries(db)) == 7
    assert run("roster", "import", str(tmp_path / "none.csv"), "--yes").exit_code == 0
    with database.transaction() as db:
        assert not rosters.list_entries(db)


def test_it_refuses_a_roster_with_gaps(run: Run) -> None:
    add_ana(run)
    result = run("roster", "check")
    assert "grave" in refused(result) and "!! Nobody of any team is on." in result.output
