"""How long an account is shut after wrong passwords or codes: longer each time, and never for a whole shift."""

from __future__ import annotations

from datetime import timedelta

TRIES = 5
FIRST = timedelta(minutes=15)
LONGEST = timedelta(hours=4)


def shut_for(failures: int) -> timedelta | None:
    """How long it is shut after the last of so many failures in a row; None where it stays open."""
    if failures < TRIES or failures % TRIES:
        return None
    # Two to the tenth of the first time is a week already: a count that has run away must not overflow.
    doublings: int = min(failures // TRIES - 1, 10)
    return min(FIRST * (1 << doublings), LONGEST)
