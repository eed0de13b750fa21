"""Whether the house stands, for load balancers, monitoring and `make run`."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from flask import Blueprint, current_app

from bot.runtime import Runtime
from bot.storage import lateness
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.watch_lateness import too_late, watch_lateness

log = logging.getLogger(__name__)

health = Blueprint("health", __name__)


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
    oldest, late = timedelta(0), dict[str, timedelta]()
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            oldest, late = max(lateness.by_kind(db, now).values()), too_late(db, now)
    except (*DATABASE_ERRORS, OSError) as error:
        reasons.append(f"the database does not answer ({type(error).__name__})")
    if late:
        _tell(runtime)
    # A morning's check-ins that are late are told of, and are no reason to send residents' texts to another machine.
    waited = [wait for kind, wait in late.items() if kind != "check_in"]
    if waited:
        reasons.append(f"work has been due for {int(max(waited).total_seconds())} seconds: is a worker running?")
    waiting = len(runtime.spool.entries())
    if waiting:
        reasons.append(f"{waiting} texts wait in the spool")
    body = {
        "status": "ready" if not reasons else "not ready",
        "reasons": reasons,
        "queue": "ok" if runtime.queue.is_reachable() else "not reachable; the sweep delivers",
        "oldest_due_seconds": int(oldest.total_seconds()),
        "spooled": waiting,
    }
    return body, 503 if reasons else 200


def _tell(runtime: Runtime) -> None:
    """Where every worker is dead, nobody but the web is left to raise the alarm."""
    try:
        with runtime.database.transaction() as db:
            watch_lateness(db, runtime.clock.now())
    except (*DATABASE_ERRORS, OSError) as error:
        # The answer says what is wrong, whether or not it could be written down too.
        log.warning("the alarm about late work could not be raised: %s", type(error).__name__)
