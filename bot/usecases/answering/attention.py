"""While somebody has it: that the person is not forgotten. An unanswered text, a shift that ends, a conversation gone quiet.

`handoff.rung` counts the reminders while it is held; `rung_due_at` is the next look. All of it survives any restart.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.handoff import DANGEROUS
from bot.domain.safety.levels import Urgency
from bot.storage.tables import Handoff

REMIND_AFTER = {True: timedelta(minutes=3), False: timedelta(minutes=10)}
"""By whether it is dangerous: a text unanswered for so long reminds the owner ..."""
SUPERVISE_AFTER = {True: timedelta(minutes=8), False: timedelta(minutes=30)}
"""... then calls a supervisor to look ..."""
GIVE_UP_AFTER = {True: timedelta(minutes=15), False: timedelta(minutes=60)}
"""... and then goes back to the ladder: whoever has it cannot be there."""
SHIFT_WARNING = timedelta(minutes=15)
SHIFT_GRACE = timedelta(minutes=30)
"""A worker who wrote so lately is in the middle of it: the end of their shift waits for them as long."""
LAPSES_AFTER = timedelta(days=7)
"""A handoff that was handed back and that nobody closed is closed by the line after this."""


def is_dangerous(handoff: Handoff) -> bool:
    return Urgency(handoff.urgency) in DANGEROUS


def waits_for_owner(handoff: Handoff, now: datetime, hand_back_after: timedelta) -> None:
    """The person has written to who has them: the reminders begin with their oldest text that is not answered."""
    if handoff.unanswered_since is None:
        handoff.unanswered_since, handoff.rung = now, 0
    handoff.rung_due_at = next_look(handoff, now, hand_back_after)


def first_look(handoff: Handoff, now: datetime) -> datetime:
    """When a handoff that somebody has just taken is looked at first."""
    return next_look(handoff, now, timedelta(hours=2))


def quiet_since(handoff: Handoff, now: datetime) -> datetime:
    """Since when neither has written, where the last word was ours."""
    return handoff.spoke_at or handoff.claimed_at or now


def next_look(handoff: Handoff, now: datetime, hand_back_after: timedelta) -> datetime:
    """When a held handoff must be looked at next; never later than when something about it falls due."""
    dangerous = is_dangerous(handoff)
    looks: list[datetime] = []
    if handoff.unanswered_since is not None:
        steps = (REMIND_AFTER, SUPERVISE_AFTER, GIVE_UP_AFTER)
        step = steps[min(handoff.rung, len(steps) - 1)]
        looks.append(handoff.unanswered_since + step[dangerous])
    else:
        looks.append(quiet_since(handoff, now) + hand_back_after * (handoff.rung + 1))
    if handoff.shift_ends_at is not None:
        warning = handoff.shift_ends_at - SHIFT_WARNING
        looks.append(warning if now < warning else handoff.shift_ends_at)
    soonest = min(looks)
    # What could not be settled at its time is looked at again in a minute, not in a loop.
    return soonest if soonest > now else now + timedelta(minutes=1)
