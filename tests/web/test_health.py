"""Readiness, the metrics and the alarm say when work is overdue because no worker does it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.domain.messages.message import OutboxLane
from bot.jobs.sweep import report_late_work
from bot.storage.check_ins import check_ins
from bot.storage.messages import outbox
from bot.storage.tables.residents import Alert, CheckIn, Conversation, Message
from bot.usecases.watch_lateness import OVERDUE_AFTER, alarm_overdue_work
from tests.faults.conftest import FrailLine, frail
from tests.support.help_line import HelpLine

__all__ = ["frail"]

LATE = OVERDUE_AFTER + timedelta(seconds=1)


@pytest.fixture
def line(line: HelpLine) -> HelpLine:
    """A line without a worker, on which a person has texted and got a reply."""
    line.text("hi")
    line.twilio.report(line.twilio.messages[-1].sid, "delivered")
    return line


def promise_text(line: HelpLine) -> None:
    with line.db() as db:
        outbox.enqueue(db, line.runtime.context.sealer, person(line), "A text", OutboxLane.REPLY, None, 1, line.clock.now())


def promise_check_in(line: HelpLine) -> None:
    with line.db() as db:
        check_ins.plan(db, person(line), "crisis_check_in", [line.clock.now()], line.clock.now())


def person(line: HelpLine) -> int:
    with line.db() as db:
        return db.scalars(select(Conversation.id)).one()


def ready(line: HelpLine) -> tuple[int, int]:
    """The status, and how late the oldest due work is."""
    answer = line.app.test_client().get("/ready")
    assert answer.json
    return answer.status_code, answer.json["oldest_due_seconds"]


def figures(line: HelpLine) -> dict[str, float]:
    text = line.app.test_client().get("/metrics").get_data(as_text=True)
    return {kind: float(said) for kind, said in re.findall(r'^warmline_oldest_due_seconds{kind="(\w+)"} (\S+)$', text, re.M)}


def alarms(line: HelpLine) -> list[str]:
    with line.db() as db:
        return list(db.scalars(select(Alert.detail).where(Alert.kind == "work_overdue").order_by(Alert.id)))


def do_all(line: HelpLine) -> None:
    """All due work is done."""
    with line.db() as db:
        db.execute(update(Message).values(due_at=None))
        db.execute(update(CheckIn).values(due_at=None))


def test_it_is_ready_while_work_is_only_just_due(line: HelpLine) -> None:
    promise_text(line)
    line.clock.advance(OVERDUE_AFTER)
    assert ready(line) == (200, OVERDUE_AFTER.total_seconds()) and alarms(line) == []


@pytest.mark.parametrize(("promise", "kind"), [(promise_text, "text"), (promise_check_in, "check_in")])
def test_it_raises_one_alarm_in_an_outage(line: HelpLine, promise: object, kind: str) -> None:
    assert callable(promise)
    promise(line)
    for _ in range(4):
        line.clock.advance(timedelta(minutes=11))
        assert ready(line)[0] == (503 if kind == "text" else 200)
        report_late_work(line.runtime)
    assert alarms(line) == [kind]


def test_it_does_not_raise_it_again_once_it_was_dealt_with(line: HelpLine) -> None:
    promise_text(line)
    line.clock.advance(LATE)
    ready(line)
    with line.db() as db:
        db.scalars(select(Alert)).one().acknowledged_at = line.clock.now()
    line.clock.advance(LATE)
    ready(line)
    assert alarms(line) == ["text"]


def test_it_raises_another_in_the_next_outage(line: HelpLine) -> None:
    for _ in range(2):
        promise_text(line)
        line.clock.advance(LATE)
        ready(line)
        do_all(line)
        line.clock.advance(timedelta(hours=1))
        assert ready(line) == (200, 0)
    assert alarms(line) == ["text", "text"]


def test_it_is_raised_by_the_sweep_of_another_host_when_no_one_asks_the_web(line: HelpLine) -> None:
    promise_text(line)
    line.clock.advance(LATE)
    report_late_work(line.runtime)
    assert alarms(line) == ["text"]


def test_it_is_raised_by_one_of_two_that_look_at_once(line: HelpLine) -> None:
    promise_text(line)
    line.clock.advance(LATE)
    with line.db() as first, line.db() as second:
        assert alarm_overdue_work(first, line.clock.now()) == ["text"]
        assert alarm_overdue_work(second, line.clock.now()) == []
    assert alarms(line) == ["text"]


def test_it_measures_each_kind_of_due_work(line: HelpLine) -> None:
    assert figures(line) == {"text": 0, "escalation": 0, "check_in": 0}
    promise_check_in(line)
    line.clock.advance(timedelta(seconds=30))
    promise_text(line)
    line.clock.advance(timedelta(seconds=10))
    assert figures(line) == {"text": 10, "escalation": 0, "check_in": 40}


def test_it_measures_an_overdue_escalation(line: HelpLine) -> None:
    line.text("I want to kill myself")
    line.clock.advance(timedelta(hours=1))
    assert figures(line)["escalation"] > 600 and ready(line)[0] == 503
    assert "escalation" in alarms(line)


def test_it_gives_no_figure_where_the_database_is_away(frail: FrailLine) -> None:
    assert figures(frail)["text"] == 0
    frail.postgres.cut()
    assert figures(frail) == {}
    assert b"warmline_turns_total" in frail.app.test_client().get("/metrics").data
