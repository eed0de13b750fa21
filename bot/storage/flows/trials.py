"""Trials of flows on the studio's phone: the latest one of each staff member and flow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage.tables.studio import FlowTrial


def find(db: Session, staff_id: int, flow: str) -> dict[str, Any] | None:
    """The stored trial, or None."""
    row = db.get(FlowTrial, (staff_id, flow), populate_existing=True)
    return dict(row.trial) if row else None


def lock(db: Session, staff_id: int, flow: str) -> dict[str, Any] | None:
    """The trial, locked until the transaction ends against other windows of the same staff member; or None."""
    row = db.get(FlowTrial, (staff_id, flow), populate_existing=True, with_for_update=True)
    return dict(row.trial) if row else None


def save(db: Session, staff_id: int, flow: str, trial: Mapping[str, Any], now: datetime) -> None:
    """Store the trial in place of the previous one."""
    row = {"staff_id": staff_id, "flow": flow, "trial": dict(trial), "at": now}
    changed = {"trial": row["trial"], "at": now}
    db.execute(insert(FlowTrial).values(row).on_conflict_do_update(index_elements=["staff_id", "flow"], set_=changed))
