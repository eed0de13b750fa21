"""Whether to send a check-in, decided at the moment of sending and never before.

```
 planned ---ask---> asked ---answer---> answered
    |               |  ^ |
    |               |  +-+ ask (once more)
    |               +---miss----------> silent
    +------drop-----+-----------------> dropped
```

A text that was fixed when it was planned would reach people who have opted out since, who are in danger, who died, or
whose phone another person now has. So the caller passes in what is known now, and nothing here reads a clock or a table.
Cadence and reasons: caring contacts and follow-up calls (Gould 2018, Comtois 2019); the city may set other limits.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.check_ins.times import (
    CLOSES,
    OPENS,
    closing_time,
    is_within_hours,
    jitter_for,
    may_send,
    next_open_time,
    next_send_time,
    plan_times,
    valid_until,
)
from bot.domain.conversation.safe_contact import SafeContact, is_safe_time, needs_safe_word
from bot.domain.roster.duty import local_instant
from bot.domain.state_machine import NamedTransitions

__all__ = [
    "CLOSES",
    "MOVES",
    "OPENS",
    "REASON_SENTENCES",
    "SILENT_AFTER",
    "AskAgain",
    "AskNow",
    "CheckInFacts",
    "CheckInReason",
    "CheckInState",
    "Decision",
    "DropCheckIn",
    "GiveUp",
    "HoldUntil",
    "after_silence",
    "decide",
    "jitter_for",
    "next_open_time",
    "plan_times",
]  # fmt: skip


class CheckInState(StrEnum):
    PLANNED = "planned"
    ASKED = "asked"
    """It was sent, and the person has not answered yet."""
    ANSWERED = "answered"
    SILENT = "silent"
    """The person did not answer, which says nothing about how they are."""
    DROPPED = "dropped"


_S = CheckInState

MOVES: Final = NamedTransitions(
    "check-in",
    list(CheckInState),
    [
        ("ask", (_S.PLANNED, _S.ASKED), _S.ASKED),
        ("again", (_S.ASKED,), _S.PLANNED),
        # A late answer counts: the question stays open after the silence.
        ("answer", (_S.PLANNED, _S.ASKED, _S.SILENT), _S.ANSWERED),
        ("miss", (_S.ASKED,), _S.SILENT),
        ("drop", (_S.PLANNED, _S.ASKED), _S.DROPPED),
    ],
)

SILENT_AFTER: Final = timedelta(hours=24)
"""How long a sent check-in waits for its answer."""
MIN_LATENESS, MAX_LATENESS = timedelta(hours=12), timedelta(days=7)
"""How late a question may come when the delay is our fault (an outage): a quarter of the planned time, within these."""
STALE_AFTER: Final = timedelta(days=14)
"""How late it may come when it was postponed on purpose."""
MAX_HOLDS: Final = 10
"""A check-in that waits for a social worker is decided again daily. After ten days a task reminds staff, who may have
forgotten it."""
PAUSE_AFTER_STAFF_CONTACT: Final = timedelta(hours=24)
PAUSE_AFTER_PERSON_WROTE: Final = timedelta(hours=12)
MIDDAY, MORNING, EVENING = time(13), time(10, 30), time(17, 30)
"""A person who was asked before MIDDAY is asked again in the evening, and otherwise in the morning: they may be at work, or
share the phone."""


class CheckInReason(StrEnum):
    """Why a check-in was postponed or dropped; `REASON_SENTENCES` has the sentence."""

    OPTED_OUT = "opted_out"
    UNREACHABLE = "unreachable"
    LEFT = "left"
    NO_CONSENT = "no_consent"
    NO_FLOW = "no_flow"
    STALE = "stale"
    OPEN_DANGER = "open_danger"
    WITH_SOCIAL_WORKER = "human_has_them"
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
    """This one and those below are set where check-ins are sent and managed, never by `decide`."""
    NO_ANSWER = "no_answer"
    NOT_SENT = "not_sent"
    SKIPPED = "skipped"
    STOPPED = "stopped"
    MOVED = "moved"
    ERASED = "erased"


REASON_SENTENCES: Final[Mapping[CheckInReason, str]] = {
    CheckInReason.OPTED_OUT: "They asked us not to text them.",
    CheckInReason.UNREACHABLE: "Texts to this number do not arrive, or the number is somebody else's now.",
    CheckInReason.LEFT: (
        "They left with an exit word or wrote that the number is wrong. We start nothing until they write again."
    ),
    CheckInReason.NO_CONSENT: "They have not agreed to be asked again, or their consent is over.",
    CheckInReason.NO_FLOW: "The flow that asks is not published.",
    CheckInReason.STALE: "Its time passed too long ago for the question to make sense.",
    CheckInReason.OPEN_DANGER: "There is an open danger: a social worker comes first.",
    CheckInReason.WITH_SOCIAL_WORKER: "A social worker has them, or they wait for one.",
    CheckInReason.HELD_TOO_OFTEN: "It was put off ten times, and a handoff is still open. A social worker should decide.",
    CheckInReason.JUST_TALKED: "A social worker was in touch with them within the last 24 hours.",
    CheckInReason.IN_CONVERSATION: "They are in the middle of a conversation with the line.",
    CheckInReason.ANOTHER_WAITS: (
        "Another check-in waits for their answer: of two questions nobody knows which one was answered."
    ),
    CheckInReason.UNSAFE_TIME: "It is not a time that they marked as safe, or that time is nearly over.",
    CheckInReason.NO_SAFE_TIME: "No time in the next two weeks is both safe for them and within the hours in which we text.",
    CheckInReason.QUIET_HOURS: "We start texts only between 8 in the morning and 9 at night, where they are.",
    CheckInReason.HOLIDAY: "We start no texts on a holiday.",
    CheckInReason.NO_LANGUAGE: "The flow that asks does not exist in their language.",
    CheckInReason.SILENT_TOO_OFTEN: "They did not answer three check-ins in a row.",
    CheckInReason.NO_ANSWER: "Nobody answered.",
    CheckInReason.NOT_SENT: "The text did not leave in time.",
    CheckInReason.SKIPPED: "A social worker skipped it.",
    CheckInReason.STOPPED: "A social worker stopped all check-ins.",
    CheckInReason.MOVED: "A social worker moved it.",
    CheckInReason.ERASED: "What was kept of them was deleted, as they asked.",
}
"""For the console; never sent to a person."""


@dataclass(frozen=True, slots=True)
class CheckInFacts:
    """What is known about a check-in and the person at this moment. Moments are aware UTC.

    When a social worker moves a check-in it starts over: `planned_for` is the time they chose, `made_at` the time of the
    move, and `holds` is 0.
    """

    planned_for: datetime
    made_at: datetime
    attempts: int
    """How often it was sent."""
    holds: int
    """How often it was postponed."""
    after_crisis: bool
    zone: ZoneInfo
    holidays: Container[date]
    safe: SafeContact
    consented: bool
    opted_out: bool
    unreachable: str | None
    """Why no text can reach them; None where one can."""
    with_social_worker: bool
    """A handoff is open, or a social worker holds the conversation."""
    in_danger: bool
    staff_contact_at: datetime | None
    """When a social worker last wrote to them or spoke with them."""
    person_wrote_at: datetime | None
    """When the person last wrote."""
    in_conversation: bool
    """The bot waits for an answer from them."""
    has_language: bool
    """The flow exists in their language."""
    is_published: bool
    asked_at: datetime | None = None
    """When it was last sent; tells `after_silence` which time of day did not suit."""
    other_check_in_until: datetime | None = None
    """Until when another check-in of this person waits for its answer."""
    jitter: timedelta = timedelta(0)
    """`jitter_for` of the row, so that check-ins held overnight do not all leave in the same minute."""


@dataclass(frozen=True, slots=True)
class AskNow:
    """Ask now. `neutral`: in words that name neither the line nor the subject. It must not arrive after `valid_until`."""

    neutral: bool
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class HoldUntil:
    """Decide again at `until`."""

    until: datetime
    reason: CheckInReason


@dataclass(frozen=True, slots=True)
class DropCheckIn:
    """Never ask. `task`: a social worker gets a task to reach the person in another way or to correct something."""

    reason: CheckInReason
    task: bool


Decision = AskNow | HoldUntil | DropCheckIn


def decide(facts: CheckInFacts, now: datetime) -> Decision:
    """What to do with a check-in that is due at `now` (aware UTC): what the first applicable rule says, otherwise ask.

    The order of the rules is part of the contract: the person's wishes first, then what we know, then the time of day.
    """
    found = (rule(facts, now) for rule in _RULES)
    return next((decision for decision in found if decision is not None), None) or _ask_now(facts, now)


def _never_allowed(facts: CheckInFacts, now: datetime) -> DropCheckIn | None:
    """Reasons that waiting would not change."""
    if facts.opted_out:
        return DropCheckIn(CheckInReason.OPTED_OUT, task=facts.after_crisis)
    if facts.unreachable is not None:
        return DropCheckIn(CheckInReason.UNREACHABLE, task=facts.after_crisis)
    if facts.safe.paused:
        return DropCheckIn(CheckInReason.LEFT, task=True)
    if not facts.consented:
        return DropCheckIn(CheckInReason.NO_CONSENT, task=facts.after_crisis)
    if not facts.is_published:
        return DropCheckIn(CheckInReason.NO_FLOW, task=True)
    return None


def _is_too_late(facts: CheckInFacts, now: datetime) -> DropCheckIn | None:
    if now - facts.planned_for > _allowed_lateness(facts):
        return DropCheckIn(CheckInReason.STALE, task=facts.after_crisis)
    return None


def _allowed_lateness(facts: CheckInFacts) -> timedelta:
    if facts.holds or facts.attempts:
        return STALE_AFTER
    return min(max((facts.planned_for - facts.made_at) / 4, MIN_LATENESS), MAX_LATENESS)


def _is_with_social_worker(facts: CheckInFacts, now: datetime) -> HoldUntil | DropCheckIn | None:
    if not facts.with_social_worker and not facts.in_danger:
        return None
    if facts.holds >= MAX_HOLDS:
        return DropCheckIn(CheckInReason.HELD_TOO_OFTEN, task=True)
    # A danger mostly has a handoff as well; of the two reasons, a supervisor needs to read the danger.
    return _hold(
        facts, now + timedelta(hours=24), CheckInReason.OPEN_DANGER if facts.in_danger else CheckInReason.WITH_SOCIAL_WORKER
    )


def _staff_just_talked(facts: CheckInFacts, now: datetime) -> HoldUntil | None:
    if facts.staff_contact_at is None or now - facts.staff_contact_at >= PAUSE_AFTER_STAFF_CONTACT:
        return None
    return _hold(facts, facts.staff_contact_at + PAUSE_AFTER_STAFF_CONTACT, CheckInReason.JUST_TALKED)


def _is_mid_conversation(facts: CheckInFacts, now: datetime) -> HoldUntil | None:
    if not facts.in_conversation or facts.person_wrote_at is None or now - facts.person_wrote_at >= PAUSE_AFTER_PERSON_WROTE:
        return None
    return _hold(facts, facts.person_wrote_at + PAUSE_AFTER_PERSON_WROTE, CheckInReason.IN_CONVERSATION)


def _another_waits(facts: CheckInFacts, now: datetime) -> HoldUntil | None:
    if facts.other_check_in_until is None:
        return None
    return _hold(facts, max(facts.other_check_in_until, now + timedelta(hours=1)), CheckInReason.ANOTHER_WAITS)


def _hold(facts: CheckInFacts, until: datetime, reason: CheckInReason) -> HoldUntil:
    return HoldUntil(next_open_time(until, facts.zone, facts.holidays, facts.jitter), reason)


def _is_bad_time(facts: CheckInFacts, now: datetime) -> HoldUntil | DropCheckIn | None:
    if may_send(now, facts.zone, facts.safe, facts.holidays):
        return None
    until = next_send_time(now, facts.zone, facts.safe, facts.holidays, facts.jitter)
    return HoldUntil(until, _bad_time_reason(facts, now)) if until else DropCheckIn(CheckInReason.NO_SAFE_TIME, task=True)


def _bad_time_reason(facts: CheckInFacts, now: datetime) -> CheckInReason:
    if not is_safe_time(facts.safe, now, facts.zone):
        return CheckInReason.UNSAFE_TIME
    if not is_within_hours(now, facts.zone):
        return CheckInReason.QUIET_HOURS
    if not is_within_hours(now, facts.zone, facts.holidays):
        return CheckInReason.HOLIDAY
    ends_early = valid_until(now, facts.zone, facts.safe) < closing_time(now, facts.zone)
    return CheckInReason.UNSAFE_TIME if ends_early else CheckInReason.QUIET_HOURS


def _speaks_another_language(facts: CheckInFacts, now: datetime) -> DropCheckIn | None:
    return None if facts.has_language else DropCheckIn(CheckInReason.NO_LANGUAGE, task=True)


_RULES: Final[tuple[Callable[[CheckInFacts, datetime], HoldUntil | DropCheckIn | None], ...]] = (
    _never_allowed,
    _is_too_late,
    _is_with_social_worker,
    _staff_just_talked,
    _is_mid_conversation,
    _another_waits,
    _is_bad_time,
    _speaks_another_language,
)


def _ask_now(facts: CheckInFacts, now: datetime) -> AskNow:
    neutral = facts.safe.neutral or needs_safe_word(facts.safe, now) or not facts.safe.may_name_line
    return AskNow(neutral, valid_until(now, facts.zone, facts.safe))


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask once more at `at`; `decide` has the last word then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Send no more texts. `task`: a social worker gets a task; `call`: it is to call them, as they fell silent after a
    danger."""

    task: bool
    call: bool


def after_silence(facts: CheckInFacts, now: datetime) -> AskAgain | GiveUp:
    """What follows when a check-in had no answer for SILENT_AFTER: ask once more the next day, at another time of day.

    After that, or where there is no safe time, a social worker takes over.
    """
    if facts.attempts > 1:
        return GiveUp(task=True, call=facts.after_crisis)
    asked = (facts.asked_at or now).astimezone(facts.zone).time()
    tomorrow = now.astimezone(facts.zone).date() + timedelta(days=1)
    wanted = local_instant(tomorrow, EVENING if asked < MIDDAY else MORNING, facts.zone)
    at = next_send_time(wanted, facts.zone, facts.safe, facts.holidays, facts.jitter)
    return AskAgain(at) if at else GiveUp(task=True, call=facts.after_crisis)
