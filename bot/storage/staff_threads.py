"""What is written to members of staff, and by which of our numbers: rows of the one outbox, in threads of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.errors import UniqueViolation
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bot.domain.delivery import State, rank
from bot.domain.handoff import HELD
from bot.domain.message import Address, Channel, Inbound, Lane
from bot.domain.segments import measure
from bot.storage import outbox
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import Staff, StaffThread
from bot.storage.tables import Conversation, Handoff, Message
from bot.storage.turns import Overtaken

_NAMES_PERSON = ("took_relay", "relay", "relay_media")
"""Texts to a worker's telephone that say whom the number means."""
_NOT_GONE = tuple(state.value for state in State if rank(state) < rank(State.ANSWERED))
_TAKEN = tuple(
    state.value for state in State
    if rank(state) >= rank(State.ACCEPTED) and state not in (State.FAILED, State.UNDELIVERED, State.CANCELED)
)  # fmt: skip
BY_TEXT = (Channel.SMS.value, Channel.SIMULATOR.value)
BY_TELEPHONE = (*BY_TEXT, Channel.VOICE.value)
REST = timedelta(hours=24)
"""A number that has meant one person means nobody else for so long: a worker scrolls up in the old thread and writes."""
CALLS = (
    "alert", "alert_again", "alert_offer", "alert_phone_person", "email_alert", "email_offer", "email_phone_person",
    "voice_alert",
)  # fmt: skip
"""What asks a worker to take a handoff ..."""
_ASKS = (*CALLS, "alert_look", "email_look", "alert_reminder", "email_reminder", "quiet", "email_quiet",
         "alert_danger_again", "email_danger_again")  # fmt: skip
"""... or its owner, or a supervisor, to do something about it."""


@dataclass(frozen=True, slots=True)
class Concerns:
    """What a text to staff is about, beside its words."""

    key: str
    handoff_id: int | None = None


def address(sealer: Sealer, staff: Staff, channel: Channel) -> Address | None:
    """Where this way leads for this member of staff; None where they have given none.

    In a demo the telephone is a simulator's address, and mail and voice are shown beside it.
    """
    if channel is Channel.EMAIL:
        return Address(Channel.EMAIL, staff.email)
    if staff.sealed_phone is None:
        return None
    phone = sealer.open_address(staff.sealed_phone)
    return Address(Channel.VOICE, phone.value) if channel is Channel.VOICE else phone


def open_thread(db: Session, sealer: Sealer, staff: Staff, channel: Channel, line: str) -> StaffThread | None:
    """The thread of this member of staff by this number of ours; made where it is new. None: they have no such way.

    The address is written anew each time: a worker who has a new telephone is called on that one.
    """
    to = address(sealer, staff, channel)
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


def write(
    db: Session, sealer: Sealer, staff: Staff, channel: Channel, line: str, body: str, lane: Lane, now: datetime,
    about: Concerns,
) -> int | None:  # fmt: skip
    """Promise a text, an e-mail or a call to a member of staff; the id of its row, to be woken after the commit.

    None where that way leads nowhere: no telephone, texts stopped, out of reach.
    """
    thread = open_thread(db, sealer, staff, channel, line)
    if thread is None or thread.opted_out or thread.unreachable:
        return None
    return write_in(db, sealer, thread, body, lane, now, about)


