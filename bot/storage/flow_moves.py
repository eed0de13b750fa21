"""Live conversations that move to a newer version of their flow, and how far each such move has come.

What a conversation is moved to is decided elsewhere (bot/usecases/studio/move_conversations.py); nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation as State
from bot.storage.sealing import Sealer
from bot.storage.studio_tables import FlowMove
from bot.storage.tables import Conversation


@dataclass(frozen=True, slots=True)
class Sealed:
    """A live conversation's state, as it is stored."""

    id: int
    sealed_state: str


def add(db: Session, flow: str, to_version: int, steps: Mapping[str, str], staff_id: int | None, now: datetime) -> int:
    """Plan a move; the sweep does it. Returns its id."""
    row = FlowMove(flow=flow, to_version=to_version, steps=dict(steps), staff_id=staff_id, made_at=now, stayed={})
    db.add(row)
    db.flush()
    return row.id


def unfinished(db: Session) -> list[int]:
    """The ids of the moves that are not done, the oldest first."""
    return list(db.scalars(select(FlowMove.id).where(FlowMove.done_at.is_(None)).order_by(FlowMove.id)))


def of_flow(db: Session, flow: str, limit: int = 20) -> list[FlowMove]:
    """The moves of a flow, the newest first."""
    return list(db.scalars(select(FlowMove).where(FlowMove.flow == flow).order_by(FlowMove.id.desc()).limit(limit)))


def lock(db: Session, move_id: int) -> FlowMove | None:
    """The move, if it is not done and no other host is at it in this very moment."""
    return db.scalar(
        select(FlowMove)
        .where(FlowMove.id == move_id, FlowMove.done_at.is_(None))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def live(db: Session, after: int, limit: int) -> list[Sealed]:
    """The next conversations that are in any flow, in the order of their ids. The flows below the innermost are sealed."""
    query = select(Conversation.id, Conversation.sealed_state).where(
        Conversation.flow_version.is_not(None), Conversation.id > after
    )
    return [Sealed(row[0], row[1]) for row in db.execute(query.order_by(Conversation.id).limit(limit))]


def count_live(db: Session) -> int:
    """How many conversations are in any flow."""
    return db.scalar(select(func.count()).select_from(Conversation).where(Conversation.flow_version.is_not(None))) or 0


def lock_live(db: Session, conversation_id: int) -> Conversation | None:
    """A conversation's row, locked as a turn locks it; None where it has left its flows meanwhile."""
    return db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id, Conversation.flow_version.is_not(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def store(row: Conversation, sealer: Sealer, state: State) -> None:
    """Write the moved state back to its locked row.

    `updated_at` stays: nobody has said anything, and by it the answers of those who fell silent are deleted in time.
    """
    frame = state.frame
    row.sealed_state = sealer.seal(state.dump())
    row.flow_version, row.step = (frame.version, frame.step) if frame else (None, None)
