"""Requests to publish drafts that wait for a second reviewer or a scheduled time, and their outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from bot.storage.tables.staff import Staff, Team
from bot.storage.tables.studio import PublishRequest


class PublishRequestState(StrEnum):
    WAITING = "waiting"
    """For a second reviewer."""
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"
    """At the scheduled time the drafts no longer passed the checks."""


OPEN_STATES = (PublishRequestState.WAITING, PublishRequestState.SCHEDULED)


@dataclass(frozen=True, slots=True)
class PublishRequestView:
    """A requested publication. `revisions`: flow -> id of the revision that was reviewed."""

    id: int
    revisions: dict[str, int]
    reasons: dict[str, dict[str, str]]
    """Key of a warning -> its text, and why to publish nevertheless."""
    moves: dict[str, dict[str, str]]
    """Flow -> {old step: new step} for live conversations that are to be moved."""
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
        return self.state in OPEN_STATES


def add(
    db: Session,
    revisions: Mapping[str, int],
    staff_id: int,
    now: datetime,
    *,
    state: PublishRequestState,
    needs_second: bool,
    why: str,
    reasons: Mapping[str, Mapping[str, str]],
    moves: Mapping[str, Mapping[str, str]],
    due_at: datetime | None,
) -> int:
    """Add a request; returns its id."""
    row = PublishRequest(
        revisions=dict(revisions),
        reasons={key: dict(each) for key, each in reasons.items()},
        moves={flow: dict(steps) for flow, steps in moves.items()},
        why=why,
        state=state,
        needs_second=needs_second,
        staff_id=staff_id,
        made_at=now,
        due_at=due_at,
    )
    db.add(row)
    db.flush()
    return row.id


def find(db: Session, request_id: int) -> PublishRequestView | None:
    return next(iter(_fetch(db, PublishRequest.id == request_id)), None)


def lock(db: Session, request_id: int) -> PublishRequestView | None:
    """The request, locked until the transaction ends, or None."""
    held = select(PublishRequest).where(PublishRequest.id == request_id).with_for_update()
    db.scalar(held.execution_options(populate_existing=True))
    return find(db, request_id)


def list_open(db: Session) -> list[PublishRequestView]:
    """All open requests, oldest first."""
    return list(reversed(_fetch(db, PublishRequest.state.in_(OPEN_STATES))))


def list_decided(db: Session, limit: int = 20) -> list[PublishRequestView]:
    """The requests that are no longer open, newest first."""
    return _fetch(db, PublishRequest.state.not_in(OPEN_STATES), limit=limit)


def due_ids(db: Session, now: datetime) -> list[int]:
    """Ids of the scheduled requests that are due, by their time."""
    rows = select(PublishRequest.id).where(
        PublishRequest.state == PublishRequestState.SCHEDULED, PublishRequest.due_at <= now
    )
    return list(db.scalars(rows.order_by(PublishRequest.due_at, PublishRequest.id)))


def set_state(
    db: Session,
    request_id: int,
    state: PublishRequestState,
    now: datetime,
    *,
    decided_by: int | None = None,
    explanation: str = "",
) -> None:
    """Change a request's state. `decided_by` None keeps the earlier reviewer (of a scheduled request)."""
    row = db.get_one(PublishRequest, request_id)
    row.state = state
    if decided_by is not None:
        row.decided_by = decided_by
    row.decided_at, row.told = now, explanation
    db.flush()


def second_look_teams(db: Session) -> frozenset[str]:
    """Slugs of the teams whose flows need a second reviewer before they are published."""
    return frozenset(db.scalars(select(Team.slug).where(Team.second_look)))


def _fetch(db: Session, condition: ColumnElement[bool], limit: int | None = None) -> list[PublishRequestView]:
    row, by, decider = PublishRequest, aliased(Staff), aliased(Staff)
    columns = (
        row.id, row.revisions, row.reasons, row.moves, row.why, row.state, row.needs_second, row.staff_id, by.name,
        row.made_at, row.due_at, row.decided_by, func.coalesce(decider.name, ""), row.decided_at, row.told,
    )  # fmt: skip
    query = select(*columns).join(by, by.id == row.staff_id).outerjoin(decider, decider.id == row.decided_by)
    return [PublishRequestView(*found) for found in db.execute(query.where(condition).order_by(row.id.desc()).limit(limit))]
