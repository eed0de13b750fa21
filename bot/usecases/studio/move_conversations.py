"""Live conversations move to a newer version of their flow, where an admin wants it.

First the move is tried on the real states, with counts as the only outcome; then the sweep does it, a few at a time, and
nothing is sent. The reasons are in docs/decisions/live-conversations-stay.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation, load
from bot.domain.flow import FlowFailed
from bot.domain.flow_content import FlowContent
from bot.domain.flow_moving import Mover, Stay, Verdict, concerns, is_elsewhere
from bot.storage import audits, flow_moves, flows
from bot.storage.flows import StoredFlow
from bot.storage.sealing import CannotOpen
from bot.storage.studio_tables import FlowMove
from bot.usecases.desk import Desk

PORTION = 300
"""Conversations that are opened between two looks at the clock."""
MOST_TRIED = 20_000
"""Opened for the page's counts; an admin waits for them."""
NOT_HELD = "another version was published before the move was done"
"""Among the reasons for staying; not counted, since nobody was looked at any more."""
_DRAFT = -1
"""The version of what is not published yet; no row has it."""

Transactions = Callable[[], AbstractContextManager[Session]]


@dataclass
class Trial:
    """What a move would do. `by_step` is old step -> how many rest there, at any depth; `stays` is why -> how many."""

    total: int = 0
    by_step: Counter[str] = field(default_factory=Counter)
    fits: int = 0
    stays: Counter[str] = field(default_factory=Counter)
    is_whole: bool = True
    """Whether all live conversations were looked at."""


def try_on_real(db: Session, desk: Desk, flow: str, content: FlowContent, steps: Mapping[str, str], now: datetime) -> Trial:
    """Apply a map of steps to the live conversations of other versions of this flow, and count. Nothing is written, and
    nobody's words leave the function. Raises FlowError where the content cannot be read."""
    new = desk.cache.compile(StoredFlow(_DRAFT, flow, content.source, dict(content.translations)))
    mover = Mover(new, steps, desk.line.text)
    trial, reached, seen = Trial(), 0, 0
    while rows := flow_moves.live(db, reached, PORTION):
        if seen >= MOST_TRIED:
            trial.is_whole = False
            break
        for row in rows:
            state = _open(desk, row.sealed_state)
            if state is not None and concerns(state, flow, _DRAFT):
                _count(trial, state, flow, mover.move(state, lambda version: desk.cache.get(db, version), now))
        reached, seen = rows[-1].id, seen + len(rows)
    return trial


def _count(trial: Trial, state: Conversation, flow: str, verdict: Verdict) -> None:
    trial.total += 1
    trial.by_step.update(frame.step for frame in state.frames if is_elsewhere(frame, flow, _DRAFT))
    if verdict.moved is not None:
        trial.fits += 1
    elif verdict.why is not None:
        trial.stays[verdict.why.value] += 1


def _open(desk: Desk, sealed: str) -> Conversation | None:
    """The state, or None where its key or its form is not known: that is looked after elsewhere."""
    try:
        return load(desk.sealer.open(sealed))
    except (CannotOpen, ValueError, KeyError, TypeError):
        return None


def move_some(transactions: Transactions, desk: Desk, move_id: int, now: datetime, is_enough: Callable[[], bool]) -> bool:
    """Go on with a move until it is done or it is enough; returns whether nothing more is to be done now.

    Each conversation is decided and written in a transaction of its own that also keeps how far the move has come: whoever
    is killed in between has moved nobody halfway, and goes on with the next. A text that comes in waits for one of them at
    the most.
    """
    is_done = False
    while not is_done and not is_enough():
        with transactions() as db:
            portion = _portion(db, desk, move_id, now)
        if portion is None:
            return True
        for conversation_id in portion.concerned:
            if is_enough():
                return False
            with transactions() as db:
                _move_one(db, desk, portion, conversation_id, now)
        with transactions() as db:
            is_done = _pass(db, portion, now)
    return is_done


@dataclass(frozen=True, slots=True)
class _Portion:
    """The next live conversations: those whom the move concerns, as it seemed without a lock, and the last of them all."""

    move_id: int
    flow: str
    version: int
    mover: Mover
    concerned: tuple[int, ...]
    last: int
    is_last: bool


def _portion(db: Session, desk: Desk, move_id: int, now: datetime) -> _Portion | None:
    """None where the move is done, or another host is at it."""
    move = flow_moves.lock(db, move_id)
    if move is None:
        return None
    if flows.published(db, move.flow) != move.to_version:
        # Rolled back, or published again: to move more people there would move them away from what holds.
        move.stayed = {**move.stayed, NOT_HELD: 1}
        _finish(db, move, now)
        return None
    try:
        new = desk.cache.get(db, move.to_version)
    except (FlowFailed, ValueError):
        move.stayed = {**move.stayed, Stay.UNREADABLE.value: 1}
        _finish(db, move, now)
        return None
    rows = flow_moves.live(db, move.reached, PORTION)
    states = [(row.id, _open(desk, row.sealed_state)) for row in rows]
    return _Portion(
        move_id=move.id,
        flow=move.flow,
        version=move.to_version,
        mover=Mover(new, move.steps, desk.line.text),
        concerned=tuple(each for each, state in states if state and concerns(state, move.flow, move.to_version)),
        last=rows[-1].id if rows else move.reached,
        is_last=len(rows) < PORTION,
    )


def _move_one(db: Session, desk: Desk, portion: _Portion, conversation_id: int, now: datetime) -> None:
    """Decide anew on what is found under the locks: the person may have written a moment ago."""
    move = flow_moves.lock(db, portion.move_id)
    if move is None or move.reached >= conversation_id:
        return
    row = flow_moves.lock_live(db, conversation_id)
    state = _open(desk, row.sealed_state) if row is not None else None
    if row is not None and state is not None and concerns(state, portion.flow, portion.version):
        verdict = portion.mover.move(state, lambda version: desk.cache.get(db, version), now)
        if verdict.moved is not None:
            flow_moves.store(row, desk.sealer, verdict.moved)
            move.moved += 1
        else:
            why = (verdict.why or Stay.UNREADABLE).value
            move.stayed = {**move.stayed, why: move.stayed.get(why, 0) + 1}
    move.reached = conversation_id


def _pass(db: Session, portion: _Portion, now: datetime) -> bool:
    """The portion lies behind; whether it was the last."""
    move = flow_moves.lock(db, portion.move_id)
    if move is None:
        return True
    move.reached = max(move.reached, portion.last)
    if portion.is_last:
        _finish(db, move, now)
    return portion.is_last


def _finish(db: Session, move: FlowMove, now: datetime) -> None:
    move.done_at = now
    stayed = sum(count for why, count in move.stayed.items() if why != NOT_HELD)
    detail = f"{move.flow}, move {move.id}: {move.moved} moved, {stayed} stayed"
    audits.record(db, move.staff_id, "flow_moved", now, detail=detail)
