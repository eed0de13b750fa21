"""Promises to ask again, each a row with the time at which it must be looked at next, and a row for all that happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from bot.domain.check_in import MOVES, CheckInState
from bot.domain.conversation import Conversation as State
from bot.domain.conversation import load
from bot.domain.delivery import State as Sending
from bot.domain.effects import Reason
from bot.storage.sealing import Sealer
from bot.storage.tables import CheckIn, CheckInEvent, Conversation, Handoff, Message, Person

AFTER_CRISIS = timedelta(days=30)
"""A check-in that is planned so soon after a danger follows that danger."""
CRISIS_TEAM = "crisis"
OPEN = (CheckInState.PLANNED.value, CheckInState.ASKED.value)
_NEVER_ARRIVED = (Sending.DROPPED.value, Sending.FAILED.value, Sending.UNDELIVERED.value)


def plan(
    db: Session, conversation_id: int, flow: str, due: Sequence[datetime], now: datetime, *, staff_id: int | None = None,
    after_crisis: bool | None = None,
) -> list[CheckIn]:  # fmt: skip
    """A row for each of these times (aware UTC). `after_crisis` None: as the handoffs of the last weeks say.

    A time for which this very flow is planned already, within an hour, is not planned twice: a flow may be walked again.
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
        note(db, row, "planned", now, staff_id=staff_id)
    return rows


def was_in_danger(db: Session, conversation_id: int, now: datetime) -> bool:
    """Whether a human was called for a danger of this person in the last weeks, or they asked for the crisis team."""
    rows = select(Handoff.id).where(
        Handoff.conversation_id == conversation_id,
        or_(Handoff.reason == Reason.DANGER.value, Handoff.team == CRISIS_TEAM),
        Handoff.opened_at > now - AFTER_CRISIS,
    )
    return db.scalar(rows.limit(1)) is not None


def note(
    db: Session, row: CheckIn, kind: str, now: datetime, *, reason: str | None = None, staff_id: int | None = None
) -> None:
    """Write down what happened and when it is looked at next."""
    db.add(CheckInEvent(check_in_id=row.id, kind=kind, reason=reason, due_at=row.due_at, staff_id=staff_id, at=now))


def due(db: Session, now: datetime, limit: int = 200) -> list[int]:
    """Those that must be looked at now, the longest overdue first. Not locked: the lock decides who gets one."""
    rows = select(CheckIn.id).where(CheckIn.due_at <= now).order_by(CheckIn.due_at).limit(limit)
    return list(db.scalars(rows))


def oldest_due(db: Session, now: datetime) -> timedelta | None:
    """For how long the most overdue one has waited; None where nothing is due."""
    oldest = db.scalar(select(func.min(CheckIn.due_at)).where(CheckIn.due_at <= now))
    return now - oldest if oldest else None


@dataclass(slots=True)
class Locked:
    """A check-in with its person's conversation, both locked until the transaction ends, the conversation first as in a
    turn."""

    check_in: CheckIn
    row: Conversation
    state: State
    zone: str | None
    """The person's own, where it is not the city's."""


def lock(db: Session, sealer: Sealer, check_in_id: int) -> Locked | None:
    """The check-in, locked and fresh; None where there is none."""
    conversation_id = db.scalar(select(CheckIn.conversation_id).where(CheckIn.id == check_in_id))
    if conversation_id is None:
        return None
    fresh = {"populate_existing": True}
    row = db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .execution_options(**fresh)
    )
    check_in = db.scalar(select(CheckIn).where(CheckIn.id == check_in_id).with_for_update().execution_options(**fresh))
    if row is None or check_in is None:
        return None
    return Locked(check_in, row, load(sealer.open(row.sealed_state)), db.get_one(Person, row.person_id).zone)


def read(db: Session, sealer: Sealer, check_in_id: int) -> Locked | None:
    """As `lock`, without a lock: what is only looked at, in a transaction that holds other rows."""
    check_in = db.get(CheckIn, check_in_id, populate_existing=True)
    if check_in is None:
        return None
    row = db.get_one(Conversation, check_in.conversation_id, populate_existing=True)
    return Locked(check_in, row, load(sealer.open(row.sealed_state)), db.get_one(Person, row.person_id).zone)


def hold(db: Session, row: CheckIn, until: datetime, reason: str, now: datetime) -> None:
    """Not now: it is looked at again `until`."""
    row.due_at, row.reason, row.holds = until, reason, row.holds + 1
    note(db, row, "held", now, reason=reason)


