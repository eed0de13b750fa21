"""Check-ins: each leaves once, at a right time, or the reason why not is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.domain.check_ins.decision import CheckInReason
from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, RecordConsent
from bot.domain.conversation.state import load
from bot.jobs.sweep import sweep
from bot.storage.check_ins import check_ins
from bot.storage.people import consents
from bot.storage.tables.cases import CaseTask
from bot.storage.tables.residents import CheckIn, CheckInEvent, Conversation, Handoff, Message, Person
from bot.usecases.check_ins.send_check_ins import send_check_in
from tests.support.help_line import ADA, HelpLine
from tests.support.team import hire, texts_to

CITY = ZoneInfo("America/Chicago")
HOW = "How are you today?"


def settle(line: HelpLine) -> None:
    """The carrier reports all texts that it has as delivered."""
    for message in line.twilio.messages:
        line.twilio.report(message.sid, "delivered")


def known(line: HelpLine, *, agreed: bool = True) -> int:
    """Ada has texted, has an answer, and agreed to check-ins; the id of her conversation."""
    line.text("hi")
    with line.db() as db:
        ada = db.scalars(select(Conversation.id)).one()
        if agreed:
            entry = RecordConsent(ConsentChoice.AGREED, ConsentMethod.STAFF, "followup")
            consents.record(db, entry, ada, None, "en", line.clock.now())
    line.clock.advance(timedelta(hours=13))
    settle(line)
    return ada


def promise(
    line: HelpLine, ada: int, due: Sequence[datetime], flow: str = "crisis_check_in", *, after_crisis: bool = False
) -> list[int]:
    with line.db() as db:
        rows = check_ins.plan(db, ada, flow, due, line.clock.now(), after_crisis=after_crisis)
        return [row.id for row in rows]


def safely(line: HelpLine, ada: int, **safe: bool) -> None:
    """Store in Ada's conversation how she may be reached."""
    sealer = line.runtime.context.sealer
    with line.db() as db:
        row = db.get_one(Conversation, ada)
        state = load(sealer.open(row.sealed_state))
        row.sealed_state = sealer.seal(replace(state, safe=replace(state.safe, **safe)).dump())  # type: ignore[arg-type]


def tomorrow(line: HelpLine, hour: int, minute: int = 0, days: int = 1) -> datetime:
    """This hour of a later day, in the city's time zone."""
    local = line.clock.now().astimezone(CITY) + timedelta(days=days)
    return local.replace(hour=hour, minute=minute, second=0, microsecond=0).astimezone(UTC)


def at(line: HelpLine, moment: datetime, rounds: int = 3) -> None:
    line.clock.moment = moment
    line.work(rounds)


def one(line: HelpLine, check_in: int) -> CheckIn:
    with line.db() as db:
        return db.get_one(CheckIn, check_in)


def asked(line: HelpLine) -> list[str]:
    return [text for text in texts_to(line, ADA) if HOW in text]


def reasons(line: HelpLine, check_in: int) -> list[tuple[str, str | None]]:
    with line.db() as db:
        rows = select(CheckInEvent.kind, CheckInEvent.reason).where(CheckInEvent.check_in_id == check_in)
        return [(kind, reason) for kind, reason in db.execute(rows.order_by(CheckInEvent.id))]


