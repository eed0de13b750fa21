"""How late the oldest due work is, by kind: what a worker process should have done by now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.check_ins import check_ins
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox

_QUERIES: Final[Mapping[str, Callable[[Session, datetime], timedelta | None]]] = {
    "text": outbox.longest_overdue,
    "escalation": handoffs.longest_overdue,
    "check_in": check_ins.longest_overdue,
}


def longest_waits(db: Session, now: datetime) -> dict[str, timedelta]:
    """How long the most overdue text, escalation tier and check-in have been due at `now`; zero if nothing is due."""
    return {kind: look(db, now) or timedelta(0) for kind, look in _QUERIES.items()}


def try_lock(db: Session) -> bool:
    """Whether this transaction may report late work: all hosts look for it, but one alarm is enough."""
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("warmline late work")))))
