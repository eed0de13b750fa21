"""The signed-in staff member's account, read by every console request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.database import driver_connection
from bot.storage.tables.staff import Audit, Staff


@dataclass(frozen=True, slots=True)
class Account:
    """A signed-in staff member. `called` is the first name residents see; `teams` are slugs."""

    id: int
    name: str
    called: str
    email: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    languages: tuple[str, ...]


_FIND_ACTIVE = """
select s.id, s.name, s.called, s.email,
       array(select r.name from staff_role sr join role r on r.id = sr.role_id where sr.staff_id = s.id),
       array(select t.slug from membership m join team t on t.id = m.team_id where m.staff_id = s.id),
       s.languages
  from staff s where s.fs_uniquifier = %s and s.active and s.left_at is null
"""


def find_active(db: Session, fs_uniquifier: str) -> Account | None:
    """The owner of this session; None if they were deactivated, have left, or their sessions were ended.

    One plain SQL statement, because every console request runs it.
    """
    row = driver_connection(db).execute(_FIND_ACTIVE, (fs_uniquifier,)).fetchone()
    if row is None:
        return None
    return Account(row[0], row[1], row[2], row[3], tuple(row[4]), tuple(row[5]), tuple(row[6]))


def key_of_active(db: Session, staff_id: int) -> str | None:
    """The account's key, which changes with its password; None if they were deactivated, have left, or do not exist."""
    return db.scalar(select(Staff.fs_uniquifier).where(Staff.id == staff_id, Staff.active, Staff.left_at.is_(None)))


def has_recent_act(db: Session, staff_id: int, act: str, since: datetime) -> bool:
    """Whether the audit log has this act by this staff member after `since`."""
    found = select(Audit.id).where(Audit.staff_id == staff_id, Audit.act == act, Audit.at > since).limit(1)
    return db.scalar(found) is not None
