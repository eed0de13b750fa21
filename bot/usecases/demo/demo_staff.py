"""The staff of the demo, from `staff/`: people, teams, telephones, the weekly roster, and who is on tonight."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from bot.domain.messages.message import Address, Channel
from bot.domain.refused import Refused
from bot.domain.roster.csv_file import read_file
from bot.domain.roster.rows import ExtraRow, TimeOffRow
from bot.domain.staff.permissions import Role
from bot.paths import ROOT
from bot.storage import rosters
from bot.storage.sealing import Sealer
from bot.storage.staff import staff
from bot.usecases.roster import manage_roster

_EMPLOYED_FOR = timedelta(days=200)
_PHONE_PATTERN = "+131455501{:02}"
"""Of the numbers reserved for fiction; the simulator cannot dial them anyway."""


class _StaffModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoMember(_StaffModel):
    """One invented member of staff. `phone`: the last two digits, None for none."""

    name: str
    roles: tuple[Role, ...] = (Role.SOCIAL_WORKER,)
    teams: tuple[str, ...]
    languages: tuple[str, ...]
    skills: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    capacity: int = 4
    phone: int | None = None
    mail: bool = False
    calls: bool = False

    @property
    def called(self) -> str:
        """The first name, which the other files refer to."""
        return self.name.split()[0]

    @property
    def email(self) -> str:
        """Like amra.hodzic@example.org."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        return f"{'.'.join(plain.lower().split())}@example.org"


class DemoShift(_StaffModel):
    who: str
    team: str
    place: int


class DemoTonight(_StaffModel):
    hours_before: int
    hours_after: int
    shifts: tuple[DemoShift, ...]


class DemoDaysOff(_StaffModel):
    who: str
    in_days: int
    days: int


class DemoStaff(_StaffModel):
    """`staff/people.yaml`."""

    teams: dict[str, str]
    people: tuple[DemoMember, ...]
    tonight: DemoTonight
    away: tuple[DemoDaysOff, ...] = ()

    def email(self, called: str) -> str:
        """The e-mail address of the member with this first name. Raises LookupError."""
        for member in self.people:
            if member.called == called:
                return member.email
        raise LookupError(f"staff/people.yaml: nobody is called {called}.")


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A staff member as the demo's sign-in page offers them; `teams` are slugs, in order."""

    id: int
    name: str
    roles: frozenset[Role]
    teams: tuple[str, ...]


def list_demo_accounts(db: Session, limit: int = 24) -> list[DemoAccount]:
    """The first `limit` active staff members, by id. Only for a demo: the caller checks that it is one."""
    return [
        DemoAccount(row.id, row.name, staff.roles_of(row), tuple(sorted(staff.teams_of(db, row.id))))
        for row in staff.list_active(db)[:limit]
    ]


def read_demo_staff(root: Path = ROOT) -> DemoStaff:
    """Raises pydantic's ValidationError where a line of the file cannot be read."""
    return DemoStaff.model_validate(yaml.safe_load((root / "staff/people.yaml").read_text("utf-8")))


def add_demo_staff(db: Session, sealer: Sealer, zone: ZoneInfo, now: datetime, root: Path = ROOT) -> int:
    """Add the demo's staff and roster where there are no staff yet; returns how many were added.

    Only for a demo: the caller checks that it is one. `now` is aware; tonight's shifts lie around it. Raises
    Refused where the roster's file names an unknown member.
    """
    if not staff.is_empty(db):
        return 0
    given = read_demo_staff(root)
    for slug, name in given.teams.items():
        staff.get_or_add_team(db, slug, name)
    for member in given.people:
        _add_member(db, sealer, member, now - _EMPLOYED_FOR)
    weekly, complaints = read_file((root / "staff/roster.csv").read_bytes(), manage_roster.known_names(db, zone))
    if complaints:
        raise Refused(f"staff/roster.csv, {complaints[0]}")
    rosters.add(db, weekly)
    rosters.add(db, [*_shifts_tonight(db, given, zone, now), *_days_off(given, zone, now)])
    return len(given.people)


def _add_member(db: Session, sealer: Sealer, member: DemoMember, at: datetime) -> None:
    row = staff.add(
        db, member.email, member.name, at, roles=member.roles, teams=member.teams, languages=member.languages
    )  # fmt: skip
    row.skills, row.communities, row.capacity = list(member.skills), list(member.communities), member.capacity
    row.alerts_by_email, row.alerts_by_voice = member.mail, member.calls
    if member.phone is not None:
        staff.set_phone(db, sealer, row, Address(Channel.SIMULATOR, _PHONE_PATTERN.format(member.phone)))


def _shifts_tonight(db: Session, demo: DemoStaff, zone: ZoneInfo, now: datetime) -> list[ExtraRow | TimeOffRow]:
    """Extra shifts from some hours ago to some hours from now; those who were planned for them get time off."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = hour - timedelta(hours=demo.tonight.hours_before)
    end = hour + timedelta(hours=demo.tonight.hours_after)
    planned = replace(rosters.load(db, zone), absences=())
    emails = {member.id: member.email for member in staff.list_active(db)}
    on = {demo.email(shift.who) for shift in demo.tonight.shifts}
    rows: list[ExtraRow | TimeOffRow] = []
    for shift in demo.tonight.shifts:
        rows.append(ExtraRow(shift.team, demo.email(shift.who), start, end, shift.place))
        for spell in planned.duty_periods(start, end, shift.team):
            email = emails[spell.staff]
            if spell.place == shift.place and email not in on:
                rows.append(TimeOffRow(email, spell.start, spell.end))
    return rows


def _days_off(demo: DemoStaff, zone: ZoneInfo, now: datetime) -> list[TimeOffRow]:
    today = now.astimezone(zone).date()
    rows = []
    for off in demo.away:
        first = today + timedelta(days=off.in_days)
        starts, ends = (datetime.combine(day, time(0), zone) for day in (first, first + timedelta(days=off.days)))
        rows.append(TimeOffRow(demo.email(off.who), starts.astimezone(UTC), ends.astimezone(UTC)))
    return rows
