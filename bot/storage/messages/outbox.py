"""The outbox: everything that a carrier sends is stored here as a row first.

A row is claimed by a conditional update, sent with no transaction open, and settled by a second update. A worker process
that dies in between leaves a `claimed` row: it is not known whether the text left, so when its lease ends it becomes
`unknown` and the carrier is asked before anything is sent again. A text that arrives twice is alarming; one that never
arrives is worse.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.domain.messages.delivery import DeliveryState, rank
from bot.domain.messages.message import Address, OutboxLane
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, DeliveryReport, Message, Sender
from bot.storage.tables.staff import StaffThread

LEASE = timedelta(seconds=60)
"""Longer than a send may take (10 s time-out), so that a slow worker is not overtaken."""
_OWN_STATES = tuple(
    state.value for state in (DeliveryState.WAITING, DeliveryState.CLAIMED, DeliveryState.UNKNOWN, DeliveryState.ANSWERED)
)
_CARRIER_STATES = tuple(
    state.value
    for state in (
        DeliveryState.ACCEPTED,
        DeliveryState.SCHEDULED,
        DeliveryState.QUEUED,
        DeliveryState.SENDING,
        DeliveryState.SENT,
    )
)
"""Accepted by the carrier, but without a final status."""
POLL_DELAYS = {OutboxLane.CRISIS: timedelta(minutes=10)}
DEFAULT_POLL_DELAY = timedelta(hours=12)
"""How long to wait for the carrier's final status before polling it (Twilio: poll after twelve hours); shorter in a crisis,
because `sent` does not mean `received`."""
MAX_POLL_AGE = timedelta(days=3)
_LANE_ORDER = case({lane.value: place for place, lane in enumerate(OutboxLane)}, value=Message.lane, else_=len(OutboxLane))


@dataclass(frozen=True, slots=True)
class ClaimedText:
    """A row that only this process may send until its lease ends. `previous_state` is the state it was claimed from."""

    id: int
    conversation_id: int | None
    staff_thread_id: int | None
    """Set instead of `conversation_id` if the text goes to a staff member."""
    to: Address
    line: str
    body: str
    lane: OutboxLane
    previous_state: DeliveryState
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
    """It must not be sent after this time."""


def enqueue(
    db: Session, sealer: Sealer, conversation_id: int, body: str, lane: OutboxLane, key: str | None, segments: int,
    now: datetime, due_at: datetime | None = None, staff_id: int | None = None, handoff_id: int | None = None,
) -> Message:  # fmt: skip
    """Enqueue a text; the caller wakes the job queue with its id after the commit. `staff_id`: the social worker who wrote
    it."""
    row = Message(
        conversation_id=conversation_id, outbound=True, sealed_body=sealer.seal(body), at=now, lane=lane.value, key=key,
        state=DeliveryState.WAITING.value, due_at=due_at or now, attempts=0, segments=segments, staff_id=staff_id,
        handoff_id=handoff_id,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row


def list_due(db: Session, now: datetime, limit: int = 200) -> list[tuple[int, OutboxLane]]:
    """Rows that are due, crisis first, then the oldest. Not locked: workers compete for the claim."""
    rows = db.execute(
        select(Message.id, Message.lane)
        .where(Message.due_at <= now, Message.outbound, Message.state.in_(_OWN_STATES))
        .order_by(_LANE_ORDER, Message.due_at)
        .limit(limit)
    )
    return [(row.id, OutboxLane(row.lane)) for row in rows]


def longest_overdue(db: Session, now: datetime) -> timedelta | None:
    """How long the most overdue row has been due; None if nothing is due."""
    oldest = db.scalar(select(func.min(Message.due_at)).where(Message.due_at <= now, Message.state.in_(_OWN_STATES)))
    return now - oldest if oldest else None


def claim(db: Session, sealer: Sealer, message_id: int, now: datetime) -> ClaimedText | None:
    """Claim a due row for sending; None if it is not due, if another worker has it, or if its words were deleted."""
    row = db.scalar(
        select(Message)
        .where(Message.id == message_id, Message.due_at <= now, Message.outbound, Message.state.in_(_OWN_STATES))
        .with_for_update(skip_locked=True)
    )
    if row is None:
        return None
    if row.sealed_body is None:
        # Its words were deleted: it can never be sent, and must not look as if it were waiting.
        row.state, row.due_at = DeliveryState.DROPPED.value, None
        return None
    was = DeliveryState(row.state)
    thread = _thread(db, row)
    row.state, row.due_at, row.attempts = DeliveryState.CLAIMED.value, now + LEASE, row.attempts + 1
    db.flush()
    return ClaimedText(
        id=row.id,
        conversation_id=row.conversation_id,
        staff_thread_id=row.staff_thread_id,
        to=sealer.open_address(thread.sealed_address),
        line=thread.line,
        body=sealer.open(row.sealed_body),
        lane=OutboxLane(row.lane or OutboxLane.REPLY),
        # A claim whose lease ran out may have reached the carrier, like an answer that was never confirmed.
        previous_state=DeliveryState.UNKNOWN if was is DeliveryState.CLAIMED else was,
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
    """The thread of the text: a person's conversation or a staff member's thread."""
    if row.staff_thread_id is not None:
        return db.get_one(StaffThread, row.staff_thread_id)
    return db.get_one(Conversation, row.conversation_id)


def settle(
    db: Session, message_id: int, state: DeliveryState, *, sid: str | None = None, error_code: int | None = None,
    due_at: datetime | None = None, segments: int | None = None,
) -> None:  # fmt: skip
    """End a claim: set the row's new state, and when it is due again (None: never).

    A carrier report that arrived while the text was being sent is newer than our knowledge, so its state stays.
    """
    row = db.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if row is None:
        return
    if sid and row.sid is None:
        row.sid = sid
    row.segments = segments or row.segments
    if error_code is not None:
        row.error_code = error_code
    if DeliveryState(row.state) is not DeliveryState.CLAIMED and rank(DeliveryState(row.state)) > rank(
        DeliveryState.DROPPED
    ):
        return
    row.state, row.due_at = state.value, due_at


def release_until(db: Session, message_id: int, slot_at: datetime, previous_state: DeliveryState) -> None:
    """Give back a row claimed before its number may send again: it is due at `slot_at`, which is now reserved for it.

    Its state is `previous_state` again: a text that may have left already must not become one that surely has not.
    """
    db.execute(
        update(Message)
        .where(Message.id == message_id, Message.state == DeliveryState.CLAIMED.value)
        .values(state=previous_state.value, due_at=slot_at, slot_at=slot_at, attempts=Message.attempts - 1)
    )


def enqueue_copy(db: Session, row: Message, due_at: datetime) -> Message:
    """Enqueue the same text again as a new row; the failed row keeps its id and history."""
    again = Message(
        conversation_id=row.conversation_id, staff_thread_id=row.staff_thread_id, staff_id=row.staff_id,
        handoff_id=row.handoff_id, outbound=True, sealed_body=row.sealed_body, at=row.at, lane=row.lane,
        key=row.key, replies_to=None, state=DeliveryState.WAITING.value, due_at=due_at, attempts=row.attempts,
        segments=row.segments, check_in_id=row.check_in_id, valid_until=row.valid_until,
    )  # fmt: skip
    db.add(again)
    db.flush()
    return again


def known_sids(db: Session, claimed: ClaimedText, since: datetime) -> list[str]:
    """Carrier ids of other rows of this thread since `since`, so that an identical earlier text is not mistaken for this
    one."""
    same = (
        Message.conversation_id == claimed.conversation_id
        if claimed.staff_thread_id is None
        else Message.staff_thread_id == claimed.staff_thread_id
    )
    rows = db.scalars(select(Message.sid).where(same, Message.sid.is_not(None), Message.outbound, Message.at >= since))
    return [sid for sid in rows if sid]


def record_report(
    db: Session,
    message_id: int | None,
    sid: str,
    state: DeliveryState | None,
    carrier_state: str,
    error_code: int | None,
    now: datetime,
) -> Message | None:
    """Log a status callback and move the row forward, never back. Returns the row if this report moved it."""
    row = _lock_reported(db, message_id, sid)
    db.add(DeliveryReport(message_id=row.id if row else None, sid=sid, state=carrier_state, error_code=error_code, at=now))
    if row is None or state is None:
        return None
    if row.sid is None:
        row.sid = sid
    if rank(state) <= rank(DeliveryState(row.state)):
        return None
    row.state, row.error_code = state.value, error_code or row.error_code
    row.due_at = next_poll_at(OutboxLane(row.lane or OutboxLane.REPLY), state, now)
    return row


def find_thread_ids(db: Session, message_id: int | None, sid: str) -> tuple[int | None, int | None]:
    """(conversation id, staff thread id) of a text, one of them None, or both if unknown; does not lock the row."""
    whose = select(Message.conversation_id, Message.staff_thread_id)
    found = db.execute(whose.where(Message.sid == sid, Message.outbound)).first() if sid else None
    if found is None and message_id is not None:
        found = db.execute(whose.where(Message.id == message_id)).first()
    return (found[0], found[1]) if found else (None, None)


def has_newer_inbound(db: Session, row: Message) -> bool:
    """Whether the person has written since this text."""
    newer = select(Message.id).where(Message.conversation_id == row.conversation_id, Message.id > row.id, ~Message.outbound)
    return db.scalar(newer.limit(1)) is not None


def next_poll_at(lane: OutboxLane, state: DeliveryState, now: datetime) -> datetime | None:
    """When to poll the carrier about a text in this state; None if the state is not one of the carrier's open ones."""
    return now + POLL_DELAYS.get(lane, DEFAULT_POLL_DELAY) if state.value in _CARRIER_STATES else None


