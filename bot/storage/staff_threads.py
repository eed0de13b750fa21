"""What is written to members of staff, and by which of our numbers: rows of the one outbox, in threads of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.delivery import State, rank
from bot.domain.message import Address, Channel, Inbound, Lane
from bot.domain.segments import measure
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import Staff, StaffThread
from bot.storage.tables import Message

_NAMES_PERSON = ("took_relay", "relay", "relay_media")
"""Texts to a worker's telephone that say whom the number means."""
_NOT_GONE = tuple(state.value for state in State if rank(state) < rank(State.ANSWERED))
_TAKEN = tuple(
    state.value for state in State
    if rank(state) >= rank(State.ACCEPTED) and state not in (State.FAILED, State.UNDELIVERED, State.CANCELED)
)  # fmt: skip
BY_TEXT = (Channel.SMS.value, Channel.SIMULATOR.value)


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
    """Record what a member of staff texted; the unique sid refuses a second one."""
    row = Message(
        staff_thread_id=thread.id, staff_id=staff_id, handoff_id=thread.handoff_id, outbound=False, sid=inbound.sid,
        sealed_body=sealer.seal(inbound.body), at=inbound.received_at, state="received",
        segments=int(inbound.extra.get("NumSegments", "1") or 1),
    )  # fmt: skip
    db.add(row)
    db.flush()
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


def bind(
    db: Session, sealer: Sealer, staff: Staff, lines: Sequence[str], conversation_id: int, handoff_id: int, now: datetime
) -> StaffThread | None:
    """Give the worker's telephone a number of ours that means this person from now on; None where none is free.

    The first line is the one that alerts come from, so it is taken last: a "1" there must stay an answer to an alert.
    Of the others the one that has meant nobody for longest: what the worker still types to the last person on it must not
    come to the next one.
    """
    threads = db.scalars(
        select(StaffThread)
        .where(StaffThread.staff_id == staff.id, StaffThread.channel.in_(BY_TEXT))
        .with_for_update(key_share=True)
    ).all()
    busy = {thread.line for thread in threads if thread.conversation_id or thread.opted_out or thread.unreachable}
    bound = {thread.line: thread.bound_at for thread in threads if thread.bound_at is not None}
    rested = sorted((line for line in lines[1:] if line in bound), key=lambda line: bound[line])
    for line in (*(line for line in lines[1:] if line not in bound), *rested, *lines[:1]):
        if line in busy:
            continue
        thread = open_thread(db, sealer, staff, Channel.SMS, line)
        if thread is not None:
            thread.conversation_id, thread.handoff_id, thread.bound_at = conversation_id, handoff_id, now
            db.flush()
        return thread
    return None


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
