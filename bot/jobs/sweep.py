"""The alarm clock: every few seconds it looks in PostgreSQL for what is due and was never woken.

It needs no Redis. What lies due although the queue was told (a wiped Redis, no worker) it delivers itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from bot.carriers.carrier import CarrierError
from bot.domain.delivery import FINAL
from bot.domain.message import Channel, Lane
from bot.jobs import flows as flow_jobs
from bot.jobs.check_in import check_in_with
from bot.jobs.deliver import deliver_with
from bot.reception import replay
from bot.runtime import Runtime
from bot.storage import check_ins, conversations, flow_moves, handoffs, outbox, publish_requests
from bot.storage.database import is_outage
from bot.usecases.answering.attending import attend
from bot.usecases.record_delivery import Report, record_delivery, record_overdue
from bot.usecases.tidy import erase_asked, forget_old_answers, forget_old_words
from bot.usecases.wake_conversation import wake_conversation
from bot.usecases.watch_lateness import watch_lateness

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
OVERDUE = timedelta(seconds=10)
"""A row that is due for longer than this was woken and nobody came: the sweep takes it into its own hands."""
CHECK_IN_OVERDUE = timedelta(seconds=60)
"""The same for a check-in, of which thousands may be due in one minute: the queue is given more time with them."""
LONGEST_STEP_SECONDS = 5.0
"""A carrier that hangs for ten seconds a text must not stop the clock for everybody: the list is read anew, crisis first."""
LONGEST_MOVE_SECONDS = 1.0
"""Conversations that follow a newer version of their flow are in no hurry, and crisis texts are."""
FORGET_EVERY = timedelta(minutes=10)
WATCH_EVERY = timedelta(seconds=15)
"""How often late work is looked for, which another host should have done."""


def run(runtime: Runtime, stop: threading.Event) -> None:
    """Go round until told to stop."""
    forgot = watched = runtime.clock.now()
    while not stop.wait(PAUSE_SECONDS):
        sweep(runtime)
        if runtime.clock.now() - watched > WATCH_EVERY:
            _try("watch", lambda: watch(runtime))
            watched = runtime.clock.now()
        if runtime.clock.now() - forgot > FORGET_EVERY:
            _try("forget", lambda: forget(runtime))
            forgot = runtime.clock.now()


def sweep(runtime: Runtime) -> None:
    """One round: 1. replay what was spooled, 2. climb the ladders of those who wait for a human, 3. wake conversations whose
    time has come, 4. wake or deliver what is due, 5. look after the check-ins that are due, 6. ask the carrier about texts
    whose last word is overdue, 7. delete what was asked to be deleted, 8. publish flows whose time has come, 9. move live
    conversations on that are to follow a newer version.

    What fails is logged and left for the next round. Each step, each conversation and each text is tried by itself: one
    that cannot be dealt with must not hold up all the others.
    """
    now = runtime.clock.now()
    _try("replay", lambda: _replay(runtime))
    _try("attend", lambda: _attend_handoffs(runtime, now))
    _try("wake", lambda: _wake_sleepers(runtime, now))
    _try("deliver", lambda: _send_what_is_due(runtime, now))
    _try("check in", lambda: look_after_check_ins(runtime, now))
    _try("ask", lambda: _ask_for_last_words(runtime, now))
    _try("erase", lambda: _erase(runtime, now))
    _try("publish", lambda: _publish_what_is_due(runtime, now))
    _try("move", lambda: _move_conversations(runtime, now))


def _try(name: str, go: Callable[[], object]) -> None:
    try:
        go()
    except Exception as error:
        log.warning("sweep, %s: %s; tried again in a moment", name, type(error).__name__, exc_info=not is_outage(error))


def _one_of_many(name: str, go: Callable[[], object]) -> None:
    """An outage ends the whole step: asked about each of a hundred rows, it would only be met a hundred times."""
    try:
        go()
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("sweep, %s: one failed; tried again in a moment", name)


def _replay(runtime: Runtime) -> None:
    if runtime.spool.entries():
        log.info("replayed %s spooled texts", replay(runtime))


def _attend_handoffs(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = handoffs.due(db, now)
    for handoff_id in due:
        _one_of_many("attend", partial(_attend, runtime, handoff_id, now))


def _attend(runtime: Runtime, handoff_id: int, now: datetime) -> None:
    with runtime.database.transaction() as db:
        wake = attend(db, runtime.desk, handoff_id, now)
    runtime.queue.wake_delivery(wake, Lane.CRISIS)


def _wake_sleepers(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        sleepers = conversations.waking(db, now)
    for conversation_id in sleepers:
        _one_of_many("wake", partial(_wake, runtime, conversation_id, now))


def _wake(runtime: Runtime, conversation_id: int, now: datetime) -> None:
    with runtime.database.transaction() as db:
        wake_conversation(db, runtime.desk, conversation_id, now)


def _send_what_is_due(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = outbox.due(db, now)
        overdue = set() if not due else {row for row, _ in outbox.due(db, now - OVERDUE)}
    for lane in Lane:
        ids = [row for row, in_lane in due if in_lane is lane]
        if ids and not runtime.queue.wake_delivery(ids, lane):
            overdue.update(ids)
    enough = time.monotonic() + LONGEST_STEP_SECONDS
    for row, _ in due:
        if row in overdue and time.monotonic() < enough:
            _one_of_many("deliver", partial(deliver_with, runtime, row))


def look_after_check_ins(runtime: Runtime, now: datetime) -> None:
    """Have those asked that are due. Redis is told of a portion at a time: it holds what is about to leave, and never the
    promises of months."""
    with runtime.database.transaction() as db:
        due = check_ins.due(db, now)
        overdue = due if not due else check_ins.due(db, now - CHECK_IN_OVERDUE, limit=20)
    if not due:
        return
    if runtime.queue.wake_check_ins(due):
        due = overdue
    enough = time.monotonic() + LONGEST_STEP_SECONDS
    for check_in_id in due:
        if time.monotonic() < enough:
            _one_of_many("check in", partial(check_in_with, runtime, check_in_id))


def _ask_for_last_words(runtime: Runtime, now: datetime) -> None:
    """Reports get lost, and `sent` is not `received`: what is overdue is asked for, with no transaction open."""
    with runtime.database.transaction() as db:
        overdue = outbox.unfinished(db, now, limit=5)
    for text in overdue:
        _one_of_many("ask", partial(_ask_about, runtime, text))


def _ask_about(runtime: Runtime, text: outbox.Unfinished) -> None:
    carrier = runtime.carriers.get(Channel(text.channel))
    try:
        seen = carrier.look(text.sid) if carrier and text.sid else None
    except CarrierError:
        seen = None
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        sealer = runtime.desk.sealer
        if seen and seen.state:
            record_delivery(db, sealer, Report(text.id, text.sid, seen.state, seen.state.value, seen.error_code), now)
        if seen is None or seen.state not in FINAL:
            record_overdue(db, sealer, text, now)


def _erase(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        erase_asked(db, runtime.desk.sealer, now)


def _publish_what_is_due(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        due = publish_requests.due(db, now)
    for request_id in due:
        _one_of_many("publish", partial(flow_jobs.publish, runtime, request_id, now))


def _move_conversations(runtime: Runtime, now: datetime) -> None:
    with runtime.database.transaction() as db:
        unfinished = flow_moves.unfinished(db)
    enough = time.monotonic() + LONGEST_MOVE_SECONDS
    for move_id in unfinished:
        _one_of_many("move", partial(flow_jobs.move, runtime, move_id, now, lambda: time.monotonic() > enough))


def watch(runtime: Runtime) -> None:
    """Tell the operator of work that is due and that nobody does."""
    with runtime.database.transaction() as db:
        told = watch_lateness(db, runtime.clock.now())
    if told:
        log.warning("work is overdue, an alarm was raised: %s", ", ".join(told))


def forget(runtime: Runtime) -> None:
    """Delete words and answers past their time, one portion after the other."""
    settings, now = runtime.settings, runtime.clock.now()
    words, answers = timedelta(days=settings.retention_days), timedelta(days=settings.answers_retention_days)
    left = 1
    while left:
        with runtime.database.transaction() as db:
            left = forget_old_words(db, runtime.desk.sealer, now, words)
    left = 1
    while left:
        with runtime.database.transaction() as db:
            left = forget_old_answers(db, runtime.desk.sealer, now, answers)