def asked(db: Session, row: CheckIn, silent_at: datetime, now: datetime) -> None:
    """It was asked; nobody having answered by `silent_at` is silence."""
    row.state = MOVES.move(row.state, "ask")
    row.attempts, row.asked_at, row.due_at, row.reason = row.attempts + 1, now, silent_at, None
    note(db, row, "asked" if row.attempts == 1 else "asked_again", now)


def ask_again(db: Session, row: CheckIn, at: datetime, reason: str, now: datetime) -> None:
    """Nobody answered, or it never left: it is asked once more `at`."""
    row.state = MOVES.move(row.state, "again")
    row.due_at, row.reason = at, reason
    note(db, row, "moved", now, reason=reason)


def end(
    db: Session, row: CheckIn, move: str, now: datetime, *, reason: str | None = None, staff_id: int | None = None
) -> None:
    """It is over: `move` is answer, miss or drop."""
    row.state = MOVES.move(row.state, move)
    row.due_at, row.ended_at, row.reason = None, now, reason
    note(db, row, row.state, now, reason=reason, staff_id=staff_id)


def answered(db: Session, check_in_id: int, now: datetime) -> None:
    """The person has written. One that was given up already, or is about to be asked again, is answered all the same; one
    that a worker has planned anew is not."""
    row = db.get(CheckIn, check_in_id, with_for_update=True)
    if row is not None and row.attempts and MOVES.allows(row.state, "answer"):
        end(db, row, "answer", now)


def look_again(db: Session, check_in_id: int | None, now: datetime) -> None:
    """Its text did not leave in time: it is decided anew, now."""
    asked_one = (CheckIn.id == check_in_id, CheckIn.state == CheckInState.ASKED.value)
    db.execute(update(CheckIn).where(*asked_one).values(due_at=now))


def has_left(db: Session, row: CheckIn) -> bool:
    """Whether what was asked last is on its way or arrived, as far as is known: what a carrier could not bring was never
    asked, and no answer to it is no silence."""
    rows = select(Message.id).where(Message.check_in_id == row.id, Message.state.not_in(_NEVER_ARRIVED))
    return db.scalar(rows.where(Message.at >= (row.asked_at or row.made_at)).limit(1)) is not None


def another_until(db: Session, row: CheckIn, conversation_id: int) -> datetime | None:
    """Until when another one of this conversation waits for its answer, or to be asked once more: whoever is silent after a
    crisis must not be lost behind a question about a food pantry."""
    waits = CheckIn.state == CheckInState.ASKED.value
    if not row.attempts:
        waits = or_(waits, and_(CheckIn.state == CheckInState.PLANNED.value, CheckIn.attempts > 0))
    rows = select(func.max(CheckIn.due_at)).where(CheckIn.conversation_id == conversation_id, CheckIn.id != row.id, waits)
    return db.scalar(rows)


def silences(db: Session, conversation_id: int, limit: int = 5) -> int:
    """How many of the newest ones that ended went unanswered one after the other."""
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


def open_ones(db: Session, conversation_id: int) -> Sequence[CheckIn]:
    """Those that are planned or wait for an answer, soonest first."""
    rows = select(CheckIn).where(CheckIn.conversation_id == conversation_id, CheckIn.state.in_(OPEN))
    return db.scalars(rows.order_by(CheckIn.due_at, CheckIn.id)).all()


def drop_all(
    db: Session, conversation_id: int, reason: str, now: datetime, *, staff_id: int | None = None, also_asked: bool = False
) -> int:
    """None of the person's check-ins is asked any more (`also_asked`: nor is an answer waited for). Returns how many."""
    rows = [row for row in open_ones(db, conversation_id) if also_asked or row.state == CheckInState.PLANNED.value]
    for row in rows:
        end(db, row, "drop", now, reason=reason, staff_id=staff_id)
    return len(rows)


def other_address(db: Session, locked: Locked) -> int | None:
    """Another conversation of the same person to which texts can be sent, for a question that went unanswered."""
    rows = select(Conversation.id).where(
        Conversation.person_id == locked.row.person_id,
        Conversation.id != locked.row.id,
        Conversation.channel.in_(("sms", "whatsapp")),
        ~Conversation.opted_out,
        Conversation.unreachable.is_(None),
    )
    return db.scalar(rows.order_by(Conversation.updated_at.desc()).limit(1))


def move_to(db: Session, row: CheckIn, conversation_id: int) -> None:
    """It goes on at another address of the same person."""
    db.execute(update(CheckIn).where(CheckIn.id == row.id).values(conversation_id=conversation_id))
