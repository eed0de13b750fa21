"""Deliver one text: claim its row, hand it to the carrier with no transaction open, write down what happened."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.carriers.carrier import Carrier, CarrierError, Outgoing, Receipt
from bot.domain.delivery import State
from bot.domain.message import Channel, Lane
from bot.jobs import process
from bot.runtime import Runtime
from bot.storage import check_ins, outbox
from bot.storage.database import is_outage
from bot.storage.outbox import Claimed
from bot.usecases.answering.scheduled import still_holds
from bot.usecases.record_delivery import CONFIRMS_OPT_OUT, record_drop, record_refusal, record_unknown
from bot.usecases.send_check_ins import still_asks

log = logging.getLogger(__name__)

SHORT_WAIT = timedelta(seconds=1)
"""A place in the queue that comes this soon is waited for; a later one is given back to the clock."""
VALID_SECONDS = {Lane.CRISIS: 3600, Lane.REPLY: 4 * 3600, Lane.FOLLOW_UP: 3600, Lane.BULK: 3600}
"""How long a text stays worth sending once the carrier has it; its own ten hours would send a question at night."""
SHORTEST_VALID = 60
KNOWN_BEFORE = timedelta(hours=1)
"""An equal text of some minutes ago is in the carrier's list too, and must be known for the other one that it is."""
MOST_OF_LEASE = outbox.LEASE / 2
"""A claim that is older than this when it comes to the sending (a slow carrier, a machine that slept) is given up."""


def deliver(message_id: int) -> None:
    """The job. Does nothing where the row is not due or somebody else has it."""
    try:
        deliver_with(process.runtime(), message_id)
    except Exception as error:
        if not is_outage(error):
            raise
        # The row stays due or claimed, and the sweep wakes it again: a job that failed has nothing to add to that.
        log.warning("not delivered now, the database is away: %s", type(error).__name__)


def deliver_with(runtime: Runtime, message_id: int) -> bool:
    """Deliver a row; returns whether it was this call's to deliver."""
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        claimed = outbox.claim(db, runtime.desk.sealer, message_id, now)
        if claimed is None:
            return False
        carrier = runtime.carriers.get(claimed.to.channel)
        if not still_holds(db, runtime.desk, claimed, now):
            outbox.settle(db, claimed.id, State.DROPPED)
            return True
        overtaken = _is_overtaken(runtime, db, claimed, now)
        if overtaken:
            outbox.settle(db, claimed.id, State.DROPPED)
        elif _must_not_leave(claimed) or carrier is None:
            outbox.settle(db, claimed.id, State.DROPPED)
            record_drop(db, runtime.desk.sealer, claimed, now)
            return True
        slot = now if overtaken else _slot(runtime, db, claimed, now)
        if slot - now > SHORT_WAIT:
            outbox.put_back(db, claimed.id, slot, claimed.was)
            return True
        known = outbox.known_sids(db, claimed, claimed.at - KNOWN_BEFORE) if _may_have_left(claimed) else []
    if overtaken or carrier is None:
        # In a transaction of its own: a worker who skips the check-in locks it first, and then its texts.
        with runtime.database.transaction() as db:
            check_ins.look_again(db, claimed.check_in_id, now)
        return True
    time.sleep(max(0.0, (slot - now).total_seconds()))
    _hand_over(runtime, carrier, claimed, known, now + MOST_OF_LEASE)
    return True


def _is_overtaken(runtime: Runtime, db: Session, claimed: Claimed, now: datetime) -> bool:
    """Whether it is a check-in's text that must not leave any more: the day is over for this person, they have written, a
    human has them, or somebody else holds their phone. It is decided anew when it may be sent."""
    if claimed.check_in_id is None or _may_have_left(claimed):
        return False
    if claimed.valid_until is not None and now >= claimed.valid_until:
        return True
    return not still_asks(db, runtime.desk, claimed.check_in_id, claimed.key or "", now)


def _must_not_leave(claimed: Claimed) -> bool:
    if claimed.unreachable:
        return True
    # Nothing is sent to an open page: it reads its texts from here, whatever was said before.
    return claimed.opted_out and claimed.to.channel is not Channel.WEB and claimed.key not in CONFIRMS_OPT_OUT


def _may_have_left(claimed: Claimed) -> bool:
    return claimed.was is not State.WAITING


def _slot(runtime: Runtime, db: Session, claimed: Claimed, now: datetime) -> datetime:
    """When our number may send this. A crisis text takes its place in the count and does not wait for it."""
    paced = claimed.to.channel in (Channel.SMS, Channel.WHATSAPP) and runtime.settings.uses_twilio
    if claimed.has_slot or not paced:
        return now
    rate = runtime.settings.sender_segments_per_second
    slot = outbox.take_slot(db, claimed.line, claimed.segments, rate, claimed.lane, now)
    return now if claimed.lane is Lane.CRISIS else slot


def _hand_over(runtime: Runtime, carrier: Carrier, claimed: Claimed, known: list[str], until: datetime) -> None:
    """No transaction is open here: a carrier may take ten seconds, and a lock held that long is an outage."""
    outgoing = Outgoing(
        message_id=claimed.id,
        to=claimed.to,
        body=claimed.body,
        lane=claimed.lane,
        status_callback=f"{runtime.settings.public_url}/twilio/status?message={claimed.id}",
        sender=claimed.line if claimed.line[:1] in "+M0123456789" else None,
        validity_seconds=_valid_seconds(claimed, runtime.clock.now()),
    )
    try:
        found = carrier.find(outgoing, claimed.at - timedelta(minutes=1), known) if _may_have_left(claimed) else None
    except CarrierError:
        # Whoever cannot be asked has not said no: the row stays in doubt, and is never sent on a guess.
        _unknown(runtime, claimed)
        return
    if found is None and runtime.clock.now() > until:
        _unknown(runtime, claimed)
        return
    try:
        receipt = found or carrier.send(outgoing)
    except CarrierError as error:
        _refused(runtime, claimed, error)
        return
    _taken(runtime, claimed, receipt)


def _valid_seconds(claimed: Claimed, now: datetime) -> int:
    """For how long the carrier may try: a check-in that it holds back must not arrive at night."""
    if claimed.valid_until is None:
        return VALID_SECONDS[claimed.lane]
    return max(SHORTEST_VALID, int((claimed.valid_until - now).total_seconds()))


def _taken(runtime: Runtime, claimed: Claimed, receipt: Receipt) -> None:
    with runtime.database.transaction() as db:
        now, state = runtime.clock.now(), receipt.state
        ask_after = outbox.ask_after(claimed.lane, state, now)
        if state in (State.FAILED, State.UNDELIVERED):
            # A receipt does not say why; the sweep asks at once, and reacts as to a report.
            state, ask_after = State.ACCEPTED, now
        outbox.settle(db, claimed.id, state, sid=receipt.sid, due_at=ask_after, segments=receipt.segments)


def _refused(runtime: Runtime, claimed: Claimed, error: CarrierError) -> None:
    if error.outcome == "unknown":
        _unknown(runtime, claimed)
        return
    with runtime.database.transaction() as db:
        record_refusal(db, runtime.desk.sealer, claimed.id, error.code, error.permanent, runtime.clock.now())


def _unknown(runtime: Runtime, claimed: Claimed) -> None:
    with runtime.database.transaction() as db:
        record_unknown(db, runtime.desk.sealer, claimed.id, runtime.clock.now())
