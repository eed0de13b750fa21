"""Handle one check-in that is due: ask, postpone, drop or give up, in one transaction."""

from __future__ import annotations

import logging

from bot.domain.messages.message import OutboxLane
from bot.jobs import process
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.check_ins.send_check_ins import send_check_in

log = logging.getLogger(__name__)


def check_in(check_in_id: int) -> None:
    """The RQ job. Does nothing if the check-in is no longer due, so running it twice asks once."""
    try:
        run_check_in(process.get_runtime(), check_in_id)
    except Exception as error:
        if not is_outage(error):
            raise
        # The row stays due, and the sweep wakes it again.
        log.warning("not asked now, the database is away: %s", type(error).__name__)


def run_check_in(runtime: Runtime, check_in_id: int) -> None:
    """Handle the check-in, then wake the delivery of the texts it enqueued."""
    with runtime.database.transaction() as db:
        wake = send_check_in(db, runtime.context, check_in_id, runtime.clock.now())
    runtime.queue.wake_delivery(wake, OutboxLane.FOLLOW_UP)
