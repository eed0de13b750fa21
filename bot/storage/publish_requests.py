"""Publications that wait for a second person or for their time, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from bot.storage.staff_tables import Staff, Team
from bot.storage.studio_tables import PublishRequest


class State(StrEnum):
    WAITING = "waiting"
    """For a second person."""
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"
    """Its time came, and what it would have published did not pass the checks any more."""


OPEN = (State.WAITING, State.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Request:
    """A publication that was asked for. `revisions`: flow -> id of the revision that was looked at."""

    id: int
    revisions: dict[str, int]
    reasons: dict[str, dict[str, str]]
    """Key of a warning -> its words, and why it is to be published all the same."""
    moves: dict[str, dict[str, str]]
    """Flow -> {old step: new step} for live conversations that are to move along."""
    why: str
    state: str
    needs_second: bool
    staff_id: int
    by: str
    made_at: datetime
    due_at: datetime | None
    decided_by: int | None
    decider: str
    decided_at: datetime | None
    told: str

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


def add(
    db: Session, revisions: Mapping[str, int], staff_id: int, now: datetime, *, state: State, needs_second: bool, why: str,
    reasons: Mapping[str, Mapping[str, str]], moves: Mapping[str, Mapping[str, str]], due_at: datetime | None,
) -> int:  # fmt: skip
    """Write a request down; returns its id."""
    row = PublishRequest(
        revisions=dict(revisions), reasons={key: dict(each) for key, each in reasons.items()},
        moves={flow: dict(steps) for flow, steps in moves.items()},
        why=why, state=state, needs_second=needs_second, staff_id=staff_id, made_at=now, due_at=due_at,
    )  # fmt: skip
    db.add(row)
    db.flush()
    return row.id


def find(db: Session, request_id: int) -> Request | None:
    return next(iter(_where(db, PublishRequest.id == request_id)), None)


def lock(db: Session, request_id: int) -> Request | None:
    """The request, which nobody else decides until the transaction ends."""
    held = select(PublishRequest).where(PublishRequest.id == request_id).with_for_update()
    db.scalar(held.execution_options(populate_existing=True))
    return find(db, request_id)


def waiting(db: Session) -> list[Request]:
    """All that wait, the oldest first."""
    return list(reversed(_where(db, PublishRequest.state.in_(OPEN))))


def decided(db: Session, limit: int = 20) -> list[Request]:
    """What became of the others, the newest first."""
    return _where(db, PublishRequest.state.not_in(OPEN), limit=limit)


def due(db: Session, now: datetime) -> list[int]:
    """The ids of those whose time has come, in the order of their times."""
    rows = select(PublishRequest.id).where(PublishRequest.state == State.SCHEDULED, PublishRequest.due_at <= now)
    return list(db.scalars(rows.order_by(PublishRequest.due_at, PublishRequest.id)))


def settle(
    db: Session, request_id: int, state: State, now: datetime, *, decided_by: int | None = None, told: str = ""
) -> None:
    """Give a request another state. Who approved it stays where its time comes later."""
    row = db.get_one(PublishRequest, request_id)
    row.state = state
    if decided_by is not None:
        row.decided_by = decided_by
    row.decided_at, row.told = now, told
    db.flush()


def careful_teams(db: Session) -> frozenset[str]:
    """The slugs of the teams for which a second person looks before a flow is published."""
    return frozenset(db.scalars(select(Team.slug).where(Team.second_look)))


def _where(db: Session, condition: ColumnElement[bool], limit: int | None = None) -> list[Request]:
    row, by, decider = PublishRequest, aliased(Staff), aliased(Staff)
    columns = (
        row.id, row.revisions, row.reasons, row.moves, row.why, row.state, row.needs_second, row.staff_id, by.name,
        row.made_at, row.due_at, row.decided_by, func.coalesce(decider.name, ""), row.decided_at, row.told,
    )  # fmt: skip
    query = select(*columns).join(by, by.id == row.staff_id).outerjoin(decider, decider.id == row.decided_by)
    return [Request(*found) for found in db.execute(query.where(condition).order_by(row.id.desc()).limit(limit))]
