"""Look at one check-in that is due: asked, put off, dropped or given up, in one transaction."""

from __future__ import annotations

import logging

from bot.domain.message import Lane
from bot.jobs import process
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.send_check_ins import send_check_in

log = logging.getLogger(__name__)


def check_in(check_in_id: int) -> None:
    """The job. Does nothing where it is not due any more: woken twice it asks once."""
    try:
        check_in_with(process.runtime(), check_in_id)
    except Exception as error:
        if not is_outage(error):
            raise
        # The row stays due, and the sweep wakes it again.
        log.warning("not asked now, the database is away: %s", type(error).__name__)


def check_in_with(runtime: Runtime, check_in_id: int) -> None:
    """Do what is due, then wake what it promised."""
    with runtime.database.transaction() as db:
        wake = send_check_in(db, runtime.desk, check_in_id, runtime.clock.now())
    runtime.queue.wake_delivery(wake, Lane.FOLLOW_UP)
