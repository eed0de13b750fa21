"""Alarm the operator about overdue work. A dead worker process cannot do so itself, so the web processes check at each
readiness probe, and the sweep of every host checks for all hosts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.storage import lateness
from bot.storage.alerts import raise_alarm, was_raised

OVERDUE_AFTER = timedelta(minutes=2)
"""Work overdue for longer than this means that no worker process runs. The claim of a killed worker process expires after
little more than a minute (bot/storage/messages/outbox.py, LEASE)."""
CHECK_INS_OVERDUE_AFTER = timedelta(minutes=15)
"""The same for check-ins, of which thousands may be due on one morning, and no person waits for one."""


def oldest_due(db: Session, now: datetime) -> dict[str, timedelta]:
    """How long the oldest due text, escalation tier and check-in have waited at `now`, by kind; zero if nothing is due."""
    return lateness.longest_waits(db, now)


def overdue_work(db: Session, now: datetime) -> dict[str, timedelta]:
    """The kinds of work that are overdue, with the delay of the oldest of each."""
    late = oldest_due(db, now)
    return {
        kind: wait
        for kind, wait in late.items()
        if wait > (CHECK_INS_OVERDUE_AFTER if kind == "check_in" else OVERDUE_AFTER)
    }


def alarm_overdue_work(db: Session, now: datetime) -> list[str]:
    """Raise an alarm for each overdue kind of work, once per outage. Returns the kinds with a new alarm."""
    late = overdue_work(db, now)
    if not late or not lateness.try_lock(db):
        return []
    # Work due since before the last alarm of its kind belongs to the same outage.
    new = [kind for kind, wait in late.items() if not was_raised(db, "work_overdue", kind, now - wait)]
    for kind in new:
        raise_alarm(db, "work_overdue", kind, None, now)
    return new
