"""Read the staff and the teams for the console's pages."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.storage.handoff import board
from bot.storage.sealing import Sealer
from bot.storage.staff import lists
from bot.storage.staff.lists import StaffListRow as StaffListRow
from bot.storage.staff.lists import TeamRow


def list_staff(db: Session, sealer: Sealer) -> list[StaffListRow]:
    """All current and former staff; current ones first, by name."""
    return lists.list_staff(db, sealer)


def read_member(db: Session, sealer: Sealer, staff_id: int) -> StaffListRow | None:
    """One staff member, current or former; None if there is none."""
    return lists.find_staff(db, sealer, staff_id)


def list_teams(db: Session) -> list[TeamRow]:
    """Every team by name, with its active members."""
    return lists.list_teams(db)


def team_names(db: Session) -> dict[str, str]:
    """Slug -> name of every team, ordered by name."""
    return board.team_names(db)
