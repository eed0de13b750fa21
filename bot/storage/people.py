"""Finding people among those that a member of staff may see. Every search starts from handoffs: whom nobody was called
for, no member of staff has a reason to look up by lists or names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from bot.domain.message import Address
from bot.domain.permissions import ANYONE
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import CallOut, Staff
from bot.storage.tables import Conversation, Handoff, Person

PAGE = 25
MOST_NAMES = 500
"""Names are sealed, so each that is compared has to be opened first."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who searches: their id, and the slugs of their teams."""

    staff_id: int
    teams: Collection[str]


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None means whatever. `state` is a handoff's, or "open". Times are aware UTC, `before` not
    included; `below` is the last handoff of the page before."""

    team: str | None = None
    language: str | None = None
    state: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One time that a person was handed to us. `owner` is the name of who has or had them, "" for nobody."""

    handoff: Handoff
    conversation: Conversation
    sealed_name: str | None
    owner: str


def may_see(viewer: Viewer) -> ColumnElement[bool]:
    """The rule of `bot.domain.permissions.may_see` as a condition on a handoff."""
    called = exists().where(CallOut.handoff_id == Handoff.id, CallOut.staff_id == viewer.staff_id)
    mine = or_(Handoff.owner_id == viewer.staff_id, Handoff.offered_to_id == viewer.staff_id)
    return or_(Handoff.team.in_([*viewer.teams, ANYONE]), mine, called)


def by_handoff(db: Session, viewer: Viewer, sought: Filter, limit: int = PAGE) -> list[Found]:
    """Handoffs that the viewer may see and the filter finds, newest first; one more than `limit` shows that there are."""
    rows = _rows().where(may_see(viewer), *_conditions(sought))
    return _found(db, rows.order_by(Handoff.id.desc()).limit(limit + 1))


def _conditions(sought: Filter) -> Iterator[ColumnElement[bool]]:
    if sought.team is not None:
        yield Handoff.team == sought.team
    if sought.language is not None:
        yield Handoff.language == sought.language
    if sought.state is not None:
        yield Handoff.state != "closed" if sought.state == "open" else Handoff.state == sought.state
    if sought.since is not None:
        yield Handoff.opened_at >= sought.since
    if sought.before is not None:
        yield Handoff.opened_at < sought.before
    if sought.below is not None:
        yield Handoff.id < sought.below


def held_by(db: Session, staff_id: int) -> list[Found]:
    """The people whom this social worker has now, newest first."""
    rows = _rows().where(Handoff.owner_id == staff_id, Handoff.state != "closed")
    return _found(db, rows.order_by(Handoff.id.desc()).limit(50))


def with_names(db: Session, viewer: Viewer, since: datetime) -> list[Found]:
    """People whose name is known, with an open handoff or one that the viewer talked in since; newest first, each once.

    MOST_NAMES at most of either kind.
    """
    named = _rows().where(Person.sealed_name.is_not(None), Person.erased_at.is_(None))
    is_open = and_(Handoff.state != "closed", may_see(viewer))
    mine = and_(Handoff.owner_id == viewer.staff_id, Handoff.spoke_at >= since)
    found = [
        row
        for condition in (is_open, mine)
        for row in _found(db, named.where(condition).order_by(Handoff.id.desc()).limit(MOST_NAMES))
    ]
    newest = sorted(found, key=lambda row: row.handoff.id, reverse=True)
    return list({row.conversation.id: row for row in reversed(newest)}.values())[::-1]


def with_addresses(db: Session, sealer: Sealer, addresses: Iterable[Address]) -> list[int]:
    """The conversations with any of these addresses, by the blind index."""
    lookups = [sealer.index(address) for address in addresses]
    return list(db.scalars(select(Conversation.id).where(Conversation.lookup.in_(lookups)).order_by(Conversation.id)))


def of_same_person(db: Session, conversation: Conversation) -> Sequence[Conversation]:
    """The other conversations of the same person, newest first."""
    rows = select(Conversation).where(Conversation.person_id == conversation.person_id, Conversation.id != conversation.id)
    return db.scalars(rows.order_by(Conversation.id.desc()).limit(20)).all()


def _rows() -> Any:
    return (
        select(Handoff, Conversation, Person.sealed_name, Staff.name)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .join(Person, Person.id == Conversation.person_id)
        .outerjoin(Staff, Staff.id == Handoff.owner_id)
    )


def _found(db: Session, rows: Any) -> list[Found]:
    return [Found(row[0], row[1], row[2], row[3] or "") for row in db.execute(rows)]
