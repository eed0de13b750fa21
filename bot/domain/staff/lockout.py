"""How long an account is locked after wrong passwords or codes: longer each time, and never for a whole shift."""

from __future__ import annotations

from datetime import timedelta

TRIES_PER_LOCK = 5
FIRST_DURATION = timedelta(minutes=15)
MAX_DURATION = timedelta(hours=4)


def lock_duration(failures: int) -> timedelta | None:
    """How long the account is locked after this many failures in a row; None where it stays open."""
    if failures < TRIES_PER_LOCK or failures % TRIES_PER_LOCK:
        return None
    # Ten doublings already make a week; the bound keeps a runaway count from overflowing.
    doublings: int = min(failures // TRIES_PER_LOCK - 1, 10)
    return min(FIRST_DURATION * (1 << doublings), MAX_DURATION)
