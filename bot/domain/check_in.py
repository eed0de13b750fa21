"""Whether to ask somebody again how it went, decided at the moment of asking and never before.

```
 planned ---ask---> asked ---answer---> answered
    |               |  ^ |
    |               |  +-+ ask (once more)
    |               +---miss----------> silent
    +------drop-----+-----------------> dropped
```

A text that was fixed when it was planned reaches people who have opted out since, who are in danger, who died, or whose
phone is in somebody else's hands. So the sweep hands in what is known now, and nothing here reads a clock or a table.
Cadence and reasons: caring contacts and follow-up calls (Gould 2018, Comtois 2019); the limits are the city's to set.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.check_in_times import (
    CLOSES,
    OPENS,
    closing,
    into_hours,
    is_open,
    may_leave,
    next_time,
    plan,
    spread,
    valid_until,
)
from bot.domain.machine import NamedMoves
from bot.domain.roster import instant
from bot.domain.safe_contact import SafeContact, is_safe_time, needs_word

__all__ = [
    "CLOSES", "MOVES", "OPENS", "REASONS", "SILENT_AFTER", "Ask", "AskAgain", "CheckInState", "Decision", "Drop", "Facts",
    "GiveUp", "Hold", "Reason", "after_silence", "decide", "into_hours", "plan", "spread",
]  # fmt: skip


class CheckInState(StrEnum):
    PLANNED = "planned"
    ASKED = "asked"
    """It was sent, and its answer is waited for."""
    ANSWERED = "answered"
    SILENT = "silent"
    """Nobody answered; that says nothing about how somebody is."""
    DROPPED = "dropped"


_S = CheckInState

MOVES: Final = NamedMoves(
    "check-in",
    list(CheckInState),
    [
        ("ask", (_S.PLANNED, _S.ASKED), _S.ASKED),
        ("again", (_S.ASKED,), _S.PLANNED),
        # Whoever answers late has answered: the question stays open for them.
        ("answer", (_S.PLANNED, _S.ASKED, _S.SILENT), _S.ANSWERED),
        ("miss", (_S.ASKED,), _S.SILENT),
        ("drop", (_S.PLANNED, _S.ASKED), _S.DROPPED),
    ],
)

SILENT_AFTER: Final = timedelta(hours=24)
"""So long an asked check-in waits for its answer."""
LEAST_LATENESS, MOST_LATENESS = timedelta(hours=12), timedelta(days=7)
"""A quarter of the time that was planned, within these: how late a question may come when it was us who slept."""
STALE_AFTER: Final = timedelta(days=14)
"""How late it may come when it was put off on purpose."""
MOST_HOLDS: Final = 10
"""Looked at daily, one that rests with a human comes to a worker after ten days: they may have forgotten it."""
AFTER_TALK: Final = timedelta(hours=24)
AFTER_WRITING: Final = timedelta(hours=12)
MIDDAY, MORNING, EVENING = time(13), time(10, 30), time(17, 30)
"""Who was asked before MIDDAY is asked again in the evening, and else in the morning: they may work, or share the phone."""


class Reason(StrEnum):
    """Why a check-in was put off or dropped; `REASONS` has the sentence."""

    OPTED_OUT = "opted_out"
    UNREACHABLE = "unreachable"
    LEFT = "left"
    NO_CONSENT = "no_consent"
    NO_FLOW = "no_flow"
    STALE = "stale"
    OPEN_DANGER = "open_danger"
    HUMAN_HAS_THEM = "human_has_them"
    HELD_TOO_OFTEN = "held_too_often"
    JUST_TALKED = "just_talked"
    IN_CONVERSATION = "in_conversation"
    ANOTHER_WAITS = "another_waits"
    UNSAFE_TIME = "unsafe_time"
    NO_SAFE_TIME = "no_safe_time"
    QUIET_HOURS = "quiet_hours"
    HOLIDAY = "holiday"
    NO_LANGUAGE = "no_language"
    SILENT_TOO_OFTEN = "silent_too_often"
    """This one and those below are given by those who send and keep check-ins, never by `decide`."""
    NO_ANSWER = "no_answer"
    NOT_SENT = "not_sent"
    SKIPPED = "skipped"
    STOPPED = "stopped"
    MOVED = "moved"
    ERASED = "erased"


REASONS: Final[Mapping[Reason, str]] = {
    Reason.OPTED_OUT: "They asked us not to text them.",
    Reason.UNREACHABLE: "Texts to this number do not arrive, or the number is somebody else's now.",
    Reason.LEFT: "They left with an exit word or wrote that the number is wrong. We start nothing until they write again.",
    Reason.NO_CONSENT: "They have not agreed to be asked again, or their consent is over.",
    Reason.NO_FLOW: "The flow that asks is not published.",
    Reason.STALE: "Its time passed too long ago for the question to make sense.",
    Reason.OPEN_DANGER: "There is an open danger: a social worker comes first.",
    Reason.HUMAN_HAS_THEM: "A social worker has them, or they wait for one.",
    Reason.HELD_TOO_OFTEN: "It was put off ten times, and a handoff is still open. A social worker should decide.",
    Reason.JUST_TALKED: "A social worker was in touch with them within the last 24 hours.",
    Reason.IN_CONVERSATION: "They are in the middle of a conversation with the line.",
    Reason.ANOTHER_WAITS: "Another check-in waits for their answer: of two questions nobody knows which one was answered.",
    Reason.UNSAFE_TIME: "It is not a time that they marked as safe, or that time is nearly over.",
    Reason.NO_SAFE_TIME: "No time in the next two weeks is both safe for them and within the hours in which we text.",
    Reason.QUIET_HOURS: "We start texts only between 8 in the morning and 9 at night, where they are.",
    Reason.HOLIDAY: "We start no texts on a holiday.",
    Reason.NO_LANGUAGE: "The flow that asks does not exist in their language.",
    Reason.SILENT_TOO_OFTEN: "They did not answer three check-ins in a row.",
    Reason.NO_ANSWER: "Nobody answered.",
    Reason.NOT_SENT: "The text did not leave in time.",
    Reason.SKIPPED: "A social worker skipped it.",
    Reason.STOPPED: "A social worker stopped all check-ins.",
    Reason.MOVED: "A social worker moved it.",
    Reason.ERASED: "What was kept of them was deleted, as they asked.",
}
"""For the console; never sent to anybody."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a check-in and the person at this moment. Moments are aware UTC.

    A worker who moves a check-in makes it anew: `planned_for` is then what they chose, `made_at` when, and `holds` is 0.
    """

    planned_for: datetime
    made_at: datetime
    attempts: int
    """How often it was asked."""
    holds: int
    """How often it was put off."""
    after_crisis: bool
    zone: ZoneInfo
    holidays: Container[date]
    safe: SafeContact
    consented: bool
    opted_out: bool
    unreachable: str | None
    """Why nothing can be sent there, where nothing can."""
    human: bool
    """A handoff is open, or a human holds it."""
    in_danger: bool
    talked_at: datetime | None
    """When a worker last wrote to them or spoke with them."""
    wrote_at: datetime | None
    """When the person last wrote."""
    in_conversation: bool
    """The bot waits for an answer of theirs."""
    speaks: bool
    """The flow exists in their language."""
    is_published: bool
    asked_at: datetime | None = None
    """When it was asked last; tells `after_silence` which time of day did not suit."""
    another_until: datetime | None = None
    """Until when another check-in of theirs waits for its answer."""
    jitter: timedelta = timedelta(0)
    """`spread` of the row: what is held over a night does not all leave in one minute."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask now. `neutral`: in words that name neither the line nor what it is about. Not to arrive after `valid_until`."""

    neutral: bool
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Look again at `until`."""

    until: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Drop:
    """Never ask. `task`: a worker is told, since somebody should reach the person in another way or put something right."""

    reason: Reason
    task: bool


Decision = Ask | Hold | Drop


def decide(facts: Facts, now: datetime) -> Decision:
    """What to do with a check-in that is due at `now` (aware UTC): the first of the rules that applies, or ask.

    The order is a promise: what the person wants comes before what we know, and that before what time it is.
    """
    found = (rule(facts, now) for rule in _RULES)
    return next((decision for decision in found if decision is not None), None) or _ask(facts, now)


def _may_never(facts: Facts, now: datetime) -> Drop | None:
    """What no waiting changes."""
    if facts.opted_out:
        return Drop(Reason.OPTED_OUT, task=facts.after_crisis)
    if facts.unreachable is not None:
        return Drop(Reason.UNREACHABLE, task=facts.after_crisis)
    if facts.safe.paused:
        return Drop(Reason.LEFT, task=True)
    if not facts.consented:
        return Drop(Reason.NO_CONSENT, task=facts.after_crisis)
    if not facts.is_published:
        return Drop(Reason.NO_FLOW, task=True)
    return None


def _is_too_late(facts: Facts, now: datetime) -> Drop | None:
    if now - facts.planned_for > _allowed_lateness(facts):
        return Drop(Reason.STALE, task=facts.after_crisis)
    return None


def _allowed_lateness(facts: Facts) -> timedelta:
    if facts.holds or facts.attempts:
        return STALE_AFTER
    return min(max((facts.planned_for - facts.made_at) / 4, LEAST_LATENESS), MOST_LATENESS)


def _rests_with_human(facts: Facts, now: datetime) -> Hold | Drop | None:
    if not facts.human and not facts.in_danger:
        return None
    if facts.holds >= MOST_HOLDS:
        return Drop(Reason.HELD_TOO_OFTEN, task=True)
    # A danger has a handoff too, mostly; of the two, it is what a supervisor needs to read.
    return _hold(facts, now + timedelta(hours=24), Reason.OPEN_DANGER if facts.in_danger else Reason.HUMAN_HAS_THEM)


def _just_talked(facts: Facts, now: datetime) -> Hold | None:
    if facts.talked_at is None or now - facts.talked_at >= AFTER_TALK:
        return None
    return _hold(facts, facts.talked_at + AFTER_TALK, Reason.JUST_TALKED)


def _is_mid_conversation(facts: Facts, now: datetime) -> Hold | None:
    if not facts.in_conversation or facts.wrote_at is None or now - facts.wrote_at >= AFTER_WRITING:
        return None
    return _hold(facts, facts.wrote_at + AFTER_WRITING, Reason.IN_CONVERSATION)


def _another_waits(facts: Facts, now: datetime) -> Hold | None:
    if facts.another_until is None:
        return None
    return _hold(facts, max(facts.another_until, now + timedelta(hours=1)), Reason.ANOTHER_WAITS)


def _hold(facts: Facts, until: datetime, reason: Reason) -> Hold:
    return Hold(into_hours(until, facts.zone, facts.holidays, facts.jitter), reason)


def _is_bad_time(facts: Facts, now: datetime) -> Hold | Drop | None:
    if may_leave(now, facts.zone, facts.safe, facts.holidays):
        return None
    until = next_time(now, facts.zone, facts.safe, facts.holidays, facts.jitter)
    return Hold(until, _why_bad(facts, now)) if until else Drop(Reason.NO_SAFE_TIME, task=True)


def _why_bad(facts: Facts, now: datetime) -> Reason:
    if not is_safe_time(facts.safe, now, facts.zone):
        return Reason.UNSAFE_TIME
    if not is_open(now, facts.zone):
        return Reason.QUIET_HOURS
    if not is_open(now, facts.zone, facts.holidays):
        return Reason.HOLIDAY
    ends_early = valid_until(now, facts.zone, facts.safe) < closing(now, facts.zone)
    return Reason.UNSAFE_TIME if ends_early else Reason.QUIET_HOURS


def _speaks_another_language(facts: Facts, now: datetime) -> Drop | None:
    return None if facts.speaks else Drop(Reason.NO_LANGUAGE, task=True)


_RULES: Final[tuple[Callable[[Facts, datetime], Hold | Drop | None], ...]] = (
    _may_never,
    _is_too_late,
    _rests_with_human,
    _just_talked,
    _is_mid_conversation,
    _another_waits,
    _is_bad_time,
    _speaks_another_language,
)


def _ask(facts: Facts, now: datetime) -> Ask:
    neutral = facts.safe.neutral or needs_word(facts.safe, now) or not facts.safe.may_name_line
    return Ask(neutral, valid_until(now, facts.zone, facts.safe))


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask once more at `at`; `decide` has the last word then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Text no more. `task`: a worker is told; `call`: they should call, since silence after a danger is no good news."""

    task: bool
    call: bool


def after_silence(facts: Facts, now: datetime) -> AskAgain | GiveUp:
    """What follows when an asked check-in had no answer for SILENT_AFTER: once more the next day, at another time of day.

    After that, or where no safe time comes, a person sees to it.
    """
    if facts.attempts > 1:
        return GiveUp(task=True, call=facts.after_crisis)
    asked = (facts.asked_at or now).astimezone(facts.zone).time()
    tomorrow = now.astimezone(facts.zone).date() + timedelta(days=1)
    wanted = instant(tomorrow, EVENING if asked < MIDDAY else MORNING, facts.zone)
    at = next_time(wanted, facts.zone, facts.safe, facts.holidays, facts.jitter)
    return AskAgain(at) if at else GiveUp(task=True, call=facts.after_crisis)
