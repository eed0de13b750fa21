"""Whose session it is: what every page of the console needs to know of who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.staff_tables import Audit, Membership, Role, Staff, Team, staff_role


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody of the staff, as the doors know them."""

    id: int
    name: str
    called: str
    email: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    languages: tuple[str, ...]


def find_active(db: Session, fs_uniquifier: str) -> Account | None:
    """Whose session this is; None where they were deactivated or have left, or their sessions were ended.

    It is one statement, since every request of the console asks it.
    """
    roles = (
        select(func.coalesce(func.array_agg(Role.name), []))
        .join(staff_role, staff_role.c.role_id == Role.id)
        .where(staff_role.c.staff_id == Staff.id)
        .scalar_subquery()
    )
    teams = (
        select(func.coalesce(func.array_agg(Team.slug), []))
        .join(Membership, Membership.team_id == Team.id)
        .where(Membership.staff_id == Staff.id)
        .scalar_subquery()
    )
    row = db.execute(
        select(Staff.id, Staff.name, Staff.called, Staff.email, roles, teams, Staff.languages).where(
            Staff.fs_uniquifier == fs_uniquifier, Staff.active, Staff.left_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return Account(row[0], row[1], row[2], row[3], tuple(row[4]), tuple(row[5]), tuple(row[6]))


def did_lately(db: Session, staff_id: int, act: str, since: datetime) -> bool:
    """Whether the audit has this act of theirs since that moment."""
    found = select(Audit.id).where(Audit.staff_id == staff_id, Audit.act == act, Audit.at > since).limit(1)
    return db.scalar(found) is not None
