"""Takes in every text, from any channel: it is processed, or kept in the spool for later, and always answered."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.domain.messages.message import Address, InboundMessage, OutboxLane
from bot.domain.safety import assess, must_alert_staff
from bot.runtime import Runtime
from bot.storage import alerts
from bot.storage.conversation.turns import ConcurrentTurn
from bot.storage.database import is_outage
from bot.storage.spool import SpooledMessage
from bot.usecases.conversation.receive_message import ReceivedMessage, StoredReply, receive_message
from bot.usecases.handoff.receive_staff_text import receive_staff_text

log = logging.getLogger(__name__)

MAX_TRIES = 25
"""Enough tries for a burst of twenty first texts that one person sends at the same instant."""


MAX_DEADLOCKS = 3
"""PostgreSQL aborts one of two transactions that wait for each other; it is then run again."""


@dataclass(frozen=True, slots=True)
class ReceptionResult:
    """The replies to one text. `is_spooled` says that the message waits in the spool because it could not be processed; its
    one reply then belongs to no row. `is_new` is False for a text that was already processed before."""

    replies: tuple[StoredReply, ...]
    is_spooled: bool = False
    is_new: bool = True


def accept(runtime: Runtime, inbound: InboundMessage) -> ReceptionResult:
    """Take in a message: afterwards it is on disk, in PostgreSQL or in the spool, and the person is answered.

    Raises OSError only where neither can be written; the carrier then sees an error and uses its fallback.
    """
    try:
        earlier = _process_spooled_of(runtime, inbound.sender)
        received = receive(runtime, inbound)
        # By id: where this same message waited in the spool, both hold its reply.
        replies = {reply.id: reply for reply in (*earlier, *received.replies)}
        return ReceptionResult(tuple(replies.values()), is_new=received.is_new)
    except Exception as error:
        # Whatever went wrong, the text is kept and the person is told where help is. A bug must not mean silence.
        outage = is_outage(error)
        log.error("text kept in the spool: %s", type(error).__name__, exc_info=None if outage else error)
        runtime.spool.put(inbound)
        return ReceptionResult((StoredReply(0, outage_text(runtime, inbound)),), is_spooled=True)


def receive(runtime: Runtime, inbound: InboundMessage, *, answered: bool = True) -> ReceivedMessage:
    """Run the use case in its transaction, and wake the queue after the commit.

    It is run again when another text of this person committed first, and once more when a connection broke: after a
    restart of PostgreSQL the old connections are dead and a new one works. The message's id makes a second run harmless,
    even after a commit whose answer was lost.
    """
    broken, deadlocks = False, 0
    for _ in range(MAX_TRIES):
        try:
            with runtime.database.transaction() as db:
                received = _take_in(db, runtime, inbound, answered)
            break
        except ConcurrentTurn:
            continue
        except Exception as error:
            if is_deadlock(error) and deadlocks < MAX_DEADLOCKS:
                deadlocks += 1
                continue
            if broken or not is_outage(error):
                raise
            broken = True
    else:
        raise ConcurrentTurn
    if received.alerts:
        runtime.queue.wake_delivery(received.alerts, OutboxLane.CRISIS)
    if received.waiting:
        runtime.queue.wake_delivery(received.waiting, OutboxLane.CRISIS if received.alarming else OutboxLane.REPLY)
    return received


def _take_in(db: Session, runtime: Runtime, inbound: InboundMessage, answered: bool) -> ReceivedMessage:
    """Process a person's text, or a text that came to one of the staff numbers."""
    context, now = runtime.context, runtime.clock.now()
    if not context.is_staff_number(inbound.to):
        return receive_message(db, context, inbound, now, answered=answered)
    heard = receive_staff_text(db, context, inbound, now)
    if heard.person_text is not None:
        # A person wrote to a staff number. They are answered from the line's own number, so that their next text goes there.
        received = receive_message(db, context, heard.person_text, now, answered=False)
        staff_replies = tuple(StoredReply(reply.id, reply.body) for reply in heard.replies)
        return replace(received, replies=staff_replies) if answered and staff_replies else received
    replies = tuple(StoredReply(reply.id, reply.body) for reply in heard.replies)
    return ReceivedMessage(
        replies if answered else (), heard.is_new, alerts=heard.wake,
        waiting=() if answered else tuple(reply.id for reply in replies if reply.id),
    )  # fmt: skip


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL aborted this transaction because of a deadlock."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, DeadlockDetected)


def accept_from_staff(runtime: Runtime, inbound: InboundMessage) -> ReceptionResult:
    """Take in a text that came to a staff number. The same as `accept`, with a name of its own for its callers."""
    return accept(runtime, inbound)


def replay_spool(runtime: Runtime) -> int:
    """Process the spooled messages in order and return how many were processed.

    Stops at an outage. A message that fails for another reason is tried again later, and finally laid aside with an alarm.
    """
    return sum(_process_spooled(runtime, entry, answered=False) is not None for entry in runtime.spool.list_entries())


def _process_spooled_of(runtime: Runtime, sender: Address) -> list[StoredReply]:
    """Process what this person sent during the outage before their next text. The replies go out in the answer to that
    text: sent by the carrier's API they would arrive after it."""
    taken = [_process_spooled(runtime, entry, answered=True) for entry in runtime.spool.list_entries(address=sender)]
    return [reply for received in taken if received for reply in received.replies]


def _process_spooled(runtime: Runtime, entry: SpooledMessage, *, answered: bool) -> ReceivedMessage | None:
    """Process one spooled message; None where it is left for later, or another process has just taken it."""
    with runtime.spool.replay_lock(entry):
        if runtime.spool.must_wait(entry, time.time()):
            return None
        try:
            inbound = runtime.spool.open(entry)
            if inbound is None:
                return None
            received = receive(runtime, inbound, answered=answered)
        except Exception as error:
            if is_outage(error):
                raise
            _record_failure(runtime, entry)
            return None
        runtime.spool.remove(entry)
        return received


def _record_failure(runtime: Runtime, entry: SpooledMessage) -> None:
    log.exception("a spooled text could not be taken")
    if entry.is_last_try:
        # The alarm comes first: a text laid aside without one would be forgotten.
        with runtime.database.transaction() as db:
            alerts.raise_alarm(db, "text_laid_aside", "see `warmline spool`", None, runtime.clock.now())
    runtime.spool.record_failure(entry)


def outage_text(runtime: Runtime, inbound: InboundMessage) -> str:
    """The fixed, reviewed reply for an outage; the crisis version where the message suggests danger.

    A text to a staff number is most likely a social worker's, for a person who will not get it: their version says so.
    """
    texts = runtime.context.system_texts
    if runtime.context.is_staff_number(inbound.to):
        return runtime.context.staff_texts.text("outage")
    try:
        assessment = assess(texts.rules, inbound.body)
        language = texts.language_guess.guess(inbound.body) or texts.languages[0]
    except Exception:
        # Perhaps assessing this text is what failed in the first place. Then the careful answer is the right one.
        log.exception("a text could not be read for danger")
        return texts.text("outage_crisis", texts.languages[0])
    return texts.text("outage_crisis" if must_alert_staff(assessment) or assessment.ask else "outage", language)
