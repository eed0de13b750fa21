"""Calls for a human, one open at a time for each conversation: the rows, and what is written beside each change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.conversation import Conversation as State
from bot.domain.conversation import load
from bot.domain.effects import OpenHandoff, Reason
from bot.domain.handoff import ACKNOWLEDGED_WITHIN, HELD, MOVES, UNCLAIMED, HandoffState
from bot.domain.safety.levels import Urgency
from bot.storage import conversations
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import CallOut, HandoffEvent
from bot.storage.tables import Alert, Conversation, Handoff

_ORDER = {urgency.value: place for place, urgency in enumerate(Urgency)}


@dataclass(slots=True)
class Locked:
    """A handoff with its person's conversation, both locked until the transaction ends, the conversation first as in a
    turn: the other way round the two would wait for each other."""

    handoff: Handoff
    row: Conversation
    state: State

    def store(self, sealer: Sealer, now: datetime) -> None:
        """Write the conversation's state back."""
        conversations.store(self.row, sealer, self.state, now)


def lock(db: Session, sealer: Sealer, handoff_id: int) -> Locked | None:
    """The handoff and its conversation, locked and fresh; None where there is no such handoff."""
    conversation_id = db.scalar(select(Handoff.conversation_id).where(Handoff.id == handoff_id))
    if conversation_id is None:
        return None
    # Fresh: what this session read before the lock was granted may be a turn old.
    row = db.scalar(
        select(Conversation)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    handoff = db.scalar(
        select(Handoff)
        .where(Handoff.id == handoff_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None or handoff is None:
        return None
    return Locked(handoff, row, load(sealer.open(row.sealed_state)))


def due(db: Session, now: datetime, limit: int = 100) -> list[int]:
    """Handoffs whose next rung, or whose next reminder, is due; the longest overdue first. Not locked."""
    rows = select(Handoff.id).where(Handoff.rung_due_at <= now).order_by(Handoff.rung_due_at).limit(limit)
    return list(db.scalars(rows))


def oldest_due(db: Session, now: datetime) -> timedelta | None:
    """For how long the most overdue rung or reminder has waited; None where nothing is due."""
    oldest = db.scalar(select(func.min(Handoff.rung_due_at)).where(Handoff.rung_due_at <= now))
    return now - oldest if oldest else None


def move(handoff: Handoff, name: str) -> None:
    """Take the move that the machine allows. Raises IllegalMove for any other."""
    handoff.state = MOVES.move(handoff.state, name)


def record(db: Session, handoff: Handoff, kind: str, now: datetime, *, staff_id: int | None = None, **detail: Any) -> None:
    """Write down what happened, and that the handoff has changed. `detail` holds ids and fixed words only."""
    handoff.updated_at = now
    note_event(db, handoff, kind, now, staff_id=staff_id, **detail)


def note_event(
    db: Session, handoff: Handoff, kind: str, now: datetime, *, staff_id: int | None = None, **detail: Any
) -> None:
    """Write down what happened, without a word to the handoff's own row."""
    db.add(
        HandoffEvent(
            handoff_id=handoff.id, conversation_id=handoff.conversation_id, staff_id=staff_id, kind=kind, detail=detail,
            at=now,
        )
    )  # fmt: skip


def open_or_raise(
    db: Session, sealer: Sealer, effect: OpenHandoff, conversation_id: int, message_id: int | None, now: datetime,
    language: str = "",
) -> Handoff:  # fmt: skip
    """Open a handoff and its alert; where one is open, make it as urgent as the new one asks and alert again if it rose.

    Its ladder is due at once. The conversation's row is locked by the turn, so two turns cannot open two.
    """
    open_one = current(db, conversation_id, lock=True)
    if open_one is None:
        handoff = _new(sealer, effect, conversation_id, message_id, now, language or _language(db, sealer, conversation_id))
        db.add(handoff)
        db.flush()
        record(db, handoff, "opened", now, reason=handoff.reason, urgency=handoff.urgency, team=handoff.team)
        db.add(_alert(handoff, now))
        return handoff
    if open_one.state == HandoffState.HANDED_BACK:
        reopen(db, sealer, open_one, effect, now)
        return open_one
    worse = _ORDER[effect.urgency.value] < _ORDER[open_one.urgency]
    new_danger = effect.reason is Reason.DANGER and (
        open_one.reason != Reason.DANGER.value or not set(effect.dangers) <= set(open_one.dangers)
    )
    if worse:
        open_one.urgency = effect.urgency.value
    if worse or new_danger:
        _take_over(sealer, open_one, effect)
    if open_one.reachable and not effect.reachable:
        _look_now(open_one, now)
    rises = worse or new_danger or (open_one.reachable and not effect.reachable)
    open_one.dangers = sorted({*open_one.dangers, *effect.dangers})
    open_one.reachable = open_one.reachable and effect.reachable
    open_one.updated_at = now
    if rises:
        record(db, open_one, "rose", now, reason=open_one.reason, urgency=open_one.urgency, reachable=open_one.reachable)
        db.add(_alert(open_one, now))
    if rises and open_one.state not in HELD:
        _climb_now(open_one, now, anew=worse)
    return open_one


def _language(db: Session, sealer: Sealer, conversation_id: int) -> str:
    row = db.get_one(Conversation, conversation_id)
    return load(sealer.open(row.sealed_state)).language


def waiting_since(handoff: Handoff) -> datetime:
    """Since when somebody is being looked for: a handoff that was handed back and reopened waits from then on."""
    if handoff.limit_at is None:
        return handoff.opened_at
    return max(handoff.opened_at, handoff.limit_at - ACKNOWLEDGED_WITHIN[Urgency(handoff.urgency)])


def reachable_again(db: Session, conversation_id: int, now: datetime) -> None:
    """They take texts again (START)."""
    handoff = current(db, conversation_id)
    if handoff is not None and not handoff.reachable:
        handoff.reachable = True
        record(db, handoff, "texts_open", now)


def undelivered(db: Session, conversation_id: int, staff_id: int, message_id: int, now: datetime) -> None:
    """What a worker wrote did not arrive: whoever has the person is told at the next look, which is now."""
    handoff = current(db, conversation_id)
    if handoff is not None and handoff.state in HELD:
        record(db, handoff, "undelivered", now, staff_id=staff_id, message=message_id)
        handoff.rung_due_at = now


def reopen(db: Session, sealer: Sealer, handoff: Handoff, effect: OpenHandoff, now: datetime) -> None:
    """The person needs a human once more, before the worker had written down how it ended: as urgently as it is now, and
    not as it was then."""
    move(handoff, "reopen")
    handoff.owner_id = handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = handoff.told_at = None
    handoff.urgency, handoff.reason = effect.urgency.value, effect.reason.value
    handoff.dangers, handoff.reachable = list(effect.dangers), effect.reachable
    if effect.team != "anyone":
        handoff.team = effect.team
    if effect.because:
        handoff.sealed_because = sealer.seal(effect.because)
    record(db, handoff, "reopened", now, urgency=handoff.urgency, reason=handoff.reason)
    db.add(_alert(handoff, now))
    _climb_now(handoff, now, anew=True)


def begin_ladder(handoff: Handoff, now: datetime) -> None:
    """Nobody has it (any more): the first rung is due at once."""
    _climb_now(handoff, now, anew=True)


def _climb_now(handoff: Handoff, now: datetime, *, anew: bool) -> None:
    """What is worse begins its ladder anew, by the ways and at the pace of the worse."""
    handoff.rung_due_at = now
    if anew:
        handoff.rung, handoff.alerted_at = 0, None
        handoff.limit_at = now + ACKNOWLEDGED_WITHIN[Urgency(handoff.urgency)]


def current(db: Session, conversation_id: int, *, lock: bool = False) -> Handoff | None:
    """The open handoff of this conversation."""
    rows = select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.state != HandoffState.CLOSED.value)
    return db.scalar(rows.with_for_update(key_share=True) if lock else rows)


def _take_over(sealer: Sealer, handoff: Handoff, effect: OpenHandoff) -> None:
    """What is worse, or is danger, says who must come and why; a danger is never taken over by anything else."""
    if handoff.reason == Reason.DANGER.value and effect.reason is not Reason.DANGER:
        return
    handoff.reason = effect.reason.value
    handoff.team = effect.team if effect.team != "anyone" else handoff.team
    if effect.because:
        earlier = f"{sealer.open(handoff.sealed_because)}; " if handoff.sealed_because else ""
        handoff.sealed_because = sealer.seal((earlier + effect.because)[-2000:])


def unreachable(db: Session, conversation_id: int, now: datetime) -> None:
    """A text to somebody for whom a human is called could not leave: the human must know, and telephone."""
    handoff = current(db, conversation_id)
    if handoff is not None and handoff.reachable:
        handoff.reachable = False
        record(db, handoff, "texts_blocked", now)
        db.add(_alert(handoff, now))
        _look_now(handoff, now)


def _look_now(handoff: Handoff, now: datetime) -> None:
    """Texts do not reach the person: the next rung says so, or who has it is told to telephone."""
    if handoff.state in (*UNCLAIMED, *HELD):
        handoff.rung_due_at = now


def _new(
    sealer: Sealer, effect: OpenHandoff, conversation_id: int, message_id: int | None, now: datetime, language: str
) -> Handoff:
    return Handoff(
        conversation_id=conversation_id,
        message_id=message_id,
        reason=effect.reason.value,
        team=effect.team,
        urgency=effect.urgency.value,
        sealed_because=sealer.seal(effect.because) if effect.because else None,
        dangers=list(effect.dangers),
        reachable=effect.reachable,
        state=HandoffState.WAITING.value,
        language=language or "en",
        rung=0,
        rung_due_at=now,
        limit_at=now + ACKNOWLEDGED_WITHIN[effect.urgency],
        opened_at=now,
        updated_at=now,
    )


def _alert(handoff: Handoff, now: datetime) -> Alert:
    # Ids and fixed words only: an alert is read on a telephone's lock screen.
    detail = "phone the person: texts are blocked" if not handoff.reachable else handoff.reason
    return Alert(
        kind="handoff",
        handoff_id=handoff.id,
        conversation_id=handoff.conversation_id,
        urgency=handoff.urgency,
        detail=detail,
        raised_at=now,
    )


def alert_again(db: Session, handoff: Handoff, now: datetime) -> None:
    """The person is in danger again while a human has them."""
    db.add(_alert(handoff, now))


def acknowledge(db: Session, handoff_id: int, now: datetime) -> None:
    """Somebody has it: its alerts are no news any more."""
    for alert in db.scalars(select(Alert).where(Alert.handoff_id == handoff_id, Alert.acknowledged_at.is_(None))):
        alert.acknowledged_at = now


def call_outs(db: Session, handoff_id: int) -> Sequence[CallOut]:
    """Everybody who was called for it, oldest first."""
    return db.scalars(select(CallOut).where(CallOut.handoff_id == handoff_id).order_by(CallOut.id)).all()


def open_call_outs(db: Session, staff_id: int) -> Sequence[CallOut]:
    """Handoffs that this worker was called for and has not answered, and that nobody else has taken; oldest first."""
    rows = (
        select(CallOut)
        .join(Handoff, Handoff.id == CallOut.handoff_id)
        .where(CallOut.staff_id == staff_id, CallOut.answer.is_(None), Handoff.state != HandoffState.CLOSED.value)
    )
    return db.scalars(rows.order_by(CallOut.id)).all()


def answer_call_outs(
    db: Session, handoff_id: int, answer: str, now: datetime, *, of: int | None = None, but: int | None = None
) -> list[int]:
    """End the open call-outs of a handoff (of one worker, or of all but one). Returns whose they were."""
    rows = select(CallOut).where(CallOut.handoff_id == handoff_id, CallOut.answer.is_(None))
    if of is not None:
        rows = rows.where(CallOut.staff_id == of)
    if but is not None:
        rows = rows.where(CallOut.staff_id != but)
    found = db.scalars(rows).all()
    for call_out in found:
        call_out.answer, call_out.answered_at = answer, now
    return list(dict.fromkeys(call_out.staff_id for call_out in found))
