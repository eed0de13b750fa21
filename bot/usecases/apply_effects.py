"""The effects of a turn as rows: one `match`, so that what a turn can do to the world is read in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.check_in import plan
from bot.domain.effects import (
    CheckInAnswered,
    Choice,
    Effect,
    EraseData,
    HoldTexts,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    Reply,
    ScheduleCheckIns,
    StaySilent,
    TellHuman,
    TellReferral,
)
from bot.storage import alerts, cases, check_ins, consents, erasures, handoffs, outbox, outcomes, referrals
from bot.usecases import keep_case, record_referral
from bot.usecases.answering.calling import call_human
from bot.usecases.answering.relaying import person_wrote
from bot.usecases.desk import Desk

LOOK_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the effects happened: ids of the conversation and of the message that caused them (None for an alarm clock)."""

    conversation_id: int
    message_id: int | None
    language: str
    words: str = ""
    """What the person wrote, for the telephone of the social worker who has them."""
    media: int = 0


def apply_effects(db: Session, desk: Desk, effects: Iterable[Effect], place: Place, now: datetime) -> list[int]:
    """Write what the turn asked for, in the transaction of the turn. Replies and silences are rows of the turn itself.

    Returns the outbox rows of texts to staff, to be woken after the commit.
    """
    wake: list[int] = []
    for effect in effects:
        match effect:
            case Reply() | StaySilent():
                pass
            case OpenHandoff():
                wake += call_human(db, desk, effect, place.conversation_id, place.message_id, place.language, now)
            case TellHuman(urgent=urgent):
                wake += person_wrote(db, desk, place.conversation_id, place.words, place.media, urgent, now)
            case HoldTexts():
                outbox.drop_waiting(db, place.conversation_id)
            case RaiseAlarm(kind=kind, detail=detail):
                alerts.raise_alarm(db, kind, detail, place.conversation_id, now)
            case OfferServices(need=need, near=near, services=services):
                referrals.offer(db, place.conversation_id, need, near, services, now)
                keep_case.need_met_by_offer(db, place.conversation_id, need, now)
            case ScheduleCheckIns(flow=flow, after=after):
                times = plan(now, after, desk.zone, place.conversation_id, desk.holidays)
                check_ins.plan(db, place.conversation_id, flow, times, now)
            case CheckInAnswered(check_in=check_in):
                check_ins.answered(db, check_in, now)
            case TellReferral(outcome=outcome, which=which):
                record_referral.by_person(db, place.conversation_id, outcome, which, now)
            case RecordMeasure(name=name, value=value):
                keep_case.measured(db, place.conversation_id, name, value, now)
                if (name, value) == ("safe", "no"):
                    # Whether or not they may be written to: somebody must see it, and no text of ours tells of it.
                    cases.add_task(db, place.conversation_id, "call", "not_safe", now + LOOK_WITHIN, now)
            case RecordConsent():
                consents.record(db, effect, place.conversation_id, place.message_id, place.language, now)
                if effect.choice is Choice.AGREED:
                    # Services are offered before anybody is asked whether we may follow up.
                    for referral in referrals.last_open_offer(db, place.conversation_id):
                        keep_case.need_met_by_offer(db, place.conversation_id, referral.need, now)
                if effect.choice is Choice.OPTED_IN:
                    handoffs.reachable_again(db, place.conversation_id, now)
                if effect.choice is Choice.OPTED_OUT:
                    # Whoever was about to answer by text must know that it would not arrive.
                    handoffs.unreachable(db, place.conversation_id, now)
            case EraseData():
                erasures.ask(db, place.conversation_id, now)
            case RecordOutcome(outcome=outcome, flow=flow):
                outcomes.record(db, place.conversation_id, flow, outcome, now)
    return wake