def test_it_is_asked_once_and_answered(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    at(line, due - timedelta(minutes=1))
    assert asked(line) == []
    at(line, due, rounds=4)
    assert len(asked(line)) == 1 and "STL Help here" in asked(line)[0]
    assert "We are glad" in line.text("1")[0]
    assert one(line, check_in).state == "answered"
    at(line, due + timedelta(days=3))
    assert len(asked(line)) == 1


def test_it_waits_for_the_morning(line: HelpLine) -> None:
    ada = known(line)
    late = tomorrow(line, 21, 30)
    (check_in,) = promise(line, ada, [late])
    at(line, late)
    assert asked(line) == [] and one(line, check_in).reason == CheckInReason.QUIET_HOURS
    opens = tomorrow(line, 8)
    assert opens <= (one(line, check_in).due_at or late) <= opens + timedelta(minutes=20)
    at(line, opens + timedelta(minutes=21))
    assert len(asked(line)) == 1


def test_it_leaves_by_the_clock_where_the_person_lives(line: HelpLine) -> None:
    ada = known(line)
    with line.db() as db:
        db.scalars(select(Person)).one().zone = "Pacific/Honolulu"
    early = tomorrow(line, 9)  # five in the morning there, or four
    (check_in,) = promise(line, ada, [early])
    at(line, early)
    due = one(line, check_in).due_at
    assert asked(line) == [] and due is not None and due.astimezone(ZoneInfo("Pacific/Honolulu")).hour == 8


def test_the_answer_worse_starts_the_escalation(line: HelpLine) -> None:
    hire(line, "Rosa", "+13145552001", teams=["crisis"])
    ada = known(line)
    due = tomorrow(line, 10)
    promise(line, ada, [due])
    at(line, due)
    assert "988" in line.text("worse")[0]
    with line.db() as db:
        found = db.scalars(select(Handoff)).one()
        assert (found.team, found.urgency) == ("crisis", "quarter_hour")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("opted_out", CheckInReason.OPTED_OUT),
        ("unreachable", CheckInReason.UNREACHABLE),
        ("no_consent", CheckInReason.NO_CONSENT),
        ("exit", CheckInReason.LEFT),
        ("stale", CheckInReason.STALE),
    ],
)
def test_it_is_dropped_with_its_reason(line: HelpLine, change: str, reason: CheckInReason) -> None:
    ada = known(line, agreed=change != "no_consent")
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    if change == "opted_out":
        line.text("STOP", OptOutType="STOP")
    elif change == "exit":
        safely(line, ada, paused=True)
    elif change == "unreachable":
        with line.db() as db:
            db.get_one(Conversation, ada).unreachable = "bad_address"
    at(line, due + (timedelta(days=9) if change == "stale" else timedelta()))
    row = one(line, check_in)
    assert (row.state, row.reason, row.due_at) == ("dropped", reason, None)
    assert asked(line) == []


def test_it_says_nothing_while_a_human_has_the_conversation(line: HelpLine) -> None:
    rosa = hire(line, "Rosa", "+13145552001", teams=["crisis"])
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    line.text("PERSON")
    line.work(2)
    rosa.texts("1")
    at(line, due)
    assert one(line, check_in).reason == CheckInReason.WITH_SOCIAL_WORKER and asked(line) == []


def test_silence_is_asked_once_more_at_another_time_and_then_a_human_looks(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    at(line, due)
    settle(line)
    at(line, due + timedelta(hours=24, minutes=1))
    again = one(line, check_in)
    assert again.state == "planned" and again.reason == CheckInReason.NO_ANSWER and again.due_at is not None
    assert again.due_at.astimezone(CITY).hour >= 13
    at(line, again.due_at)
    assert len(asked(line)) == 2
    settle(line)
    at(line, again.due_at + timedelta(hours=25))
    assert one(line, check_in).state == "silent"
    with line.db() as db:
        task = db.scalars(select(CaseTask)).one()
        assert (task.kind, task.reason, task.check_in_id) == ("call", "no_answer", check_in)
    assert line.count(Handoff) == 0


def test_a_late_answer_still_answers_the_question(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due], flow="household_check_in")
    at(line, due)
    settle(line)
    at(line, due + timedelta(hours=25))
    assert one(line, check_in).reason == CheckInReason.NO_ANSWER
    assert "place to stay" in line.text("2")[0]
    assert one(line, check_in).state == "answered"
    at(line, due + timedelta(days=3))
    assert len([text for text in texts_to(line, ADA) if "STL Help here" in text]) == 1


