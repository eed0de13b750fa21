"""Messages to and from staff, and the numbers used for them: rows of the same outbox, in threads of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.errors import UniqueViolation
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.domain.handoff.states import HELD_STATES
from bot.domain.messages.delivery import DeliveryState, rank
from bot.domain.messages.message import Address, Channel, InboundMessage, OutboxLane
from bot.domain.messages.segments import measure_segments
from bot.storage.conversation.turns import ConcurrentTurn
from bot.storage.messages import outbox
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Handoff, Message
from bot.storage.tables.staff import Staff, StaffThread

_RELAY_KEYS = ("took_relay", "relay", "relay_media")
"""Keys of texts that tell a social worker which person a number is bound to."""
_UNSENT_STATES = tuple(state.value for state in DeliveryState if rank(state) < rank(DeliveryState.ANSWERED))
_ACCEPTED_STATES = tuple(
    state.value
    for state in DeliveryState
    if rank(state) >= rank(DeliveryState.ACCEPTED)
    and state not in (DeliveryState.FAILED, DeliveryState.UNDELIVERED, DeliveryState.CANCELED)
)
TEXT_CHANNELS = (Channel.SMS.value, Channel.SIMULATOR.value)
PHONE_CHANNELS = (*TEXT_CHANNELS, Channel.VOICE.value)
NUMBER_REST = timedelta(hours=24)
"""A number that was bound to one person is not bound to another for this long, because social workers scroll up in an old
thread and write there."""
HANDOFF_CALL_KEYS = (
    "alert", "alert_again", "alert_offer", "alert_phone_person", "email_alert", "email_offer", "email_phone_person",
    "voice_alert",
)  # fmt: skip
"""Keys of messages that ask a staff member to take a handoff."""
_ALERT_KEYS = (*HANDOFF_CALL_KEYS, "alert_look", "email_look", "alert_reminder", "email_reminder", "quiet", "email_quiet",
         "alert_danger_again", "email_danger_again")  # fmt: skip
"""Those, and keys of messages that ask the owner or a supervisor to act on a handoff."""


@dataclass(frozen=True, slots=True)
class StaffMessageSubject:
    """What a message to staff is about: the key of its text, and the handoff."""

    key: str
    handoff_id: int | None = None


def address_for(sealer: Sealer, staff: Staff, channel: Channel) -> Address | None:
    """The staff member's address on this channel; None if they have none.

    In a demo the telephone is a simulator address, and e-mail and voice are shown beside it.
    """
    if channel is Channel.EMAIL:
        return Address(Channel.EMAIL, staff.email)
    if staff.sealed_phone is None:
        return None
    phone = sealer.open_address(staff.sealed_phone)
    return Address(Channel.VOICE, phone.value) if channel is Channel.VOICE else phone


def get_or_add_thread(db: Session, sealer: Sealer, staff: Staff, channel: Channel, line: str) -> StaffThread | None:
    """The staff member's thread on our number `line`, created if needed. None if they have no address on this channel.

    The address is updated each time, so that a staff member with a new telephone is called on that one.
    """
    to = address_for(sealer, staff, channel)
    if to is None:
        return None
    made = insert(StaffThread).values(
        staff_id=staff.id, channel=to.channel.value, line=line, sealed_address=sealer.seal_address(to)
    )
    db.execute(made.on_conflict_do_nothing())
    thread = db.scalar(
        select(StaffThread).where(
            StaffThread.staff_id == staff.id, StaffThread.channel == to.channel.value, StaffThread.line == line
        )
    )
    assert thread is not None
    if sealer.open_address(thread.sealed_address) != to:
        thread.sealed_address, thread.opted_out, thread.unreachable = sealer.seal_address(to), False, None
    return thread


def enqueue(
    db: Session, sealer: Sealer, staff: Staff, channel: Channel, line: str, body: str, lane: OutboxLane, now: datetime,
    subject: StaffMessageSubject,
) -> int | None:  # fmt: skip
    """Enqueue a text, an e-mail or a call to a staff member; returns the row's id, to be woken after the commit.

    None if the channel cannot be used: no telephone, texts stopped, or unreachable.
    """
    thread = get_or_add_thread(db, sealer, staff, channel, line)
    if thread is None or thread.opted_out or thread.unreachable:
        return None
    return enqueue_in_thread(db, sealer, thread, body, lane, now, subject)


def enqueue_in_thread(
    db: Session,
    sealer: Sealer,
    thread: StaffThread,
    body: str,
    lane: OutboxLane,
    now: datetime,
    subject: StaffMessageSubject,
) -> int:
    """Enqueue a message in a known thread; returns the row's id."""
    row = Message(
        staff_thread_id=thread.id, handoff_id=subject.handoff_id, outbound=True, sealed_body=sealer.seal(body), at=now,
        lane=lane.value, key=subject.key, state=DeliveryState.WAITING.value, due_at=now, attempts=0,
        segments=measure_segments(body).segments,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row.id


def record_inbound(db: Session, sealer: Sealer, thread: StaffThread, inbound: InboundMessage, staff_id: int) -> Message:
    """Record a staff member's text. Raises ConcurrentTurn if the carrier has delivered it twice at the same time."""
    row = Message(
        staff_thread_id=thread.id, staff_id=staff_id, handoff_id=thread.handoff_id, outbound=False, sid=inbound.sid,
        sealed_body=sealer.seal(inbound.body), at=inbound.received_at, state="received",
        segments=int(inbound.extra.get("NumSegments", "1") or 1),
    )  # fmt: skip
    db.add(row)
    try:
        db.flush()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise ConcurrentTurn from error
        raise
    return row


def find_inbound(db: Session, sid: str) -> Message | None:
    """The row of a text that was received before, or None."""
    return db.scalar(select(Message).where(Message.sid == sid, ~Message.outbound))


def list_answers(db: Session, inbound_id: int) -> Sequence[Message]:
    """The answers to a staff member's text."""
    return db.scalars(select(Message).where(Message.replies_to == inbound_id).order_by(Message.id)).all()


def add_answer(
    db: Session, sealer: Sealer, thread: StaffThread, inbound: Message, body: str, handoff_id: int | None, now: datetime,
    resend_at: datetime,
) -> int:  # fmt: skip
    """Add an answer to a staff member's text; returns the row's id.

    It is sent in the HTTP answer to the carrier, as for residents, and checked at `resend_at` if no status report comes; in
    the simulator the page reads the row.
    """
    read_from_row = thread.channel == Channel.SIMULATOR.value
    row = Message(
        staff_thread_id=thread.id,
        handoff_id=handoff_id,
        outbound=True,
        sealed_body=sealer.seal(body),
        at=now,
        replies_to=inbound.id,
        lane=OutboxLane.REPLY.value,
        key="answer",
        attempts=0,
        segments=measure_segments(body).segments,
        state=(DeliveryState.DELIVERED if read_from_row else DeliveryState.ANSWERED).value,
        due_at=None if read_from_row else resend_at,
    )
    db.add(row)
    db.flush()
    return row.id


def list_bound_threads(db: Session, conversation_id: int) -> Sequence[StaffThread]:
    """The threads that relay to and from this person now; at most one, except while a race is being resolved."""
    return db.scalars(select(StaffThread).where(StaffThread.conversation_id == conversation_id)).all()


def find_text_thread(db: Session, staff_id: int, line: str, *, lock: bool = False) -> StaffThread | None:
    """The staff member's text thread on our number `line`, or None."""
    rows = select(StaffThread).where(
        StaffThread.staff_id == staff_id, StaffThread.line == line, StaffThread.channel.in_(TEXT_CHANNELS)
    )
    # A lock without the key: another transaction that adds a message to the thread must not wait for this one.
    return db.scalar(rows.with_for_update(key_share=True) if lock else rows)


def alert_line(db: Session, staff_id: int, lines: Sequence[str]) -> str | None:
    """The number that this staff member's alerts come from: the first one, or, if their telephone has sent STOP to it, the
    next one that is usable and bound to no person. None if there are no numbers."""
    rows = db.scalars(select(StaffThread).where(StaffThread.staff_id == staff_id, StaffThread.channel.in_(TEXT_CHANNELS)))
    threads = {thread.line: thread for thread in rows}
    if not lines or lines[0] not in threads or not threads[lines[0]].opted_out:
        return lines[0] if lines else None
    shut = {line for line, one in threads.items() if one.opted_out or one.unreachable or one.conversation_id is not None}
    return next((line for line in lines[1:] if line not in shut), lines[0])


def bind_number(
    db: Session, sealer: Sealer, staff: Staff, lines: Sequence[str], conversation_id: int, handoff_id: int, now: datetime
) -> StaffThread | None:
    """Bind one of our numbers on the social worker's telephone to this person; None if no number is free.

    The number that alerts come from is used last: a "1" there must remain an answer to an alert. Otherwise preferred: the
    number that was bound to this person before, then one that was never bound, then the one unused for longest, at least
    for NUMBER_REST: what the social worker still types to the previous person must not reach the next one.
    """
    threads = db.scalars(
        select(StaffThread)
        .where(StaffThread.staff_id == staff.id, StaffThread.channel.in_(TEXT_CHANNELS))
        .with_for_update(key_share=True)
    ).all()
    busy = {thread.line for thread in threads if thread.conversation_id or thread.opted_out or thread.unreachable}
    alerts = alert_line(db, staff.id, lines)
    if alerts not in lines[:1]:
        # Their usual alert number is stopped and alerts come from another one, which stays free for alerts.
        busy.add(alerts or "")
    mine = {one.line for one in threads if _last_bound_conversation(db, one) == conversation_id}
    used = {one.line: last for one in threads if one.line not in mine and (last := _last_relayed_at(db, one)) is not None}
    tiring = {line for line, last in used.items() if now - last < NUMBER_REST}
    order = sorted(lines[1:], key=lambda line: (line not in mine, line in used, used.get(line, now)))
    for line in (*order, *lines[:1]):
        if line in busy or line in tiring:
            continue
        thread = get_or_add_thread(db, sealer, staff, Channel.SMS, line)
        if thread is not None:
            thread.conversation_id, thread.handoff_id, thread.bound_at = conversation_id, handoff_id, now
            db.flush()
        return thread
    return None


def _last_bound_conversation(db: Session, thread: StaffThread) -> int | None:
    """The conversation that the thread is or was last bound to."""
    return db.scalar(select(Handoff.conversation_id).where(Handoff.id == thread.handoff_id)) if thread.handoff_id else None


def _last_relayed_at(db: Session, thread: StaffThread) -> datetime | None:
    """When the thread last relayed something in either direction; None if it was never bound to a person."""
    if thread.bound_at is None:
        return None
    passed = select(func.max(Message.at)).where(
        Message.staff_thread_id == thread.id, Message.key.in_(_RELAY_KEYS) | ~Message.outbound
    )
    return max(thread.bound_at, db.scalar(passed) or thread.bound_at)


def unbind_all(db: Session, conversation_id: int) -> list[StaffThread]:
    """Disconnect all telephones from this person; what a social worker texts there now is refused with an explanation."""
    threads = list(list_bound_threads(db, conversation_id))
    for thread in threads:
        unbind_thread(db, thread)
    db.flush()
    return threads


def unbind_thread(db: Session, thread: StaffThread) -> None:
    """Disconnect a thread from its person, and drop relayed texts that have not left yet.

    The social worker no longer has the handoff, and the number may soon be bound to another person. The texts remain in
    the console.
    """
    thread.conversation_id = None
    db.execute(
        update(Message)
        .where(
            Message.staff_thread_id == thread.id, Message.outbound, Message.key.in_(_RELAY_KEYS),
            Message.state.in_(_UNSENT_STATES),
        )
        .values(state=DeliveryState.DROPPED.value, due_at=None)
    )  # fmt: skip


def change_phone(db: Session, sealer: Sealer, staff_id: int, to: Address | None) -> None:
    """Change or remove a staff member's telephone: the old one is disconnected and its number deleted.

    Their handoffs stay theirs in the console, and those that were relayed become due now. Waiting alerts go to the new
    telephone; without one they are dropped.
    """
    held = (
        select(Handoff)
        .where(Handoff.owner_id == staff_id, Handoff.state.in_(HELD_STATES))
        .order_by(Handoff.conversation_id)
        .execution_options(populate_existing=True)
    )
    threads = select(StaffThread).where(StaffThread.staff_id == staff_id, StaffThread.channel.in_(PHONE_CHANNELS))
    led = {one.conversation_id for one in db.scalars(threads) if one.conversation_id is not None}
    # The conversations are locked first, as everywhere: a claim locks the thread after them.
    db.execute(
        select(Conversation.id).where(Conversation.id.in_(led)).order_by(Conversation.id).with_for_update(key_share=True)
    )
    for handoff in db.scalars(held.where(Handoff.conversation_id.in_(led)).with_for_update(key_share=True)):
        # Its last change is in the past, so it is due now.
        handoff.due_at = handoff.updated_at
    for thread in db.scalars(threads.order_by(StaffThread.id).with_for_update(key_share=True)):
        unbind_thread(db, thread)
        channel = Channel(thread.channel)
        same_way = to is not None and (channel is Channel.VOICE or channel is to.channel)
        thread.sealed_address = sealer.seal_address(Address(channel, to.value if to and same_way else ""))
        thread.opted_out, thread.unreachable = False, None
        if not same_way:
            outbox.drop_waiting_to_staff(db, thread.id)
    db.flush()


def drop_alerts(db: Session, handoff_id: int) -> None:
    """Drop waiting alerts and reminders about a handoff that was claimed or is over."""
    db.execute(
        update(Message)
        .where(
            Message.handoff_id == handoff_id, Message.staff_thread_id.is_not(None), Message.outbound,
            Message.key.in_(_ALERT_KEYS),
            Message.state.in_((DeliveryState.WAITING.value, DeliveryState.CLAIMED.value, DeliveryState.UNKNOWN.value)),
        )
        .values(state=DeliveryState.DROPPED.value, due_at=None)
    )  # fmt: skip


def lock(db: Session, thread_id: int) -> StaffThread | None:
    """The thread, locked until the transaction ends and freshly read. The caller has locked, in the order of their ids, the
    conversations that it affects: a claim locks the conversation before the thread."""
    return db.scalar(
        select(StaffThread)
        .where(StaffThread.id == thread_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def was_told(db: Session, handoff_id: int, staff_id: int | None, keys: Collection[str]) -> bool:
    """Whether a message with one of these keys about this handoff was written to this staff member."""
    told = select(Message.id).join(StaffThread, StaffThread.id == Message.staff_thread_id)
    told = told.where(Message.handoff_id == handoff_id, StaffThread.staff_id == staff_id, Message.key.in_(keys))
    return db.scalar(told.limit(1)) is not None


def has_other_alert(db: Session, staff_id: int, alert: Message) -> bool:
    """Whether another alert about the same handoff, as new as this one or newer, has reached this staff member by text or
    call, or may still do so."""
    others = (
        select(Message.id)
        .join(StaffThread, StaffThread.id == Message.staff_thread_id)
        .where(
            StaffThread.staff_id == staff_id, Message.handoff_id == alert.handoff_id, Message.outbound,
            Message.id != alert.id, Message.at >= alert.at, Message.key.in_(HANDOFF_CALL_KEYS),
            StaffThread.channel != "email", Message.state.not_in(("failed", "undelivered", "dropped", "canceled")),
        )
    )  # fmt: skip
    return db.scalar(others.limit(1)) is not None


def any_by_telephone(db: Session, ids: Sequence[int]) -> bool:
    """Whether any of these messages is a text or a call; an e-mail may stay unread for long."""
    rows = select(Message.id).join(StaffThread, StaffThread.id == Message.staff_thread_id)
    return db.scalar(rows.where(Message.id.in_(ids), StaffThread.channel.in_(PHONE_CHANNELS)).limit(1)) is not None


def is_for_bound_person(db: Session, thread: StaffThread, written_at: datetime) -> bool:
    """Whether a social worker's text written at `written_at` is meant for the person whom the thread is bound to now.

    It is if it was written after the thread was bound and the social worker has been told to whom (a text may have waited
    in the spool for hours).
    """
    if thread.conversation_id is None or thread.bound_at is None or written_at < thread.bound_at:
        return False
    said = select(Message.id).where(
        Message.staff_thread_id == thread.id, Message.handoff_id == thread.handoff_id, Message.outbound,
        Message.at >= thread.bound_at, Message.key.in_(_RELAY_KEYS),
    )  # fmt: skip
    if thread.channel != Channel.SIMULATOR.value:
        # The simulator shows the row as soon as it is written.
        said = said.where(Message.state.in_(_ACCEPTED_STATES))
    return db.scalar(said.limit(1)) is not None
