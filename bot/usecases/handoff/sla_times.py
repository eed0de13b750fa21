"""Deadlines of a claimed handoff: an unanswered text, a shift that ends, a conversation gone idle.

While a handoff is claimed, `tier` counts its reminders and `due_at` is its next check. Both survive a restart.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.handoff.states import DANGEROUS_URGENCIES
from bot.domain.safety.levels import Urgency
from bot.storage.tables.residents import Handoff

REMIND_AFTER = {True: timedelta(minutes=3), False: timedelta(minutes=10)}
"""By whether it is dangerous: a text unanswered for this long reminds the owner ..."""
CALL_SUPERVISOR_AFTER = {True: timedelta(minutes=8), False: timedelta(minutes=30)}
"""... then alerts a supervisor ..."""
RELEASE_AFTER = {True: timedelta(minutes=15), False: timedelta(minutes=60)}
"""... and then restarts the escalation: the owner is evidently not there."""
SHIFT_WARNING = timedelta(minutes=15)
SHIFT_GRACE = timedelta(minutes=30)
"""A social worker who wrote this recently keeps the handoff past the end of their shift."""
AUTO_CLOSE_AFTER = timedelta(days=7)
"""A handoff that was handed back and not closed by a social worker is closed automatically after this."""


def is_dangerous(handoff: Handoff) -> bool:
    return Urgency(handoff.urgency) in DANGEROUS_URGENCIES


def start_reply_deadlines(handoff: Handoff, now: datetime, hand_back_after: timedelta) -> None:
    """The person has written to the owner. The deadlines count from their oldest unanswered text."""
    if handoff.unanswered_since is None:
        handoff.unanswered_since, handoff.tier = now, 0
    handoff.due_at = next_check_at(handoff, now, hand_back_after)


def first_check_at(handoff: Handoff, now: datetime) -> datetime:
    """When a handoff that was just claimed is checked first."""
    return next_check_at(handoff, now, timedelta(hours=2))


def idle_since(handoff: Handoff, now: datetime) -> datetime:
    """Since when neither side has written, given that the last text was ours."""
    return handoff.spoke_at or handoff.claimed_at or now


def next_check_at(handoff: Handoff, now: datetime, hand_back_after: timedelta) -> datetime:
    """When a claimed handoff must be checked next: its earliest deadline."""
    dangerous = is_dangerous(handoff)
    looks: list[datetime] = []
    if handoff.unanswered_since is not None:
        steps = (REMIND_AFTER, CALL_SUPERVISOR_AFTER, RELEASE_AFTER)
        step = steps[min(handoff.tier, len(steps) - 1)]
        looks.append(handoff.unanswered_since + step[dangerous])
    else:
        looks.append(idle_since(handoff, now) + hand_back_after * (handoff.tier + 1))
    if handoff.shift_ends_at is not None:
        warning = handoff.shift_ends_at - SHIFT_WARNING
        looks.append(warning if now < warning else handoff.shift_ends_at)
    soonest = min(looks)
    # A deadline that could not be met is checked again in a minute, not in a tight loop.
    return soonest if soonest > now else now + timedelta(minutes=1)
