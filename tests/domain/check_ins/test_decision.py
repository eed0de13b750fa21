"""Check-ins: why they are asked, held or dropped when they fall due, and what happens when no answer comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from bot.domain.check_ins.decision import (
    CLOSES,
    MOVES,
    REASON_SENTENCES,
    SILENT_AFTER,
    AskAgain,
    AskNow,
    CheckInFacts,
    CheckInReason,
    CheckInState,
    DropCheckIn,
    GiveUp,
    HoldUntil,
    after_silence,
    decide,
)
from bot.domain.conversation.safe_contact import DEFAULT_CONTACT, SafeContact, is_safe_time
from bot.domain.state_machine import IllegalMove
from tests.domain.check_ins.example_facts import DAY, HOUR, MINUTE, NOON, chicago, known, safe, situations, within

# The decision


def test_it_asks_when_there_is_no_reason_against_it() -> None:
    assert decide(known(), NOON) == AskNow(neutral=False, valid_until=NOON + 4 * HOUR)


@pytest.mark.parametrize("after_crisis", [True, False])
@pytest.mark.parametrize(
    ("changes", "reason", "task"),
    [
        ({"opted_out": True}, CheckInReason.OPTED_OUT, None),
        ({"unreachable": "wrong_number"}, CheckInReason.UNREACHABLE, None),
        ({"safe": SafeContact(paused=True)}, CheckInReason.LEFT, True),
        ({"consented": False}, CheckInReason.NO_CONSENT, None),
        ({"is_published": False}, CheckInReason.NO_FLOW, True),
        ({"planned_for": NOON - 3 * DAY}, CheckInReason.STALE, None),
        ({"with_social_worker": True, "holds": 10}, CheckInReason.HELD_TOO_OFTEN, True),
        ({"safe": safe(("22:00", "02:00"))}, CheckInReason.NO_SAFE_TIME, True),
        ({"has_language": False}, CheckInReason.NO_LANGUAGE, True),
    ],
)
def test_it_drops_and_makes_a_task_where_a_worker_is_needed(
    changes: dict[str, Any], reason: CheckInReason, task: bool | None, after_crisis: bool
) -> None:
    has_task = after_crisis if task is None else task
    assert decide(known(after_crisis=after_crisis, **changes), NOON) == DropCheckIn(reason, has_task)


@pytest.mark.parametrize(
    ("changes", "until", "reason"),
    [
        ({"with_social_worker": True}, "2026-11-03 12:00", CheckInReason.WITH_SOCIAL_WORKER),
        ({"in_danger": True}, "2026-11-03 12:00", CheckInReason.OPEN_DANGER),
        ({"in_danger": True, "with_social_worker": True}, "2026-11-03 12:00", CheckInReason.OPEN_DANGER),
        ({"staff_contact_at": NOON - 2 * HOUR}, "2026-11-03 10:00", CheckInReason.JUST_TALKED),
        ({"staff_contact_at": NOON - 15 * HOUR}, "2026-11-03 08:00", CheckInReason.JUST_TALKED),
        ({"in_conversation": True, "person_wrote_at": NOON - 5 * HOUR}, "2026-11-02 19:00", CheckInReason.IN_CONVERSATION),
        ({"safe": safe(("09:00", "11:00"))}, "2026-11-03 09:00", CheckInReason.UNSAFE_TIME),
        ({"safe": safe(("06:00", "11:00"))}, "2026-11-03 08:00", CheckInReason.UNSAFE_TIME),
        ({"holidays": frozenset({date(2026, 11, 2)})}, "2026-11-03 08:00", CheckInReason.HOLIDAY),
    ],
)
def test_it_holds_until_the_reason_is_over(changes: dict[str, Any], until: str, reason: CheckInReason) -> None:
    assert decide(known(**changes), NOON) == HoldUntil(chicago(until), reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"staff_contact_at": NOON - DAY},
        {"person_wrote_at": NOON - HOUR},
        {"in_conversation": True, "person_wrote_at": NOON - 12 * HOUR},
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
    assert isinstance(decide(known(**changes), NOON), AskNow)


@pytest.mark.parametrize(
    "changes",
    [
        {"planned_for": NOON - 2 * DAY - MINUTE, "made_at": NOON - 10 * DAY},
        {"planned_for": NOON - 12 * HOUR - MINUTE, "made_at": NOON - 13 * HOUR},
        {"planned_for": NOON - 7 * DAY - MINUTE, "made_at": NOON - 90 * DAY},
        {"planned_for": NOON - 14 * DAY - MINUTE, "holds": 1},
    ],
)
def test_it_drops_a_check_in_that_is_a_minute_too_late(changes: dict[str, Any]) -> None:
    assert decide(known(**changes), NOON) == DropCheckIn(CheckInReason.STALE, task=False)


LADDER: list[tuple[CheckInReason, Mapping[str, Any]]] = [
    (CheckInReason.OPTED_OUT, {"opted_out": True}),
    (CheckInReason.UNREACHABLE, {"unreachable": "30005"}),
    (CheckInReason.LEFT, {"safe": safe(("01:00", "01:30"), paused=True)}),
    (CheckInReason.NO_CONSENT, {"consented": False}),
    (CheckInReason.NO_FLOW, {"is_published": False}),
    (CheckInReason.STALE, {"planned_for": NOON - 20 * DAY}),
    (CheckInReason.WITH_SOCIAL_WORKER, {"with_social_worker": True}),
    (CheckInReason.JUST_TALKED, {"staff_contact_at": NOON}),
    (CheckInReason.IN_CONVERSATION, {"in_conversation": True, "person_wrote_at": NOON}),
    (CheckInReason.UNSAFE_TIME, {"safe": safe(("09:00", "09:30"))}),
    (CheckInReason.HOLIDAY, {"holidays": frozenset({date(2026, 11, 2)})}),
    (CheckInReason.NO_LANGUAGE, {"has_language": False}),
]


@pytest.mark.parametrize("first", range(len(LADDER)), ids=[reason for reason, _ in LADDER])
def test_it_gives_the_first_reason_when_all_later_ones_apply_too(first: int) -> None:
    changes: dict[str, Any] = {}
    for _, change in reversed(LADDER[first:]):
        changes |= change
    decision = decide(known(**changes), NOON)
    assert not isinstance(decision, AskNow)
    assert decision.reason is LADDER[first][0]


@pytest.mark.parametrize(
    ("at", "safe_", "until", "reason"),
    [
        ("2026-11-02 23:00", DEFAULT_CONTACT, "2026-11-03 08:00", CheckInReason.QUIET_HOURS),
        ("2026-11-02 20:50", DEFAULT_CONTACT, None, None),
        ("2026-11-02 20:51", DEFAULT_CONTACT, "2026-11-03 08:00", CheckInReason.QUIET_HOURS),
        ("2026-11-02 12:51", safe(("12:00", "13:00")), "2026-11-03 12:00", CheckInReason.UNSAFE_TIME),
        ("2026-11-02 12:51", safe(("12:00", "13:00"), ("13:00", "14:00")), None, None),
        ("2026-11-02 23:00", safe(("20:00", "02:00")), "2026-11-03 20:00", CheckInReason.QUIET_HOURS),
    ],
)
def test_it_leaves_a_text_the_time_to_arrive(
    at: str, safe_: SafeContact, until: str | None, reason: CheckInReason | None
) -> None:
    decision = decide(known(safe=safe_), chicago(at))
    assert isinstance(decision, AskNow) if reason is None else decision == HoldUntil(chicago(until or ""), reason)


def test_it_drops_where_a_safe_time_is_too_short_for_a_text_to_arrive() -> None:
    assert decide(known(safe=safe(("20:55", "23:00"))), NOON) == DropCheckIn(CheckInReason.NO_SAFE_TIME, task=True)


@pytest.mark.parametrize(
    ("at", "safe_", "until"),
    [
        ("2026-11-02 12:00", DEFAULT_CONTACT, "2026-11-02 16:00"),
        ("2026-11-02 19:00", DEFAULT_CONTACT, "2026-11-02 21:00"),
        ("2026-11-02 12:00", safe(("10:00", "12:30")), "2026-11-02 12:30"),
        ("2026-11-02 12:00", safe(("10:00", "12:30"), ("12:15", "13:00")), "2026-11-02 13:00"),
        ("2026-11-02 20:00", safe(("19:00", "02:00")), "2026-11-02 21:00"),
        ("2026-11-02 12:00", safe(("22:00", "14:00"), days=frozenset({6})), "2026-11-02 14:00"),
    ],
)
def test_it_may_arrive_until_the_hours_or_the_safe_time_end(at: str, safe_: SafeContact, until: str) -> None:
    assert decide(known(safe=safe_), chicago(at)) == AskNow(neutral=False, valid_until=chicago(until))


@pytest.mark.parametrize(
    ("safe_", "neutral"),
    [
        (safe(neutral=True), True),
        (safe(may_name_line=False), True),
        (safe(word="bluebird"), True),
        (safe(word="bluebird", verified_at=NOON - 12 * HOUR), False),
    ],
)
def test_it_asks_without_naming_the_topic_where_that_could_betray(safe_: SafeContact, neutral: bool) -> None:
    assert decide(known(safe=safe_), NOON) == AskNow(neutral, NOON + 4 * HOUR)


def test_it_spreads_out_check_ins_that_waited_for_the_same_moment() -> None:
    night = chicago("2026-11-02 23:00")
    assert decide(known(jitter=9 * MINUTE), night) == HoldUntil(chicago("2026-11-03 08:09"), CheckInReason.QUIET_HOURS)
    short = known(jitter=19 * MINUTE, safe=safe(("09:00", "09:20")))
    assert decide(short, night) == HoldUntil(chicago("2026-11-03 09:00"), CheckInReason.UNSAFE_TIME)


@given(situations())
def test_it_never_asks_where_it_must_not(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, AskNow):
        assert within(now, facts.zone, facts.holidays) and is_safe_time(facts.safe, now, facts.zone)
        assert facts.consented and facts.is_published and facts.has_language
        assert not (facts.opted_out or facts.unreachable or facts.with_social_worker or facts.in_danger or facts.safe.paused)
        assert decision.neutral or not (facts.safe.neutral or facts.safe.word or not facts.safe.may_name_line)


@given(situations())
def test_it_is_valid_for_a_while_on_the_same_day_and_only_while_it_is_safe(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, AskNow):
        assert now + 10 * MINUTE <= decision.valid_until <= now + 4 * HOUR
        local, end = now.astimezone(facts.zone), decision.valid_until.astimezone(facts.zone)
        assert end.date() == local.date() and end.time() <= CLOSES
        minutes = int((decision.valid_until - now) / MINUTE)
        assert all(is_safe_time(facts.safe, now + minute * MINUTE, facts.zone) for minute in range(0, minutes, 5))


@given(situations())
def test_it_holds_until_a_later_moment_within_the_hours(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    decision = decide(facts, now)
    if isinstance(decision, HoldUntil):
        assert decision.until > now
        assert within(decision.until, facts.zone, facts.holidays)


@given(situations())
def test_it_comes_to_an_end_when_nothing_else_changes(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    for _ in range(20):
        decision = decide(facts, now)
        if not isinstance(decision, HoldUntil):
            return
        facts, now = replace(facts, holds=facts.holds + 1), decision.until
    pytest.fail("It was held twenty times.")


@given(situations())
def test_it_misses_no_time_that_would_have_been_safe(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    facts = replace(facts, jitter=timedelta(0))
    decision = decide(facts, now)
    if isinstance(decision, HoldUntil) and decision.reason in (
        CheckInReason.UNSAFE_TIME,
        CheckInReason.QUIET_HOURS,
        CheckInReason.HOLIDAY,
    ):
        step = max((decision.until - now) / 40, 7 * MINUTE)
        between = [now + number * step for number in range(40) if now + number * step < decision.until]
        assert not any(isinstance(decide(facts, moment), AskNow) for moment in between)
        assert not isinstance(decide(facts, decision.until), HoldUntil)


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
def test_it_makes_a_task_of_a_second_silence_and_calls_a_human_after_a_crisis(
    changes: dict[str, Any], after_crisis: bool
) -> None:
    assert after_silence(known(after_crisis=after_crisis, **changes), NOON) == GiveUp(task=True, call=after_crisis)


@given(situations())
def test_it_asks_again_about_a_day_later_where_it_may(situation: tuple[CheckInFacts, datetime]) -> None:
    facts, now = situation
    facts = replace(facts, attempts=1, asked_at=now - SILENT_AFTER, safe=DEFAULT_CONTACT, holidays=frozenset())
    again = after_silence(facts, now)
    assert isinstance(again, AskAgain)
    assert within(again.at, facts.zone)
    # From a minute before midnight until half past ten, or from a minute past midnight until half past five of the next
    # day, and up to an hour more when the clocks change; a time zone may also skip a day.
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
def test_it_moves_as_in_the_table_and_in_no_other_way(move: str, state: CheckInState, to: CheckInState | None) -> None:
    if to is not None:
        assert MOVES.move(state.value, move) == to.value
        return
    with pytest.raises(IllegalMove, match=f"check-in: {move} is not possible when {state.value}"):
        MOVES.move(state.value, move)


def test_it_has_a_sentence_for_each_reason() -> None:
    assert set(REASON_SENTENCES) == set(CheckInReason)
    assert all(sentence.endswith(".") for sentence in REASON_SENTENCES.values())
