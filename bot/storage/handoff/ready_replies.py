"""Ready replies: reviewed texts that social workers send with one press. One row for each reply and language."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.database import driver_connection
from bot.storage.tables.staff import StoredReadyReply, Team

_CHANGE_LOCK = 7_267_510_014
"""Key of the advisory lock; any number that no other lock of Warmline uses."""

# Plain SQL: every handoff page lists all replies, and eighty mapped rows cost more than everything else it reads.
_READ = """
select reply.id, reply.slug, reply.language, reply.title, reply.body, team.slug as team
  from ready_reply as reply left join team on team.id = reply.team_id
 where %(all)s or reply.team_id is null or team.slug = any(%(teams)s)
 order by reply.title, reply.slug, reply.language
"""


@dataclass(frozen=True, slots=True)
class ReadyReplyRow:
    """One reply in one language. `team` is a team's slug, or None for all teams."""

    id: int
    slug: str
    language: str
    title: str
    body: str
    team: str | None


def list_all(db: Session) -> list[ReadyReplyRow]:
    """Every reply in every language, by title, then language."""
    return _read(db)


def list_for_language(db: Session, language: str, teams: Collection[str]) -> list[ReadyReplyRow]:
    """The replies that a social worker of these teams may send in this language, by title."""
    return [row for row in _read(db, teams) if row.language == language]


def find(db: Session, slug: str) -> list[ReadyReplyRow]:
    """One reply in all of its languages; [] if there is none."""
    return [row for row in _read(db) if row.slug == slug]


def is_empty(db: Session) -> bool:
    return db.scalar(select(StoredReadyReply.id).limit(1)) is None


def add(db: Session, slug: str, language: str, title: str, body: str, team: str | None, now: datetime) -> None:
    db.add(
        StoredReadyReply(slug=slug, language=language, title=title, body=body, team_id=_team_id(db, team), updated_at=now)
    )
    db.flush()


def lock_changes(db: Session) -> None:
    """Serialise changes to the replies: a new title has no row yet that could be locked."""
    db.execute(select(func.pg_advisory_xact_lock(_CHANGE_LOCK)))


def rows_by_language(db: Session, slug: str) -> dict[str, StoredReadyReply]:
    """The rows of one reply by language, for updating."""
    found = db.scalars(select(StoredReadyReply).where(StoredReadyReply.slug == slug)).all()
    return {row.language: row for row in found}


def update(db: Session, row: StoredReadyReply, title: str, body: str, team: str | None, now: datetime) -> None:
    row.title, row.body, row.team_id, row.updated_at = title, body, _team_id(db, team), now


def remove(db: Session, row: StoredReadyReply) -> None:
    db.delete(row)


def _read(db: Session, teams: Collection[str] | None = None) -> list[ReadyReplyRow]:
    # Replies are changed through the mapped classes and read back in the same transaction.
    db.flush()
    params = {"all": teams is None, "teams": list(teams or ())}
    return driver_connection(db).cursor(row_factory=class_row(ReadyReplyRow)).execute(_READ, params).fetchall()


def _team_id(db: Session, slug: str | None) -> int | None:
    return db.scalar(select(Team.id).where(Team.slug == slug)) if slug else None
