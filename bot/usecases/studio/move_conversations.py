"""Moves live conversations to a newer version of their flow if an admin asks for it.

First the move is tried on the real states, which yields only counts; then the sweep carries it out, a few at a time, without
sending anything. The reasons are in docs/decisions/live-conversations-stay.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation, load
from bot.domain.conversation.version_moves import (
    ConversationMover,
    MoveResult,
    StayReason,
    has_frame_in_other_version,
    is_in_other_version,
)
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.flow import FlowFailed
from bot.storage.flows import flow_moves, flows
from bot.storage.flows.flows import StoredFlow
from bot.storage.sealing import UnsealError
from bot.storage.staff import audits
from bot.storage.tables.studio import FlowMove
from bot.usecases.context import Context

BATCH_SIZE = 300
"""Conversations opened between two checks of the time limit."""
MAX_PREVIEWED = 20_000
"""Opened for the counts on the page, while an admin waits."""
OVERTAKEN = "another version was published before the move was done"
"""A reason for staying that is not counted: the remaining conversations were not examined."""
_DRAFT_VERSION = -1
"""Stands for the version of what is not published yet; no row has it."""

Transactions = Callable[[], AbstractContextManager[Session]]


@dataclass
class MovePreview:
    """The effect of a move. `by_step` is old step -> number of conversations resting there, at any depth; `stays` is reason
    -> number.
    """

    total: int = 0
    by_step: Counter[str] = field(default_factory=Counter)
    fits: int = 0
    stays: Counter[str] = field(default_factory=Counter)
    is_whole: bool = True
    """Whether all live conversations were examined."""


def preview_move(
    db: Session, context: Context, flow: str, content: FlowContent, steps: Mapping[str, str], now: datetime
) -> MovePreview:
    """Applies a map of steps to the live conversations in other versions of this flow, and counts. Writes nothing, and no
    conversation content leaves the function. Raises FlowError if the content can't be read.
    """
    new = context.flow_cache.compile(StoredFlow(_DRAFT_VERSION, flow, content.source, dict(content.translations)))
    mover = ConversationMover(new, steps, context.system_texts.text)
    trial, reached, seen = MovePreview(), 0, 0
    while rows := flow_moves.list_live(db, reached, BATCH_SIZE):
        if seen >= MAX_PREVIEWED:
            trial.is_whole = False
            break
        for row in rows:
            state = _open_state(context, row.sealed_state)
            if state is not None and has_frame_in_other_version(state, flow, _DRAFT_VERSION):
                _count_verdict(
                    trial, state, flow, mover.move(state, lambda version: context.flow_cache.get(db, version), now)
                )
        reached, seen = rows[-1].id, seen + len(rows)
    return trial


def _count_verdict(preview: MovePreview, state: Conversation, flow: str, verdict: MoveResult) -> None:
    preview.total += 1
    preview.by_step.update(frame.step for frame in state.frames if is_in_other_version(frame, flow, _DRAFT_VERSION))
    if verdict.moved is not None:
        preview.fits += 1
    elif verdict.why is not None:
        preview.stays[verdict.why.value] += 1


def _open_state(context: Context, sealed: str) -> Conversation | None:
    """The state; None if its key or format is unknown, which is dealt with elsewhere."""
    try:
        return load(context.sealer.open(sealed))
    except (UnsealError, ValueError, KeyError, TypeError):
        return None


def continue_move(
    transactions: Transactions, context: Context, move_id: int, now: datetime, is_enough: Callable[[], bool]
) -> bool:
    """Continues a move until it is done or `is_enough` says stop; returns whether there is nothing more to do now.

    Each conversation is decided and written in its own transaction, which also stores the progress of the move: a process
    killed in between has moved no conversation halfway, and the next one goes on from there. An incoming text waits for at
    most one of them.
    """
    is_done = False
    while not is_done and not is_enough():
        with transactions() as db:
            portion = _next_batch(db, context, move_id, now)
        if portion is None:
            return True
        for conversation_id in portion.conversation_ids:
            if is_enough():
                return False
            with transactions() as db:
                _move_one(db, context, portion, conversation_id, now)
        with transactions() as db:
            is_done = _finish_batch(db, portion, now)
    return is_done


@dataclass(frozen=True, slots=True)
class _Batch:
    """The next live conversations: those the move seems to concern (read without a lock), and the last of them all."""

    move_id: int
    flow: str
    version: int
    mover: ConversationMover
    conversation_ids: tuple[int, ...]
    last: int
    is_last: bool


def _next_batch(db: Session, context: Context, move_id: int, now: datetime) -> _Batch | None:
    """None if the move is done, or another host is working on it."""
    move = flow_moves.lock(db, move_id)
    if move is None:
        return None
    if flows.current_version(db, move.flow) != move.to_version:
        # Rolled back, or published again: moving more people would take them away from the published version.
        move.stayed = {**move.stayed, OVERTAKEN: 1}
        _finish_move(db, move, now)
        return None
    try:
        new = context.flow_cache.get(db, move.to_version)
    except (FlowFailed, ValueError):
        move.stayed = {**move.stayed, StayReason.UNREADABLE.value: 1}
        _finish_move(db, move, now)
        return None
    rows = flow_moves.list_live(db, move.reached, BATCH_SIZE)
    states = [(row.id, _open_state(context, row.sealed_state)) for row in rows]
    return _Batch(
        move_id=move.id,
        flow=move.flow,
        version=move.to_version,
        mover=ConversationMover(new, move.steps, context.system_texts.text),
        conversation_ids=tuple(
            each for each, state in states if state and has_frame_in_other_version(state, move.flow, move.to_version)
        ),
        last=rows[-1].id if rows else move.reached,
        is_last=len(rows) < BATCH_SIZE,
    )


def _move_one(db: Session, context: Context, batch: _Batch, conversation_id: int, now: datetime) -> None:
    """Decides again on the state found under the locks: the person may have written a moment ago."""
    move = flow_moves.lock(db, batch.move_id)
    if move is None or move.reached >= conversation_id:
        return
    row = flow_moves.lock_live(db, conversation_id)
    state = _open_state(context, row.sealed_state) if row is not None else None
    if row is not None and state is not None and has_frame_in_other_version(state, batch.flow, batch.version):
        verdict = batch.mover.move(state, lambda version: context.flow_cache.get(db, version), now)
        if verdict.moved is not None:
            flow_moves.save_state(row, context.sealer, verdict.moved)
            move.moved += 1
        else:
            why = (verdict.why or StayReason.UNREADABLE).value
            move.stayed = {**move.stayed, why: move.stayed.get(why, 0) + 1}
    move.reached = conversation_id


def _finish_batch(db: Session, batch: _Batch, now: datetime) -> bool:
    """Records the portion as done; returns whether it was the last."""
    move = flow_moves.lock(db, batch.move_id)
    if move is None:
        return True
    move.reached = max(move.reached, batch.last)
    if batch.is_last:
        _finish_move(db, move, now)
    return batch.is_last


def _finish_move(db: Session, move: FlowMove, now: datetime) -> None:
    move.done_at = now
    stayed = sum(count for why, count in move.stayed.items() if why != OVERTAKEN)
    detail = f"{move.flow}, move {move.id}: {move.moved} moved, {stayed} stayed"
    audits.record(db, move.staff_id, "flow_moved", now, detail=detail)
