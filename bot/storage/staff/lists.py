"""Staff and teams as listed on the admins' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.handoff.states import HELD_STATES
from bot.domain.staff.permissions import Role
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.storage.tables.residents import Handoff
from bot.storage.tables.staff import Membership, Staff, Team
from bot.storage.tables.staff import Role as RoleRow


@dataclass(frozen=True, slots=True)
class StaffListRow:
    """One staff member. `phone` is only the last two characters of their telephone, or ""; `teams` are slugs."""

    id: int
    name: str
    called: str
    email: str
    tells_name: bool
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    languages: tuple[str, ...]
    skills: tuple[str, ...]
    communities: tuple[str, ...]
    capacity: int
    phone: str
    has_second_factor: bool
    seen_at: datetime | None
    has_signed_in: bool
    locked_until: datetime | None
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class TeamRow:
    id: int
    slug: str
    name: str
    members: tuple[str, ...]
    """The names of the active members."""
    second_look: bool = False
    """Whether flows that hand people to this team need a second reviewer before they are published."""


def list_staff(db: Session, sealer: Sealer) -> list[StaffListRow]:
    """All current and former staff; current ones first, by name."""
    rows = db.scalars(select(Staff).order_by(Staff.left_at.is_not(None), Staff.name, Staff.id)).all()
    teams = _teams(db)
    return [_listed(row, teams.get(row.id, ()), sealer) for row in rows]


def list_names(db: Session) -> list[tuple[int, str]]:
    """All present and former staff as (id, name), by name."""
    rows = db.execute(select(Staff.id, Staff.name).order_by(Staff.name, Staff.id))
    return [(number, name) for number, name in rows]


def find_staff(db: Session, sealer: Sealer, staff_id: int) -> StaffListRow | None:
    row = db.get(Staff, staff_id)
    return _listed(row, _teams(db).get(staff_id, ()), sealer) if row else None


def list_teams(db: Session) -> list[TeamRow]:
    """Every team by name, with its active members."""
    rows = db.execute(
        select(Membership.team_id, Staff.name)
        .join(Staff, Staff.id == Membership.staff_id)
        .where(Staff.active, Staff.left_at.is_(None))
        .order_by(Staff.name)
    )
    members: dict[int, list[str]] = {}
    for team_id, name in rows:
        members.setdefault(team_id, []).append(name)
    return [
        TeamRow(team.id, team.slug, team.name, tuple(members.get(team.id, ())), team.second_look)
        for team in staff.list_teams(db)
    ]


def count_other_admins(db: Session, staff_id: int) -> int:
    """The number of active admins other than this one. Concurrent callers wait for each other: otherwise two admins who
    remove each other's role at the same time would leave none."""
    role = db.scalar(select(RoleRow).where(RoleRow.name == Role.ADMIN.value).with_for_update())
    return len([row for row in staff.list_with_role(db, Role.ADMIN) if row.id != staff_id]) if role else 0


def list_held_by(db: Session, staff_id: int) -> Sequence[int]:
    """Ids of the handoffs that this staff member has."""
    states = [state.value for state in HELD_STATES]
    rows = select(Handoff.id).where(Handoff.owner_id == staff_id, Handoff.state.in_(states))
    return db.scalars(rows.order_by(Handoff.id)).all()


def list_offered_to(db: Session, staff_id: int) -> Sequence[int]:
    """Ids of the handoffs that a colleague has offered to this staff member."""
    states = [state.value for state in HELD_STATES]
    rows = select(Handoff.id).where(Handoff.offered_to_id == staff_id, Handoff.state.in_(states))
    return db.scalars(rows.order_by(Handoff.id)).all()


def _teams(db: Session) -> dict[int, tuple[str, ...]]:
    slugs = func.array_agg(Team.slug)
    rows = db.execute(
        select(Membership.staff_id, slugs).join(Team, Team.id == Membership.team_id).group_by(Membership.staff_id)
    )
    return {staff_id: tuple(sorted(found)) for staff_id, found in rows}


def _listed(row: Staff, teams: tuple[str, ...], sealer: Sealer) -> StaffListRow:
    address = staff.phone_of(sealer, row)
    return StaffListRow(
        id=row.id,
        name=row.name,
        called=row.called,
        email=row.email,
        tells_name=row.tells_name,
        roles=tuple(role.name for role in row.roles),
        teams=teams,
        languages=tuple(row.languages),
        skills=tuple(row.skills),
        communities=tuple(row.communities),
        capacity=row.capacity,
        phone=address.value[-2:] if address else "",
        has_second_factor=bool(row.tf_primary_method),
        seen_at=row.current_login_at or row.last_login_at,
        has_signed_in=bool(row.password or row.oidc_subject or row.current_login_at),
        locked_until=row.locked_until,
        left_at=row.left_at,
    )
