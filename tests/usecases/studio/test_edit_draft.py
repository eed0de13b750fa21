"""Drafts: begun from the published version, changed by two at once, undone and redone, never lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from tests.support.clock import MONDAY_MORNING as NOW

ANA, BEN = DraftAuthor("Ana"), DraftAuthor("Ben")


def says(words: str) -> Callable[[FlowContent], FlowContent]:
    return lambda content: replace(content, source=f"{content.source}# {words}\n")


def changed(db: Session, seen: int, words: str, by: DraftAuthor = ANA, touches: object = None) -> drafts.Revision:
    depends = (lambda content: touches) if touches is not None else None
    return edit_draft.change(db, "welcome", seen, words, says(words), by, NOW, touches=depends)


def test_it_begins_from_what_is_published(db: Session) -> None:
    version = flows.current_version(db, "welcome")
    draft = edit_draft.open_draft(db, "welcome", ANA, NOW)
    assert version is not None
    assert (draft.based_on, draft.revision.number) == (version, 1)
    stored = flows.load_version(db, version)
    assert stored and draft.revision.content == stored.content


def test_it_is_refused_for_an_unknown_flow(db: Session) -> None:
    with pytest.raises(FlowNotFound):
        edit_draft.open_draft(db, "nowhere", ANA, NOW)


def test_it_keeps_every_state_with_who_made_it(db: Session) -> None:
    first = changed(db, 0, "one")
    changed(db, first.number, "two", BEN)
    assert [(entry.what, entry.by) for entry in drafts.history(db, "welcome")] == [
        ("two", "Ben"), ("one", "Ana"), ("Began from version 1", "Ana"),
    ]  # fmt: skip


def test_it_makes_no_state_of_what_changes_nothing(db: Session) -> None:
    first = changed(db, 0, "one")
    again = edit_draft.change(db, "welcome", first.number, "x", lambda content: content, ANA, NOW)
    assert again.number == first.number


def test_it_refuses_what_a_colleague_changed_meanwhile(db: Session) -> None:
    seen = changed(db, 0, "one")
    changed(db, seen.number, "hers")
    with pytest.raises(DraftChangedMeanwhile) as caught:
        changed(db, seen.number, "his", BEN)
    assert (caught.value.current.what, caught.value.current.by) == ("hers", "Ana")
    assert caught.value.seen and caught.value.seen.number == seen.number


def test_it_joins_changes_of_different_things(db: Session) -> None:
    seen = changed(db, 0, "one")
    changed(db, seen.number, "hers")
    both = changed(db, seen.number, "his", BEN, touches="another step")
    assert both.content.source.endswith("# one\n# hers\n# his\n")


def test_it_does_not_take_a_first_page_for_a_newer_one(db: Session) -> None:
    changed(db, 0, "one")
    with pytest.raises(DraftChangedMeanwhile):
        changed(db, 0, "from a page that was made before the draft", BEN)


def test_it_undoes_step_by_step_and_redoes(db: Session) -> None:
    one = changed(db, 0, "one")
    two = changed(db, one.number, "two")
    back = edit_draft.undo(db, "welcome", two.number, ANA, NOW)
    assert back.content == one.content
    first = edit_draft.undo(db, "welcome", back.number, ANA, NOW)
    assert not first.content.source.endswith("# one\n")
    with pytest.raises(Refused):
        edit_draft.undo(db, "welcome", first.number, ANA, NOW)
    assert (back.what, first.what) == ("Undid: two", "Undid: one")
    forth = edit_draft.redo(db, "welcome", first.number, ANA, NOW)
    assert forth.content == one.content
    assert forth.what == "Did again: one"
    assert edit_draft.redo(db, "welcome", forth.number, ANA, NOW).content == two.content


def test_it_forgets_what_was_undone_once_something_new_is_done(db: Session) -> None:
    one = changed(db, 0, "one")
    back = edit_draft.undo(db, "welcome", one.number, ANA, NOW)
    new = changed(db, back.number, "new")
    with pytest.raises(Refused):
        edit_draft.redo(db, "welcome", new.number, ANA, NOW)
    assert edit_draft.undo(db, "welcome", new.number, ANA, NOW).content == back.content


def test_it_keeps_the_history_of_a_draft_that_is_thrown_away(db: Session) -> None:
    one = changed(db, 0, "one")
    edit_draft.discard(db, "welcome", one.number)
    assert drafts.find(db, "welcome") is None
    assert len(drafts.history(db, "welcome")) == 2
    again = changed(db, 0, "again")
    assert again.number == 4


def test_it_begins_a_new_flow_only_under_a_free_name(db: Session) -> None:
    content = FlowContent("flow: jobs_help\n")
    edit_draft.new_flow(db, "jobs_help", content, "Began", ANA, NOW)
    for taken in ("jobs_help", "welcome"):
        with pytest.raises(Refused, match="already"):
            edit_draft.new_flow(db, taken, content, "Began", BEN, NOW)
