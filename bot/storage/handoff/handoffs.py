"""Handoffs to a human, at most one open per conversation: the rows, and the events and alerts written with each change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.conversation.effects import HandoffReason, OpenHandoff
from bot.domain.conversation.state import Conversation as State
from bot.domain.conversation.state import load
from bot.domain.handoff.states import CLAIM_WITHIN, HELD_STATES, MOVES, UNCLAIMED_STATES, HandoffState
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.safety.levels import Urgency
from bot.storage.conversation import conversations, timeouts
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Alert, Conversation, Handoff
from bot.storage.tables.staff import CallOut, HandoffEvent

_URGENCY_ORDER = {urgency.value: place for place, urgency in enumerate(Urgency)}


@dataclass(slots=True)
class LockedHandoff:
    """A handoff with its conversation, both locked until the transaction ends; the conversation first, as in a turn: the
    other order would deadlock."""

    handoff: Handoff
    conversation_row: Conversation
    state: State

    def save_state(self, sealer: Sealer, now: datetime) -> None:
        """Write the conversation's state back."""
        timeouts.save_state(self.conversation_row, sealer, self.state, now)


def lock(db: Session, sealer: Sealer, handoff_id: int) -> LockedHandoff | None:
    """The handoff and its conversation, locked and freshly read; None if there is no such handoff."""
    conversation_id = db.scalar(select(Handoff.conversation_id).where(Handoff.id == handoff_id))
    if conversation_id is None:
        return None
    row = conversations.lock_row(db, conversation_id)
    handoff = db.scalar(
        select(Handoff)
        .where(Handoff.id == handoff_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None or handoff is None:
        return None
    return LockedHandoff(handoff, row, load(sealer.open(row.sealed_state)))


def lock_with_conversations(db: Session, sealer: Sealer, handoff_ids: Collection[int]) -> None:
    """Lock these handoffs with their conversations, in the order of the conversations' ids."""
    rows = select(Handoff.id).where(Handoff.id.in_(handoff_ids)).order_by(Handoff.conversation_id)
    for handoff_id in db.scalars(rows).all():
        lock(db, sealer, handoff_id)


def due_ids(db: Session, now: datetime, limit: int = 100) -> list[int]:
    """Ids of handoffs whose next tier or next reminder is due, the most overdue first. Not locked."""
    rows = select(Handoff.id).where(Handoff.due_at <= now).order_by(Handoff.due_at).limit(limit)
    return list(db.scalars(rows))


def longest_overdue(db: Session, now: datetime) -> timedelta | None:
    """How long the most overdue tier or reminder has been due; None if nothing is due."""
    oldest = db.scalar(select(func.min(Handoff.due_at)).where(Handoff.due_at <= now))
    return now - oldest if oldest else None


def apply_move(handoff: Handoff, name: str) -> None:
    """Change the state by a named move. Raises IllegalMove if the state machine does not allow it."""
    handoff.state = MOVES.move(handoff.state, name)


def add_event_and_touch(
    db: Session, handoff: Handoff, kind: str, now: datetime, *, staff_id: int | None = None, **detail: Any
) -> None:
    """Add an event and mark the handoff as changed. `detail` holds ids and fixed words only."""
    handoff.updated_at = now
    add_event(db, handoff, kind, now, staff_id=staff_id, **detail)


def add_event(
    db: Session, handoff: Handoff, kind: str, now: datetime, *, staff_id: int | None = None, **detail: Any
) -> None:
    """Add an event without touching the handoff's own row."""
    db.add(
        HandoffEvent(
            handoff_id=handoff.id, conversation_id=handoff.conversation_id, staff_id=staff_id, kind=kind, detail=detail,
            at=now,
        )
    )  # fmt: skip


def open_or_raise_urgency(
    db: Session, sealer: Sealer, effect: OpenHandoff, conversation_id: int, message_id: int | None, now: datetime,
    language: str = "",
) -> Handoff:  # fmt: skip
    """Open a handoff with its alert; if one is open already, raise it to the new urgency and alert again if it got worse.

    Its escalation is due at once. The turn has locked the conversation's row, so two turns cannot open two handoffs.
    """
    open_one = find_open(db, conversation_id, lock=True)
    if open_one is None:
        handoff = _new_handoff(
            sealer, effect, conversation_id, message_id, now, language or _language(db, sealer, conversation_id)
        )
        db.add(handoff)
        db.flush()
        add_event_and_touch(db, handoff, "opened", now, reason=handoff.reason, urgency=handoff.urgency, team=handoff.team)
        db.add(_new_alert(handoff, now))
        return handoff
    if open_one.state == HandoffState.HANDED_BACK:
        reopen(db, sealer, open_one, effect, now)
        return open_one
    worse = _URGENCY_ORDER[effect.urgency.value] < _URGENCY_ORDER[open_one.urgency]
    new_danger = effect.reason is HandoffReason.DANGER and (
        open_one.reason != HandoffReason.DANGER.value or not set(effect.dangers) <= set(open_one.dangers)
    )
    if worse:
        open_one.urgency = effect.urgency.value
    if worse or new_danger:
        _adopt_reason(sealer, open_one, effect)
    if open_one.reachable and not effect.reachable:
        _make_due_now(open_one, now)
    rises = worse or new_danger or (open_one.reachable and not effect.reachable)
    open_one.dangers = sorted({*open_one.dangers, *effect.dangers})
    open_one.reachable = open_one.reachable and effect.reachable
    open_one.updated_at = now
    if rises:
        add_event_and_touch(
            db, open_one, "rose", now, reason=open_one.reason, urgency=open_one.urgency, reachable=open_one.reachable
        )
        db.add(_new_alert(open_one, now))
    if rises and open_one.state not in HELD_STATES:
        _escalate_now(open_one, now, restart=worse)
    return open_one


def _language(db: Session, sealer: Sealer, conversation_id: int) -> str:
    row = db.get_one(Conversation, conversation_id)
    return load(sealer.open(row.sealed_state)).language


def waiting_since(handoff: Handoff) -> datetime:
    """Since when the handoff has been waiting for a social worker; a reopened handoff waits since it was reopened."""
    if handoff.limit_at is None:
        return handoff.opened_at
    return max(handoff.opened_at, handoff.limit_at - CLAIM_WITHIN[Urgency(handoff.urgency)])


def mark_reachable(db: Session, conversation_id: int, now: datetime) -> None:
    """Record that the person accepts texts again (START)."""
    handoff = find_open(db, conversation_id)
    if handoff is not None and not handoff.reachable:
        handoff.reachable = True
        add_event_and_touch(db, handoff, "texts_open", now)


def record_undelivered(db: Session, conversation_id: int, staff_id: int, message_id: int, now: datetime) -> None:
    """Record that a social worker's text did not arrive, and make the handoff due now so that its owner is alerted."""
    handoff = find_open(db, conversation_id)
    if handoff is not None and handoff.state in HELD_STATES:
        add_event_and_touch(db, handoff, "undelivered", now, staff_id=staff_id, message=message_id)
        handoff.due_at = now


def reopen(db: Session, sealer: Sealer, handoff: Handoff, effect: OpenHandoff, now: datetime) -> None:
    """Reopen a handed-back handoff that has no disposition yet, with the reason and urgency of the new request."""
    apply_move(handoff, "reopen")
    handoff.owner_id = handoff.offered_to_id = handoff.unanswered_since = handoff.shift_ends_at = handoff.last_notice_at = (
        None
    )
    handoff.urgency, handoff.reason = effect.urgency.value, effect.reason.value
    handoff.dangers, handoff.reachable = list(effect.dangers), effect.reachable
    if effect.team != "anyone":
        handoff.team = effect.team
    if effect.because:
        handoff.sealed_because = sealer.seal(effect.because)
    add_event_and_touch(db, handoff, "reopened", now, urgency=handoff.urgency, reason=handoff.reason)
    db.add(_new_alert(handoff, now))
    _escalate_now(handoff, now, restart=True)


def start_escalation(handoff: Handoff, now: datetime) -> None:
    """Start the escalation of an unclaimed handoff from its first tier, due at once."""
    _escalate_now(handoff, now, restart=True)


def _escalate_now(handoff: Handoff, now: datetime, *, restart: bool) -> None:
    """Make the next tier due now; `restart` restarts from the first tier with the time limit of the current urgency."""
    handoff.due_at = now
    if restart:
        handoff.tier, handoff.alerted_at = 0, None
        handoff.limit_at = now + CLAIM_WITHIN[Urgency(handoff.urgency)]


def find_open(db: Session, conversation_id: int, *, lock: bool = False) -> Handoff | None:
    """The open handoff of this conversation, or None."""
    rows = select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.state != HandoffState.CLOSED.value)
    return db.scalar(rows.with_for_update(key_share=True) if lock else rows)


def list_ids(db: Session, conversation_id: int) -> Sequence[int]:
    """The ids of all handoffs of this conversation, open and closed."""
    return db.scalars(select(Handoff.id).where(Handoff.conversation_id == conversation_id)).all()


def list_dangers(db: Session, conversation_id: int) -> list[tuple[list[str], datetime]]:
    """The dangers of each handoff of this conversation, open and closed, with the time (UTC) at which it was opened."""
    rows = db.execute(select(Handoff.dangers, Handoff.opened_at).where(Handoff.conversation_id == conversation_id))
    return [(dangers, at) for dangers, at in rows]


def latest_team(db: Session, conversation_id: int) -> str | None:
    """The team of the conversation's newest handoff; None if it never had one."""
    rows = select(Handoff.team).where(Handoff.conversation_id == conversation_id)
    return db.scalar(rows.order_by(Handoff.id.desc()).limit(1))


def was_closed_since(db: Session, conversation_id: int | None, since: datetime) -> bool:
    """Whether a handoff of this conversation was closed at or after `since` (aware UTC)."""
    closed = select(Handoff.id).where(Handoff.conversation_id == conversation_id, Handoff.closed_at >= since)
    return db.scalar(closed.limit(1)) is not None


def find_last_alerted(db: Session, staff_id: int) -> tuple[int, str] | None:
    """The id and state of the handoff that this staff member was last called out for; None if there was none."""
    rows = select(Handoff.id, Handoff.state).join(CallOut, CallOut.handoff_id == Handoff.id)
    found = db.execute(rows.where(CallOut.staff_id == staff_id).order_by(CallOut.id.desc()).limit(1)).first()
    return (found.id, found.state) if found is not None else None


def _adopt_reason(sealer: Sealer, handoff: Handoff, effect: OpenHandoff) -> None:
    """Take over team and reason from a worse request; a danger is never replaced by another reason."""
    if handoff.reason == HandoffReason.DANGER.value and effect.reason is not HandoffReason.DANGER:
        return
    handoff.reason = effect.reason.value
    handoff.team = effect.team if effect.team != "anyone" else handoff.team
    if effect.because:
        earlier = f"{sealer.open(handoff.sealed_because)}; " if handoff.sealed_because else ""
        handoff.sealed_because = sealer.seal((earlier + effect.because)[-2000:])


def mark_unreachable(db: Session, conversation_id: int, now: datetime) -> None:
    """Record that texts to a person with an open handoff cannot be sent, and alert: the social worker must telephone."""
    handoff = find_open(db, conversation_id)
    if handoff is not None and handoff.reachable:
        handoff.reachable = False
        add_event_and_touch(db, handoff, "texts_blocked", now)
        db.add(_new_alert(handoff, now))
        _make_due_now(handoff, now)


def _make_due_now(handoff: Handoff, now: datetime) -> None:
    """Make the handoff due now, so that the next tier or its owner learns that the person must be telephoned."""
    if handoff.state in (*UNCLAIMED_STATES, *HELD_STATES):
        handoff.due_at = now


def _new_handoff(
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
        language=language or SOURCE_LANGUAGE,
        tier=0,
        due_at=now,
        limit_at=now + CLAIM_WITHIN[effect.urgency],
        opened_at=now,
        updated_at=now,
    )


def _new_alert(handoff: Handoff, now: datetime) -> Alert:
    # Ids and fixed words only: an alert appears on a telephone's lock screen.
    detail = "phone the person: texts are blocked" if not handoff.reachable else handoff.reason
    return Alert(
        kind="handoff",
        handoff_id=handoff.id,
        conversation_id=handoff.conversation_id,
        urgency=handoff.urgency,
        detail=detail,
        raised_at=now,
    )


def add_alert(db: Session, handoff: Handoff, now: datetime) -> None:
    """Add another alert: the person is in danger again while a social worker has the handoff."""
    db.add(_new_alert(handoff, now))


def acknowledge_alerts(db: Session, handoff_id: int, now: datetime) -> None:
    """Mark the handoff's alerts as acknowledged, because a social worker has it."""
    for alert in db.scalars(select(Alert).where(Alert.handoff_id == handoff_id, Alert.acknowledged_at.is_(None))):
        alert.acknowledged_at = now


def list_call_outs(db: Session, handoff_id: int) -> Sequence[CallOut]:
    """The handoff's call-outs, oldest first."""
    return db.scalars(select(CallOut).where(CallOut.handoff_id == handoff_id).order_by(CallOut.id)).all()


def list_open_call_outs(db: Session, staff_id: int) -> Sequence[CallOut]:
    """This staff member's unanswered call-outs for handoffs that are not closed, oldest first."""
    rows = (
        select(CallOut)
        .join(Handoff, Handoff.id == CallOut.handoff_id)
        .where(CallOut.staff_id == staff_id, CallOut.answer.is_(None), Handoff.state != HandoffState.CLOSED.value)
    )
    return db.scalars(rows.order_by(CallOut.id)).all()


def answer_call_outs(
    db: Session,
    handoff_id: int,
    answer: str,
    now: datetime,
    *,
    only_staff_id: int | None = None,
    except_staff_id: int | None = None,
) -> list[int]:
    """End the open call-outs of a handoff: only those of `only_staff_id`, or all but those of `except_staff_id`.

    Returns their staff ids.
    """
    rows = select(CallOut).where(CallOut.handoff_id == handoff_id, CallOut.answer.is_(None))
    if only_staff_id is not None:
        rows = rows.where(CallOut.staff_id == only_staff_id)
    if except_staff_id is not None:
        rows = rows.where(CallOut.staff_id != except_staff_id)
    found = db.scalars(rows).all()
    for call_out in found:
        call_out.answer, call_out.answered_at = answer, now
    return list(dict.fromkeys(call_out.staff_id for call_out in found))
