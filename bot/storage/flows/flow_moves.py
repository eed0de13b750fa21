"""Moves of live conversations to a newer version of their flow, and the progress of each move.

bot/usecases/studio/move_conversations.py decides where a conversation is moved to; nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation as State
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation
from bot.storage.tables.studio import FlowMove


@dataclass(frozen=True, slots=True)
class SealedConversation:
    """A live conversation's id and its sealed state."""

    id: int
    sealed_state: str


def add(db: Session, flow: str, to_version: int, steps: Mapping[str, str], staff_id: int | None, now: datetime) -> int:
    """Plan a move, which the sweep carries out; returns its id."""
    row = FlowMove(flow=flow, to_version=to_version, steps=dict(steps), staff_id=staff_id, made_at=now, stayed={})
    db.add(row)
    db.flush()
    return row.id


def unfinished_ids(db: Session) -> list[int]:
    """Ids of the moves that are not done, oldest first."""
    return list(db.scalars(select(FlowMove.id).where(FlowMove.done_at.is_(None)).order_by(FlowMove.id)))


def list_for_flow(db: Session, flow: str, limit: int = 20) -> list[FlowMove]:
    """The moves of a flow, newest first."""
    return list(db.scalars(select(FlowMove).where(FlowMove.flow == flow).order_by(FlowMove.id.desc()).limit(limit)))


def lock(db: Session, move_id: int) -> FlowMove | None:
    """The move, locked; None if it is done or another host is working on it."""
    return db.scalar(
        select(FlowMove)
        .where(FlowMove.id == move_id, FlowMove.done_at.is_(None))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


def list_live(db: Session, after: int, limit: int) -> list[SealedConversation]:
    """The next conversations after id `after` that are in any flow, by id.

    Conversations in all flows are returned, because the outer flows of a nested one are only in the sealed state.
    """
    query = select(Conversation.id, Conversation.sealed_state).where(
        Conversation.flow_version.is_not(None), Conversation.id > after
    )
    return [SealedConversation(row[0], row[1]) for row in db.execute(query.order_by(Conversation.id).limit(limit))]


def count_live_by_version(db: Session) -> dict[int, int]:
    """Id of a flow version -> how many conversations are in it now; versions without any are left out."""
    rows = select(Conversation.flow_version, func.count()).where(
        Conversation.flow_version.is_not(None), Conversation.holder != "closed"
    )
    return {version: count for version, count in db.execute(rows.group_by(Conversation.flow_version)) if version is not None}


def lock_live(db: Session, conversation_id: int) -> Conversation | None:
    """A conversation's row, locked as a turn locks it; None if it has left its flows meanwhile."""
    return db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id, Conversation.flow_version.is_not(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def save_state(row: Conversation, sealer: Sealer, state: State) -> None:
    """Write the moved state back to its locked row.

    `updated_at` stays: the person has not written, and the retention of their answers is counted from it.
    """
    frame = state.frame
    row.sealed_state = sealer.seal(state.dump())
    row.flow_version, row.step = (frame.version, frame.step) if frame else (None, None)
