"""Read the roster for the console: the week with its warnings, and the rows that may be edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.roster.duty import Roster
from bot.domain.roster.rows import is_over
from bot.domain.staff.permissions import Permission, is_allowed
from bot.storage import rosters
from bot.storage.rosters import RosterEntry
from bot.storage.staff import staff
from bot.usecases.roster.check_roster import RosterWarning, check
from bot.usecases.roster.manage_roster import RosterEditor, editable_rows


@dataclass(frozen=True, slots=True)
class RosterWeek:
    """The whole roster with what a timetable needs: `names` are staff id -> name, `teams` slug -> name, in their order."""

    roster: Roster
    names: Mapping[int, str]
    teams: Mapping[str, str]
    warnings: tuple[RosterWarning, ...]


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """The rows that are not over. `editable` are (kind, id) of those that the editor may remove; `teams` slug -> name of
    those whose roster they may change; `staff` (e-mail, name) of all who may be on duty, by name."""

    entries: tuple[RosterEntry, ...]
    editable: frozenset[tuple[str, int]]
    teams: Mapping[str, str]
    staff: tuple[tuple[str, str], ...]


def read_week(db: Session, zone: ZoneInfo, languages: tuple[str, ...], now: datetime) -> RosterWeek:
    """The roster, and all its problems from `now` on. `languages` are those that Warmline speaks."""
    return RosterWeek(
        roster=rosters.load(db, zone),
        names={member.id: member.name for member in staff.list_active(db)},
        teams={team.slug: team.name for team in staff.list_teams(db)},
        warnings=check(db, zone, languages, now),
    )


def read_plan(db: Session, editor: RosterEditor, now: datetime) -> RosterPlan:
    """The roster's rows as this editor may change them."""
    entries = [entry for entry in rosters.list_entries(db) if not is_over(entry.row, now)]
    can_answer = [one for one in staff.list_active(db) if is_allowed(staff.roles_of(one), Permission.ANSWER)]
    return RosterPlan(
        entries=tuple(entries),
        editable=frozenset(editable_rows(db, editor, entries)),
        teams={team.slug: team.name for team in staff.list_teams(db) if editor.teams is None or team.slug in editor.teams},
        staff=tuple(sorted(((one.email, one.name) for one in can_answer), key=lambda one: one[1].casefold())),
    )
