"""Calls for a human, one open at a time for each conversation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.effects import OpenHandoff
from bot.domain.safety.levels import Urgency
from bot.storage.sealing import Sealer
from bot.storage.tables import Alert, Handoff

_ORDER = {urgency.value: place for place, urgency in enumerate(Urgency)}


def open_or_raise(
    db: Session, sealer: Sealer, effect: OpenHandoff, conversation_id: int, message_id: int | None, now: datetime
) -> Handoff:
    """Open a handoff and its alert; where one is open, make it as urgent as the new one asks and alert again if it rose.

    The conversation's row is locked by the turn, so two turns cannot open two.
    """
    open_one = db.scalar(
        select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.state != "closed").with_for_update()
    )
    if open_one is None:
        handoff = _new(sealer, effect, conversation_id, message_id, now)
        db.add(handoff)
        db.flush()
        db.add(_alert(handoff, now))
        return handoff
    rises = _ORDER[effect.urgency.value] < _ORDER[open_one.urgency] or (open_one.reachable and not effect.reachable)
    if _ORDER[effect.urgency.value] < _ORDER[open_one.urgency]:
        open_one.urgency, open_one.reason = effect.urgency.value, effect.reason.value
        open_one.team = effect.team if effect.team != "anyone" else open_one.team
    open_one.dangers = sorted({*open_one.dangers, *effect.dangers})
    open_one.reachable = open_one.reachable and effect.reachable
    open_one.updated_at = now
    if rises:
        db.add(_alert(open_one, now))
    return open_one


def _new(sealer: Sealer, effect: OpenHandoff, conversation_id: int, message_id: int | None, now: datetime) -> Handoff:
    return Handoff(
        conversation_id=conversation_id,
        message_id=message_id,
        reason=effect.reason.value,
        team=effect.team,
        urgency=effect.urgency.value,
        sealed_because=sealer.seal(effect.because) if effect.because else None,
        dangers=list(effect.dangers),
        reachable=effect.reachable,
        state="waiting",
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


def person_wrote(db: Session, conversation_id: int, urgent: bool, now: datetime) -> None:
    """The person who waits, or talks with a human, wrote again: the handoff shows it; danger alerts once more."""
    handoff = db.scalar(select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.state != "closed"))
    if handoff is None:
        return
    handoff.updated_at = now
    if urgent and handoff.state != "waiting":
        db.add(_alert(handoff, now))
