"""Situations in which a check-in may fall due, for the tests of check-ins."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from bot.domain.check_ins.decision import CheckInFacts
from bot.domain.conversation.safe_contact import DEFAULT_CONTACT, SafeContact, TimeWindow

CHICAGO = ZoneInfo("America/Chicago")
ZONES = [
    CHICAGO,
    *map(ZoneInfo, ("Pacific/Honolulu", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia",
                    "America/Santiago")),
]  # fmt: skip
EVERY_DAY = frozenset(range(7))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# The Monday after a change of the clocks; noon is within all hours.
NOON = datetime(2026, 11, 2, 18, tzinfo=UTC)
ODD_NIGHTS = [
    datetime(2027, 3, 14, 8, tzinfo=UTC),  # Chicago leaves out two o'clock
    datetime(2026, 11, 1, 7, tzinfo=UTC),  # and has one o'clock twice
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),  # St John's goes back to the day before
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe changes by half an hour
    datetime(2026, 9, 6, 4, tzinfo=UTC),  # Santiago leaves out midnight
    datetime(2026, 4, 5, 3, tzinfo=UTC),  # and has eleven at night twice
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia leaves out a day
]

zones = st.sampled_from(ZONES)
seconds = st.integers(1_100_000_000, 2_300_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
around = st.builds(lambda night, off: night + timedelta(minutes=off), st.sampled_from(ODD_NIGHTS), st.integers(-4000, 4000))
moments = seconds | around
jitters = st.integers(0, 1200).map(lambda seconds: timedelta(seconds=seconds))
quarters = st.integers(0, 95).map(lambda number: time(number // 4, number % 4 * 15))
windows = st.builds(TimeWindow, st.frozensets(st.integers(0, 6)), quarters, quarters)
settings = st.builds(
    SafeContact,
    times=st.lists(windows, max_size=3).map(tuple),
    word=st.sampled_from(["", "", "bluebird"]),
    neutral=st.booleans(),
    may_name_line=st.booleans(),
    paused=st.sampled_from([False] * 5 + [True]),
)


@st.composite
def days_off(draw: st.DrawFn, at: datetime, zone: ZoneInfo) -> frozenset[date]:
    """Some days off soon after a moment, where holidays matter."""
    first = at.astimezone(zone).date()
    return frozenset(first + timedelta(days=ahead) for ahead in draw(st.sets(st.integers(-1, 9), max_size=5)))


@st.composite
def places(draw: st.DrawFn) -> tuple[datetime, ZoneInfo, frozenset[date]]:
    at, zone = draw(moments), draw(zones)
    return at, zone, draw(days_off(at, zone))


@st.composite
def situations(draw: st.DrawFn) -> tuple[CheckInFacts, datetime]:
    """Any facts about a check-in that falls due, and the moment; in most of them only the hours speak against asking."""
    now, zone, holidays = draw(places())
    seldom, mostly = st.sampled_from([False] * 5 + [True]), st.sampled_from([True] * 5 + [False])
    before = st.none() | st.integers(0, 60 * 50).map(lambda minutes: now - minutes * MINUTE)
    planned = now - draw(st.integers(0, 60 * 30)) * MINUTE
    facts = CheckInFacts(
        planned_for=planned, made_at=planned - draw(st.integers(0, 90)) * DAY, attempts=draw(st.integers(0, 2)),
        holds=draw(st.integers(0, 12)), after_crisis=draw(st.booleans()), zone=zone, holidays=holidays, safe=draw(settings),
        consented=draw(mostly), opted_out=draw(seldom), unreachable=draw(st.sampled_from([None] * 5 + ["wrong_number"])),
        with_social_worker=draw(seldom), in_danger=draw(seldom), staff_contact_at=draw(before), person_wrote_at=draw(before),
        in_conversation=draw(st.booleans()), has_language=draw(mostly), is_published=draw(mostly), jitter=draw(jitters),
    )  # fmt: skip
    if draw(st.sampled_from([True, True, False])):
        facts = replace(
            facts, safe=replace(facts.safe, paused=False), consented=True, opted_out=False, unreachable=None,
            with_social_worker=False, in_danger=False, staff_contact_at=None, has_language=True, is_published=True,
        )  # fmt: skip
    return facts, now


def known(**changes: Any) -> CheckInFacts:
    """The facts of a check-in, made a week ago, that may be asked at noon; with these changes."""
    facts = CheckInFacts(
        planned_for=NOON, made_at=NOON - 7 * DAY, attempts=0, holds=0, after_crisis=False, zone=CHICAGO,
        holidays=frozenset(), safe=DEFAULT_CONTACT, consented=True, opted_out=False, unreachable=None,
        with_social_worker=False, in_danger=False, staff_contact_at=None, person_wrote_at=None, in_conversation=False,
        has_language=True, is_published=True,
    )  # fmt: skip
    return replace(facts, **changes)


def chicago(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHICAGO).astimezone(UTC)


def within(at: datetime, zone: ZoneInfo, holidays: Container[date] = frozenset()) -> bool:
    """Whether it is 8:00 to 21:00 of a day that is no holiday, computed in another way than by the code under test."""
    local = at.astimezone(zone)
    return 8 <= local.hour < 21 and local.date() not in holidays


def safe(*spans: tuple[str, str], days: frozenset[int] = EVERY_DAY, **fields: Any) -> SafeContact:
    times = tuple(TimeWindow(days, time.fromisoformat(starts), time.fromisoformat(ends)) for starts, ends in spans)
    return replace(SafeContact(times=times), **fields)
