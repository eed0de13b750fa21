"""Texts on their way out. One way out of the house: whatever leaves by a carrier is a row here first.

A row is claimed by a conditional update, sent with no transaction open, and settled by a second one. A worker that dies
in between leaves a `claimed` row: nobody knows whether the text left, so when its lease ends it becomes `unknown` and the
carrier is asked before anything is sent again. A text that comes twice frightens; one that never comes is worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.delivery import State, rank
from bot.domain.message import Address, Lane
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import StaffThread
from bot.storage.tables import Conversation, DeliveryReport, Message, Sender

LEASE = timedelta(seconds=60)
"""Longer than a send may take (10 s time-out), so that a slow worker is not overtaken."""
_OURS = tuple(state.value for state in (State.WAITING, State.CLAIMED, State.UNKNOWN, State.ANSWERED))
_CARRIERS = tuple(state.value for state in (State.ACCEPTED, State.SCHEDULED, State.QUEUED, State.SENDING, State.SENT))
"""In the carrier's hands, without its last word."""
LAST_WORD = {Lane.CRISIS: timedelta(minutes=10)}
PATIENCE = timedelta(hours=12)
"""How long the carrier's last word is waited for before it is asked (Twilio: poll after twelve hours); sooner in a crisis,
because `sent` is not `received`."""
LONGEST_PATIENCE = timedelta(days=3)
_LANE_ORDER = case({lane.value: place for place, lane in enumerate(Lane)}, value=Message.lane, else_=len(Lane))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this process alone may send until its lease ends. `was` is the state it was claimed from."""

    id: int
    conversation_id: int | None
    staff_thread_id: int | None
    """Set in place of `conversation_id` where the text goes to a member of staff."""
    to: Address
    line: str
    body: str
    lane: Lane
    was: State
    attempts: int
    at: datetime
    segments: int
    opted_out: bool
    unreachable: str | None
    key: str | None
    has_slot: bool
    staff_id: int | None = None
    """The social worker who wrote it."""
    handoff_id: int | None = None
    check_in_id: int | None = None
    valid_until: datetime | None = None
    """After this it must not leave."""


def add(
    db: Session, sealer: Sealer, conversation_id: int, body: str, lane: Lane, key: str | None, segments: int,
    now: datetime, due_at: datetime | None = None, staff_id: int | None = None, handoff_id: int | None = None,
) -> Message:  # fmt: skip
    """Promise a text; the door wakes the queue with its id after the commit. `staff_id`: the social worker who wrote it."""
    row = Message(
        conversation_id=conversation_id, outbound=True, sealed_body=sealer.seal(body), at=now, lane=lane.value, key=key,
        state=State.WAITING.value, due_at=due_at or now, attempts=0, segments=segments, staff_id=staff_id,
        handoff_id=handoff_id,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row


def due(db: Session, now: datetime, limit: int = 200) -> list[tuple[int, Lane]]:
    """Rows that need something now, crisis first, then the oldest. Not locked: the claim decides who gets one."""
    rows = db.execute(
        select(Message.id, Message.lane)
        .where(Message.due_at <= now, Message.outbound, Message.state.in_(_OURS))
        .order_by(_LANE_ORDER, Message.due_at)
        .limit(limit)
    )
    return [(row.id, Lane(row.lane)) for row in rows]


def oldest_due(db: Session, now: datetime) -> timedelta | None:
    """For how long the oldest due row has waited; None where nothing is due."""
    oldest = db.scalar(select(func.min(Message.due_at)).where(Message.due_at <= now, Message.state.in_(_OURS)))
    return now - oldest if oldest else None


def claim(db: Session, sealer: Sealer, message_id: int, now: datetime) -> Claimed | None:
    """Take a due row for sending; None means that it is not due, or that another worker has it."""
    row = db.scalar(
        select(Message)
        .where(Message.id == message_id, Message.due_at <= now, Message.outbound, Message.state.in_(_OURS))
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    if row.sealed_body is None:
        # Its words were deleted: it can never leave, and must not look as if it were waiting.
        row.state, row.due_at = State.DROPPED.value, None
        return None
    was = State(row.state)
    thread = _thread(db, row)
    row.state, row.due_at, row.attempts = State.CLAIMED.value, now + LEASE, row.attempts + 1
    db.flush()
    return Claimed(
        id=row.id,
        conversation_id=row.conversation_id,
        staff_thread_id=row.staff_thread_id,
        to=sealer.open_address(thread.sealed_address),
        line=thread.line,
        body=sealer.open(row.sealed_body),
        lane=Lane(row.lane or Lane.REPLY),
        # A claim whose lease ran out, like an answer that was never confirmed, may have reached the carrier.
        was=State.UNKNOWN if was is State.CLAIMED else was,
        attempts=row.attempts,
        at=row.at,
        segments=row.segments or 1,
        opted_out=thread.opted_out,
        unreachable=thread.unreachable,
        key=row.key,
        has_slot=row.slot_at is not None,
        staff_id=row.staff_id,
        handoff_id=row.handoff_id,
        check_in_id=row.check_in_id,
        valid_until=row.valid_until,
    )


def _thread(db: Session, row: Message) -> Conversation | StaffThread:
    """Whose text it is: a person's, or a member of staff's."""
    if row.staff_thread_id is not None:
        return db.get_one(StaffThread, row.staff_thread_id)
    return db.get_one(Conversation, row.conversation_id)


def settle(
    db: Session, message_id: int, state: State, *, sid: str | None = None, error_code: int | None = None,
    due_at: datetime | None = None, segments: int | None = None,
) -> None:  # fmt: skip
    """End a claim: what became of the row, and when it must be looked at again (None: never).

    A report of the carrier's that came while we were sending is further on than what we know: it stays.
    """
    row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if row is None:
        return
    if sid and row.sid is None:
        row.sid = sid
    row.segments = segments or row.segments
    if error_code is not None:
        row.error_code = error_code
    if State(row.state) is not State.CLAIMED and rank(State(row.state)) > rank(State.DROPPED):
        return
    row.state, row.due_at = state.value, due_at


def put_back(db: Session, message_id: int, slot_at: datetime, was: State) -> None:
    """The row was claimed before its number may send again: it leaves at `slot_at`, a place that is now its own.

    It is again what it `was`: one that may have left already must not become one that surely has not.
    """
    db.execute(
        update(Message)
        .where(Message.id == message_id, Message.state == State.CLAIMED.value)
        .values(state=was.value, due_at=slot_at, slot_at=slot_at, attempts=Message.attempts - 1)
    )


def send_again(db: Session, row: Message, due_at: datetime) -> Message:
    """Promise the same words once more, as a row of its own: the failed one keeps its id and its history."""
    again = Message(
        conversation_id=row.conversation_id, staff_thread_id=row.staff_thread_id, staff_id=row.staff_id,
        handoff_id=row.handoff_id, outbound=True, sealed_body=row.sealed_body, at=row.at, lane=row.lane,
        key=row.key, replies_to=None, state=State.WAITING.value, due_at=due_at, attempts=row.attempts,
        segments=row.segments, check_in_id=row.check_in_id, valid_until=row.valid_until,
    )  # fmt: skip
    db.add(again)
    db.flush()
    return again


def known_sids(db: Session, claimed: Claimed, since: datetime) -> list[str]:
    """The carrier's ids that other rows of this thread have: an equal text sent twice is two texts."""
    same = (
        Message.conversation_id == claimed.conversation_id
        if claimed.staff_thread_id is None
        else Message.staff_thread_id == claimed.staff_thread_id
    )
    rows = db.scalars(select(Message.sid).where(same, Message.sid.is_not(None), Message.outbound, Message.at >= since))
    return [sid for sid in rows if sid]


