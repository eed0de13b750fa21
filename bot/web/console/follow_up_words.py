"""How the pages of the follow-up say what the rows hold as fixed words, and when things are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.check_in import REASONS
from bot.storage.follow_up import Kind
from bot.usecases.read_follow_up import Event
from bot.web.console import spoken, wording

HEADINGS = {
    Kind.TASKS: "To do",
    Kind.OVERDUE: "Overdue check-ins",
    Kind.ASKED: "Waiting for an answer",
    Kind.TODAY: "Check-ins today",
    Kind.WEEK: "Next 7 days",
    Kind.REFERRALS: "Referrals without an outcome",
}
EMPTY = {
    Kind.TASKS: "Nothing is to be done. Tasks come here when the line cannot reach somebody, or when you add one on a case.",
    Kind.OVERDUE: "No check-in is late.",
    Kind.ASKED: "Nobody is being waited for.",
    Kind.TODAY: "No more check-ins today. Plan one on a person's page.",
    Kind.WEEK: "None in the next seven days. Plan one on a person's page.",
    Kind.REFERRALS: "It is known of every referral what became of it.",
}
HINTS = {
    Kind.OVERDUE: "The line should have asked by now. If they stay, tell whoever runs it and reach people yourself.",
}
STATES = {
    "planned": "To come",
    "asked": "Waiting for an answer",
    "answered": "Answered",
    "silent": "Nobody answered",
    "dropped": "Called off",
}
TONES = {"asked": "warn", "answered": "good", "silent": "danger"}
CRISIS_FLOW = "crisis_check_in"
"""Its title says already what the badge would."""
TASK_REASONS = {"agency_refused": "An agency will not help: look for other help."}
TELLERS = {"person": "the person", "agency": "the agency", "line": "the line", "worker": "a worker"}
_EVENTS = {
    "planned": "Planned",
    "held": "Put off",
    "asked": "Asked",
    "asked_again": "Asked again",
    "moved": "Moved",
    "answered": "They answered",
    "silent": "Given up: a human was told",
    "dropped": "Called off",
}
_WITH_NEXT = ("planned", "held", "moved")
"""After these it is worth saying for when."""
_DAY_LEFT = 90
"""So many minutes ahead are said in minutes and hours."""


def reason(word: str) -> str:
    """Why a check-in was put off or dropped, or why there is a task, in a sentence; "" for no reason."""
    known = {str(key): text for key, text in REASONS.items()}
    return TASK_REASONS.get(word) or known.get(word) or (word.replace("_", " ").capitalize() if word else "")


def moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Weekday, day and time there, with the year where it is not this one: "Tue, Nov 24, 10:30 AM"."""
    year = at.astimezone(zone).year
    day, _, clock = spoken.moment(at, zone).rpartition(", ")
    return f"{day}, {clock}" if year == now.astimezone(zone).year else f"{day}, {year}, {clock}"


def away(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """How far off: "in 2 days", "tomorrow", "in 3 h 5 min", "2 days ago". Days are counted by the calendar there."""
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    if abs(days) >= 2:
        return f"in {days} days" if days > 0 else f"{-days} days ago"
    if abs(days) == 1 and abs((at - now).total_seconds()) >= _DAY_LEFT * 60:
        return "tomorrow" if days > 0 else "yesterday"
    return f"in {wording.span(at - now)}" if at > now else f"{wording.span(now - at)} ago"


def saying(now: datetime, zone: ZoneInfo) -> Callable[[datetime], str]:
    """Says a moment with how far off it is: "Tue, Nov 24, 10:30 AM (in 2 days)"."""
    return lambda at: f"{moment(at, now, zone)} ({away(at, now, zone)})"


def happened(event: Event, say: Callable[[datetime], str]) -> str:
    """What happened to a check-in, in a line."""
    said = wording.plain(event.kind, _EVENTS)
    if event.kind in _WITH_NEXT and event.due_at is not None:
        said += f" {'for' if event.kind == 'planned' else 'to'} {say(event.due_at)}"
    return f"{said}. {reason(event.reason)}" if event.reason else said
