"""Labels for the fixed words of follow-up, and formatting of its times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.domain.check_ins.decision import REASON_SENTENCES
from bot.usecases.check_ins.read_follow_up import CheckInHistoryEntry, FollowUpList
from bot.web.console import moments, wording

HEADINGS = {
    FollowUpList.TASKS: "To do",
    FollowUpList.OVERDUE: "Overdue check-ins",
    FollowUpList.ASKED: "Waiting for an answer",
    FollowUpList.TODAY: "Check-ins today",
    FollowUpList.WEEK: "Next 7 days",
    FollowUpList.REFERRALS: "Referrals without an outcome",
}
EMPTY = {
    FollowUpList.TASKS: (
        "Nothing is to be done. Tasks come here when the line cannot reach somebody, or when you add one on a case."
    ),
    FollowUpList.OVERDUE: "No check-in is late.",
    FollowUpList.ASKED: "Nobody is being waited for.",
    FollowUpList.TODAY: "No more check-ins today. Plan one on a person's page.",
    FollowUpList.WEEK: "None in the next seven days. Plan one on a person's page.",
    FollowUpList.REFERRALS: "It is known of every referral what became of it.",
}
HINTS = {
    FollowUpList.OVERDUE: "The line should have asked by now. If they stay, tell whoever runs it and reach people yourself.",
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
"""The flow's title already says what the badge "After a crisis" would."""
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
_EVENTS_WITH_DUE_TIME = ("planned", "held", "moved")
"""Events whose new due time is shown."""
_HOURS_BELOW_MINUTES = 90
"""Minutes. Below this distance "tomorrow" and "yesterday" are given in hours and minutes instead."""


def reason(word: str) -> str:
    """Why a check-in was postponed or dropped, or why there is a task, as a sentence; "" for no reason."""
    known = {str(key): text for key, text in REASON_SENTENCES.items()}
    return TASK_REASONS.get(word) or known.get(word) or (word.replace("_", " ").capitalize() if word else "")


def moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Weekday, day and time in `zone`, with the year if it is not the current one: "Tue, Nov 24, 10:30 AM"."""
    year = at.astimezone(zone).year
    day, _, clock = moments.moment(at, zone).rpartition(", ")
    return f"{day}, {clock}" if year == now.astimezone(zone).year else f"{day}, {year}, {clock}"


def relative_time(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Relative time: "in 2 days", "tomorrow", "in 3 h 5 min", "2 days ago". Days are calendar days in `zone`."""
    days = (at.astimezone(zone).date() - now.astimezone(zone).date()).days
    if abs(days) >= 2:
        return f"in {days} days" if days > 0 else f"{-days} days ago"
    if abs(days) == 1 and abs((at - now).total_seconds()) >= _HOURS_BELOW_MINUTES * 60:
        return "tomorrow" if days > 0 else "yesterday"
    return f"in {wording.span(at - now)}" if at > now else f"{wording.span(now - at)} ago"


def moment_formatter(now: datetime, zone: ZoneInfo) -> Callable[[datetime], str]:
    """Returns a formatter like "Tue, Nov 24, 10:30 AM (in 2 days)"."""
    return lambda at: f"{moment(at, now, zone)} ({relative_time(at, now, zone)})"


def happened(event: CheckInHistoryEntry, say: Callable[[datetime], str]) -> str:
    """What happened to a check-in, in one line."""
    sentence = wording.plain(event.kind, _EVENTS)
    if event.kind in _EVENTS_WITH_DUE_TIME and event.due_at is not None:
        sentence += f" {'for' if event.kind == 'planned' else 'to'} {say(event.due_at)}"
    return f"{sentence}. {reason(event.reason)}" if event.reason else sentence
