"""When a member of staff cannot be reached by telephone: escalation and their handoffs must not wait for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES
from bot.domain.messages.delivery import AddressProblem, ErrorRule
from bot.storage import alerts
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox
from bot.storage.sealing import Sealer
from bot.storage.staff import staff_threads
from bot.storage.tables.residents import Handoff, Message
from bot.storage.tables.staff import CallOut, StaffThread


def lock_thread(db: Session, sealer: Sealer, thread_id: int) -> StaffThread | None:
    """Lock the thread, after all conversations that its loss can affect, in the order of their ids: a claim locks the
    conversation before the thread, and any other order can deadlock."""
    thread = db.get(StaffThread, thread_id)
    if thread is None:
        return None
    touched = {one.handoff_id for one in handoffs.list_open_call_outs(db, thread.staff_id)}
    if thread.conversation_id is not None:
        touched |= set(handoffs.list_ids(db, thread.conversation_id))
    handoffs.lock_with_conversations(db, sealer, touched)
    return staff_threads.lock(db, thread_id)


def handle_failure(db: Session, thread: StaffThread, row: Message, rule: ErrorRule, now: datetime) -> None:
    """A text, an e-mail or a call to staff did not arrive: mark the telephone as the error says, and count the alert as
    failed."""
    if rule.page_operator:
        alerts.raise_alarm(db, "sending_failed", f"to staff, code {row.error_code}: {rule.meaning}", None, now)
    if rule.address_problem is not None:
        if rule.address_problem is AddressProblem.OPTED_OUT:
            thread.opted_out = True
        else:
            thread.unreachable = rule.address_problem.value
        outbox.drop_waiting_to_staff(db, thread.id)
        mark_phone_lost(db, thread, now)
    elif row.key in ("relay", "relay_media", "took_relay"):
        mark_phone_lost(db, thread, now)
    else:
        drop_alert(db, thread, row, now)


def drop_alert(db: Session, thread: StaffThread, row: Message, now: datetime) -> None:
    """This alert will not arrive: unless another one is under way to the same social worker, they count as not alerted."""
    if row.key not in staff_threads.HANDOFF_CALL_KEYS or row.handoff_id is None:
        return
    # An e-mail may be read much later, so it counts neither as a failed alert nor as one under way.
    if thread.channel == "email" or staff_threads.has_other_alert(db, thread.staff_id, row):
        return
    for call_out in handoffs.list_open_call_outs(db, thread.staff_id):
        if call_out.handoff_id == row.handoff_id:
            mark_alert_failed(db, call_out, now)


def mark_phone_lost(db: Session, thread: StaffThread, now: datetime) -> None:
    """The social worker's telephone cannot be reached from this number.

    A handoff relayed by it stays theirs in the console and is checked now. Their open alerts count as failed: where no one
    else of the tier is still alerted, escalation goes on.
    """
    if thread.conversation_id is not None:
        held = handoffs.find_open(db, thread.conversation_id)
        staff_threads.unbind_thread(db, thread)
        if held is not None and held.owner_id == thread.staff_id and held.state in HELD_STATES:
            handoffs.add_event_and_touch(db, held, "phone_lost", now, staff_id=thread.staff_id)
            if held.unanswered_since is None:
                held.unanswered_since, held.tier = now, 0
            held.due_at = now
    for call_out in handoffs.list_open_call_outs(db, thread.staff_id):
        mark_alert_failed(db, call_out, now)


def mark_alert_failed(db: Session, call_out: CallOut, now: datetime) -> None:
    """Record that this social worker could not be alerted; escalate now if no other alert is open."""
    call_out.answer, call_out.answered_at = "unreachable", now
    handoff = db.get(Handoff, call_out.handoff_id)
    if handoff is None:
        return
    handoffs.add_event_and_touch(db, handoff, "unreachable", now, staff_id=call_out.staff_id)
    left = [one for one in handoffs.list_call_outs(db, handoff.id) if one.answer is None]
    if handoff.state in UNCLAIMED_STATES and not left and handoff.due_at is not None:
        handoff.due_at = now
