"""What the flow studio leaves to the sweep: flows that become live at a time, live conversations that move along."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from bot.runtime import Runtime
from bot.storage import publish_requests
from bot.storage.database import is_outage
from bot.usecases.studio.move_conversations import move_some
from bot.usecases.studio.publish_drafts import Published, fail, publish_due

log = logging.getLogger(__name__)


def publish(runtime: Runtime, request_id: int, now: datetime) -> None:
    """Publish what was scheduled. What cannot be published fails once and for good: a flow that became live at some later
    moment, when something else had been mended, would surprise everybody."""
    try:
        with runtime.database.transaction() as db:
            done = publish_due(db, runtime.desk, request_id, now)
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("request %s could not be published", request_id)
        with runtime.database.transaction() as db:
            request = publish_requests.lock(db, request_id)
            if request is not None and request.state == publish_requests.State.SCHEDULED:
                fail(db, request_id, now, f"It could not be published ({type(error).__name__}). Publish it by hand.")
        return
    if isinstance(done, Published):
        log.info("request %s was published: %s", request_id, ", ".join(done.versions))


def move(runtime: Runtime, move_id: int, now: datetime, is_enough: Callable[[], bool]) -> None:
    """Go on with a move of live conversations."""
    move_some(runtime.database.transaction, runtime.desk, move_id, now, is_enough)
