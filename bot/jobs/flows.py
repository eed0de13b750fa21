"""The flow studio's background work: scheduled publications, and moving live conversations to a newer version."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.storage.flows import publish_requests
from bot.usecases.studio.move_conversations import continue_move
from bot.usecases.studio.publish_drafts import PublishedVersions, mark_failed, publish_due

log = logging.getLogger(__name__)


def publish_scheduled(runtime: Runtime, request_id: int, now: datetime) -> None:
    """Carry out a scheduled publication. If it fails, it fails permanently: a flow that became live at some later time,
    after something else was fixed, would surprise the staff."""
    try:
        with runtime.database.transaction() as db:
            done = publish_due(db, runtime.context, request_id, now)
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("request %s could not be published", request_id)
        with runtime.database.transaction() as db:
            request = publish_requests.lock(db, request_id)
            if request is not None and request.state == publish_requests.PublishRequestState.SCHEDULED:
                mark_failed(db, request_id, now, f"It could not be published ({type(error).__name__}). Publish it by hand.")
        return
    if isinstance(done, PublishedVersions):
        log.info("request %s was published: %s", request_id, ", ".join(done.versions))


def continue_flow_move(runtime: Runtime, move_id: int, now: datetime, is_enough: Callable[[], bool]) -> None:
    """Continue a move of live conversations until `is_enough` returns True."""
    continue_move(runtime.database.transaction, runtime.context, move_id, now, is_enough)
