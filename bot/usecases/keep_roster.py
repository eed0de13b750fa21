"""Change the roster: one row at a time, or a whole file at once, which is taken whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.roster_file import Complaint, Known, read_file, write_roster
from bot.domain.roster_rows import HolidayRow, Row, TimeOffRow, is_over
from bot.storage import rosters, staff
from bot.storage.rosters import Entry
from bot.usecases.check_roster import Warned, check, only_new


class Refused(Exception):
    """The roster stays as it was; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who changes it. `teams`: the slugs that they may change, None for all of them."""

    teams: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a file would do. With complaints it does nothing. `new` are warnings that hold only after it.

    `mark` stands for exactly these additions and removals: what was shown is what is done.
    """

    added: tuple[Row, ...] = ()
    removed: tuple[Entry, ...] = ()
    kept: int = 0
    complaints: tuple[Complaint, ...] = ()
    new: tuple[Warned, ...] = ()

    @property
    def mark(self) -> str:
        parts = sorted(map(repr, self.added)) + sorted(f"-{entry.kind}{entry.id}" for entry in self.removed)
        return sha256("\n".join(parts).encode()).hexdigest()[:16]


def known(db: Session, zone: ZoneInfo) -> Known:
    """The teams and present staff that a row may name."""
    return Known(
        zone,
        frozenset(team.slug for team in staff.teams(db)),
        frozenset(member.email for member in staff.all_active(db)),
    )


def add(db: Session, keeper: Keeper, rows: tuple[Row, ...]) -> None:
    """Put rows in. Raises Refused for a row of another's team, and for one that is there already."""
    rosters.lock(db)
    there = {entry.row for entry in rosters.entries(db)}
    reach = _reach(db, keeper)
    for row in rows:
        if not reach.covers(row):
            raise Refused(_not_yours(row))
        if row in there:
            raise Refused("This is in the roster already.")
    rosters.add(db, rows)


def remove(db: Session, keeper: Keeper, kind: str, row_id: int) -> Entry:
    """Take one row out and give it. Raises Refused for one of another's team, and for one that is gone."""
    rosters.lock(db)
    entry = rosters.find(db, kind, row_id)
    if entry is None:
        raise Refused("Somebody has taken this out already.")
    if not _reach(db, keeper).covers(entry.row):
        raise Refused(_not_yours(entry.row))
    rosters.remove(db, kind, row_id)
    return entry


def plan_import(
    db: Session, keeper: Keeper, data: bytes, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, *, whole: bool
) -> Change:
    """What this file would change, with nothing changed yet.

    `whole`: what the file does not hold is taken out, as far as the keeper may change it and it is not over;
    otherwise its rows are added to what is there.
    """
    rows, complaints = read_file(data, known(db, zone))
    if complaints:
        return Change(complaints=complaints)
    there = rosters.entries(db)
    reach = _reach(db, keeper)
    stored = {entry.row for entry in there}
    added = tuple(row for row in rows if row not in stored)
    if foreign := [row for row in added if not reach.covers(row)]:
        return Change(complaints=(Complaint(1, "", _not_yours(foreign[0]).rstrip("."), "Leave those lines as they were."),))
    listed = set(rows)
    removed = tuple(
        entry for entry in there if entry.row not in listed and reach.covers(entry.row) and not is_over(entry.row, now)
    )
    removed = removed if whole else ()
    if not added and not removed:
        return Change(kept=len(rows))
    return Change(added, removed, len(rows) - len(added), (), _after(db, zone, languages, now, added, removed))


def carry_out(
    db: Session, keeper: Keeper, data: bytes, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, *,
    whole: bool, mark: str | None = None,
) -> Change:  # fmt: skip
    """Do what `plan_import` says. Raises Refused where that is no longer what was shown (its `mark`), and for complaints."""
    rosters.lock(db)
    change = plan_import(db, keeper, data, zone, languages, now, whole=whole)
    if change.complaints:
        raise Refused("Nothing was changed: " + "; ".join(str(one) for one in change.complaints[:3]))
    if mark is not None and change.mark != mark:
        raise Refused("Somebody changed the roster meanwhile. Look at what would change now, then do it.")
    rosters.replace(db, change.removed, change.added)
    return change


def export(db: Session, zone: ZoneInfo, now: datetime) -> str:
    """All that is not over yet, as the file that `plan_import` reads; people who have left are left out."""
    entries = rosters.entries(db)
    return write_roster((one.row for one in entries if one.is_present and not is_over(one.row, now)), zone)


def may_change(db: Session, keeper: Keeper, entries: list[Entry]) -> set[tuple[str, int]]:
    """Which of these rows the keeper may take out, as (kind, number)."""
    reach = _reach(db, keeper)
    return {(entry.kind, entry.id) for entry in entries if reach.covers(entry.row)}


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a keeper may change: rows of their teams, and the time off of those teams' members."""

    teams: frozenset[str] | None
    emails: frozenset[str]

    def covers(self, row: Row) -> bool:
        if self.teams is None:
            return True
        if isinstance(row, TimeOffRow):
            return row.email in self.emails
        return row.team in self.teams


def _reach(db: Session, keeper: Keeper) -> _Reach:
    if keeper.teams is None:
        return _Reach(None, frozenset())
    # Those who have left too: their rows are what a supervisor must be able to clear away.
    emails = {member.email for slug in keeper.teams for member in staff.of_team(db, slug, also_left=True)}
    return _Reach(keeper.teams, frozenset(emails))


def _not_yours(row: Row) -> str:
    if isinstance(row, TimeOffRow):
        return "The time off of somebody who is in none of your teams is for their supervisor or an admin."
    if isinstance(row, HolidayRow) and row.team is None:
        return "A holiday of all teams is for an admin."
    return f"The team {row.team} is not one of yours; ask its supervisor or an admin."


def _after(
    db: Session,
    zone: ZoneInfo,
    languages: tuple[str, ...],
    now: datetime,
    added: tuple[Row, ...],
    removed: tuple[Entry, ...],
) -> tuple[Warned, ...]:
    """The warnings that a change would bring: it is made, looked at, and undone."""
    before = check(db, zone, languages, now)
    trial = db.begin_nested()
    rosters.replace(db, removed, added)
    found = check(db, zone, languages, now)
    trial.rollback()
    return only_new(before, found)
