"""The sweep: once a second it looks in PostgreSQL for work that is due and was never woken.

It does not need Redis: what stays due although it was queued (a wiped Redis, no worker process), it does itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from bot.carriers.carrier import CarrierError
from bot.domain.messages.delivery import FINAL_STATES
from bot.domain.messages.message import Channel, OutboxLane
from bot.jobs import flows as flow_jobs
from bot.jobs.check_in import run_check_in
from bot.jobs.deliver import run_delivery
from bot.reception import replay_spool
from bot.runtime import Runtime
from bot.storage.check_ins import check_ins
from bot.storage.conversation import timeouts
from bot.storage.database import is_outage
from bot.storage.flows import flow_moves, publish_requests
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox
from bot.usecases.conversation.time_out import handle_timeout
from bot.usecases.handoff.sla import handle_due
from bot.usecases.messages.record_delivery import StatusCallback, record_delivery, record_unconfirmed
from bot.usecases.tidy import carry_out_erasures, delete_old_answers, delete_old_texts
from bot.usecases.watch_lateness import alarm_overdue_work

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
TEXT_OVERDUE = timedelta(seconds=10)
"""A row that is due for longer than this was queued but not handled: the sweep delivers it itself."""
CHECK_IN_OVERDUE = timedelta(seconds=60)
"""The same for check-ins: thousands may be due in one minute, so the queue gets more time."""
MAX_STEP_SECONDS = 5.0
"""A carrier that takes ten seconds per text must not stop the sweep: after this time the due list is read again, crisis
texts first."""
MAX_MOVE_SECONDS = 1.0
"""Moving conversations to a newer version is not urgent; crisis texts are."""
DELETE_EXPIRED_EVERY = timedelta(minutes=10)
WATCH_EVERY = timedelta(seconds=15)
"""How often to look for late work, which another host may have left undone."""


def run(runtime: Runtime, stop: threading.Event) -> None:
    """Sweep until `stop` is set."""
    forgot = watched = runtime.clock.now()
    while not stop.wait(PAUSE_SECONDS):
        sweep(runtime)
        if runtime.clock.now() - watched > WATCH_EVERY:
            _run_step("watch", lambda: report_late_work(runtime))
            watched = runtime.clock.now()
        if runtime.clock.now() - forgot > DELETE_EXPIRED_EVERY:
            _run_step("forget", lambda: delete_expired(runtime))
            forgot = runtime.clock.now()


def sweep(runtime: Runtime) -> None:
    """One round: 1. replay spooled texts, 2. escalate or remind about due handoffs, 3. resume conversations whose silence
    timed out, 4. wake or deliver due texts, 5. handle due check-ins, 6. poll the carrier about texts whose final status is
    overdue, 7. carry out erasures, 8. publish scheduled flows, 9. move live conversations to newer flow versions.

    Failures are logged and left for the next round. Each step, each conversation and each text is tried separately: one
    that fails must not hold up the others.
    """
    now = runtime.clock.now()
    _run_step("replay", lambda: _replay(runtime))
    _run_step("attend", lambda: _run_sla(runtime, now))
    _run_step("wake", lambda: _resume_timed_out(runtime, now))
    _run_step("deliver", lambda: _deliver_due(runtime, now))
    _run_step("check in", lambda: run_due_check_ins(runtime, now))
    _run_step("ask", lambda: _poll_unconfirmed(runtime, now))
    _run_step("erase", lambda: _erase(runtime, now))
    _run_step("publish", lambda: _publish_scheduled(runtime, now))
    _run_step("move", lambda: _move_conversations(runtime, now))


def _run_step(name: str, go: Callable[[], object]) -> None:
    try:
        go()
    except Exception as error:
        log.warning("sweep, %s: %s; tried again in a moment", name, type(error).__name__, exc_info=not is_outage(error))


def _run_row(name: str, go: Callable[[], object]) -> None:
    """Handle one row; log and swallow its failure. A database outage is raised and ends the whole step, because every
    other row would meet it too."""
    try:
        go()
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("sweep, %s: one failed; tried again in a moment", name)


def _replay(runtime: Runtime) -> None:
    if runtime.spool.list_entries():
        log.info("replayed %s spooled texts", replay_spool(runtime))


def _run_sla(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = handoffs.due_ids(db, now)
    for handoff_id in due:
        _run_row("attend", partial(_run_sla_for, runtime, handoff_id, now))


def _run_sla_for(runtime: Runtime, handoff_id: int, now: datetime) -> None:
    with runtime.database.transaction() as db:
        wake = handle_due(db, runtime.context, handoff_id, now)
    runtime.queue.wake_delivery(wake, OutboxLane.CRISIS)


def _resume_timed_out(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        sleepers = timeouts.list_timed_out(db, now)
    for conversation_id in sleepers:
        _run_row("wake", partial(_resume, runtime, conversation_id, now))


def _resume(runtime: Runtime, conversation_id: int, now: datetime) -> None:
    with runtime.database.transaction() as db:
        handle_timeout(db, runtime.context, conversation_id, now)


def _deliver_due(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = outbox.list_due(db, now)
        overdue = set() if not due else {row for row, _ in outbox.list_due(db, now - TEXT_OVERDUE)}
    for lane in OutboxLane:
        ids = [row for row, in_lane in due if in_lane is lane]
        if ids and not runtime.queue.wake_delivery(ids, lane):
            overdue.update(ids)
    enough = time.monotonic() + MAX_STEP_SECONDS
    for row, _ in due:
        if row in overdue and time.monotonic() < enough:
            _run_row("deliver", partial(run_delivery, runtime, row))


def run_due_check_ins(runtime: Runtime, now: datetime) -> None:
    """Queue the due check-ins, or handle the overdue ones here. They are queued in batches: Redis holds only what is about
    to be asked, never months of planned check-ins."""
    with runtime.database.transaction() as db:
        due = check_ins.due_ids(db, now)
        overdue = due if not due else check_ins.due_ids(db, now - CHECK_IN_OVERDUE, limit=20)
    if not due:
        return
    if runtime.queue.wake_check_ins(due):
        due = overdue
    enough = time.monotonic() + MAX_STEP_SECONDS
    for check_in_id in due:
        if time.monotonic() < enough:
            _run_row("check in", partial(run_check_in, runtime, check_in_id))


def _poll_unconfirmed(runtime: Runtime, now: datetime) -> None:
    """Poll the carrier about texts whose final status is overdue, with no transaction open: status reports get lost, and
    `sent` does not mean `received`."""
    with runtime.database.transaction() as db:
        overdue = outbox.lock_unconfirmed(db, now, limit=5)
    for text in overdue:
        _run_row("ask", partial(_poll_carrier, runtime, text))


def _poll_carrier(runtime: Runtime, text: outbox.UnconfirmedText) -> None:
    carrier = runtime.carriers.get(Channel(text.channel))
    try:
        seen = carrier.fetch_status(text.sid) if carrier and text.sid else None
    except CarrierError:
        seen = None
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        sealer = runtime.context.sealer
        if seen and seen.state:
            record_delivery(
                db, sealer, StatusCallback(text.id, text.sid, seen.state, seen.state.value, seen.error_code), now
            )
        if seen is None or seen.state not in FINAL_STATES:
            record_unconfirmed(db, sealer, text, now)


def _erase(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        carry_out_erasures(db, runtime.context.sealer, now)


def _publish_scheduled(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = publish_requests.due_ids(db, now)
    for request_id in due:
        _run_row("publish", partial(flow_jobs.publish_scheduled, runtime, request_id, now))


def _move_conversations(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        unfinished = flow_moves.unfinished_ids(db)
    enough = time.monotonic() + MAX_MOVE_SECONDS
    for move_id in unfinished:
        _run_row("move", partial(flow_jobs.continue_flow_move, runtime, move_id, now, lambda: time.monotonic() > enough))


def report_late_work(runtime: Runtime) -> None:
    """Raise an alarm for the operator if due work is not being done."""
    with runtime.database.transaction() as db:
        told = alarm_overdue_work(db, runtime.clock.now())
    if told:
        log.warning("work is overdue, an alarm was raised: %s", ", ".join(told))


def delete_expired(runtime: Runtime) -> None:
    """Delete words and answers whose retention time is over, in batches."""
    settings, now = runtime.settings, runtime.clock.now()
    words, answers = timedelta(days=settings.retention_days), timedelta(days=settings.answers_retention_days)
    left = 1
    while left:
        with runtime.database.transaction() as db:
            left = delete_old_texts(db, runtime.context.sealer, now, words)
    left = 1
    while left:
        with runtime.database.transaction() as db:
            left = delete_old_answers(db, runtime.context.sealer, now, answers)
