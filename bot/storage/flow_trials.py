"""What members of staff have tried of a flow on the studio's phone; one trial each, the newest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage.studio_tables import FlowTrial


def find(db: Session, staff_id: int, flow: str) -> dict[str, Any] | None:
    """The trial as it was kept."""
    row = db.get(FlowTrial, (staff_id, flow), populate_existing=True)
    return dict(row.trial) if row else None


def lock(db: Session, staff_id: int, flow: str) -> dict[str, Any] | None:
    """The trial, which no other window of the same person changes until the transaction ends."""
    row = db.get(FlowTrial, (staff_id, flow), populate_existing=True, with_for_update=True)
    return dict(row.trial) if row else None


def keep(db: Session, staff_id: int, flow: str, trial: Mapping[str, Any], now: datetime) -> None:
    """Let this be what they have tried of the flow."""
    row = {"staff_id": staff_id, "flow": flow, "trial": dict(trial), "at": now}
    changed = {"trial": row["trial"], "at": now}
    db.execute(insert(FlowTrial).values(row).on_conflict_do_update(index_elements=["staff_id", "flow"], set_=changed))


def drop(db: Session, staff_id: int, flow: str) -> None:
    """Forget what they have tried of the flow."""
    db.execute(delete(FlowTrial).where(FlowTrial.staff_id == staff_id, FlowTrial.flow == flow))
