"""How late the oldest due work is, by kind: what a worker should have done by now and nobody has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage import check_ins, handoffs, outbox

_LOOKS: Final[Mapping[str, Callable[[Session, datetime], timedelta | None]]] = {
    "text": outbox.oldest_due,
    "rung": handoffs.oldest_due,
    "check_in": check_ins.oldest_due,
}


def by_kind(db: Session, now: datetime) -> dict[str, timedelta]:
    """For how long the oldest due text, rung of a ladder and check-in have waited at `now`; nothing due is no wait."""
    return {kind: look(db, now) or timedelta(0) for kind, look in _LOOKS.items()}


def take_turn(db: Session) -> bool:
    """Whether this transaction alone may tell of late work; all hosts look, and one page at night is enough."""
    return bool(db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("warmline late work")))))