def write_in(db: Session, sealer: Sealer, thread: StaffThread, body: str, lane: Lane, now: datetime, about: Concerns) -> int:
    """Promise a text in a thread that is known."""
    row = Message(
        staff_thread_id=thread.id, handoff_id=about.handoff_id, outbound=True, sealed_body=sealer.seal(body), at=now,
        lane=lane.value, key=about.key, state=State.WAITING.value, due_at=now, attempts=0,
        segments=measure(body).segments,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row.id


def hear(db: Session, sealer: Sealer, thread: StaffThread, inbound: Inbound, staff_id: int) -> Message:
    """Record what a member of staff texted. Raises Overtaken where the carrier has brought it twice at one instant."""
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
            raise Overtaken from error
        raise
    return row


def was_heard(db: Session, sid: str) -> Message | None:
    """The row of a text that the carrier has brought before."""
    return db.scalar(select(Message).where(Message.sid == sid, ~Message.outbound))


def answers_to(db: Session, heard_id: int) -> Sequence[Message]:
    """What was answered to a worker's text."""
    return db.scalars(select(Message).where(Message.replies_to == heard_id).order_by(Message.id)).all()


def answer(
    db: Session, sealer: Sealer, thread: StaffThread, heard: Message, body: str, handoff_id: int | None, now: datetime,
    resend_at: datetime,
) -> int:  # fmt: skip
    """An answer to a worker's own text. It rides back in the answer to the carrier, like a resident's, and is looked into
    at `resend_at` where nothing is heard of it; in the simulator the page reads the row."""
    read_from_row = thread.channel == Channel.SIMULATOR.value
    row = Message(
        staff_thread_id=thread.id, handoff_id=handoff_id, outbound=True, sealed_body=sealer.seal(body), at=now,
        replies_to=heard.id, lane=Lane.REPLY.value, key="answer", attempts=0, segments=measure(body).segments,
        state=(State.DELIVERED if read_from_row else State.ANSWERED).value, due_at=None if read_from_row else resend_at,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row.id


def relays_of(db: Session, conversation_id: int) -> Sequence[StaffThread]:
    """The threads that lead to and from this person now; one at the most, but for a race that is being mended."""
    return db.scalars(select(StaffThread).where(StaffThread.conversation_id == conversation_id)).all()


def relay_of(db: Session, staff_id: int, line: str, *, lock: bool = False) -> StaffThread | None:
    """The text thread of this member of staff by this number of ours."""
    rows = select(StaffThread).where(
        StaffThread.staff_id == staff_id, StaffThread.line == line, StaffThread.channel.in_(BY_TEXT)
    )
    # Without the keys: a text to the thread, written in another transaction, must not wait for this one.
    return db.scalar(rows.with_for_update(key_share=True) if lock else rows)


def alert_line(db: Session, staff_id: int, lines: Sequence[str]) -> str | None:
    """By which number of ours this worker is alerted: the first, or, where their telephone has sent STOP to that one, the
    next that is open and means nobody. None where we have no numbers."""
    rows = db.scalars(select(StaffThread).where(StaffThread.staff_id == staff_id, StaffThread.channel.in_(BY_TEXT)))
    threads = {thread.line: thread for thread in rows}
    if not lines or lines[0] not in threads or not threads[lines[0]].opted_out:
        return lines[0] if lines else None
    shut = {line for line, one in threads.items() if one.opted_out or one.unreachable or one.conversation_id is not None}
    return next((line for line in lines[1:] if line not in shut), lines[0])


def bind(
    db: Session, sealer: Sealer, staff: Staff, lines: Sequence[str], conversation_id: int, handoff_id: int, now: datetime
) -> StaffThread | None:
    """Give the worker's telephone a number of ours that means this person from now on; None where none is free.

    The line that alerts come from is taken last: a "1" there must stay an answer to an alert. Of the others the one that
    meant this person before, else one that has meant nobody yet, else the one that has rested longest, and a day at least:
    what the worker still types to the last person on it must not come to the next one.
    """
    threads = db.scalars(
        select(StaffThread)
        .where(StaffThread.staff_id == staff.id, StaffThread.channel.in_(BY_TEXT))
        .with_for_update(key_share=True)
    ).all()
    busy = {thread.line for thread in threads if thread.conversation_id or thread.opted_out or thread.unreachable}
    alerts = alert_line(db, staff.id, lines)
    if alerts not in lines[:1]:
        # Theirs is stopped, and alerts come from another one: that one stays free for them.
        busy.add(alerts or "")
    mine = {one.line for one in threads if _meant(db, one) == conversation_id}
    used = {one.line: last for one in threads if one.line not in mine and (last := _last_used(db, one)) is not None}
    tiring = {line for line, last in used.items() if now - last < REST}
    order = sorted(lines[1:], key=lambda line: (line not in mine, line in used, used.get(line, now)))
    for line in (*order, *lines[:1]):
        if line in busy or line in tiring:
            continue
        thread = open_thread(db, sealer, staff, Channel.SMS, line)
        if thread is not None:
            thread.conversation_id, thread.handoff_id, thread.bound_at = conversation_id, handoff_id, now
            db.flush()
        return thread
    return None


def _meant(db: Session, thread: StaffThread) -> int | None:
    """The conversation that the thread led to last, or leads to."""
    return db.scalar(select(Handoff.conversation_id).where(Handoff.id == thread.handoff_id)) if thread.handoff_id else None


def _last_used(db: Session, thread: StaffThread) -> datetime | None:
    """When something of the person whom this number meant went by it last, either way; None where it never meant anybody."""
    if thread.bound_at is None:
        return None
    passed = select(func.max(Message.at)).where(
        Message.staff_thread_id == thread.id, Message.key.in_(_NAMES_PERSON) | ~Message.outbound
    )
    return max(thread.bound_at, db.scalar(passed) or thread.bound_at)


def unbind(db: Session, conversation_id: int) -> list[StaffThread]:
    """No telephone leads to this person any more; what the worker texts now is refused and said so."""
    threads = list(relays_of(db, conversation_id))
    for thread in threads:
        cut(db, thread)
    db.flush()
    return threads


def cut(db: Session, thread: StaffThread) -> None:
    """This telephone leads to nobody any more, and what the person wrote to it and has not left does not leave: the worker
    has them no longer, and the number may mean somebody else in a moment. The console has every word."""
    thread.conversation_id = None
    db.execute(
        update(Message)
        .where(
            Message.staff_thread_id == thread.id, Message.outbound, Message.key.in_(_NAMES_PERSON),
            Message.state.in_(_NOT_GONE),
        )
        .values(state=State.DROPPED.value, due_at=None)
    )  # fmt: skip


def move_phone(db: Session, sealer: Sealer, staff_id: int, to: Address | None) -> None:
    """The worker has another telephone, or none: the old one leads to nobody any more and its number is forgotten. What they
    hold stays theirs in the console, and is looked at now.

    An alert that still waits leaves for the new telephone; without one it does not leave.
    """
    held = (
        select(Handoff)
        .where(Handoff.owner_id == staff_id, Handoff.state.in_(HELD))
        .order_by(Handoff.conversation_id)
        .execution_options(populate_existing=True)
    )
    threads = select(StaffThread).where(StaffThread.staff_id == staff_id, StaffThread.channel.in_(BY_TELEPHONE))
    led = {one.conversation_id for one in db.scalars(threads) if one.conversation_id is not None}
    # The conversations first, as everybody does: a claim locks the thread after them.
    db.execute(
        select(Conversation.id).where(Conversation.id.in_(led)).order_by(Conversation.id).with_for_update(key_share=True)
    )
    for handoff in db.scalars(held.where(Handoff.conversation_id.in_(led)).with_for_update(key_share=True)):
        # Due since it changed last, which is over.
        handoff.rung_due_at = handoff.updated_at
    for thread in db.scalars(threads.order_by(StaffThread.id).with_for_update(key_share=True)):
        cut(db, thread)
        channel = Channel(thread.channel)
        same_way = to is not None and (channel is Channel.VOICE or channel is to.channel)
        thread.sealed_address = sealer.seal_address(Address(channel, to.value if to and same_way else ""))
        thread.opted_out, thread.unreachable = False, None
        if not same_way:
            outbox.drop_to_staff(db, thread.id)
    db.flush()


def drop_alerts(db: Session, handoff_id: int) -> None:
    """Somebody has it, or it is over: what still waits to call for it, or to remind of it, does not leave any more."""
    db.execute(
        update(Message)
        .where(
            Message.handoff_id == handoff_id, Message.staff_thread_id.is_not(None), Message.outbound,
            Message.key.in_(_ASKS),
            Message.state.in_((State.WAITING.value, State.CLAIMED.value, State.UNKNOWN.value)),
        )
        .values(state=State.DROPPED.value, due_at=None)
    )  # fmt: skip


def went_by_telephone(db: Session, ids: Sequence[int]) -> bool:
    """Whether one of these rows is a text or a call: a mail is read when somebody happens to look."""
    rows = select(Message.id).join(StaffThread, StaffThread.id == Message.staff_thread_id)
    return db.scalar(rows.where(Message.id.in_(ids), StaffThread.channel.in_(BY_TELEPHONE)).limit(1)) is not None


def means(db: Session, thread: StaffThread, written_at: datetime) -> bool:
    """Whether what a worker wrote then by this number is for the person that it means now: they have been told whom it
    means, and wrote after it came to mean them (a text may have waited for hours until the database came back)."""
    if thread.conversation_id is None or thread.bound_at is None or written_at < thread.bound_at:
        return False
    said = select(Message.id).where(
        Message.staff_thread_id == thread.id, Message.handoff_id == thread.handoff_id, Message.outbound,
        Message.at >= thread.bound_at, Message.key.in_(_NAMES_PERSON),
    )  # fmt: skip
    if thread.channel != Channel.SIMULATOR.value:
        # A pretend telephone shows the row as soon as it is written.
        said = said.where(Message.state.in_(_TAKEN))
    return db.scalar(said.limit(1)) is not None
