"""Where every text comes in, whichever door it used: it is taken, or kept for later; nobody meets silence."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.domain.message import Address, Inbound, Lane
from bot.domain.safety import alerts_human, assess
from bot.runtime import Runtime
from bot.storage import alerts
from bot.storage.database import is_outage
from bot.storage.spool import Entry
from bot.storage.turns import Overtaken
from bot.usecases.receive_message import Received, ReplyRow, receive_message
from bot.usecases.staff_texts import receive_staff_text

log = logging.getLogger(__name__)

MOST_TRIES = 25
"""A burst of twenty first texts of one person at one instant overtake one another at most this often."""


MOST_DEADLOCKS = 3
"""PostgreSQL ends one of two transactions that wait for each other; what was asked of it holds, and is asked again."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What the person is answered. `kept` says that the database is away and the message waits in the spool;
    its one reply then belongs to no row."""

    replies: tuple[ReplyRow, ...]
    kept: bool = False
    fresh: bool = True


def take(runtime: Runtime, inbound: Inbound) -> Reception:
    """Take a message: from here on it is on a disk, in PostgreSQL or in the spool, and the person is answered.

    Raises OSError only where neither can be written; the carrier then sees an error and falls back.
    """
    try:
        earlier = _catch_up(runtime, inbound.sender)
        received = receive(runtime, inbound)
        # By id: where this very message waited in the spool, both hold its reply.
        replies = {reply.id: reply for reply in (*earlier, *received.replies)}
        return Reception(tuple(replies.values()), fresh=received.fresh)
    except Exception as error:
        # Whatever went wrong, the text is kept and the person hears where help is. A bug must not mean silence.
        outage = is_outage(error)
        log.error("text kept in the spool: %s", type(error).__name__, exc_info=None if outage else error)
        runtime.spool.put(inbound)
        return Reception((ReplyRow(0, outage_text(runtime, inbound)),), kept=True)


def receive(runtime: Runtime, inbound: Inbound, *, answered: bool = True) -> Received:
    """Run the use case in its transaction, and wake the queue after the commit.

    Again where another text overtook it, and once where a connection broke: after a restart of PostgreSQL the old
    connections are dead and a new one works. The message's id makes a second run harmless, also after a commit of which
    only the answer was lost.
    """
    broken, deadlocks = False, 0
    for _ in range(MOST_TRIES):
        try:
            with runtime.database.transaction() as db:
                received = _take_in(db, runtime, inbound, answered)
            break
        except Overtaken:
            continue
        except Exception as error:
            if is_deadlock(error) and deadlocks < MOST_DEADLOCKS:
                deadlocks += 1
                continue
            if broken or not is_outage(error):
                raise
            broken = True
    else:
        raise Overtaken
    if received.alerts:
        runtime.queue.wake_delivery(received.alerts, Lane.CRISIS)
    if received.waiting:
        runtime.queue.wake_delivery(received.waiting, Lane.CRISIS if received.alarming else Lane.REPLY)
    return received


def _take_in(db: Session, runtime: Runtime, inbound: Inbound, answered: bool) -> Received:
    """A resident's text, or one that came to a number of the staff's pool."""
    desk, now = runtime.desk, runtime.clock.now()
    if not desk.is_for_staff(inbound.to):
        return receive_message(db, desk, inbound, now, answered=answered)
    heard = receive_staff_text(db, desk, inbound, now)
    if heard.resident is not None:
        # They are answered from the line's own number, so that their next text comes there.
        received = receive_message(db, desk, heard.resident, now, answered=False)
        told = tuple(ReplyRow(reply.id, reply.body) for reply in heard.replies)
        return replace(received, replies=told) if answered and told else received
    replies = tuple(ReplyRow(reply.id, reply.body) for reply in heard.replies)
    return Received(
        replies if answered else (), heard.fresh, alerts=heard.wake,
        waiting=() if answered else tuple(reply.id for reply in replies if reply.id),
    )  # fmt: skip


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL has ended this transaction because two waited for each other."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, DeadlockDetected)


def take_from_staff(runtime: Runtime, inbound: Inbound) -> Reception:
    """Take a text that came to a number of the staff's pool; the same way in, named for those who mean it."""
    return take(runtime, inbound)


def replay(runtime: Runtime) -> int:
    """Take what was spooled, in its order. Returns how many were taken.

    Stops at an outage. A message that fails otherwise is tried again later, and at last laid aside with an alarm.
    """
    return sum(_take_up(runtime, entry, answered=False) is not None for entry in runtime.spool.entries())


def _catch_up(runtime: Runtime, sender: Address) -> list[ReplyRow]:
    """Take what the person sent during the outage, before their next text. The replies ride in that one's answer:
    sent by the carrier's API they would come after it."""
    taken = [_take_up(runtime, entry, answered=True) for entry in runtime.spool.entries(of=sender)]
    return [reply for received in taken if received for reply in received.replies]


def _take_up(runtime: Runtime, entry: Entry, *, answered: bool) -> Received | None:
    """Take one spooled message; None where it is left for later, or somebody else has just taken it."""
    with runtime.spool.only_one(entry):
        if runtime.spool.rests(entry, time.time()):
            return None
        try:
            inbound = runtime.spool.open(entry)
            if inbound is None:
                return None
            received = receive(runtime, inbound, answered=answered)
        except Exception as error:
            if is_outage(error):
                raise
            _failed(runtime, entry)
            return None
        runtime.spool.remove(entry)
        return received


def _failed(runtime: Runtime, entry: Entry) -> None:
    log.exception("a spooled text could not be taken")
    if entry.is_last_try:
        # The alarm comes first: laid aside without one, the text would be forgotten.
        with runtime.database.transaction() as db:
            alerts.raise_alarm(db, "text_laid_aside", "see `warmline spool`", None, runtime.clock.now())
    runtime.spool.failed(entry)


def outage_text(runtime: Runtime, inbound: Inbound) -> str:
    """The fixed, reviewed text for when nothing can be looked up; the crisis one where the words are dangerous.

    By a number of the pool most likely a worker writes, to a person who will not get it: theirs says so.
    """
    line = runtime.desk.line
    if runtime.desk.is_for_staff(inbound.to):
        return runtime.desk.staff_words.say("outage")
    try:
        assessment = assess(line.rules, inbound.body)
        language = line.guess.read(inbound.body) or line.languages[0]
    except Exception:
        # Perhaps the very reading of this text is what failed. Then the careful answer is the right one.
        log.exception("a text could not be read for danger")
        return line.text("outage_crisis", line.languages[0])
    return line.text("outage_crisis" if alerts_human(assessment) or assessment.ask else "outage", language)
