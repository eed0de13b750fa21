"""What the supervisor's board shows: who waits, who was called, who holds what, whose telephone is dead.

Nothing here opens a sealed column: the board names rows, people of the staff and fixed words, never what a resident wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from bot.domain.handoff import HELD, UNCLAIMED
from bot.domain.permissions import may_see
from bot.domain.promises import Event
from bot.domain.safety.levels import Urgency
from bot.storage.staff_tables import CallOut, HandoffEvent, Staff, StaffThread, Team
from bot.storage.tables import Handoff


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody was called for a handoff; `answer` is None while the call is open."""

    handoff_id: int
    staff_id: int
    name: str
    rung: int
    raised_at: datetime
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody of the staff, as the board shows them. `load`: how many open handoffs they own."""

    id: int
    name: str
    languages: tuple[str, ...]
    load: int
    capacity: int
    has_phone: bool


@dataclass(frozen=True, slots=True)
class DeadThread:
    """A way to somebody of the staff by which nothing can be sent. `why` is "opted_out" or a carrier's word."""

    staff_id: int
    name: str
    channel: str
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A person wrote and their social worker has not answered since."""

    handoff: Handoff
    owner: str


def waiting(db: Session) -> Sequence[Handoff]:
    """Open handoffs that nobody has."""
    states = [state.value for state in UNCLAIMED]
    return db.scalars(select(Handoff).where(Handoff.state.in_(states)).order_by(Handoff.opened_at)).all()


def calls(db: Session, handoff_ids: Collection[int]) -> list[Call]:
    """Who was called for these, in the order of the calls."""
    rows = db.execute(
        select(CallOut, Staff.name)
        .join(Staff, Staff.id == CallOut.staff_id)
        .where(CallOut.handoff_id.in_(handoff_ids))
        .order_by(CallOut.id)
    )
    return [
        Call(row.handoff_id, row.staff_id, name, row.rung, row.raised_at, row.answer, row.answered_at) for row, name in rows
    ]


def unanswered(db: Session, before: datetime) -> list[HeldRow]:
    """Held conversations whose oldest unanswered text came before this moment, oldest first."""
    rows = (
        select(Handoff, Staff.name)
        .join(Staff, Staff.id == Handoff.owner_id)
        .where(Handoff.state.in_([state.value for state in HELD]), Handoff.unanswered_since < before)
        .order_by(Handoff.unanswered_since)
    )
    return [HeldRow(handoff, name) for handoff, name in db.execute(rows)]


def workers(db: Session, staff_ids: Collection[int]) -> dict[int, Worker]:
    """These members of staff with what they hold."""
    held = (
        select(func.count())
        .where(Handoff.owner_id == Staff.id, Handoff.state.in_([state.value for state in HELD]))
        .correlate(Staff)
        .scalar_subquery()
    )
    rows = db.execute(select(Staff, held).where(Staff.id.in_(staff_ids)))
    return {
        staff.id: Worker(staff.id, staff.name, tuple(staff.languages), load, staff.capacity, staff.sealed_phone is not None)
        for staff, load in rows
    }


def dead_threads(db: Session) -> list[DeadThread]:
    """Ways to people who still work here by which nothing can be sent."""
    rows = (
        select(StaffThread, Staff.name)
        .join(Staff, Staff.id == StaffThread.staff_id)
        .where(Staff.active, or_(StaffThread.opted_out, StaffThread.unreachable.is_not(None)))
        .order_by(Staff.name, StaffThread.id)
    )
    return [
        DeadThread(row.staff_id, name, row.channel, row.line, "opted_out" if row.opted_out else row.unreachable or "")
        for row, name in db.execute(rows)
    ]


def teams(db: Session) -> dict[str, str]:
    """Every team's slug and name, by name."""
    return {row.slug: row.name for row in db.execute(select(Team.slug, Team.name).order_by(Team.name))}


def changed_since(db: Session, since: datetime) -> list[tuple[int, int, str]]:
    """Handoffs to which anything happened from then on: number, conversation, urgency."""
    rows = select(Handoff.id, Handoff.conversation_id, Handoff.urgency).where(Handoff.updated_at >= since)
    return [(number, conversation_id, urgency) for number, conversation_id, urgency in db.execute(rows.order_by(Handoff.id))]


def events(db: Session, handoff_ids: Collection[int]) -> dict[int, list[Event]]:
    """What happened to these handoffs, each in its order."""
    rows = select(HandoffEvent).where(HandoffEvent.handoff_id.in_(handoff_ids)).order_by(HandoffEvent.id)
    found: dict[int, list[Event]] = {number: [] for number in handoff_ids}
    for row in db.scalars(rows):
        urgency = row.detail.get("urgency")
        found[row.handoff_id].append(Event(row.kind, row.at, Urgency(urgency) if urgency else None))
    return found


def visible(db: Session, handoff_ids: Collection[int], staff_id: int, teams: Collection[str]) -> frozenset[int]:
    """Which of these handoffs somebody of these teams may open (bot/domain/permissions.py, `may_see`)."""
    rows = db.execute(
        select(Handoff.id, Handoff.team, Handoff.owner_id, Handoff.offered_to_id).where(Handoff.id.in_(handoff_ids))
    )
    called = set(
        db.scalars(select(CallOut.handoff_id).where(CallOut.handoff_id.in_(handoff_ids), CallOut.staff_id == staff_id))
    )
    return frozenset(
        number
        for number, team, owner, offered in rows
        if may_see(team, teams, is_called=staff_id in (owner, offered) or number in called)
    )
