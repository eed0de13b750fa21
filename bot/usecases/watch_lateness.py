"""The dead man's switch: work that is due and that nobody does is told to the operator by whoever is still alive.

A worker that is dead cannot say so. The web looks whenever its readiness is asked for, and the sweep of every host for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.storage import lateness
from bot.storage.alerts import raise_alarm, was_raised

TOO_LATE = timedelta(minutes=2)
"""Work that is due for longer than this means that no worker runs: somebody waits for a text. A claim whose worker was
killed is taken up after little more than a minute (bot/storage/outbox.py, LEASE)."""
LATE_CHECK_INS = timedelta(minutes=15)
"""The same for check-ins: ten thousand of one morning are asked one after the other, and nobody waits for one."""


def too_late(db: Session, now: datetime) -> dict[str, timedelta]:
    """The kinds of work that nobody does, with how late the oldest of each is."""
    late = lateness.by_kind(db, now)
    return {kind: wait for kind, wait in late.items() if wait > (LATE_CHECK_INS if kind == "check_in" else TOO_LATE)}


def watch_lateness(db: Session, now: datetime) -> list[str]:
    """Raise an alarm for each kind of work that is too late, once in an outage; returns the kinds that were told of now."""
    late = too_late(db, now)
    if not late or not lateness.take_turn(db):
        return []
    # What has been due since before the last alarm is what that one told of.
    new = [kind for kind, wait in late.items() if not was_raised(db, "work_overdue", kind, now - wait)]
    for kind in new:
        raise_alarm(db, "work_overdue", kind, None, now)
    return new
