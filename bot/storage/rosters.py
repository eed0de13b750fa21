"""The roster's rows (weekly and extra shifts, time off, holidays), and the Roster built from them, which tells who is on
duty.

Shifts of staff who have left are kept but ignored: the past plan must stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.roster.duty import Absence, OneTimeShift, Roster, WeeklyShift
from bot.domain.roster.duty import RosterHoliday as FreeDay
from bot.domain.roster.rows import ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow, kind_of
from bot.storage.database import driver_connection
from bot.storage.tables.staff import ExtraShift, Holiday, Membership, Shift, Staff, Team, TimeOff

_TABLES: dict[str, type[Shift] | type[ExtraShift] | type[TimeOff] | type[Holiday]] = {
    "shift": Shift,
    "extra": ExtraShift,
    "time_off": TimeOff,
    "holiday": Holiday,
}


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One stored row, with the names to show. `is_present`: the staff member still works here (True for holidays)."""

    id: int
    row: RosterRow
    staff_id: int | None
    staff: str
    team: str
    is_present: bool = True

    @property
    def kind(self) -> str:
        return kind_of(self.row)


def load_cached(db: Session, zone: ZoneInfo) -> Roster:
    """The roster, cached for this transaction: a crisis turn asks three times who is on duty."""
    found: Roster | None = db.info.get("roster")
    if found is None:
        found = db.info["roster"] = load(db, zone)
    return found


# Staff with the same hours share a row: the roster is read while a person in danger waits for an answer, and fetching
# five hundred rows would cost more than all the other queries together.
_WEEKLY = """
select team.slug, array_agg(shift.staff_id), weekday, starts, ends, place, since, until
  from shift join team on team.id = shift.team_id join staff on staff.id = shift.staff_id
 where staff.active and staff.left_at is null
 group by team.slug, weekday, starts, ends, place, since, until
"""
_EXTRA = """
select team.slug, extra_shift.staff_id, starts_at, ends_at, place
  from extra_shift join team on team.id = extra_shift.team_id join staff on staff.id = extra_shift.staff_id
 where staff.active and staff.left_at is null
"""
_AWAY = "select staff_id, starts_at, ends_at from time_off"
_HOLIDAYS = "select day, holiday.name, team.slug from holiday left join team on team.id = holiday.team_id"


def load(db: Session, zone: ZoneInfo) -> Roster:
    """The whole roster of active staff, with teams by slug; `zone` is the city's."""
    db.flush()
    ask = driver_connection(db).execute
    return Roster(
        zone,
        tuple(WeeklyShift(slug, one, *when) for slug, staff, *when in ask(_WEEKLY) for one in staff),
        tuple(OneTimeShift(*row) for row in ask(_EXTRA)),
        tuple(Absence(*row) for row in ask(_AWAY)),
        tuple(FreeDay(*row) for row in ask(_HOLIDAYS)),
    )


def list_entries(db: Session) -> list[RosterEntry]:
    """Every stored row with its names: weekly shifts by team, day and time, then the dated rows by kind and date."""
    return [*_shifts(db), *_extras(db), *_times_off(db), *_holidays(db)]


def find(db: Session, kind: str, row_id: int) -> RosterEntry | None:
    """One stored row; None if it has been removed meanwhile."""
    return next((entry for entry in list_entries(db) if (entry.kind, entry.id) == (kind, row_id)), None)


def _shifts(db: Session) -> Iterable[RosterEntry]:
    found = db.execute(
        select(Shift, Staff, Team)
        .join(Staff, Staff.id == Shift.staff_id)
        .join(Team, Team.id == Shift.team_id)
        .order_by(Team.slug, Shift.weekday, Shift.starts, Shift.place, Shift.id)
    )
    for row, staff, team in found:
        written = ShiftRow(
            team.slug, staff.email, row.weekday, row.starts, row.ends, row.place, row.since, row.until
        )  # fmt: skip
        yield RosterEntry(row.id, written, staff.id, staff.name, team.name, _is_present(staff))


