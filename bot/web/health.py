"""Liveness and readiness checks for load balancers, monitoring and `make run`."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from flask import Blueprint

from bot.runtime import Runtime
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.watch_lateness import alarm_overdue_work, oldest_due, overdue_work
from bot.web.forms import current_runtime

log = logging.getLogger(__name__)

health = Blueprint("health", __name__)


@health.get("/health")
def alive() -> dict[str, str]:
    """Liveness: this process answers."""
    return {"status": "ok"}


@health.get("/ready")
def ready() -> tuple[dict[str, Any], int]:
    """Readiness: whether texts are answered and delivered; 503 with the reasons if they are not.

    An unreachable queue is reported but does not make Warmline unready: replies go out in the webhook's response, and the
    sweep delivers the rest.
    """
    runtime = current_runtime()
    reasons = []
    oldest, late = timedelta(0), dict[str, timedelta]()
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            oldest, late = max(oldest_due(db, now).values()), overdue_work(db, now)
    except (*DATABASE_ERRORS, OSError) as error:
        reasons.append(f"the database does not answer ({type(error).__name__})")
    if late:
        _raise_alarm(runtime)
    # Late check-ins raise the alarm, but they are no reason to route people's texts to another machine.
    waited = [wait for kind, wait in late.items() if kind != "check_in"]
    if waited:
        reasons.append(f"work has been due for {int(max(waited).total_seconds())} seconds: is a worker running?")
    waiting = len(runtime.spool.list_entries())
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


def _raise_alarm(runtime: Runtime) -> None:
    """Raise the alarm from here: if every worker is dead, only the web process can."""
    try:
        with runtime.database.transaction() as db:
            alarm_overdue_work(db, runtime.clock.now())
    except (*DATABASE_ERRORS, OSError) as error:
        # The response reports the problem even if the alarm could not be stored.
        log.warning("the alarm about late work could not be raised: %s", type(error).__name__)