def test_silence_after_a_crisis_calls_a_human(line: HelpLine) -> None:
    hire(line, "Rosa", "+13145552001", teams=["crisis"])
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due], after_crisis=True)
    for _ in range(2):
        at(line, one(line, check_in).due_at or due)
        settle(line)
        at(line, (one(line, check_in).due_at or due) + timedelta(minutes=1))
    assert one(line, check_in).state == "silent"
    with line.db() as db:
        found = db.scalars(select(Handoff)).one()
        assert found.team == "crisis" and found.urgency == "this_shift"


def test_three_silences_end_it_with_one_closing_text(line: HelpLine) -> None:
    ada = known(line)
    dues = [tomorrow(line, 10, days=number) for number in (1, 8, 15, 22)]
    ids = promise(line, ada, dues)
    for check_in in ids[:3]:
        while (due := one(line, check_in).due_at) is not None:
            at(line, due + timedelta(seconds=1))
            settle(line)
    assert [one(line, each).state for each in ids] == ["silent", "silent", "silent", "dropped"]
    assert one(line, ids[3]).reason == CheckInReason.SILENT_TOO_OFTEN
    line.work(2)
    closing = [text for text in texts_to(line, ADA) if "stop asking how you are" in text]
    assert len(closing) == 1 and len(asked(line)) == 6


def test_the_closing_text_does_not_follow_words_that_came_before_it(line: HelpLine) -> None:
    ada = known(line)
    ids = promise(line, ada, [tomorrow(line, 10, days=number) for number in (1, 8, 15)])
    for check_in in ids[:2]:
        while (due := one(line, check_in).due_at) is not None:
            at(line, due + timedelta(seconds=1))
            settle(line)
    while one(line, ids[2]).attempts < 2 and (due := one(line, ids[2]).due_at) is not None:
        at(line, due + timedelta(seconds=1))
        settle(line)
    line.clock.moment = (one(line, ids[2]).due_at or line.clock.now()) + timedelta(seconds=1)
    with line.db() as db:
        assert send_check_in(db, line.runtime.context, ids[2], line.clock.now())
    line.text("sorry, I was away")
    line.work(2)
    assert not [text for text in texts_to(line, ADA) if "stop asking how you are" in text]
    assert one(line, ids[2]).state == "answered"


def test_a_person_with_an_unsafe_phone_gets_a_text_that_names_nothing(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    promise(line, ada, [due])
    safely(line, ada, neutral=True)
    at(line, due)
    assert texts_to(line, ADA)[-1] == "Hi, just checking in. You can text back any time."
    assert asked(line) == []


def test_a_text_that_could_not_leave_by_day_does_not_leave_at_night(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 20, 40)
    (check_in,) = promise(line, ada, [due])
    line.clock.moment = due
    with line.db() as db:
        send_check_in(db, line.runtime.context, check_in, due)
    # No worker ran until the night.
    at(line, due + timedelta(minutes=40))
    assert asked(line) == []
    assert ("moved", CheckInReason.NOT_SENT) in reasons(line, check_in)
    at(line, tomorrow(line, 9))
    assert len(asked(line)) == 1


def test_it_asks_once_when_it_is_woken_twice_and_after_a_crash(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    line.clock.moment = due
    with pytest.raises(RuntimeError), line.db() as db:
        send_check_in(db, line.runtime.context, check_in, due)
        raise RuntimeError("killed before the commit")
    assert one(line, check_in).state == "planned"
    for _ in range(2):
        with line.db() as db:
            send_check_in(db, line.runtime.context, check_in, due)
    line.work(2)
    assert len(asked(line)) == 1
    assert line.count(Message, Message.check_in_id == check_in) == 1


def test_an_empty_queue_loses_no_check_in(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    promise(line, ada, [due])
    line.clock.moment = due
    sweep(line.runtime)
    line.runtime.queue._redis.flushall()
    line.work(3)
    assert len(asked(line)) == 1
