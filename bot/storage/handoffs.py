"""Calls for a human, one open at a time for each conversation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.effects import OpenHandoff, Reason
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
    worse = _ORDER[effect.urgency.value] < _ORDER[open_one.urgency]
    new_danger = effect.reason is Reason.DANGER and (
        open_one.reason != Reason.DANGER.value or not set(effect.dangers) <= set(open_one.dangers)
    )
    if worse:
        open_one.urgency = effect.urgency.value
    if worse or new_danger:
        _take_over(sealer, open_one, effect)
    rises = worse or new_danger or (open_one.reachable and not effect.reachable)
    open_one.dangers = sorted({*open_one.dangers, *effect.dangers})
    open_one.reachable = open_one.reachable and effect.reachable
    open_one.updated_at = now
    if rises:
        db.add(_alert(open_one, now))
    return open_one


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
    handoff = db.scalar(select(Handoff).where(Handoff.conversation_id == conversation_id, Handoff.state != "closed"))
    if handoff is not None and handoff.reachable:
        handoff.reachable, handoff.updated_at = False, now
        db.add(_alert(handoff, now))


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
