"""Whether the house stands, for load balancers, monitoring and `make run`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app

from bot.runtime import Runtime
from bot.storage import check_ins, handoffs, outbox
from bot.storage.database import DATABASE_ERRORS

health = Blueprint("health", __name__)

TOO_OLD = timedelta(minutes=2)
"""Work that is due for longer than this means that no worker runs: somebody waits for a text."""


@health.get("/health")
def alive() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@health.get("/ready")
def ready() -> tuple[dict[str, Any], int]:
    """Whether texts are answered and delivered: 503 with the reason where they are not.

    A queue that is away is named but does not make the line unready: replies ride in the answer and the sweep delivers.
    """
    runtime: Runtime = current_app.extensions["warmline"]
    reasons = []
    oldest = None
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            oldest = max(filter(None, (look.oldest_due(db, now) for look in (outbox, handoffs, check_ins))), default=None)
    except (*DATABASE_ERRORS, OSError) as error:
        reasons.append(f"the database does not answer ({type(error).__name__})")
    if oldest is not None and oldest > TOO_OLD:
        reasons.append(f"work has been due for {int(oldest.total_seconds())} seconds: is a worker running?")
    waiting = len(runtime.spool.entries())
    if waiting:
        reasons.append(f"{waiting} texts wait in the spool")
    body = {
        "status": "ready" if not reasons else "not ready",
        "reasons": reasons,
        "queue": "ok" if runtime.queue.is_reachable() else "not reachable; the sweep delivers",
        "oldest_due_seconds": int(oldest.total_seconds()) if oldest else 0,
        "spooled": waiting,
    }
    return body, 503 if reasons else 200
