"""The reviewed replies that social workers send with one press: one row for each reply and language."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.database import plain
from bot.storage.staff_tables import CannedReply, Team

_CHANGING = 7_267_510_014
"""Any number that no other advisory lock of ours uses."""

# Plain SQL: every page of a handoff offers all replies, and eighty mapped rows cost more than all else that it reads.
_READ = """
select reply.id, reply.slug, reply.language, reply.title, reply.body, team.slug as team
  from canned_reply as reply left join team on team.id = reply.team_id
 where %(all)s or reply.team_id is null or team.slug = any(%(teams)s)
 order by reply.title, reply.slug, reply.language
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """One reply in one language. `team` is a team's slug, or None for all teams."""

    id: int
    slug: str
    language: str
    title: str
    body: str
    team: str | None


def everything(db: Session) -> list[Stored]:
    """Every reply in every language, by title, then language."""
    return _read(db)


def offered(db: Session, language: str, teams: Collection[str]) -> list[Stored]:
    """What a worker of these teams may send to a person of this language, by title."""
    return [row for row in _read(db, teams) if row.language == language]


def find(db: Session, slug: str) -> list[Stored]:
    """One reply in the languages that it has; [] for an unknown one."""
    return [row for row in _read(db) if row.slug == slug]


def is_empty(db: Session) -> bool:
    return db.scalar(select(CannedReply.id).limit(1)) is None


def add(db: Session, slug: str, language: str, title: str, body: str, team: str | None, now: datetime) -> None:
    db.add(CannedReply(slug=slug, language=language, title=title, body=body, team_id=_team_id(db, team), updated_at=now))
    db.flush()


def one_at_a_time(db: Session) -> None:
    """Whoever changes replies waits here for the others: a new title cannot be locked by its row, which is not there."""
    db.execute(select(func.pg_advisory_xact_lock(_CHANGING)))


def rows(db: Session, slug: str) -> dict[str, CannedReply]:
    """The rows of one reply by language, to be changed."""
    found = db.scalars(select(CannedReply).where(CannedReply.slug == slug)).all()
    return {row.language: row for row in found}


def change(db: Session, row: CannedReply, title: str, body: str, team: str | None, now: datetime) -> None:
    row.title, row.body, row.team_id, row.updated_at = title, body, _team_id(db, team), now


def remove(db: Session, row: CannedReply) -> None:
    db.delete(row)


def _read(db: Session, teams: Collection[str] | None = None) -> list[Stored]:
    # Who changes replies does it through the mapped classes, and reads them back in the same transaction.
    db.flush()
    params = {"all": teams is None, "teams": list(teams or ())}
    return plain(db).cursor(row_factory=class_row(Stored)).execute(_READ, params).fetchall()


def _team_id(db: Session, slug: str | None) -> int | None:
    return db.scalar(select(Team.id).where(Team.slug == slug)) if slug else None
