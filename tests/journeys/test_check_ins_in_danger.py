"""A check-in displaces no danger, no other question and no words of the person; on an unsafe phone it names nothing."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.domain.check_ins.decision import CheckInReason
from bot.storage.tables.residents import Handoff
from bot.usecases.check_ins.send_check_ins import send_check_in
from bot.usecases.handoff import ending
from tests.journeys.test_check_ins import asked, at, known, one, promise, safely, settle, tomorrow
from tests.support.help_line import ADA, HelpLine
from tests.support.team import hire, texts_to

NEUTRAL = "Hi, just checking in. You can text back any time."


def test_it_waits_while_a_question_about_danger_is_open(line: HelpLine) -> None:
    hire(line, "Rosa", "+13145552001", teams=["crisis"])
    ada = known(line)
    (check_in,) = promise(line, ada, [tomorrow(line, 10)])
    at(line, tomorrow(line, 9, 59))
    assert "killing yourself" in line.text("i feel hopeless")[-1]
    at(line, line.clock.now() + timedelta(minutes=2))
    assert (asked(line), one(line, check_in).reason) == ([], CheckInReason.OPEN_DANGER)
    at(line, line.clock.now() + timedelta(minutes=5))
    with line.db() as db:
        assert db.scalars(select(Handoff.reason)).all() == ["danger"]


def test_two_of_one_minute_are_asked_one_after_the_other(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (first,) = promise(line, ada, [due])
    (second,) = promise(line, ada, [due], flow="household_check_in")
    at(line, due, rounds=4)
    assert sorted(one(line, each).state for each in (first, second)) == ["asked", "planned"]
    assert len([text for text in texts_to(line, ADA) if "STL Help here" in text]) == 1


def test_it_does_not_leave_after_they_have_written(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    (check_in,) = promise(line, ada, [due])
    line.clock.moment = due
    with line.db() as db:
        send_check_in(db, line.runtime.context, check_in, due)
    line.text("i want to kill myself tonight")
    line.work(2)
    assert asked(line) == []


def test_it_names_nothing_after_a_danger_at_home(line: HelpLine) -> None:
    rosa = hire(line, "Rosa", "+13145552001", teams=["crisis"])
    ada = known(line)
    line.text("my husband hit me and he reads my phone")
    line.work(2)
    rosa.texts("1")
    settle(line)
    line.work(2)
    with line.db() as db:
        row = db.scalars(select(Handoff)).one()
        assert "domestic_violence" in row.dangers
        ending.close(db, line.runtime.context, row.id, rosa.id, "safety_plan", line.clock.now(), goodbye=False)
    due = tomorrow(line, 10, days=2)
    promise(line, ada, [due])
    at(line, due)
    assert texts_to(line, ADA)[-1] == NEUTRAL and asked(line) == []


def test_an_answer_to_a_text_that_named_nothing_gets_no_name_and_a_human(line: HelpLine) -> None:
    ada = known(line)
    safely(line, ada, neutral=True)
    due = tomorrow(line, 10)
    promise(line, ada, [due])
    at(line, due)
    assert not any("STL" in text or "City" in text for text in line.text("who is this"))
    assert line.count(Handoff) == 1


def test_a_wrong_number_ends_what_was_agreed_to(line: HelpLine) -> None:
    ada = known(line)
    due = tomorrow(line, 10)
    _, later = promise(line, ada, [due, due + timedelta(days=7)])
    at(line, due, rounds=4)
    settle(line)
    line.text("wrong number")
    line.clock.advance(timedelta(minutes=2))
    line.text("who are you")
    at(line, due + timedelta(days=7), rounds=4)
    assert (one(line, later).state, len(asked(line))) == ("dropped", 1)
