"""Check-ins: one row each, with the time at which it must be handled next, and an event row for everything that happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import MOVES, CheckInState
from bot.domain.conversation.effects import HandoffReason
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.domain.messages.delivery import DeliveryState as Sending
from bot.storage.conversation import conversations
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import CheckIn, CheckInEvent, Conversation, Handoff, Message, Person

CRISIS_WINDOW = timedelta(days=30)
"""A check-in planned within this time after a danger counts as following that danger."""
CRISIS_TEAM = "crisis"
OPEN_STATES = (CheckInState.PLANNED.value, CheckInState.ASKED.value)
_NEVER_ARRIVED = (Sending.DROPPED.value, Sending.FAILED.value, Sending.UNDELIVERED.value)


def plan(
    db: Session, conversation_id: int, flow: str, due: Sequence[datetime], now: datetime, *, staff_id: int | None = None,
    after_crisis: bool | None = None,
) -> list[CheckIn]:  # fmt: skip
    """Plan a check-in at each of these times (aware UTC). `after_crisis` None: decided from the person's recent handoffs.

    A time within an hour of a check-in already planned with the same flow is skipped: a person may run a flow twice.
    """
    if after_crisis is None:
        after_crisis = was_in_danger(db, conversation_id, now)
    taken = db.scalars(
        select(CheckIn.due_at).where(
            CheckIn.conversation_id == conversation_id, CheckIn.flow == flow, CheckIn.state == CheckInState.PLANNED.value
        )
    ).all()
    rows = []
    for at in due:
        if any(other is not None and abs(at - other) < timedelta(hours=1) for other in taken):
            continue
        row = CheckIn(
            conversation_id=conversation_id, flow=flow, due_at=at, planned_for=at, made_at=now, made_by=staff_id,
            state=CheckInState.PLANNED.value, after_crisis=after_crisis, attempts=0, holds=0,
        )  # fmt: skip
        db.add(row)
        rows.append(row)
    db.flush()
    for row in rows:
        add_event(db, row, "planned", now, staff_id=staff_id)
    return rows


def was_in_danger(db: Session, conversation_id: int, now: datetime) -> bool:
    """Whether this person recently (CRISIS_WINDOW) had a handoff for danger or one to the crisis team."""
    rows = select(Handoff.id).where(
        Handoff.conversation_id == conversation_id,
        or_(Handoff.reason == HandoffReason.DANGER.value, Handoff.team == CRISIS_TEAM),
        Handoff.opened_at > now - CRISIS_WINDOW,
    )
    return db.scalar(rows.limit(1)) is not None


def add_event(
    db: Session, row: CheckIn, kind: str, now: datetime, *, reason: str | None = None, staff_id: int | None = None
) -> None:
    """Record an event, with the time at which the check-in is handled next."""
    db.add(CheckInEvent(check_in_id=row.id, kind=kind, reason=reason, due_at=row.due_at, staff_id=staff_id, at=now))


def due_ids(db: Session, now: datetime, limit: int = 200) -> list[int]:
    """Ids of the check-ins that are due, the most overdue first. Not locked: workers compete for the lock."""
    rows = select(CheckIn.id).where(CheckIn.due_at <= now).order_by(CheckIn.due_at).limit(limit)
    return list(db.scalars(rows))


def longest_overdue(db: Session, now: datetime) -> timedelta | None:
    """How long the most overdue check-in has been due; None if nothing is due."""
    oldest = db.scalar(select(func.min(CheckIn.due_at)).where(CheckIn.due_at <= now))
    return now - oldest if oldest else None


@dataclass(slots=True)
class LockedCheckIn:
    """A check-in with its conversation, both locked until the transaction ends; the conversation first, as in a turn."""

    check_in: CheckIn
    conversation_row: Conversation
    state: State
    zone: str | None
    """The person's time zone, if it is not the city's."""


def lock(db: Session, sealer: Sealer, check_in_id: int) -> LockedCheckIn | None:
    """The check-in, locked and freshly read; None if there is none."""
    conversation_id = db.scalar(select(CheckIn.conversation_id).where(CheckIn.id == check_in_id))
    if conversation_id is None:
        return None
    row = conversations.lock_row(db, conversation_id)
    check_in = db.scalar(
        select(CheckIn).where(CheckIn.id == check_in_id).with_for_update().execution_options(populate_existing=True)
    )
    if row is None or check_in is None:
        return None
    return LockedCheckIn(check_in, row, load(sealer.open(row.sealed_state)), db.get_one(Person, row.person_id).zone)


def read(db: Session, sealer: Sealer, check_in_id: int) -> LockedCheckIn | None:
    """Like `lock`, but without locking: for reading in a transaction that holds other rows."""
    check_in = db.get(CheckIn, check_in_id, populate_existing=True)
    if check_in is None:
        return None
    row = db.get_one(Conversation, check_in.conversation_id, populate_existing=True)
    return LockedCheckIn(check_in, row, load(sealer.open(row.sealed_state)), db.get_one(Person, row.person_id).zone)


def postpone(db: Session, row: CheckIn, until: datetime, reason: str, now: datetime) -> None:
    """Postpone it until `until`."""
    row.due_at, row.reason, row.holds = until, reason, row.holds + 1
    add_event(db, row, "held", now, reason=reason)


def mark_asked(db: Session, row: CheckIn, answer_due_at: datetime, now: datetime) -> None:
    """Record that it was asked; no answer by `answer_due_at` counts as silence."""
    row.state = MOVES.move(row.state, "ask")
    row.attempts, row.asked_at, row.due_at, row.reason = row.attempts + 1, now, answer_due_at, None
    add_event(db, row, "asked" if row.attempts == 1 else "asked_again", now)


def schedule_retry(db: Session, row: CheckIn, at: datetime, reason: str, now: datetime) -> None:
    """Plan to ask once more at `at`: the person did not answer, or the text never left."""
    row.state = MOVES.move(row.state, "again")
    row.due_at, row.reason = at, reason
    add_event(db, row, "moved", now, reason=reason)


def end(
    db: Session, row: CheckIn, move: str, now: datetime, *, reason: str | None = None, staff_id: int | None = None
) -> None:
    """End it; `move` is "answer", "miss" or "drop"."""
    row.state = MOVES.move(row.state, move)
    row.due_at, row.ended_at, row.reason = None, now, reason
    add_event(db, row, row.state, now, reason=reason, staff_id=staff_id)


def mark_answered(db: Session, check_in_id: int, now: datetime) -> None:
    """Record that the person has answered.

    This also applies if it was given up or is about to be asked again, but not if a social worker has rescheduled it.
    """
    row = db.get(CheckIn, check_in_id, with_for_update=True)
    if row is not None and row.attempts and MOVES.allows(row.state, "answer"):
        end(db, row, "answer", now)


def make_due_now(db: Session, check_in_id: int | None, now: datetime) -> None:
    """Make an asked check-in due now, because its text did not leave in time."""
    asked_one = (CheckIn.id == check_in_id, CheckIn.state == CheckInState.ASKED.value)
    db.execute(update(CheckIn).where(*asked_one).values(due_at=now))


def was_sent(db: Session, row: CheckIn) -> bool:
    """Whether the latest question left or arrived, as far as is known.

    A question that the carrier could not deliver was never asked, so a missing answer to it is not silence.
    """
    rows = select(Message.id).where(Message.check_in_id == row.id, Message.state.not_in(_NEVER_ARRIVED))
    return db.scalar(rows.where(Message.at >= (row.asked_at or row.made_at)).limit(1)) is not None


def other_waits_until(db: Session, row: CheckIn, conversation_id: int) -> datetime | None:
    """Until when another check-in of this conversation waits for its answer or a retry; None if none does.

    A person who is silent after a crisis must not be lost behind a question about a food pantry.
    """
    waits = CheckIn.state == CheckInState.ASKED.value
    if not row.attempts:
        waits = or_(waits, and_(CheckIn.state == CheckInState.PLANNED.value, CheckIn.attempts > 0))
    rows = select(func.max(CheckIn.due_at)).where(CheckIn.conversation_id == conversation_id, CheckIn.id != row.id, waits)
    return db.scalar(rows)


def count_silences(db: Session, conversation_id: int, limit: int = 5) -> int:
    """How many of the most recently ended check-ins in a row went unanswered."""
    rows = select(CheckIn.state).where(
        CheckIn.conversation_id == conversation_id,
        CheckIn.ended_at.is_not(None),
        CheckIn.state.in_((CheckInState.ANSWERED.value, CheckInState.SILENT.value)),
    )
    count = 0
    for state in db.scalars(rows.order_by(CheckIn.ended_at.desc(), CheckIn.id.desc()).limit(limit)):
        if state != CheckInState.SILENT.value:
            break
        count += 1
    return count


def list_open(db: Session, conversation_id: int) -> Sequence[CheckIn]:
    """Check-ins that are planned or wait for an answer, soonest first."""
    rows = select(CheckIn).where(CheckIn.conversation_id == conversation_id, CheckIn.state.in_(OPEN_STATES))
    return db.scalars(rows.order_by(CheckIn.due_at, CheckIn.id)).all()


def drop_all(
    db: Session,
    conversation_id: int,
    reason: str,
    now: datetime,
    *,
    staff_id: int | None = None,
    include_asked: bool = False,
) -> int:
    """Drop the conversation's planned check-ins (`include_asked`: also those that wait for an answer). Returns how many."""
    rows = [row for row in list_open(db, conversation_id) if include_asked or row.state == CheckInState.PLANNED.value]
    for row in rows:
        end(db, row, "drop", now, reason=reason, staff_id=staff_id)
    return len(rows)


def find_other_conversation(db: Session, locked: LockedCheckIn) -> int | None:
    """Another conversation of the same person that can be texted, for repeating an unanswered question; or None."""
    rows = select(Conversation.id).where(
        Conversation.person_id == locked.conversation_row.person_id,
        Conversation.id != locked.conversation_row.id,
        Conversation.channel.in_(("sms", "whatsapp")),
        ~Conversation.opted_out,
        Conversation.unreachable.is_(None),
    )
    return db.scalar(rows.order_by(Conversation.updated_at.desc()).limit(1))


def move_to_conversation(db: Session, row: CheckIn, conversation_id: int) -> None:
    """Move it to another conversation of the same person."""
    db.execute(update(CheckIn).where(CheckIn.id == row.id).values(conversation_id=conversation_id))
