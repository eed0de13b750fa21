"""`warmline flows pull`, `push` and `diff` between a folder and a running Warmline: no one's work is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.commands.flows import flows
from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.flows import drafts
from bot.storage.flows import flows as stored
from bot.storage.flows.drafts import DraftAuthor
from bot.storage.tables.staff import Team
from bot.usecases.studio import edit_draft
from tests.paths import ROOT
from tests.support.clock import MONDAY_MORNING

Run = Callable[..., Result]
VERA = DraftAuthor("Vera Ortiz")


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Iterator[Run]:
    env = {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
    }
    yield lambda *arguments: CliRunner(env=env).invoke(flows, [str(one) for one in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped flows, as a repository would hold them."""
    return Path(shutil.copytree(ROOT / "flows", tmp_path / "flows"))


@pytest.fixture
def line(run: Run, folder: Path) -> Path:
    """The folder, after its flows were published."""
    assert run("publish", folder).exit_code == 0
    return folder


def refused(result: Result) -> str:
    assert isinstance(result.exception, Refused), result.output
    return str(result.exception)


def done(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def in_console(database: Database, flow: str, old: str, new: str, *, publish: bool = True) -> None:
    """Change a flow as Vera would in the console, and publish it unless `publish` is false."""
    with database.transaction() as db:
        version = stored.current_version(db, flow)
        assert version is not None
        content = stored.load_version(db, version).content  # type: ignore[union-attr]
        assert old in content.source
        after = FlowContent(content.source.replace(old, new), content.translations, content.transcripts)
        draft = drafts.find(db, flow)
        number = draft.revision.number if draft else 0
        edit_draft.change(db, flow, number, "Changed", lambda _before: after, VERA, MONDAY_MORNING)
        if publish:
            made = stored.publish(db, flow, after, VERA.name, MONDAY_MORNING, how=stored.PublicationMethod.CONSOLE)
            drafts.set_base_version(db, flow, made)


def live(database: Database, flow: str) -> str:
    with database.transaction() as db:
        version = stored.current_version(db, flow)
        assert version is not None
        return stored.load_version(db, version).source  # type: ignore[union-attr]


# -- pull and push --


def test_it_pulls_valid_flows_into_an_empty_folder_and_has_nothing_to_push(run: Run, line: Path, tmp_path: Path) -> None:
    empty = tmp_path / "fresh" / "flows"
    assert "Pulled: " in done(run("pull", empty))
    assert "no errors" in done(run("check", empty))
    assert "Nothing to push" in done(run("push", empty))
    assert "are the same" in done(run("diff", empty))
    names = everything(empty)
    assert names.pop(".line.json")
    assert names == {name: raw for name, raw in everything(line).items() if name != "flow.schema.json"}


def test_it_leaves_equal_files_unchanged_to_the_byte(run: Run, line: Path, database: Database) -> None:
    welcome = line / "welcome.yaml"
    welcome.write_bytes(welcome.read_bytes())
    before = everything(line)
    in_console(database, "privacy", "purpose: ", "purpose: Still ")
    assert "Pulled: privacy." in done(run("pull", line))
    after = everything(line)
    assert "purpose: Still " in (line / "privacy.yaml").read_text("utf-8")
    assert {name for name in after if after[name] != before.get(name)} == {"privacy.yaml", ".line.json"}
    assert not list(line.rglob("*.part"))


def test_it_makes_a_draft_of_what_was_changed_and_publishes_nothing(run: Run, line: Path, database: Database) -> None:
    change(line / "privacy.yaml", "purpose: ", "purpose: Still ")
    assert "Pushed as drafts: privacy." in done(run("push", line))
    assert "Still" not in live(database, "privacy")
    with database.transaction() as db:
        draft = drafts.find(db, "privacy")
        assert draft is not None and "Still" in draft.revision.content.source
        assert [each.flow for each in drafts.list_all(db)] == ["privacy"]
        assert draft.revision.by == "push"
    change(line / "privacy.yaml", "Still ", "Still, and ")
    assert "Pushed as drafts: privacy." in done(run("push", line))


def test_it_keeps_the_files_that_were_pushed_as_a_draft_when_it_pulls(run: Run, line: Path) -> None:
    change(line / "privacy.yaml", "purpose: ", "purpose: Still ")
    done(run("push", line))
    assert "Nothing new" in done(run("pull", line))
    assert "Still" in (line / "privacy.yaml").read_text("utf-8")


def test_it_adds_flows_and_removes_transcripts_and_translations(run: Run, line: Path, database: Database) -> None:
    (line / "fresh.yaml").write_text("flow: fresh\ntitle: New\nstart: a\nsteps:\n  a: {say: Hi., end: done}\n", "utf-8")
    done(run("pull", line))
    (line / "translations/es/privacy.po").unlink()
    (line / "transcripts/en/food.txt").unlink()
    assert "fresh, privacy, welcome" in done(run("push", line))
    with database.transaction() as db:
        found = {each.flow: each.revision.content for each in drafts.list_all(db)}
    assert found["privacy"].translations == {}
    assert "en/food" not in found["welcome"].transcripts and "en/jobs" in found["welcome"].transcripts


def test_it_removes_files_that_are_no_longer_live(run: Run, line: Path, database: Database) -> None:
    done(run("pull", line))
    with database.transaction() as db:
        content = stored.load_version(db, stored.current_version(db, "welcome") or 0).content  # type: ignore[union-attr]
        fewer = {name: text for name, text in content.transcripts.items() if name != "en/food"}
        less = FlowContent(content.source, content.translations, fewer)
        stored.publish(db, "welcome", less, "Vera", MONDAY_MORNING, how=stored.PublicationMethod.CONSOLE)
    done(run("pull", line))
    assert not (line / "transcripts/en/food.txt").exists() and (line / "transcripts/en/jobs.txt").exists()


# -- changes on both sides --


def test_it_refuses_both_ways_where_both_sides_changed_and_loses_nothing(run: Run, line: Path, database: Database) -> None:
    done(run("pull", line))
    change(line / "privacy.yaml", "purpose: ", "purpose: Mine ")
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ")
    in_console(database, "counseling", "purpose: ", "purpose: Theirs ")
    before = everything(line)
    for command in ("pull", "push"):
        said = refused(run(command, line))
        assert "`privacy`" in said and f"warmline flows {command} --overwrite" in said and "warmline flows diff" in said
    assert everything(line) == before
    assert "Theirs" in live(database, "privacy")
    assert "Pulled: counseling, privacy." in done(run("pull", line, "--overwrite"))
    assert "Theirs" in (line / "privacy.yaml").read_text("utf-8")


def test_it_lets_the_files_win_where_that_is_asked(run: Run, line: Path, database: Database) -> None:
    done(run("pull", line))
    change(line / "privacy.yaml", "purpose: ", "purpose: Mine ")
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ")
    assert "privacy" in done(run("push", line, "--overwrite"))
    with database.transaction() as db:
        draft = drafts.find(db, "privacy")
        assert draft is not None and "Mine" in draft.revision.content.source
        edit_draft.undo(db, "privacy", draft.revision.number, VERA, MONDAY_MORNING)
    assert "Nothing new" in done(run("pull", line))


def test_it_does_not_overwrite_a_draft_that_another_person_works_on(run: Run, line: Path, database: Database) -> None:
    done(run("pull", line))
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ", publish=False)
    assert "Nothing to push" in done(run("push", line))
    change(line / "privacy.yaml", "purpose: ", "purpose: Mine ")
    said = refused(run("push", line))
    assert "Vera Ortiz works on a draft" in said and "--overwrite" in said
    done(run("push", line, "--overwrite"))


def test_it_knows_without_a_sync_record_what_was_once_published(run: Run, line: Path, database: Database) -> None:
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ")
    assert "Pulled: privacy." in done(run("pull", line))
    (line / ".line.json").unlink()
    change(line / "privacy.yaml", "Theirs", "Mine")
    assert "`privacy`" in refused(run("pull", line))
    assert "`privacy`" in refused(run("push", line))


def test_it_lets_files_follow_files_without_a_sync_record_as_on_a_ci_machine(run: Run, line: Path) -> None:
    change(line / "privacy.yaml", "purpose: ", "purpose: Next ")
    assert "privacy" in done(run("push", line, "--publish", "--why", "read by two"))
    (line / ".line.json").unlink()
    change(line / "privacy.yaml", "Next", "Still")
    assert "Published: privacy." in done(run("push", line, "--publish", "--why", "read by two"))


def test_it_says_that_its_sync_record_is_broken(run: Run, line: Path) -> None:
    (line / ".line.json").write_text('{"flows": 3')
    assert ".line.json can't be read. Delete it" in refused(run("pull", line))
    assert ".line.json can't be read. Delete it" in refused(run("push", line))


def test_it_brings_back_what_was_deleted_only_where_that_is_asked(run: Run, line: Path) -> None:
    done(run("pull", line))
    (line / "counseling.yaml").unlink()
    (line / "translations/es/counseling.po").unlink()
    assert "Deleted here, still on the line: counseling." in done(run("pull", line))
    assert "Pulled: counseling." in done(run("pull", line, "--overwrite"))
    assert (line / "translations/es/counseling.po").exists()


# -- publishing --


def test_it_publishes_after_a_check_and_refuses_errors(run: Run, line: Path, database: Database) -> None:
    change(line / "privacy.yaml", "purpose: ", "purpose: Mine ")
    assert "Published: privacy." in done(run("push", line, "--publish", "--why", "read by two"))
    assert "Mine" in live(database, "privacy")
    with database.transaction() as db:
        holds = stored.current_publication(db, "privacy")
        assert holds is not None and (holds.how, holds.why, holds.by) == ("pushed", "read by two", "push")
    change(line / "transcripts/en/privacy_read.txt", "line: ", "line: Never said. ")
    said = refused(run("push", line, "--publish", "--why", "x"))
    assert "en/privacy_read" in said and "Nothing was pushed" in said


def test_it_requires_a_reason_where_the_checks_warn(run: Run, line: Path, database: Database) -> None:
    change(line / "translations/es/privacy.po", 'msgstr "', 'msgstr "')
    po = (line / "translations/es/privacy.po").read_text("utf-8")
    context = po.index('msgctxt "question.choices.readers.words"')
    start = po.index("msgstr", context)
    end = po.index("\n\n", start)
    (line / "translations/es/privacy.po").write_text(po[:start] + 'msgstr ""' + po[end:], "utf-8")
    assert "--why" in refused(run("push", line, "--publish"))
    assert "Published: privacy." in done(run("push", line, "--publish", "--why", "The label is enough for now."))
    with database.transaction() as db:
        holds = stored.current_publication(db, "privacy")
        assert holds is not None and {each["why"] for each in holds.reasons.values()} == {"The label is enough for now."}


def test_it_keeps_at_a_start_what_the_console_changed(run: Run, line: Path, database: Database) -> None:
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ")
    said = done(run("publish", line, "--if-changed"))
    assert "`privacy` was changed in the console" in said and "Theirs" in live(database, "privacy")
    assert "Published: privacy." in done(run("publish", line, "--overwrite"))
    assert done(run("publish", line, "--if-changed")) == ""


# -- diff --


def test_it_shows_what_differs_and_ends_with_one(run: Run, line: Path, database: Database) -> None:
    in_console(database, "privacy", "purpose: ", "purpose: Theirs ")
    (line / "fresh.yaml").write_text("flow: fresh\ntitle: New\nstart: a\nsteps:\n  a: {say: Hi., end: done}\n", "utf-8")
    (line / "counseling.yaml").unlink()
    shown = run("diff", line)
    assert "3 flows differ: counseling, fresh, privacy" in refused(shown)
    for words in ("counseling: only on the line", "fresh: only here", "privacy: changed", "--- line/privacy.yaml"):
        assert words in shown.output
    assert any(row.startswith("-purpose: Theirs ") for row in shown.output.splitlines())


def test_it_refuses_a_folder_that_cannot_be_read(run: Run, line: Path, tmp_path: Path) -> None:
    (line / "bad.yaml").write_text("flow: bad\n")
    for command in ("pull", "push", "diff"):
        assert "flows/bad.yaml" in refused(run(command, line))
    for command in ("push", "diff"):
        assert "is no folder" in refused(run(command, tmp_path / "nowhere"))


def test_it_names_a_transcript_whose_flow_is_not_there(run: Run, line: Path) -> None:
    change(line / "transcripts/en/household_better.txt", "flow: household_check_in", "flow: household_checkin")
    said = refused(run("push", line))
    assert "transcripts/en/household_better.txt" in said and "Did you mean `household_check_in`?" in said


def test_it_keeps_a_sync_record_that_a_human_can_read(run: Run, line: Path) -> None:
    done(run("pull", line))
    kept = json.loads((line / ".line.json").read_text("utf-8"))
    assert set(kept["flows"]["privacy"]) == {"line", "folder"} and "warmline flows pull" in kept["about"]


def test_it_leaves_to_the_console_what_a_second_person_must_review(run: Run, line: Path, database: Database) -> None:
    with database.transaction() as db:
        db.add(Team(slug="housing", name="Housing", second_look=True))
    change(line / "emergency_assistance.yaml", "purpose: ", "purpose: Mine ")
    said = refused(run("push", line, "--publish", "--why", "read by two"))
    assert "A second person looks" in said and "without --publish" in said
    assert "Pushed as drafts: emergency_assistance." in done(run("push", line))
