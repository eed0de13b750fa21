"""Record the delivery of a text and react to failures: retry, mark the address, call a human or alarm the operator."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.effects import ConsentChoice, ConsentMethod, HandoffReason, OpenHandoff, RecordConsent
from bot.domain.conversation.state import Holder, load
from bot.domain.messages.delivery import AddressProblem, DeliveryState, ErrorRule, retry_delay, rule_for
from bot.domain.messages.message import OutboxLane
from bot.domain.safety.levels import Urgency
from bot.storage import alerts
from bot.storage.conversation import conversations
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox
from bot.storage.messages.outbox import ClaimedText
from bot.storage.people import consents
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Message
from bot.storage.tables.staff import StaffThread
from bot.usecases.handoff import unreachable_staff
from bot.usecases.handoff.resident_notices import NOTICE_KEYS

OPT_OUT_CONFIRMATIONS = frozenset({"stop_ack", "opted_out_confirm_free_text"})
"""The one confirmation that may follow an opt-out (47 CFR 64.1200(a)(12))."""
CLOSING_KEYS = frozenset({"handed_back", "handed_back_idle", "goodbye"})
MAX_QUERIES = 30
TRIES_BEFORE_HUMAN = 3
"""After so many failed tries of a crisis text a human is called too, who may have to phone."""


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """A status callback: `message_id` is our row, from the callback's URL; `state` is None for an unknown `word`."""

    message_id: int | None
    sid: str
    state: DeliveryState | None
    word: str
    error_code: int | None


def lane_of(row: Message) -> OutboxLane:
    """The lane of an outbound message."""
    return OutboxLane(row.lane or OutboxLane.REPLY)


def record_delivery(db: Session, sealer: Sealer, report: StatusCallback, now: datetime) -> None:
    """Log a status callback, update the message's state, and react to a failure."""
    thread = None
    if report.state in (DeliveryState.FAILED, DeliveryState.UNDELIVERED):
        thread = _lock_thread(db, sealer, report.message_id, report.sid)
    row = outbox.record_report(db, report.message_id, report.sid, report.state, report.word, report.error_code, now)
    if row is not None and report.state in (DeliveryState.FAILED, DeliveryState.UNDELIVERED):
        rule = rule_for(report.error_code) if report.error_code else rule_for(30008)
        if thread is not None:
            # A late repetition of an alert would only confuse: escalation goes on instead.
            unreachable_staff.handle_failure(db, thread, row, rule, now)
        else:
            _handle_failure(db, sealer, row, rule, now)


def _lock_thread(db: Session, sealer: Sealer, message_id: int | None, sid: str) -> StaffThread | None:
    """Lock the owner of the text before the text. Returns the thread of a text to staff, None for one to a person."""
    conversation_id, thread_id = outbox.find_thread_ids(db, message_id, sid)
    if conversation_id is not None:
        conversations.lock_for_messages(db, conversation_id)
    return unreachable_staff.lock_thread(db, sealer, thread_id) if thread_id is not None else None


def record_drop(db: Session, sealer: Sealer, claimed: ClaimedText, now: datetime) -> None:
    """A text was not sent because the person opted out or is unreachable: their open handoff must show it.

    A dropped alert to staff counts as not alerted, so that escalation goes on.
    """
    if claimed.staff_thread_id is not None:
        thread, row = db.get(StaffThread, claimed.staff_thread_id), db.get(Message, claimed.id)
        if thread is not None and row is not None:
            unreachable_staff.drop_alert(db, thread, row, now)
    elif claimed.conversation_id is not None:
        handoffs.mark_unreachable(db, claimed.conversation_id, now)


def record_unconfirmed(db: Session, sealer: Sealer, text: outbox.UnconfirmedText, now: datetime) -> None:
    """The carrier has not confirmed a crisis text in time: call a human, who must not assume that it was read."""
    row = db.get(Message, text.id)
    if row is None or (text.conversation_id is not None and outbox.has_newer_inbound(db, row)) or _is_closed_since(db, row):
        # The person has written since, or a human has closed the handoff: it no longer matters.
        return
    if text.lane is OutboxLane.CRISIS and text.conversation_id is not None:
        conversations.lock_for_messages(db, text.conversation_id)
        effect = OpenHandoff(HandoffReason.FAILURE, Urgency.MINUTES, because="a crisis text is not confirmed as delivered")
        handoffs.open_or_raise_urgency(db, sealer, effect, text.conversation_id, None, now)


def _is_closed_since(db: Session, row: Message) -> bool:
    """Whether the handoff that was open at this text has been closed since."""
    return handoffs.was_closed_since(db, row.conversation_id, row.at)


def record_refusal(db: Session, sealer: Sealer, message_id: int, code: int | None, permanent: bool, now: datetime) -> None:
    """The carrier rejected a claimed row: schedule a retry if the table of error codes allows one, else mark it failed."""
    thread = _lock_thread(db, sealer, message_id, "")
    row = db.get(Message, message_id, with_for_update=True)
    if row is None or row.state != DeliveryState.CLAIMED.value:
        return
    rule, lane = rule_for(code), lane_of(row)
    delay = None if permanent and code is None else retry_delay(rule.reaction_in(lane), row.attempts, lane, random.random())
    row.error_code = code
    if delay is not None:
        row.state, row.due_at, row.slot_at = DeliveryState.WAITING.value, now + delay, None
        if thread is None:
            _apply_consequences(db, sealer, row, rule, now, gave_up=False)
        return
    row.state, row.due_at = DeliveryState.FAILED.value, None
    if thread is not None:
        unreachable_staff.handle_failure(db, thread, row, rule, now)
    else:
        _apply_consequences(db, sealer, row, rule, now, gave_up=True)


