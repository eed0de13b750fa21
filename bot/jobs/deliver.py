"""Deliver one text: claim its row, send it through the carrier with no transaction open, record the result."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.carriers.carrier import Carrier, CarrierError, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, OutboxLane
from bot.jobs import process
from bot.runtime import Runtime
from bot.storage.check_ins import check_ins
from bot.storage.database import is_outage
from bot.storage.messages import outbox
from bot.storage.messages.outbox import ClaimedText
from bot.usecases.check_ins.send_check_ins import may_still_ask
from bot.usecases.handoff.scheduled_texts import may_still_be_sent
from bot.usecases.messages.record_delivery import OPT_OUT_CONFIRMATIONS, record_drop, record_refusal, record_unknown

log = logging.getLogger(__name__)

MAX_SLOT_WAIT = timedelta(seconds=1)
"""The job waits for a sending slot this near; for a later one it gives the row back to the sweep."""
VALIDITY_SECONDS = {OutboxLane.CRISIS: 3600, OutboxLane.REPLY: 4 * 3600, OutboxLane.FOLLOW_UP: 3600, OutboxLane.BULK: 3600}
"""How long the carrier may keep trying; its default of ten hours would deliver a question at night."""
MIN_VALIDITY_SECONDS = 60
KNOWN_SIDS_WINDOW = timedelta(hours=1)
"""How far back other texts' carrier ids are read, so that an identical earlier text at the carrier is not mistaken for this
one."""
SEND_WITHIN = outbox.LEASE / 2
"""A claim older than this when it is about to be sent (a slow carrier, a suspended machine) is given up."""


def deliver(message_id: int) -> None:
    """The RQ job. Does nothing if the row is not due or another worker process has claimed it."""
    try:
        run_delivery(process.get_runtime(), message_id)
    except Exception as error:
        if not is_outage(error):
            raise
        # The row stays due or claimed and the sweep wakes it again, so the job need not fail.
        log.warning("not delivered now, the database is away: %s", type(error).__name__)


def run_delivery(runtime: Runtime, message_id: int) -> bool:
    """Deliver a row; returns whether this call got the claim."""
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        claimed = outbox.claim(db, runtime.context.sealer, message_id, now)
        if claimed is None:
            return False
        carrier = runtime.carriers.get(claimed.to.channel)
        if not may_still_be_sent(db, runtime.context, claimed, now):
            outbox.settle(db, claimed.id, DeliveryState.DROPPED)
            return True
        overtaken = _is_outdated_check_in(runtime, db, claimed, now)
        if overtaken:
            outbox.settle(db, claimed.id, DeliveryState.DROPPED)
        elif _must_not_leave(claimed) or carrier is None:
            outbox.settle(db, claimed.id, DeliveryState.DROPPED)
            record_drop(db, runtime.context.sealer, claimed, now)
            return True
        slot = now if overtaken else _reserve_slot(runtime, db, claimed, now)
        if slot - now > MAX_SLOT_WAIT:
            outbox.release_until(db, claimed.id, slot, claimed.previous_state)
            return True
        known = outbox.known_sids(db, claimed, claimed.at - KNOWN_SIDS_WINDOW) if _may_have_been_sent(claimed) else []
    if overtaken or carrier is None:
        # In a separate transaction: a social worker who skips the check-in locks it first and then its texts.
        with runtime.database.transaction() as db:
            check_ins.make_due_now(db, claimed.check_in_id, now)
        return True
    time.sleep(max(0.0, (slot - now).total_seconds()))
    _send(runtime, carrier, claimed, known, now + SEND_WITHIN)
    return True


def _is_outdated_check_in(runtime: Runtime, db: Session, claimed: ClaimedText, now: datetime) -> bool:
    """Whether it is a check-in's text that must not be sent any more: the day is over in the person's time zone, they have
    written, a social worker has them, or another person has their phone. The check-in is then decided again."""
    if claimed.check_in_id is None or _may_have_been_sent(claimed):
        return False
    if claimed.valid_until is not None and now >= claimed.valid_until:
        return True
    return not may_still_ask(db, runtime.context, claimed.check_in_id, claimed.key or "", now)


def _must_not_leave(claimed: ClaimedText) -> bool:
    if claimed.unreachable:
        return True
    # Opting out does not apply to the web chat: nothing is sent, the open page reads its texts from the database.
    return claimed.opted_out and claimed.to.channel is not Channel.WEB and claimed.key not in OPT_OUT_CONFIRMATIONS


def _may_have_been_sent(claimed: ClaimedText) -> bool:
    return claimed.previous_state is not DeliveryState.WAITING


def _reserve_slot(runtime: Runtime, db: Session, claimed: ClaimedText, now: datetime) -> datetime:
    """When our number may send this. A crisis text reserves its slot like others but does not wait for it."""
    paced = claimed.to.channel in (Channel.SMS, Channel.WHATSAPP) and runtime.settings.uses_twilio
    if claimed.has_slot or not paced:
        return now
    rate = runtime.settings.sender_segments_per_second
    slot = outbox.reserve_slot(db, claimed.line, claimed.segments, rate, claimed.lane, now)
    return now if claimed.lane is OutboxLane.CRISIS else slot


def _send(runtime: Runtime, carrier: Carrier, claimed: ClaimedText, known: list[str], until: datetime) -> None:
    """Send the text, with no transaction open: a carrier may take ten seconds, and a lock held that long is an outage."""
    outgoing = OutgoingMessage(
        message_id=claimed.id,
        to=claimed.to,
        body=claimed.body,
        lane=claimed.lane,
        status_callback=f"{runtime.settings.public_url}/twilio/status?message={claimed.id}",
        sender=claimed.line if claimed.line[:1] in "+M0123456789" else None,
        validity_seconds=_validity_seconds(claimed, runtime.clock.now()),
    )
    try:
        found = carrier.find(outgoing, claimed.at - timedelta(minutes=1), known) if _may_have_been_sent(claimed) else None
    except CarrierError:
        # If the carrier cannot be asked, the text may have left: the row stays unknown and is not sent again on a guess.
        _record_unknown(runtime, claimed)
        return
    if found is None and runtime.clock.now() > until:
        _record_unknown(runtime, claimed)
        return
    try:
        receipt = found or carrier.send(outgoing)
    except CarrierError as error:
        _record_error(runtime, claimed, error)
        return
    _record_receipt(runtime, claimed, receipt)


def _validity_seconds(claimed: ClaimedText, now: datetime) -> int:
    """For how many seconds the carrier may try: a check-in that it delays must not arrive at night."""
    if claimed.valid_until is None:
        return VALIDITY_SECONDS[claimed.lane]
    return max(MIN_VALIDITY_SECONDS, int((claimed.valid_until - now).total_seconds()))


def _record_receipt(runtime: Runtime, claimed: ClaimedText, receipt: Receipt) -> None:
    with runtime.database.transaction() as db:
        now, state = runtime.clock.now(), receipt.state
        ask_after = outbox.next_poll_at(claimed.lane, state, now)
        if state in (DeliveryState.FAILED, DeliveryState.UNDELIVERED):
            # A receipt does not give the reason; the sweep polls at once and handles the answer like a status report.
            state, ask_after = DeliveryState.ACCEPTED, now
        outbox.settle(db, claimed.id, state, sid=receipt.sid, due_at=ask_after, segments=receipt.segments)


def _record_error(runtime: Runtime, claimed: ClaimedText, error: CarrierError) -> None:
    if error.outcome == "unknown":
        _record_unknown(runtime, claimed)
        return
    with runtime.database.transaction() as db:
        record_refusal(db, runtime.context.sealer, claimed.id, error.code, error.permanent, runtime.clock.now())


def _record_unknown(runtime: Runtime, claimed: ClaimedText) -> None:
    with runtime.database.transaction() as db:
        record_unknown(db, runtime.context.sealer, claimed.id, runtime.clock.now())
