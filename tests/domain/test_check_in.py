"""Check-ins: why they are asked, held or dropped at the moment when they fall due, and what follows silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from bot.domain.check_in import (
    CLOSES,
    MOVES,
    REASONS,
    SILENT_AFTER,
    Ask,
    AskAgain,
    CheckInState,
    Drop,
    Facts,
    GiveUp,
    Hold,
    Reason,
    after_silence,
    decide,
)
from bot.domain.machine import IllegalMove
from bot.domain.safe_contact import NOTHING, SafeContact, is_safe_time
from tests.domain.check_in_facts import DAY, HOUR, MINUTE, NOON, chicago, known, safe, situations, within

# The decision


def test_it_asks_when_nothing_stands_against_it() -> None:
    assert decide(known(), NOON) == Ask(neutral=False, valid_until=NOON + 4 * HOUR)


@pytest.mark.parametrize("after_crisis", [True, False])
@pytest.mark.parametrize(
    ("changes", "reason", "task"),
    [
        ({"opted_out": True}, Reason.OPTED_OUT, None),
        ({"unreachable": "wrong_number"}, Reason.UNREACHABLE, None),
        ({"safe": SafeContact(paused=True)}, Reason.LEFT, True),
        ({"consented": False}, Reason.NO_CONSENT, None),
        ({"is_published": False}, Reason.NO_FLOW, True),
        ({"planned_for": NOON - 3 * DAY}, Reason.STALE, None),
        ({"human": True, "holds": 10}, Reason.HELD_TOO_OFTEN, True),
        ({"safe": safe(("22:00", "02:00"))}, Reason.NO_SAFE_TIME, True),
        ({"speaks": False}, Reason.NO_LANGUAGE, True),
    ],
)
def test_it_drops_and_tells_a_worker_where_one_is_needed(
    changes: dict[str, Any], reason: Reason, task: bool | None, after_crisis: bool
) -> None:
    told = after_crisis if task is None else task
    assert decide(known(after_crisis=after_crisis, **changes), NOON) == Drop(reason, told)


@pytest.mark.parametrize(
    ("changes", "until", "reason"),
    [
        ({"human": True}, "2026-11-03 12:00", Reason.HUMAN_HAS_THEM),
        ({"in_danger": True}, "2026-11-03 12:00", Reason.OPEN_DANGER),
        ({"in_danger": True, "human": True}, "2026-11-03 12:00", Reason.OPEN_DANGER),
        ({"talked_at": NOON - 2 * HOUR}, "2026-11-03 10:00", Reason.JUST_TALKED),
        ({"talked_at": NOON - 15 * HOUR}, "2026-11-03 08:00", Reason.JUST_TALKED),
        ({"in_conversation": True, "wrote_at": NOON - 5 * HOUR}, "2026-11-02 19:00", Reason.IN_CONVERSATION),
        ({"safe": safe(("09:00", "11:00"))}, "2026-11-03 09:00", Reason.UNSAFE_TIME),
        ({"safe": safe(("06:00", "11:00"))}, "2026-11-03 08:00", Reason.UNSAFE_TIME),
        ({"holidays": frozenset({date(2026, 11, 2)})}, "2026-11-03 08:00", Reason.HOLIDAY),
    ],
)
def test_it_holds_until_the_reason_is_over(changes: dict[str, Any], until: str, reason: Reason) -> None:
    assert decide(known(**changes), NOON) == Hold(chicago(until), reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"talked_at": NOON - DAY},
        {"wrote_at": NOON - HOUR},
        {"in_conversation": True, "wrote_at": NOON - 12 * HOUR},
        {"in_conversation": True},
        {"safe": safe(("11:00", "13:00"))},
        {"planned_for": NOON - 2 * DAY, "made_at": NOON - 10 * DAY},
        {"planned_for": NOON - 12 * HOUR, "made_at": NOON - 13 * HOUR},
        {"planned_for": NOON - 7 * DAY, "made_at": NOON - 90 * DAY},
        {"planned_for": NOON - 14 * DAY, "holds": 1},
        {"planned_for": NOON - 2 * DAY, "made_at": NOON - 3 * DAY, "attempts": 1},
        {"holds": 11},
    ],
)
def test_it_asks_where_the_reason_is_just_over(changes: dict[str, Any]) -> None:
    assert isinstance(decide(known(**changes), NOON), Ask)


@pytest.mark.parametrize(
    "changes",
    [
        {"planned_for": NOON - 2 * DAY - MINUTE, "made_at": NOON - 10 * DAY},
        {"planned_for": NOON - 12 * HOUR - MINUTE, "made_at": NOON - 13 * HOUR},
        {"planned_for": NOON - 7 * DAY - MINUTE, "made_at": NOON - 90 * DAY},
        {"planned_for": NOON - 14 * DAY - MINUTE, "holds": 1},
    ],
)
def test_it_drops_what_comes_a_minute_later_than_makes_sense(changes: dict[str, Any]) -> None:
    assert decide(known(**changes), NOON) == Drop(Reason.STALE, task=False)


LADDER: list[tuple[Reason, Mapping[str, Any]]] = [
    (Reason.OPTED_OUT, {"opted_out": True}),
    (Reason.UNREACHABLE, {"unreachable": "30005"}),
    (Reason.LEFT, {"safe": safe(("01:00", "01:30"), paused=True)}),
    (Reason.NO_CONSENT, {"consented": False}),
    (Reason.NO_FLOW, {"is_published": False}),
    (Reason.STALE, {"planned_for": NOON - 20 * DAY}),
    (Reason.HUMAN_HAS_THEM, {"human": True}),
    (Reason.JUST_TALKED, {"talked_at": NOON}),
    (Reason.IN_CONVERSATION, {"in_conversation": True, "wrote_at": NOON}),
    (Reason.UNSAFE_TIME, {"safe": safe(("09:00", "09:30"))}),
    (Reason.HOLIDAY, {"holidays": frozenset({date(2026, 11, 2)})}),
    (Reason.NO_LANGUAGE, {"speaks": False}),
]


@pytest.mark.parametrize("first", range(len(LADDER)), ids=[reason for reason, _ in LADDER])
def test_it_gives_the_first_reason_when_all_that_follow_hold_too(first: int) -> None:
    changes: dict[str, Any] = {}
    for _, change in reversed(LADDER[first:]):
        changes |= change
    decision = decide(known(**changes), NOON)
    assert not isinstance(decision, Ask)
    assert decision.reason is LADDER[first][0]


@pytest.mark.parametrize(
    ("at", "safe_", "until", "reason"),
    [
        ("2026-11-02 23:00", NOTHING, "2026-11-03 08:00", Reason.QUIET_HOURS),
        ("2026-11-02 20:50", NOTHING, None, None),
        ("2026-11-02 20:51", NOTHING, "2026-11-03 08:00", Reason.QUIET_HOURS),
        ("2026-11-02 12:51", safe(("12:00", "13:00")), "2026-11-03 12:00", Reason.UNSAFE_TIME),
        ("2026-11-02 12:51", safe(("12:00", "13:00"), ("13:00", "14:00")), None, None),
        ("2026-11-02 23:00", safe(("20:00", "02:00")), "2026-11-03 20:00", Reason.QUIET_HOURS),
    ],
)
def test_it_leaves_a_text_the_time_to_arrive(at: str, safe_: SafeContact, until: str | None, reason: Reason | None) -> None:
    decision = decide(known(safe=safe_), chicago(at))
    assert isinstance(decision, Ask) if reason is None else decision == Hold(chicago(until or ""), reason)


def test_it_drops_where_a_safe_time_is_too_short_for_a_text_to_arrive() -> None:
    assert decide(known(safe=safe(("20:55", "23:00"))), NOON) == Drop(Reason.NO_SAFE_TIME, task=True)


@pytest.mark.parametrize(
    ("at", "safe_", "until"),
    [
        ("2026-11-02 12:00", NOTHING, "2026-11-02 16:00"),
        ("2026-11-02 19:00", NOTHING, "2026-11-02 21:00"),
        ("2026-11-02 12:00", safe(("10:00", "12:30")), "2026-11-02 12:30"),
        ("2026-11-02 12:00", safe(("10:00", "12:30"), ("12:15", "13:00")), "2026-11-02 13:00"),
        ("2026-11-02 20:00", safe(("19:00", "02:00")), "2026-11-02 21:00"),
        ("2026-11-02 12:00", safe(("22:00", "14:00"), days=frozenset({6})), "2026-11-02 14:00"),
    ],
)
def test_it_may_arrive_until_the_hours_or_the_safe_time_end(at: str, safe_: SafeContact, until: str) -> None:
    assert decide(known(safe=safe_), chicago(at)) == Ask(neutral=False, valid_until=chicago(until))


@pytest.mark.parametrize(
    ("safe_", "neutral"),
    [
        (safe(neutral=True), True),
        (safe(may_name_line=False), True),
        (safe(word="bluebird"), True),
        (safe(word="bluebird", verified_at=NOON - 12 * HOUR), False),
    ],
)
def test_it_says_nothing_that_betrays(safe_: SafeContact, neutral: bool) -> None:
    assert decide(known(safe=safe_), NOON) == Ask(neutral, NOON + 4 * HOUR)


def test_it_does_not_let_all_that_waited_leave_in_one_minute() -> None:
    night = chicago("2026-11-02 23:00")
    assert decide(known(jitter=9 * MINUTE), night) == Hold(chicago("2026-11-03 08:09"), Reason.QUIET_HOURS)
    short = known(jitter=19 * MINUTE, safe=safe(("09:00", "09:20")))
    assert decide(short, night) == Hold(chicago("2026-11-03 09:00"), Reason.UNSAFE_TIME)


@given(situations())
def test_it_never_asks_where_it_must_not(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, Ask):
        assert within(now, facts.zone, facts.holidays) and is_safe_time(facts.safe, now, facts.zone)
        assert facts.consented and facts.is_published and facts.speaks
        assert not (facts.opted_out or facts.unreachable or facts.human or facts.in_danger or facts.safe.paused)
        assert decision.neutral or not (facts.safe.neutral or facts.safe.word or not facts.safe.may_name_line)


@given(situations())
def test_it_is_valid_for_a_while_on_the_same_day_and_only_while_it_is_safe(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, Ask):
        assert now + 10 * MINUTE <= decision.valid_until <= now + 4 * HOUR
        local, end = now.astimezone(facts.zone), decision.valid_until.astimezone(facts.zone)
        assert end.date() == local.date() and end.time() <= CLOSES
        minutes = int((decision.valid_until - now) / MINUTE)
        assert all(is_safe_time(facts.safe, now + minute * MINUTE, facts.zone) for minute in range(0, minutes, 5))


@given(situations())
def test_it_holds_until_a_later_moment_within_the_hours(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, Hold):
        assert decision.until > now
        assert within(decision.until, facts.zone, facts.holidays)


@given(situations())
def test_it_comes_to_an_end_when_nothing_else_changes(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    for _ in range(20):
        decision = decide(facts, now)
        if not isinstance(decision, Hold):
            return
        facts, now = replace(facts, holds=facts.holds + 1), decision.until
    pytest.fail("It was held twenty times.")


@given(situations())
def test_it_overlooks_no_time_that_would_have_been_safe(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    facts = replace(facts, jitter=timedelta(0))
    decision = decide(facts, now)
    if isinstance(decision, Hold) and decision.reason in (Reason.UNSAFE_TIME, Reason.QUIET_HOURS, Reason.HOLIDAY):
        step = max((decision.until - now) / 40, 7 * MINUTE)
        between = [now + number * step for number in range(40) if now + number * step < decision.until]
        assert not any(isinstance(decide(facts, moment), Ask) for moment in between)
        assert not isinstance(decide(facts, decision.until), Hold)


# Silence


@pytest.mark.parametrize(
    ("asked", "again"),
    [
        ("2026-11-02 10:00", "2026-11-04 17:30"),
        ("2026-11-02 12:59", "2026-11-04 17:30"),
        ("2026-11-02 13:00", "2026-11-04 10:30"),
        ("2026-11-02 19:00", "2026-11-04 10:30"),
        ("2026-10-31 10:00", "2026-11-02 17:30"),  # the clocks go back between
    ],
)
def test_it_asks_once_more_at_another_time_of_day(asked: str, again: str) -> None:
    facts = known(attempts=1, asked_at=chicago(asked))
    assert after_silence(facts, chicago(asked) + SILENT_AFTER) == AskAgain(chicago(again))
    assert after_silence(replace(facts, asked_at=None), chicago(asked) + SILENT_AFTER) == AskAgain(chicago(again))


def test_it_asks_again_only_on_a_working_day_and_at_a_safe_time() -> None:
    off = known(attempts=1, holidays=frozenset({date(2026, 11, 3)}))
    assert after_silence(off, NOON) == AskAgain(chicago("2026-11-04 08:00"))
    mornings = known(attempts=1, safe=safe(("09:00", "11:00")))
    assert after_silence(mornings, NOON) == AskAgain(chicago("2026-11-04 09:00"))


@pytest.mark.parametrize("after_crisis", [True, False])
@pytest.mark.parametrize("changes", [{"attempts": 2}, {"attempts": 3}, {"attempts": 1, "safe": SafeContact(paused=True)}])
def test_it_leaves_a_second_silence_to_a_person_and_calls_after_a_crisis(
    changes: dict[str, Any], after_crisis: bool
) -> None:
    assert after_silence(known(after_crisis=after_crisis, **changes), NOON) == GiveUp(task=True, call=after_crisis)


@given(situations())
def test_it_asks_again_about_a_day_later_where_it_may(situation: tuple[Facts, datetime]) -> None:
    facts, now = situation
    facts = replace(facts, attempts=1, asked_at=now - SILENT_AFTER, safe=NOTHING, holidays=frozenset())
    again = after_silence(facts, now)
    assert isinstance(again, AskAgain)
    assert within(again.at, facts.zone)
    # From one before midnight until half past ten, or from one past midnight until half past five of the next day,
    # and up to an hour with the clocks; a zone may leave out a day.
    assert 9 * HOUR < again.at - now < 67 * HOUR


# The states


P, A, N, S, X = CheckInState
TABLE = {
    # move    planned asked answered silent dropped
    "ask":    (A, A, None, None, None),
    "again":  (None, P, None, None, None),
    "answer": (N, N, None, N, None),
    "miss":   (None, S, None, None, None),
    "drop":   (X, X, None, None, None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("move", "state", "to"), [(move, *cell) for move, row in TABLE.items() for cell in zip(CheckInState, row, strict=True)]
)
def test_it_moves_as_drawn_and_in_no_other_way(move: str, state: CheckInState, to: CheckInState | None) -> None:
    if to is not None:
        assert MOVES.move(state.value, move) == to.value
        return
    with pytest.raises(IllegalMove, match=f"check-in: {move} is not possible when {state.value}"):
        MOVES.move(state.value, move)


def test_it_has_a_sentence_for_each_reason() -> None:
    assert set(REASONS) == set(Reason)
    assert all(sentence.endswith(".") for sentence in REASONS.values())
