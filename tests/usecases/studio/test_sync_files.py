"""Flows between a folder and the line: never half, and nothing that could write outside of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.flows.language.content import FlowContent
from bot.storage.database import Database
from bot.storage.flows import flows
from bot.usecases.flows.files import FlowFolder
from bot.usecases.studio import sync_files
from bot.usecases.studio.sync_files import Conflict, SyncRecord
from tests.support.clock import MONDAY_MORNING

EMPTY = FlowFolder({}, {}, ())
SOURCE = "flow: {0}\ntitle: A\nstart: a\nsteps:\n  a: {{say: Hi., end: done}}\n"


def live(database: Database, name: str, **parts: dict[str, str]) -> None:
    with database.transaction() as db:
        flows.publish(
            db, name, FlowContent(SOURCE.format(name), **parts), "Vera", MONDAY_MORNING, how=flows.PublicationMethod.CONSOLE
        )


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../b", ".hidden", "a\x00b", "", "en/"])
def test_it_writes_no_transcript_outside_of_its_place(database: Database, name: str) -> None:
    live(database, "one", transcripts={name.replace("\x00", "\x01"): "title: T\n\nperson: hi\n"})
    with database.transaction() as db, pytest.raises(Conflict, match=r"can't be the name of a file\. Rename it"):
        sync_files.pull(db, EMPTY, {})


def test_it_refuses_two_transcripts_of_the_same_name(database: Database) -> None:
    live(database, "one", transcripts={"en/a": "x"})
    live(database, "two", transcripts={"en/a": "y"})
    with database.transaction() as db, pytest.raises(Conflict, match="`one` has a transcript of that name too"):
        sync_files.pull(db, EMPTY, {})


def test_it_pulls_all_files_of_a_flow(database: Database) -> None:
    live(database, "one", translations={"es": "po"}, transcripts={"en/a": "x"})
    with database.transaction() as db:
        pulled = sync_files.pull(db, EMPTY, {})
    assert set(pulled.files) == {"one.yaml", "translations/es/one.po", "transcripts/en/a.txt"}
    assert pulled.records["one"].line == pulled.records["one"].folder


def test_it_leaves_the_folder_as_it_was_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("old")
    (tmp_path / "translations").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="translations"):
        sync_files.write_files(tmp_path, {"a.yaml": "new", "translations/es/a.po": "po"}, {"a": SyncRecord("1", "1")})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "translations"]
    assert (tmp_path / "a.yaml").read_text() == "old"


def test_it_writes_and_deletes_and_remembers(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").write_text("old")
    sync_files.write_files(tmp_path, {"a.yaml": "naïve\r\n", "gone.yaml": None}, {"a": SyncRecord("1", "2")})
    assert (tmp_path / "a.yaml").read_bytes() == "naïve\r\n".encode()
    assert not (tmp_path / "gone.yaml").exists()
    assert sync_files.read_sync_records(tmp_path) == {"a": SyncRecord("1", "2")}
    assert (tmp_path / "a.yaml").stat().st_mode & 0o777 == 0o644