def report(
    db: Session, message_id: int | None, sid: str, state: State | None, word: str, error_code: int | None, now: datetime
) -> Message | None:
    """Log a status callback and move the row forward, never back. Returns the row where this report moved it."""
    row = _reported(db, message_id, sid)
    db.add(DeliveryReport(message_id=row.id if row else None, sid=sid, state=word, error_code=error_code, at=now))
    if row is None or state is None:
        return None
    if row.sid is None:
        row.sid = sid
    if rank(state) <= rank(State(row.state)):
        return None
    row.state, row.error_code = state.value, error_code or row.error_code
    row.due_at = ask_after(Lane(row.lane or Lane.REPLY), state, now)
    return row


def thread_of(db: Session, message_id: int | None, sid: str) -> tuple[int | None, int | None]:
    """Whose text this is, found without locking it: the conversation of a person, or the thread of a member of staff."""
    whose = select(Message.conversation_id, Message.staff_thread_id)
    found = db.execute(whose.where(Message.sid == sid, Message.outbound)).first() if sid else None
    if found is None and message_id is not None:
        found = db.execute(whose.where(Message.id == message_id)).first()
    return (found[0], found[1]) if found else (None, None)


def was_overtaken(db: Session, row: Message) -> bool:
    """Whether the person has written since this text."""
    newer = select(Message.id).where(Message.conversation_id == row.conversation_id, Message.id > row.id, ~Message.outbound)
    return db.scalar(newer.limit(1)) is not None


