"""Live conversations follow a newer version of their flow, or stay, and are answered either way."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import Frame, Holder, load
from bot.domain.conversation.version_moves import StayReason
from bot.domain.flows.language.content import FlowContent
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.storage.conversation import timeouts
from bot.storage.flows import flow_moves, flows
from bot.storage.tables.residents import Conversation, Message
from bot.storage.tables.studio import FlowMove
from bot.usecases.conversation.receive_message import receive_message
from bot.usecases.conversation.time_out import handle_timeout
from bot.usecases.studio.move_conversations import MovePreview, continue_move, preview_move
from tests.support.clock import MONDAY_MORNING as NOW
from tests.support.demo import Demo

OLD = """\
flow: welcome
title: Welcome
start: need
menu: true
steps:
  need:
    ask: What do you need?
    choices:
      food: {label: Food}
      rent: {label: Rent}
    next: where
  where: {ask: What is your ZIP code?, answer: zip, save: zip, wait: {after: 2h, go: bye}, next: inner}
  inner: {run: inner, next: bye}
  bye: {say: Thank you., end: done}
"""
INNER = """\
flow: inner
title: Inner
start: name
steps:
  name: {ask: What is your name?, save: name, next: bye}
  bye: {end: done}
"""
NEW = OLD.replace("where", "place").replace("ZIP code?", "ZIP?")
"""A step has another name, and another text."""
_sids = itertools.count(1)


@pytest.fixture(autouse=True)
def _tiny(demo: Demo) -> None:
    publish(demo, OLD)
    with demo.db() as db:
        flows.publish(db, "inner", FlowContent(INNER), "test", NOW)


def publish(demo: Demo, source: str, flow: str = "welcome") -> int:
    with demo.db() as db:
        flows.publish(db, flow, FlowContent(source), "test", NOW)
        version = flows.current_version(db, flow)
    assert version is not None
    return version


def text(demo: Demo, number: int, *bodies: str) -> list[str]:
    """Text the line; the replies to the last text."""
    said: list[str] = []
    for body in bodies:
        sender = Address(Channel.SIMULATOR, f"+1314555{number:04}")
        inbound = InboundMessage(f"SM{next(_sids)}", sender, "+13145550100", body, NOW)
        with demo.db() as db:
            said = [reply.body for reply in receive_message(db, demo.runtime.context, inbound, NOW).replies]
    return said


def states(demo: Demo) -> list[State]:
    with demo.db() as db:
        rows = db.scalars(select(Conversation).order_by(Conversation.id))
        return [load(demo.runtime.context.sealer.open(row.sealed_state)) for row in rows]


def change(demo: Demo, **changes: object) -> None:
    """Change the only conversation's state."""
    with demo.db() as db:
        row = db.scalars(select(Conversation)).one()
        state = load(demo.runtime.context.sealer.open(row.sealed_state))
        timeouts.save_state(row, demo.runtime.context.sealer, replace(state, **changes), NOW)  # type: ignore[arg-type]


def move(demo: Demo, version: int, steps: Mapping[str, str], flow: str = "welcome") -> FlowMove:
    """Plan a move and carry it out completely, as the sweep does."""
    with demo.db() as db:
        move_id = flow_moves.add(db, flow, version, steps, None, NOW)
    assert continue_move(demo.db, demo.runtime.context, move_id, NOW, lambda: False)
    with demo.db() as db:
        return db.get_one(FlowMove, move_id)


def tried(demo: Demo, source: str, steps: Mapping[str, str]) -> MovePreview:
    with demo.db() as db:
        return preview_move(db, demo.runtime.context, "welcome", FlowContent(source), steps, NOW)


def test_it_counts_what_a_map_would_do_and_does_nothing(demo: Demo) -> None:
    text(demo, 1, "hi")
    text(demo, 2, "hi", "1")
    before = states(demo)
    trial = tried(demo, NEW, {})
    assert (trial.total, trial.fits, dict(trial.by_step)) == (2, 1, {"need": 1, "where": 1})
    assert dict(trial.stays) == {StayReason.GONE.value: 1}
    assert tried(demo, NEW, {"where": "place"}).fits == 2
    assert states(demo) == before


