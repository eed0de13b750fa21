"""The effects of a turn as rows: one `match`, so that what a turn can do to the world is read in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.effects import (
    Choice,
    Effect,
    EraseData,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordOutcome,
    Reply,
    ScheduleCheckIns,
    StaySilent,
    TellHuman,
)
from bot.storage import alerts, checkins, consents, erasures, handoffs, outcomes, referrals
from bot.storage.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Place:
    """Where the effects happened: ids of the conversation and of the message that caused them (None for an alarm clock)."""

    conversation_id: int
    message_id: int | None
    language: str


def apply_effects(db: Session, sealer: Sealer, effects: Iterable[Effect], place: Place, now: datetime) -> None:
    """Write what the turn asked for, in the transaction of the turn. Replies and silences are rows of the turn itself."""
    for effect in effects:
        match effect:
            case Reply() | StaySilent():
                pass
            case OpenHandoff():
                handoffs.open_or_raise(db, sealer, effect, place.conversation_id, place.message_id, now)
            case TellHuman(urgent=urgent):
                handoffs.person_wrote(db, place.conversation_id, urgent, now)
            case RaiseAlarm(kind=kind, detail=detail):
                alerts.raise_alarm(db, kind, detail, place.conversation_id, now)
            case OfferServices(need=need, near=near, services=services):
                referrals.offer(db, place.conversation_id, need, near, services, now)
            case ScheduleCheckIns(flow=flow, after=after):
                checkins.plan(db, place.conversation_id, flow, after, now)
            case RecordConsent():
                consents.record(db, effect, place.conversation_id, place.message_id, place.language, now)
                if effect.choice is Choice.OPTED_OUT:
                    # Whoever was about to answer by text must know that it would not arrive.
                    handoffs.unreachable(db, place.conversation_id, now)
            case EraseData():
                erasures.ask(db, place.conversation_id, now)
            case RecordOutcome(outcome=outcome, flow=flow):
                outcomes.record(db, place.conversation_id, flow, outcome, now)