def ask_after(lane: Lane, state: State, now: datetime) -> datetime | None:
    """When the carrier is asked about a text that it holds; None where it has said its last word."""
    return now + LAST_WORD.get(lane, PATIENCE) if state.value in _CARRIERS else None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A text that the carrier holds without its last word, and must be asked about."""

    id: int
    sid: str
    lane: Lane
    channel: str
    conversation_id: int | None


def unfinished(db: Session, now: datetime, limit: int = 50) -> list[Unfinished]:
    """Texts whose last word is overdue; each is put off to its next time, so that nobody else asks meanwhile."""
    rows = db.execute(
        select(Message, func.coalesce(Conversation.channel, StaffThread.channel))
        .outerjoin(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(StaffThread, StaffThread.id == Message.staff_thread_id)
        .where(Message.due_at <= now, Message.outbound, Message.state.in_(_CARRIERS))
        .order_by(Message.due_at)
        .limit(limit)
        .with_for_update(of=Message, skip_locked=True)
    ).all()
    found = []
    for row, channel in rows:
        row.due_at = now + PATIENCE if now - row.at < LONGEST_PATIENCE else None
        found.append(Unfinished(row.id, row.sid or "", Lane(row.lane or Lane.REPLY), channel, row.conversation_id))
    return found


def _reported(db: Session, message_id: int | None, sid: str) -> Message | None:
    by_sid = select(Message).where(Message.sid == sid, Message.outbound).with_for_update()
    row = db.scalar(by_sid)
    if row is None and message_id is not None:
        row = db.scalar(select(Message).where(Message.id == message_id, Message.outbound).with_for_update())
        if row is not None and row.sid not in (None, sid):
            # The same row was handed over twice, under two ids; the first one counts, this one is only logged.
            return None
    return row


def take_slot(db: Session, line: str, segments: int, per_second: int, lane: Lane, now: datetime) -> datetime:
    """When this number of ours may send so many segments; the time is taken from whoever comes later.

    In PostgreSQL and not in Redis: a wiped Redis must not send a night's texts in one second (30022). What we start
    ourselves queues by itself, at half the pace, behind the answers and never before them: ten thousand check-ins of one
    morning must not keep a worker's words back for hours.
    """
    if lane not in _WE_START:
        return _next_slot(db, line, now, segments / per_second)
    answers_end = db.scalar(select(Sender.free_at).where(Sender.line == line))
    return _next_slot(db, f"{line} {lane.value}", max(now, answers_end or now), 2 * segments / per_second)


_WE_START = (Lane.FOLLOW_UP, Lane.BULK)


def _next_slot(db: Session, queue: str, earliest: datetime, seconds: float) -> datetime:
    db.execute(insert(Sender).values(line=queue, free_at=earliest).on_conflict_do_nothing())
    slot = db.scalar(select(Sender.free_at).where(Sender.line == queue).with_for_update())
    start = max(earliest, slot) if slot else earliest
    db.execute(update(Sender).where(Sender.line == queue).values(free_at=start + timedelta(seconds=seconds)))
    return start


def drop_waiting(db: Session, conversation_id: int) -> int:
    """Texts that have not left are not sent any more (the person opted out, or was deleted). Returns how many."""
    dropped = db.execute(
        update(Message)
        .where(Message.conversation_id == conversation_id, Message.outbound, Message.state == State.WAITING.value)
        .values(state=State.DROPPED.value, due_at=None)
        .returning(Message.id)
    ).all()
    return len(dropped)


def drop_to_staff(db: Session, thread_id: int) -> None:
    """What waits for a telephone that cannot be reached is not sent any more."""
    db.execute(
        update(Message)
        .where(Message.staff_thread_id == thread_id, Message.outbound, Message.state == State.WAITING.value)
        .values(state=State.DROPPED.value, due_at=None)
    )