def test_it_moves_people_to_the_renamed_step_and_sends_nothing(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    version = publish(demo, NEW)
    with demo.db() as db:
        sent = len(list(db.scalars(select(Message))))
    done = move(demo, version, {"where": "place"})
    assert (done.moved, done.stayed) == (1, {})
    (state,) = states(demo)
    assert state.frames == (Frame("welcome", version, "place", 0, ("need",)),)
    with demo.db() as db:
        assert len(list(db.scalars(select(Message)))) == sent
        row = db.scalars(select(Conversation)).one()
        assert (row.flow_version, row.step) == (version, "place")
    assert text(demo, 1, "63118") == ["What is your name?"]


def test_it_leaves_people_on_their_version_without_a_move(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    (before,) = states(demo)
    publish(demo, NEW)
    assert text(demo, 1, "not a zip")[0].endswith("What is your ZIP code?")
    (after,) = states(demo)
    assert after.frame is not None and before.frame is not None
    assert after.frame.version == before.frame.version


def test_it_moves_the_frame_below_another_flow(demo: Demo) -> None:
    text(demo, 1, "hi", "2", "63118")
    version = publish(demo, NEW)
    assert move(demo, version, {"where": "place"}).moved == 1
    (state,) = states(demo)
    assert [(frame.flow, frame.step) for frame in state.frames] == [("welcome", "inner"), ("inner", "name")]
    assert state.frames[0].version == version and "place" in state.frames[0].visited
    assert text(demo, 1, "Ada") == ["Thank you."]


def test_it_keeps_the_moment_at_which_silence_counts(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    (before,) = states(demo)
    version = publish(demo, NEW)
    move(demo, version, {"where": "place"})
    (after,) = states(demo)
    assert before.timeout_at is not None and after.timeout_at == before.timeout_at


def test_it_keeps_answers_due_to_be_forgotten_due(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    with demo.db() as db:
        before = db.scalars(select(Conversation.updated_at)).one()
    move(demo, publish(demo, NEW), {"where": "place"})
    with demo.db() as db:
        assert db.scalars(select(Conversation.updated_at)).one() == before


def test_it_keeps_a_person_whose_number_would_be_misread(demo: Demo) -> None:
    text(demo, 1, "hi")
    swapped = OLD.replace("food: {label: Food}\n      rent: {label: Rent}", "rent: {label: Rent}\n      food: {label: Food}")
    done = move(demo, publish(demo, swapped), {})
    assert (done.moved, done.stayed) == (0, {StayReason.OTHER_CHOICES.value: 1})
    text(demo, 1, "1")
    assert states(demo)[0].answers["need"] == "food"


def test_it_moves_a_person_where_a_choice_was_added_at_the_end(demo: Demo) -> None:
    text(demo, 1, "hi")
    more = OLD.replace("rent: {label: Rent}", "rent: {label: Rent}\n      other: {label: Other}")
    assert move(demo, publish(demo, more), {}).moved == 1


def test_it_keeps_a_person_who_was_never_asked_what_a_condition_names(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    asked = OLD.replace("next: where", "next: kids").replace(
        "  where:", "  kids: {ask: Any children?, answer: yes_no, save: kids, next: where}\n  where:"
    ).replace("next: inner}", "next: [{when: kids, go: bye}, {go: inner}]}")  # fmt: skip
    done = move(demo, publish(demo, asked), {})
    assert done.stayed == {StayReason.NO_ANSWER.value: 1}


def test_it_keeps_a_person_where_the_step_does_something_else(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    other = NEW.replace("next: place", "next: call").replace("  place:", "  call: {handoff: {team: anyone}}\n  place:")
    done = move(demo, publish(demo, other), {"where": "call"})
    assert done.stayed == {StayReason.OTHER_KIND.value: 1}


def test_it_keeps_those_for_whom_it_was_chosen(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    assert move(demo, publish(demo, NEW), {"where": ""}).stayed == {StayReason.ADMIN_CHOICE.value: 1}


def test_it_moves_a_person_whom_a_human_holds_and_keeps_the_human(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    change(demo, holder=Holder.HUMAN)
    version = publish(demo, NEW)
    assert move(demo, version, {"where": "place"}).moved == 1
    (state,) = states(demo)
    assert (state.holder, state.frames[-1].version) == (Holder.HUMAN, version)
    change(demo, holder=Holder.BOT)
    assert text(demo, 1, "63118") == ["What is your name?"]


def test_it_leaves_alone_people_who_are_in_no_flow(demo: Demo) -> None:
    text(demo, 1, "hi", "2", "63118", "Ada")
    assert tried(demo, NEW, {}).total == 0
    done = move(demo, publish(demo, NEW), {})
    assert (done.moved, done.stayed) == (0, {})


def test_it_resumes_where_it_was_killed(demo: Demo) -> None:
    for number in range(5):
        text(demo, number, "hi")
    version = publish(demo, NEW)
    with demo.db() as db:
        move_id = flow_moves.add(db, "welcome", version, {}, None, NOW)
    looks = iter([False, False, False, True])
    assert not continue_move(demo.db, demo.runtime.context, move_id, NOW, lambda: next(looks))
    with demo.db() as db:
        assert db.get_one(FlowMove, move_id).moved == 2
    assert continue_move(demo.db, demo.runtime.context, move_id, NOW, lambda: False)
    with demo.db() as db:
        done = db.get_one(FlowMove, move_id)
        assert (done.moved, done.done_at is not None) == (5, True)


def test_it_stops_where_another_version_is_live_by_then(demo: Demo) -> None:
    text(demo, 1, "hi")
    version = publish(demo, NEW)
    publish(demo, OLD)
    assert move(demo, version, {}).moved == 0


WORDS = ["hi", "1", "2", "3", "rent", "63118", "yes", "no", "BACK", "food", "someone to talk to", "2026-04-01"]


def test_it_answers_every_person_on_the_shipped_flows_moved_or_not(demo: Demo) -> None:
    dice = random.Random(5)
    with demo.db() as db:
        shipped = {name: load_content(db, name) for name in ("emergency_assistance", "counseling", "crisis")}
        first = flows.load_version_number(db, "welcome", 1)
        assert first is not None
        flows.publish(db, "welcome", first.content, "test", NOW)
    for person in range(12):
        text(demo, person, *dice.choices(WORDS, k=dice.randint(1, 6)))
    versions = {
        flow: publish_content(demo, flow, replace(content, source=f"{content.source}# again\n"))
        for flow, content in {**shipped, "welcome": first.content}.items()
    }
    moved = sum(move(demo, version, {}, flow).moved for flow, version in versions.items())
    assert moved >= 8
    for person in range(12):
        (said, *_) = text(demo, person, "63118") or ["(silent)"]
        assert said != "(silent)" or is_with_human(demo, person)


def load_content(db: Session, flow: str) -> FlowContent:
    version = flows.current_version(db, flow)
    stored = flows.load_version(db, version) if version else None
    assert stored is not None
    return stored.content


def publish_content(demo: Demo, flow: str, content: FlowContent) -> int:
    with demo.db() as db:
        version = flows.publish(db, flow, content, "test", NOW)
    assert version is not None
    return version


def is_with_human(demo: Demo, person: int) -> bool:
    return states(demo)[person].holder is not Holder.BOT


def test_it_moves_no_person_in_the_middle_of_a_turn(demo: Demo) -> None:
    """A text is answered on the old version while the move waits; then the move finds the person where they are now."""
    text(demo, 1, "hi")
    version = publish(demo, NEW)
    with demo.db() as db:
        move_id = flow_moves.add(db, "welcome", version, {"where": "place"}, None, NOW)
    begun, done = threading.Event(), threading.Event()

    def turn() -> None:
        sender = Address(Channel.SIMULATOR, "+13145550001")
        with demo.db() as db:
            receive_message(db, demo.runtime.context, InboundMessage("SMturn", sender, "+13145550100", "2", NOW), NOW)
            begun.set()
            done.wait(0.7)

    person = threading.Thread(target=turn)
    person.start()
    assert begun.wait(10)
    assert continue_move(demo.db, demo.runtime.context, move_id, NOW, lambda: False)
    person.join(30)
    (state,) = states(demo)
    assert state.frame is not None
    assert (state.frame.version, state.frame.step, state.answers["need"]) == (version, "place", "rent")
    assert text(demo, 1, "63118") == ["What is your name?"]


def test_it_keeps_the_others_moving_where_one_cannot_be_decided(demo: Demo) -> None:
    for number in range(3):
        text(demo, number, "hi")
    with demo.db() as db:
        row = db.scalars(select(Conversation).order_by(Conversation.id)).first()
        assert row is not None
        state = load(demo.runtime.context.sealer.open(row.sealed_state))
        lost = replace(state, frames=(Frame("welcome", 999_999, "need", 0, ()),))
        flow_moves.save_state(row, demo.runtime.context.sealer, replace(lost, frames=(*lost.frames, *state.frames)))
    done = move(demo, publish(demo, NEW), {"where": "place"})
    assert (done.moved, sum(done.stayed.values()), done.done_at is not None) == (2, 1, True)


def test_it_lets_silence_pass_where_the_new_question_waits_for_nothing(demo: Demo) -> None:
    text(demo, 1, "hi", "2")
    (before,) = states(demo)
    assert before.timeout_at is not None
    move(demo, publish(demo, NEW.replace(", wait: {after: 2h, go: bye}", "")), {"where": "place"})
    with demo.db() as db:
        row = db.scalars(select(Conversation)).one()
        assert handle_timeout(db, demo.runtime.context, row.id, before.timeout_at) == []
    (after,) = states(demo)
    assert (after.timeout_at, after.frame and after.frame.step) == (None, "place")
    assert text(demo, 1, "63118") == ["What is your name?"]
