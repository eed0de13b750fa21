"""When a text that we start may be sent: by day, not on a holiday, and at a time that the person marked safe.

The hours are those of 47 CFR 64.1200(c)(1), 8 a.m. to 9 p.m. where the person is. The law sets them for telemarketing; we
keep them for every text that no person is waiting for. Replies and crisis texts are never checked here.
All moments in and out are aware UTC; hours are wall-clock time in the zone that is passed in.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from bot.domain.conversation.safe_contact import SafeContact, is_safe_time
from bot.domain.roster.duty import local_instant

OPENS: Final = time(8)
CLOSES: Final = time(21)
"""Local time; a text that we start is sent within [OPENS, CLOSES)."""
MIN_GAP: Final = timedelta(hours=12)
"""Two check-ins close together, after a holiday for instance, would feel like nagging."""
MAX_JITTER: Final = timedelta(minutes=20)
LOOK_AHEAD: Final = timedelta(days=14)
"""How far ahead a safe time is sought: windows are weekly, so the second week matters only because of holidays."""
MAX_VALIDITY: Final = timedelta(hours=4)
MIN_VALIDITY: Final = timedelta(minutes=10)
"""With less time left, waiting in the carrier's queue alone could make a text late."""


def is_within_hours(at: datetime, zone: ZoneInfo, holidays: Container[date] = frozenset()) -> bool:
    """Whether `at` (aware) is within the hours of a day that is not a holiday."""
    local = at.astimezone(zone)
    return OPENS <= local.time() < CLOSES and local.date() not in holidays


def next_open_time(
    at: datetime, zone: ZoneInfo, holidays: Container[date] = frozenset(), jitter: timedelta = timedelta(0)
) -> datetime:
    """`at` (aware) if it is within the hours; otherwise the next opening plus `jitter` (see `jitter_for`)."""
    at = at.astimezone(UTC)
    if is_within_hours(at, zone, holidays):
        return at
    today = at.astimezone(zone).date()
    openings = (local_instant(today + timedelta(days=ahead), OPENS, zone) for ahead in count())
    # The second condition is needed: a zone that moves across the date line skips a whole day.
    return next(opening for opening in openings if opening > at and is_within_hours(opening, zone, holidays)) + jitter


def jitter_for(seed: int | str) -> timedelta:
    """A delay for this seed: always the same for the same seed, and evenly spread over twenty minutes.

    Without it, everything that a night or a holiday held back would be sent at eight o'clock at once, ahead of the replies
    to people who write then.
    """
    drawn = int.from_bytes(sha256(str(seed).encode()).digest()[:8], "big")
    return timedelta(seconds=drawn % int(MAX_JITTER.total_seconds()))


def plan_times(
    now: datetime,
    after: Sequence[timedelta],
    zone: ZoneInfo,
    seed: int | str,
    holidays: Container[date] = frozenset(),
) -> tuple[datetime, ...]:
    """One due time for each delay, shortest first: within the hours, each at least twelve hours after the one before.

    Only a time that has to wait for an opening gets the jitter of `seed`: the others fall at the time of day at which the
    person wrote, which spreads them anyway.
    """
    due: list[datetime] = []
    for delay in sorted(after):
        wanted = max(now + delay, due[-1] + MIN_GAP) if due else now + delay
        due.append(next_open_time(wanted, zone, holidays, jitter_for(seed)))
    return tuple(due)


def valid_until(at: datetime, zone: ZoneInfo, safe: SafeContact) -> datetime:
    """The latest time at which a text sent at `at`, within the hours and at a safe time, may still arrive.

    That is the end of the hours or of the safe time, whichever is sooner, and at most four hours: the carrier drops what
    it could not deliver by then.
    """
    at = at.astimezone(UTC)
    today = at.astimezone(zone).date()
    latest = min(closing_time(at, zone), at + MAX_VALIDITY)
    ends = (local_instant(today, window.ends, zone) for window in safe.times)
    # Another window may begin where this one ends.
    return min((end for end in ends if at < end < latest and not is_safe_time(safe, end, zone)), default=latest)


def closing_time(at: datetime, zone: ZoneInfo) -> datetime:
    """The end of the hours on the local day of `at`."""
    return local_instant(at.astimezone(zone).date(), CLOSES, zone)


def may_send(at: datetime, zone: ZoneInfo, safe: SafeContact, holidays: Container[date] = frozenset()) -> bool:
    """Whether a text that we start may be sent at `at` (aware), with enough time left for it to arrive."""
    if not is_within_hours(at, zone, holidays) or not is_safe_time(safe, at, zone):
        return False
    return valid_until(at, zone, safe) - at >= MIN_VALIDITY


def next_send_time(
    at: datetime,
    zone: ZoneInfo,
    safe: SafeContact,
    holidays: Container[date] = frozenset(),
    jitter: timedelta = timedelta(0),
) -> datetime | None:
    """The first moment from `at` (aware) on at which a text may be sent; None where there is none within two weeks.

    Where it has to wait for an opening or a safe window, `jitter` is added if there is still enough time then.
    """
    at = at.astimezone(UTC)
    if may_send(at, zone, safe, holidays):
        return at
    # A period in which texts may be sent begins where the hours or a window begin, so only these need checking.
    today = at.astimezone(zone).date()
    days = [today + timedelta(days=ahead) for ahead in range(LOOK_AHEAD.days + 1)]
    begins = {local_instant(day, wall, zone) for day in days for wall in (OPENS, *(window.starts for window in safe.times))}
    for begin in sorted(begins):
        if at < begin <= at + LOOK_AHEAD and may_send(begin, zone, safe, holidays):
            return begin + jitter if may_send(begin + jitter, zone, safe, holidays) else begin
    return None
