"""The staff of the demo, from `staff/`: people, teams, telephones, the weekly roster, and who is on tonight."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.message import Address, Channel
from bot.domain.permissions import Role
from bot.domain.roster_file import read_file
from bot.domain.roster_rows import ExtraRow, TimeOffRow
from bot.storage import rosters, staff
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import Staff
from bot.usecases import keep_roster
from bot.usecases.line import ROOT

_HERE_SINCE = timedelta(days=200)
_PHONE = "+131455501{:02}"
"""Of the numbers that are kept for stories; in the simulator's channel nothing could dial one anyhow."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Part):
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
        """The first name, by which the other files name them."""
        return self.name.split()[0]

    @property
    def email(self) -> str:
        """Like amra.hodzic@example.org."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode()
        return f"{'.'.join(plain.lower().split())}@example.org"


class ShiftTonight(_Part):
    who: str
    team: str
    place: int


class Tonight(_Part):
    hours_before: int
    hours_after: int
    shifts: tuple[ShiftTonight, ...]


class DaysOff(_Part):
    who: str
    in_days: int
    days: int


class DemoStaff(_Part):
    """`staff/people.yaml`."""

    teams: dict[str, str]
    people: tuple[Member, ...]
    tonight: Tonight
    away: tuple[DaysOff, ...] = ()

    def email(self, called: str) -> str:
        """The address of who is called so. Raises LookupError."""
        for member in self.people:
            if member.called == called:
                return member.email
        raise LookupError(f"staff/people.yaml: nobody is called {called}.")


def read_demo_staff(root: Path = ROOT) -> DemoStaff:
    """Raises pydantic's ValidationError where a line of the file cannot be read."""
    return DemoStaff.model_validate(yaml.safe_load((root / "staff/people.yaml").read_text("utf-8")))


def fill_staff(db: Session, sealer: Sealer, zone: ZoneInfo, now: datetime, root: Path = ROOT) -> int:
    """Add the demo's staff with their roster where there is nobody yet; returns how many were added.

    For a demo alone: the door asks whether it is one. `now` is aware; tonight's shifts lie around it. Raises
    keep_roster.Refused where the roster's file names somebody who is not there.
    """
    if db.scalar(select(Staff.id).limit(1)) is not None:
        return 0
    given = read_demo_staff(root)
    for slug, name in given.teams.items():
        staff.add_team(db, slug, name)
    for member in given.people:
        _add(db, sealer, member, now - _HERE_SINCE)
    weekly, complaints = read_file((root / "staff/roster.csv").read_bytes(), keep_roster.known(db, zone))
    if complaints:
        raise keep_roster.Refused(f"staff/roster.csv, {complaints[0]}")
    rosters.add(db, weekly)
    rosters.add(db, [*_tonight(db, given, zone, now), *_days_off(given, zone, now)])
    return len(given.people)


def _add(db: Session, sealer: Sealer, member: Member, at: datetime) -> None:
    row = staff.add(
        db, member.email, member.name, at, roles=member.roles, teams=member.teams, languages=member.languages
    )  # fmt: skip
    row.skills, row.communities, row.capacity = list(member.skills), list(member.communities), member.capacity
    row.alerts_by_email, row.alerts_by_voice = member.mail, member.calls
    if member.phone is not None:
        staff.set_phone(db, sealer, row, Address(Channel.SIMULATOR, _PHONE.format(member.phone)))


def _tonight(db: Session, given: DemoStaff, zone: ZoneInfo, now: datetime) -> list[ExtraRow | TimeOffRow]:
    """Extra shifts from some hours ago to some hours from now; who was planned on such a place has that time off."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = hour - timedelta(hours=given.tonight.hours_before)
    end = hour + timedelta(hours=given.tonight.hours_after)
    planned = replace(rosters.load(db, zone), away=())
    emails = {member.id: member.email for member in staff.all_active(db)}
    on = {given.email(shift.who) for shift in given.tonight.shifts}
    rows: list[ExtraRow | TimeOffRow] = []
    for shift in given.tonight.shifts:
        rows.append(ExtraRow(shift.team, given.email(shift.who), start, end, shift.place))
        for spell in planned.spells(start, end, shift.team):
            email = emails[spell.staff]
            if spell.place == shift.place and email not in on:
                rows.append(TimeOffRow(email, spell.start, spell.end))
    return rows


def _days_off(given: DemoStaff, zone: ZoneInfo, now: datetime) -> list[TimeOffRow]:
    today = now.astimezone(zone).date()
    rows = []
    for off in given.away:
        first = today + timedelta(days=off.in_days)
        starts, ends = (datetime.combine(day, time(0), zone) for day in (first, first + timedelta(days=off.days)))
        rows.append(TimeOffRow(given.email(off.who), starts.astimezone(UTC), ends.astimezone(UTC)))
    return rows
