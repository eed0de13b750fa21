"""Two admins in the same second, each in a separate transaction: no one's work is silently overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.storage.flows import drafts, flows, publish_requests
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft, publish_drafts
from bot.usecases.studio.check_draft import warning_key
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile
from bot.usecases.studio.publish_drafts import ScheduledPublication, problems_of
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.console import make_staff
from tests.support.demo import Demo

ANA, BEN = DraftAuthor("Ana"), DraftAuthor("Ben")


def writes(words: str) -> Callable[[FlowContent], FlowContent]:
    """As the YAML page does: the whole text as it was typed."""
    return lambda content: replace(content, source=f"flow: welcome\n# {words}\n")


def source(content: FlowContent) -> str:
    return content.source


def meanwhile(demo: Demo, first: Callable[[Session], object], second: Callable[[Session], object]) -> list[Exception]:
    """`second` begins while `first` has not ended its transaction; gives the reason why `second` was refused."""
    refused: list[Exception] = []
    begun, written = threading.Event(), threading.Event()

    def one() -> None:
        with demo.db() as db:
            first(db)
            written.set()
            begun.wait(10)
            # The other one waits for the lock by now, having read and seen nothing of this.
            threading.Event().wait(0.5)

    def other() -> None:
        written.wait(10)
        try:
            with demo.db() as db:
                begun.set()
                second(db)
        except Exception as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for run in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return refused


def test_it_tells_the_second_of_two_who_begin_the_same_draft(demo: Demo) -> None:
    def save(words: str, by: DraftAuthor) -> Callable[[Session], object]:
        return lambda db: edit_draft.change(db, "welcome", 0, words, writes(words), by, NOW, touches=source)

    refused = meanwhile(demo, save("hers", ANA), save("his", BEN))
    assert [type(error) for error in refused] == [DraftChangedMeanwhile]
    with demo.db() as db:
        draft = drafts.find(db, "welcome")
        assert draft is not None and draft.revision.what == "hers"


def test_it_says_so_to_the_one_who_saves_while_the_draft_is_thrown_away(demo: Demo) -> None:
    with demo.db() as db:
        seen = edit_draft.change(db, "welcome", 0, "hers", writes("hers"), ANA, NOW).number
    refused = meanwhile(
        demo,
        lambda db: edit_draft.discard(db, "welcome", seen),
        lambda db: edit_draft.change(db, "welcome", seen, "his", writes("his"), BEN, NOW, touches=source),
    )
    assert [type(error) for error in refused] == [DraftChangedMeanwhile]


def test_it_does_not_undo_a_colleagues_change(demo: Demo) -> None:
    with demo.db() as db:
        seen = edit_draft.change(db, "welcome", 0, "hers", writes("hers"), ANA, NOW).number
    refused = meanwhile(
        demo,
        lambda db: edit_draft.change(db, "welcome", seen, "his", writes("his"), BEN, NOW, touches=source),
        lambda db: edit_draft.undo(db, "welcome", seen, ANA, NOW),
    )
    assert [type(error) for error in refused] == [DraftChangedMeanwhile]


def test_it_says_so_to_the_one_who_looked_at_a_version_that_is_no_longer_live(demo: Demo) -> None:
    with demo.db() as db:
        looked_at = flows.current_version(db, "welcome")
        assert looked_at is not None
        stored = flows.load_version(db, looked_at)
        assert stored is not None
        newer = replace(stored.content, source=f"{stored.source}# pushed from the repository\n")
        flows.publish(db, "welcome", newer, "push", NOW)
    with demo.db() as db, pytest.raises(DraftChangedMeanwhile):
        edit_draft.change(db, "welcome", -looked_at, "his", writes("his"), BEN, NOW, touches=source)


def test_it_never_publishes_at_its_time_what_was_thrown_away(demo: Demo) -> None:
    context = demo.runtime.context
    with demo.db() as db:
        ana = DraftAuthor("Ana", make_staff(db, "ana@example.org", ["admin"]))
        now = demo.runtime.clock.now()
        due = now + timedelta(hours=1)

        def say(words: str) -> Callable[[FlowContent], FlowContent]:
            return lambda content: replace(content, source=f"{content.source}# {words}\n")

        seen = edit_draft.change(db, "privacy", 0, "bad", say("bad"), ana, now)
        reasons = {warning_key(each): "it is meant" for each in problems_of(db, context, {"privacy": seen.content})}
        planned = publish_drafts.publish_or_request(
            db, context, {"privacy": seen.number}, ana, now, why="test", reasons=reasons, due_at=due
        )
        assert isinstance(planned, ScheduledPublication)
        edit_draft.discard(db, "privacy", seen.number)
        edit_draft.change(db, "privacy", 0, "good", say("good"), ana, now)
        assert publish_drafts.publish_due(db, context, planned.request, due) is None
        found = publish_requests.find(db, planned.request)
        assert found is not None and "thrown away" in found.told