def record_unknown(db: Session, sealer: Sealer, message_id: int, now: datetime) -> None:
    """It is unknown whether the carrier has the text: query the carrier, soon and then hourly, before any resend.

    After about a day without an answer a human is called; nothing is resent on a guess.
    """
    thread = _lock_thread(db, sealer, message_id, "")
    row = db.get(Message, message_id, with_for_update=True)
    if row is None or row.state != DeliveryState.CLAIMED.value:
        return
    rule = rule_for(20500)
    delay = retry_delay(rule.reaction, min(row.attempts, 6), lane_of(row), random.random())
    gave_up = delay is None or row.attempts >= MAX_QUERIES
    row.state, row.due_at = DeliveryState.UNKNOWN.value, None if gave_up or delay is None else now + delay
    if thread is not None:
        if gave_up:
            unreachable_staff.drop_alert(db, thread, row, now)
        return
    _apply_consequences(db, sealer, row, rule, now, gave_up=gave_up)


def _handle_failure(db: Session, sealer: Sealer, row: Message, rule: ErrorRule, now: datetime) -> None:
    """The carrier accepted the text but could not deliver it. A second try is a new row."""
    lane = lane_of(row)
    delay = retry_delay(rule.reaction_in(lane), max(1, row.attempts), lane, random.random())
    if row.sealed_body is None:
        return
    # No retry of a text that would only confuse: the person has written since, the text was true at one moment of a
    # handoff, the person left with an exit word, or a human holds the conversation. The address is marked and the operator
    # alarmed (a filter, a blocked account) all the same.
    overtaken = lane in (OutboxLane.REPLY, OutboxLane.FOLLOW_UP) and outbox.has_newer_inbound(db, row)
    overtaken = overtaken or row.key in NOTICE_KEYS or _has_exited(db, sealer, row) or _is_obsolete(db, row, lane)
    if delay is not None and not overtaken:
        row.attempts += 1
        outbox.enqueue_copy(db, row, now + delay)
    _apply_consequences(db, sealer, row, rule, now, gave_up=delay is None and not overtaken)


def _is_obsolete(db: Session, row: Message, lane: OutboxLane) -> bool:
    """Whether a text of the bot is obsolete because a human holds the conversation now; crisis texts never are."""
    if row.staff_id is not None or lane is OutboxLane.CRISIS:
        return False
    return conversations.holder_of(db, row.conversation_id) == Holder.HUMAN.value


def _has_exited(db: Session, sealer: Sealer, row: Message) -> bool:
    """Whether the person left with an exit word and has not written since."""
    conversation = db.get_one(Conversation, row.conversation_id)
    return load(sealer.open(conversation.sealed_state)).safe.paused


def _apply_consequences(db: Session, sealer: Sealer, row: Message, rule: ErrorRule, now: datetime, *, gave_up: bool) -> None:
    lane = lane_of(row)
    if rule.address_problem is not None:
        _mark_address(db, row, rule.address_problem, now)
    if rule.address_problem is AddressProblem.OPTED_OUT and row.key in OPT_OUT_CONFIRMATIONS:
        # The carrier has confirmed the STOP itself and blocks our confirmation, as intended.
        return
    if rule.page_operator:
        alerts.raise_alarm(db, "sending_failed", f"code {row.error_code}: {rule.meaning}", None, now)
    if row.staff_id is not None and row.conversation_id is not None:
        handoffs.record_undelivered(db, row.conversation_id, row.staff_id, row.id, now)
    if row.key in CLOSING_KEYS or _is_closed_since(db, row):
        # A closing text, or a handoff closed since: that it did not arrive opens no new handoff.
        return
    tired = lane is OutboxLane.CRISIS and row.attempts >= TRIES_BEFORE_HUMAN
    if rule.must_alert_staff(lane) or gave_up or tired:
        urgency = Urgency.MINUTES if lane is OutboxLane.CRISIS else Urgency.THIS_SHIFT
        why = f"a text did not arrive: {rule.meaning}"
        effect = OpenHandoff(HandoffReason.FAILURE, urgency, because=why, reachable=rule.address_problem is None)
        assert row.conversation_id is not None
        handoffs.open_or_raise_urgency(db, sealer, effect, row.conversation_id, None, now)


def _mark_address(db: Session, row: Message, mark: AddressProblem, now: datetime) -> None:
    """Mark the address as opted out or unreachable, record it in the consent ledger, and drop waiting texts."""
    conversation = db.get_one(Conversation, row.conversation_id, with_for_update=True)
    if mark is AddressProblem.OPTED_OUT:
        if not conversation.opted_out:
            conversation.opted_out = True
            effect = RecordConsent(ConsentChoice.OPTED_OUT, ConsentMethod.CARRIER)
            consents.record(db, effect, conversation.id, None, "", now)
    else:
        conversation.unreachable = mark.value
    if mark is AddressProblem.REASSIGNED:
        # The number may belong to another person now, who has not consented.
        effect = RecordConsent(ConsentChoice.WITHDRAWN, ConsentMethod.CARRIER, "followup")
        consents.record(db, effect, conversation.id, None, "", now)
    outbox.drop_waiting(db, conversation.id)