@dataclass(frozen=True, slots=True)
class UnconfirmedText:
    """A text that the carrier has accepted, whose final status is overdue."""

    id: int
    sid: str
    lane: OutboxLane
    channel: str
    conversation_id: int | None


def lock_unconfirmed(db: Session, now: datetime, limit: int = 50) -> list[UnconfirmedText]:
    """Texts whose final status is overdue; each is postponed to its next poll, so that no other host polls meanwhile."""
    rows = db.execute(
        select(Message, func.coalesce(Conversation.channel, StaffThread.channel))
        .outerjoin(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(StaffThread, StaffThread.id == Message.staff_thread_id)
        .where(Message.due_at <= now, Message.outbound, Message.state.in_(_CARRIER_STATES))
        .order_by(Message.due_at)
        .limit(limit)
        .with_for_update(of=Message, skip_locked=True)
    ).all()
    found = []
    for row, channel in rows:
        row.due_at = now + DEFAULT_POLL_DELAY if now - row.at < MAX_POLL_AGE else None
        found.append(
            UnconfirmedText(row.id, row.sid or "", OutboxLane(row.lane or OutboxLane.REPLY), channel, row.conversation_id)
        )
    return found


def _lock_reported(db: Session, message_id: int | None, sid: str) -> Message | None:
    by_sid = select(Message).where(Message.sid == sid, Message.outbound).with_for_update()
    row = db.scalar(by_sid)
    if row is None and message_id is not None:
        row = db.scalar(select(Message).where(Message.id == message_id, Message.outbound).with_for_update())
        if row is not None and row.sid not in (None, sid):
            # The same row was sent twice under two ids; the first counts, this report is only logged.
            return None
    return row


def reserve_slot(db: Session, line: str, segments: int, per_second: int, lane: OutboxLane, now: datetime) -> datetime:
    """When our number `line` may send this many segments; the time is reserved, so later callers get later slots.

    Stored in PostgreSQL and not in Redis: after a wiped Redis, a night's texts must not go out in one second (Twilio error
    30022). Texts that Warmline initiates have their own queue, at half the rate and behind the answers: ten thousand
    check-ins in one morning must not delay a social worker's text for hours.
    """
    if lane not in _PROACTIVE_LANES:
        return _next_slot(db, line, now, segments / per_second)
    answers_end = db.scalar(select(Sender.free_at).where(Sender.line == line))
    return _next_slot(db, f"{line} {lane.value}", max(now, answers_end or now), 2 * segments / per_second)


_PROACTIVE_LANES = (OutboxLane.FOLLOW_UP, OutboxLane.BULK)


def _next_slot(db: Session, queue: str, earliest: datetime, seconds: float) -> datetime:
    db.execute(insert(Sender).values(line=queue, free_at=earliest).on_conflict_do_nothing())
    slot = db.scalar(select(Sender.free_at).where(Sender.line == queue).with_for_update())
    start = max(earliest, slot) if slot else earliest
    db.execute(update(Sender).where(Sender.line == queue).values(free_at=start + timedelta(seconds=seconds)))
    return start


def drop_waiting(db: Session, conversation_id: int) -> int:
    """Drop texts that have not left, because the person opted out or was erased. Returns how many."""
    dropped = db.execute(
        update(Message)
        .where(Message.conversation_id == conversation_id, Message.outbound, Message.state == DeliveryState.WAITING.value)
        .values(state=DeliveryState.DROPPED.value, due_at=None)
        .returning(Message.id)
    ).all()
    return len(dropped)


def lock(db: Session, message_id: int) -> Message | None:
    """The row, locked until the transaction ends; None if there is none."""
    return db.scalar(select(Message).where(Message.id == message_id).with_for_update())


def drop_check_in(db: Session, check_in_id: int) -> None:
    """Drop the texts of a check-in that have not left."""
    waiting = (Message.check_in_id == check_in_id, Message.outbound, Message.state == DeliveryState.WAITING.value)
    db.execute(update(Message).where(*waiting).values(state=DeliveryState.DROPPED.value, due_at=None))


def drop_outdated(db: Session, conversation_id: int, outdated: Collection[str], required: Collection[str]) -> None:
    """Drop what a claimed handoff makes untrue or superfluous: texts with a key of `outdated` that have not certainly left,
    and texts of the bot that wait for a retry, except those with a key of `required` and those of the crisis lane."""
    mine = (Message.conversation_id == conversation_id, Message.outbound)
    dropped = {"state": DeliveryState.DROPPED.value, "due_at": None}
    in_doubt = (DeliveryState.WAITING.value, DeliveryState.CLAIMED.value, DeliveryState.UNKNOWN.value)
    db.execute(update(Message).where(*mine, Message.key.in_(outdated), Message.state.in_(in_doubt)).values(**dropped))
    lanes = (OutboxLane.REPLY.value, OutboxLane.FOLLOW_UP.value)
    of_bot = (Message.staff_id.is_(None), Message.lane.in_(lanes), func.coalesce(Message.key, "").not_in(required))
    db.execute(update(Message).where(*mine, *of_bot, Message.state == DeliveryState.WAITING.value).values(**dropped))


def drop_waiting_to_staff(db: Session, thread_id: int) -> None:
    """Drop texts that wait for a staff member's telephone that cannot be reached."""
    db.execute(
        update(Message)
        .where(Message.staff_thread_id == thread_id, Message.outbound, Message.state == DeliveryState.WAITING.value)
        .values(state=DeliveryState.DROPPED.value, due_at=None)
    )
