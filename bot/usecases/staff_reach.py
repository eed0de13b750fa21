"""When a member of staff cannot be reached: what waited for their telephone must wait for it no longer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.delivery import Mark, Rule
from bot.domain.handoff import HELD, UNCLAIMED
from bot.storage import alerts, handoffs, outbox, staff_threads
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import CallOut, StaffThread
from bot.storage.tables import Handoff, Message


def lock_all(db: Session, sealer: Sealer, thread_id: int) -> StaffThread | None:
    """The thread, locked after every conversation that its loss can touch, in the order of their ids: a claim locks the
    conversation first and the thread after it, and the other way round the two would wait for each other."""
    thread = db.get(StaffThread, thread_id)
    if thread is None:
        return None
    touched = {one.handoff_id for one in handoffs.open_call_outs(db, thread.staff_id)}
    if thread.conversation_id is not None:
        touched |= set(db.scalars(select(Handoff.id).where(Handoff.conversation_id == thread.conversation_id)))
    rows = db.execute(select(Handoff.id).where(Handoff.id.in_(touched)).order_by(Handoff.conversation_id))
    for (handoff_id,) in rows.all():
        handoffs.lock(db, sealer, handoff_id)
    return db.scalar(
        select(StaffThread)
        .where(StaffThread.id == thread_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def not_delivered(db: Session, thread: StaffThread, row: Message, rule: Rule, now: datetime) -> None:
    """A text, a mail or a call to staff did not arrive. What the error teaches about the telephone is kept; an alert that
    could not arrive is no alert."""
    if rule.page_operator:
        alerts.raise_alarm(db, "sending_failed", f"to staff, code {row.error_code}: {rule.meaning}", None, now)
    if rule.mark is not None:
        if rule.mark is Mark.OPTED_OUT:
            thread.opted_out = True
        else:
            thread.unreachable = rule.mark.value
        outbox.drop_to_staff(db, thread.id)
        phone_is_lost(db, thread, now)
    elif row.key in ("relay", "relay_media", "took_relay"):
        phone_is_lost(db, thread, now)
    else:
        drop(db, thread, row, now)


def drop(db: Session, thread: StaffThread, row: Message, now: datetime) -> None:
    """This alert will not arrive; where no other way is on its way to the same worker, they count as not called."""
    if row.key not in staff_threads.CALLS or row.handoff_id is None:
        return
    others = (
        select(Message.id)
        .join(StaffThread, StaffThread.id == Message.staff_thread_id)
        .where(
            StaffThread.staff_id == thread.staff_id, Message.handoff_id == row.handoff_id, Message.outbound,
            Message.id != row.id, Message.at >= row.at, Message.key.in_(staff_threads.CALLS), StaffThread.channel != "email",
            Message.state.not_in(("failed", "undelivered", "dropped", "canceled")),
        )
    )  # fmt: skip
    # A mail is read when somebody happens to look: it does not keep a telephone's failure from counting.
    if thread.channel == "email" or db.scalar(others.limit(1)) is not None:
        return
    for call_out in handoffs.open_call_outs(db, thread.staff_id):
        if call_out.handoff_id == row.handoff_id:
            alert_failed(db, call_out, now)


def phone_is_lost(db: Session, thread: StaffThread, now: datetime) -> None:
    """The worker's telephone cannot be reached by this number: what it leads to must not wait for it.

    The handoff that was relayed by it stays theirs in the console, and is looked at now. An alert that could not arrive
    is no alert: where nobody else is called on that rung, the next one is climbed.
    """
    if thread.conversation_id is not None:
        held = handoffs.current(db, thread.conversation_id)
        staff_threads.cut(db, thread)
        if held is not None and held.owner_id == thread.staff_id and held.state in HELD:
            handoffs.record(db, held, "phone_lost", now, staff_id=thread.staff_id)
            if held.unanswered_since is None:
                held.unanswered_since, held.rung = now, 0
            held.rung_due_at = now
    for call_out in handoffs.open_call_outs(db, thread.staff_id):
        alert_failed(db, call_out, now)


def alert_failed(db: Session, call_out: CallOut, now: datetime) -> None:
    """This worker could not be alerted."""
    call_out.answer, call_out.answered_at = "unreachable", now
    handoff = db.get(Handoff, call_out.handoff_id)
    if handoff is None:
        return
    handoffs.record(db, handoff, "unreachable", now, staff_id=call_out.staff_id)
    left = [one for one in handoffs.call_outs(db, handoff.id) if one.answer is None]
    if handoff.state in UNCLAIMED and not left and handoff.rung_due_at is not None:
        handoff.rung_due_at = now