def _extras(db: Session) -> Iterable[RosterEntry]:
    found = db.execute(
        select(ExtraShift, Staff, Team)
        .join(Staff, Staff.id == ExtraShift.staff_id)
        .join(Team, Team.id == ExtraShift.team_id)
        .order_by(ExtraShift.starts_at, ExtraShift.id)
    )
    for row, staff, team in found:
        written = ExtraRow(team.slug, staff.email, row.starts_at, row.ends_at, row.place)
        yield RosterEntry(row.id, written, staff.id, staff.name, team.name, _is_present(staff))


def _times_off(db: Session) -> Iterable[RosterEntry]:
    found = db.execute(
        select(TimeOff, Staff).join(Staff, Staff.id == TimeOff.staff_id).order_by(TimeOff.starts_at, TimeOff.id)
    )
    for row, staff in found:
        yield RosterEntry(
            row.id, TimeOffRow(staff.email, row.starts_at, row.ends_at), staff.id, staff.name, "", _is_present(staff)
        )


def _holidays(db: Session) -> Iterable[RosterEntry]:
    found = db.execute(select(Holiday, Team).outerjoin(Team, Team.id == Holiday.team_id).order_by(Holiday.day, Holiday.id))
    for row, team in found:
        written = HolidayRow(row.day, row.name, team.slug if team else None)
        yield RosterEntry(row.id, written, None, "", team.name if team else "All teams")


def add(db: Session, rows: Iterable[RosterRow]) -> None:
    """Store these rows. Raises LookupError for an unknown team or e-mail address."""
    teams = {slug: number for number, slug in db.execute(select(Team.id, Team.slug))}
    staff = {email: number for number, email in db.execute(select(Staff.id, Staff.email))}
    try:
        made = [_to_table_row(row, teams, staff) for row in rows]
    except KeyError as error:
        raise LookupError(f"{error.args[0]} is no team and nobody on the staff.") from None
    db.add_all(made)
    db.flush()


def _to_table_row(row: RosterRow, teams: dict[str, int], staff: dict[str, int]) -> Shift | ExtraShift | TimeOff | Holiday:
    match row:
        case ShiftRow():
            return Shift(
                team_id=teams[row.team], staff_id=staff[row.email], weekday=row.weekday, starts=row.starts,
                ends=row.ends, place=row.place, since=row.since, until=row.until,
            )  # fmt: skip
        case ExtraRow():
            return ExtraShift(
                team_id=teams[row.team], staff_id=staff[row.email], starts_at=row.starts, ends_at=row.ends,
                place=row.place,
            )  # fmt: skip
        case TimeOffRow():
            return TimeOff(staff_id=staff[row.email], starts_at=row.starts, ends_at=row.ends)
        case HolidayRow():
            return Holiday(team_id=teams[row.team] if row.team else None, day=row.day, name=row.name)


def remove(db: Session, kind: str, row_id: int) -> bool:
    """Delete a row; returns whether it existed."""
    found = db.get(_TABLES[kind], row_id)
    if found is None:
        return False
    db.delete(found)
    db.flush()
    return True


def replace(db: Session, removed: Iterable[RosterEntry], added: Iterable[RosterRow]) -> None:
    """Remove rows and add others."""
    for entry in removed:
        remove(db, entry.kind, entry.id)
    add(db, added)


def lock(db: Session) -> None:
    """Allow one change of the whole roster at a time until the transaction ends: the change shown must be the one made."""
    db.execute(select(func.pg_advisory_xact_lock(func.hashtext("warmline roster"))))


def _is_present(staff: Staff) -> bool:
    return staff.left_at is None and staff.active


def team_members(db: Session) -> dict[str, frozenset[int]]:
    """Team slug -> ids of its active members, including teams without any."""
    found: dict[str, set[int]] = {slug: set() for slug in db.scalars(select(Team.slug))}
    query = select(Team.slug, Membership.staff_id).join(Membership, Membership.team_id == Team.id).join(Staff)
    for slug, staff_id in db.execute(query.where(*_PRESENT)):
        found[slug].add(staff_id)
    return {slug: frozenset(ids) for slug, ids in found.items()}


_PRESENT = (Staff.left_at.is_(None), Staff.active)
