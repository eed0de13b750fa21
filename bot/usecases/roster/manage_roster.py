"""Change the roster: row by row, or by importing a file as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.refused import Refused
from bot.domain.roster.csv_file import RosterComplaint, RosterNames, read_file, write_roster
from bot.domain.roster.rows import HolidayRow, RosterRow, TimeOffRow, is_over
from bot.storage import rosters
from bot.storage.rosters import RosterEntry
from bot.storage.staff import staff
from bot.usecases.roster.check_roster import RosterWarning, added_warnings, check


@dataclass(frozen=True, slots=True)
class RosterEditor:
    """Who changes it. `teams`: slugs of the teams whose roster they may change, None for all."""

    teams: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class RosterChange:
    """What an import changes; nothing where there are complaints. `new` are the warnings that it would add.

    `mark` identifies these additions and removals, so that only what was shown is carried out.
    """

    added: tuple[RosterRow, ...] = ()
    removed: tuple[RosterEntry, ...] = ()
    kept: int = 0
    complaints: tuple[RosterComplaint, ...] = ()
    new: tuple[RosterWarning, ...] = ()

    @property
    def mark(self) -> str:
        parts = sorted(map(repr, self.added)) + sorted(f"-{entry.kind}{entry.id}" for entry in self.removed)
        return sha256("\n".join(parts).encode()).hexdigest()[:16]


def known_names(db: Session, zone: ZoneInfo) -> RosterNames:
    """The teams and current staff that a row may name."""
    return RosterNames(
        zone,
        frozenset(team.slug for team in staff.list_teams(db)),
        frozenset(member.email for member in staff.list_active(db)),
    )


def add(db: Session, editor: RosterEditor, rows: tuple[RosterRow, ...]) -> None:
    """Add rows. Raises Refused for a row of a team that is not theirs, and for a duplicate."""
    rosters.lock(db)
    there = {entry.row for entry in rosters.list_entries(db)}
    reach = _edit_scope(db, editor)
    for row in rows:
        if not reach.covers(row):
            raise Refused(_not_yours_text(row))
        if row in there:
            raise Refused("This is in the roster already.")
    rosters.add(db, rows)


def remove(db: Session, editor: RosterEditor, kind: str, row_id: int) -> RosterEntry:
    """Remove one row and return it. Raises Refused for a row of a team that is not theirs, and for one that is gone."""
    rosters.lock(db)
    entry = rosters.find(db, kind, row_id)
    if entry is None:
        raise Refused("Somebody has taken this out already.")
    if not _edit_scope(db, editor).covers(entry.row):
        raise Refused(_not_yours_text(entry.row))
    rosters.remove(db, kind, row_id)
    return entry


def plan_import(
    db: Session, editor: RosterEditor, data: bytes, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, *, whole: bool
) -> RosterChange:
    """What importing this file would change.

    `whole`: rows that are not in the file are removed, unless they are over or not theirs to change; otherwise the rows
    of the file are only added.
    """
    rows, complaints = read_file(data, known_names(db, zone))
    if complaints:
        return RosterChange(complaints=complaints)
    there = rosters.list_entries(db)
    reach = _edit_scope(db, editor)
    stored = {entry.row for entry in there}
    added = tuple(row for row in rows if row not in stored)
    if foreign := [row for row in added if not reach.covers(row)]:
        return RosterChange(
            complaints=(RosterComplaint(1, "", _not_yours_text(foreign[0]).rstrip("."), "Leave those lines as they were."),)
        )
    listed = set(rows)
    removed = tuple(
        entry for entry in there if entry.row not in listed and reach.covers(entry.row) and not is_over(entry.row, now)
    )
    removed = removed if whole else ()
    if not added and not removed:
        return RosterChange(kept=len(rows))
    return RosterChange(
        added, removed, len(rows) - len(added), (), _warnings_after(db, zone, languages, now, added, removed)
    )


def apply_import(
    db: Session, editor: RosterEditor, data: bytes, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, *,
    whole: bool, mark: str | None = None,
) -> RosterChange:  # fmt: skip
    """Carry out the import. Raises Refused for complaints, and where the change no longer matches the `mark` shown."""
    rosters.lock(db)
    change = plan_import(db, editor, data, zone, languages, now, whole=whole)
    if change.complaints:
        raise Refused("Nothing was changed: " + "; ".join(str(one) for one in change.complaints[:3]))
    if mark is not None and change.mark != mark:
        raise Refused("Somebody changed the roster meanwhile. Look at what would change now, then do it.")
    rosters.replace(db, change.removed, change.added)
    return change


def export(db: Session, zone: ZoneInfo, now: datetime) -> str:
    """All rows that are not over, as a file for `plan_import`; without staff who have left."""
    entries = rosters.list_entries(db)
    return write_roster((one.row for one in entries if one.is_present and not is_over(one.row, now)), zone)


def editable_rows(db: Session, editor: RosterEditor, entries: list[RosterEntry]) -> set[tuple[str, int]]:
    """Which of these rows they may remove, as (kind, id)."""
    reach = _edit_scope(db, editor)
    return {(entry.kind, entry.id) for entry in entries if reach.covers(entry.row)}


@dataclass(frozen=True, slots=True)
class _EditScope:
    """What someone may change: the rows of their teams, and the time off of those teams' members."""

    teams: frozenset[str] | None
    emails: frozenset[str]

    def covers(self, row: RosterRow) -> bool:
        if self.teams is None:
            return True
        if isinstance(row, TimeOffRow):
            return row.email in self.emails
        return row.team in self.teams


def _edit_scope(db: Session, editor: RosterEditor) -> _EditScope:
    if editor.teams is None:
        return _EditScope(None, frozenset())
    # Including members who have left: a supervisor must be able to remove their rows.
    emails = {member.email for slug in editor.teams for member in staff.list_members(db, slug, include_left=True)}
    return _EditScope(editor.teams, frozenset(emails))


def _not_yours_text(row: RosterRow) -> str:
    if isinstance(row, TimeOffRow):
        return "The time off of somebody who is in none of your teams is for their supervisor or an admin."
    if isinstance(row, HolidayRow) and row.team is None:
        return "A holiday of all teams is for an admin."
    return f"The team {row.team} is not one of yours; ask its supervisor or an admin."


def _warnings_after(
    db: Session,
    zone: ZoneInfo,
    languages: tuple[str, ...],
    now: datetime,
    added: tuple[RosterRow, ...],
    removed: tuple[RosterEntry, ...],
) -> tuple[RosterWarning, ...]:
    """The warnings that a change would add: it is made in a savepoint, checked, and rolled back."""
    before = check(db, zone, languages, now)
    trial = db.begin_nested()
    rosters.replace(db, removed, added)
    found = check(db, zone, languages, now)
    trial.rollback()
    return added_warnings(before, found)
