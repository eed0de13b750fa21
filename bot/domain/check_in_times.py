"""When a text that we start may leave: by day, on no holiday, and at a time that the person marked safe.

The hours are those of 47 CFR 64.1200(c)(1), 8 in the morning to 9 at night where the person is. The law has them for
telemarketing; we keep them for every text that nobody waits for. Answers and words in a crisis never ask here.
All moments in and out are aware UTC; hours are wall-clock time in the zone that is handed in.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.roster import instant
from bot.domain.safe_contact import SafeContact, is_safe_time

OPENS: Final = time(8)
CLOSES: Final = time(21)
"""Local time; a text that we start leaves within [OPENS, CLOSES)."""
APART: Final = timedelta(hours=12)
"""Two check-ins that fall together, after a holiday for instance, would read as a machine that nags."""
LONGEST_JITTER: Final = timedelta(minutes=20)
LOOK_AHEAD: Final = timedelta(days=14)
"""So far a safe time is looked for: windows are weekly, so a second week is there for holidays alone."""
LONGEST_VALID: Final = timedelta(hours=4)
SHORTEST_VALID: Final = timedelta(minutes=10)
"""With less time left, the carrier's queue alone could make a text late."""


def is_open(at: datetime, zone: ZoneInfo, holidays: Container[date] = frozenset()) -> bool:
    """Whether `at` (aware) is within the hours of a day that is no holiday."""
    local = at.astimezone(zone)
    return OPENS <= local.time() < CLOSES and local.date() not in holidays


def into_hours(
    at: datetime, zone: ZoneInfo, holidays: Container[date] = frozenset(), jitter: timedelta = timedelta(0)
) -> datetime:
    """`at` (aware) where it is open then; else the next opening, `jitter` (see `spread`) later. Never earlier than `at`."""
    at = at.astimezone(UTC)
    if is_open(at, zone, holidays):
        return at
    today = at.astimezone(zone).date()
    openings = (instant(today + timedelta(days=ahead), OPENS, zone) for ahead in count())
    # The second question is not idle: a zone that moves across the date line leaves out a whole day.
    return next(opening for opening in openings if opening > at and is_open(opening, zone, holidays)) + jitter


def spread(seed: int | str) -> timedelta:
    """How much later than the others this one leaves: the same for the same seed, evenly spread over twenty minutes.

    What a night or a holiday held back would leave at eight o'clock all at once, before the answers to people who write.
    """
    drawn = int.from_bytes(sha256(str(seed).encode()).digest()[:8], "big")
    return timedelta(seconds=drawn % int(LONGEST_JITTER.total_seconds()))


def plan(
    now: datetime,
    after: Sequence[timedelta],
    zone: ZoneInfo,
    seed: int | str,
    holidays: Container[date] = frozenset(),
) -> tuple[datetime, ...]:
    """One due time for each delay, shortest first: within the hours, each at least twelve hours after the one before.

    Only what has to wait for an opening gets the jitter of `seed`: the rest falls at the time of day at which the person
    wrote, and those are spread by themselves.
    """
    due: list[datetime] = []
    for delay in sorted(after):
        wanted = max(now + delay, due[-1] + APART) if due else now + delay
        due.append(into_hours(wanted, zone, holidays, spread(seed)))
    return tuple(due)


def valid_until(at: datetime, zone: ZoneInfo, safe: SafeContact) -> datetime:
    """Until when a text that leaves at `at`, within the hours and at a safe time, may still arrive.

    That is the end of the hours or of the safe time, whichever is sooner, and four hours at the most: the carrier drops
    what it could not deliver until then.
    """
    at = at.astimezone(UTC)
    today = at.astimezone(zone).date()
    latest = min(closing(at, zone), at + LONGEST_VALID)
    ends = (instant(today, window.ends, zone) for window in safe.times)
    # Another window may go on where one ends.
    return min((end for end in ends if at < end < latest and not is_safe_time(safe, end, zone)), default=latest)


def closing(at: datetime, zone: ZoneInfo) -> datetime:
    """When the hours of the local day of `at` end."""
    return instant(at.astimezone(zone).date(), CLOSES, zone)


def may_leave(at: datetime, zone: ZoneInfo, safe: SafeContact, holidays: Container[date] = frozenset()) -> bool:
    """Whether a text that we start may leave at `at` (aware), with time enough to arrive before it no longer may."""
    if not is_open(at, zone, holidays) or not is_safe_time(safe, at, zone):
        return False
    return valid_until(at, zone, safe) - at >= SHORTEST_VALID


def next_time(
    at: datetime,
    zone: ZoneInfo,
    safe: SafeContact,
    holidays: Container[date] = frozenset(),
    jitter: timedelta = timedelta(0),
) -> datetime | None:
    """The first moment from `at` (aware) on at which a text may leave; None where there is none within two weeks.

    Where it has to wait for an opening or a safe window, `jitter` is added if there is still time enough then.
    """
    at = at.astimezone(UTC)
    if may_leave(at, zone, safe, holidays):
        return at
    # A stretch in which texts may leave begins where the hours or a window begin, so these are all that need a look.
    today = at.astimezone(zone).date()
    days = [today + timedelta(days=ahead) for ahead in range(LOOK_AHEAD.days + 1)]
    begins = {instant(day, wall, zone) for day in days for wall in (OPENS, *(window.starts for window in safe.times))}
    for begin in sorted(begins):
        if at < begin <= at + LOOK_AHEAD and may_leave(begin, zone, safe, holidays):
            return begin + jitter if may_leave(begin + jitter, zone, safe, holidays) else begin
    return None
