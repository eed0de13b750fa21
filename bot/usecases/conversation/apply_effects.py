"""Store the effects of a turn. One `match` lists all that a turn can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bot.domain.check_ins.decision import plan_times
from bot.domain.conversation.effects import (
    ConsentChoice,
    DropQueuedTexts,
    Effect,
    EraseData,
    MarkCheckInAnswered,
    NotifyStaff,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    RecordReferralOutcome,
    Reply,
    ScheduleCheckIns,
    StaySilent,
)
from bot.storage import alerts, erasures, referrals
from bot.storage.cases import cases
from bot.storage.check_ins import check_ins
from bot.storage.conversation import outcomes
from bot.storage.handoff import handoffs
from bot.storage.messages import outbox
from bot.storage.people import consents
from bot.usecases.cases import manage_case
from bot.usecases.context import Context
from bot.usecases.handoff.escalation import open_and_alert
from bot.usecases.handoff.relaying import relay_to_owner
from bot.usecases.referrals import record_referral

NOT_SAFE_TASK_DUE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class TurnOrigin:
    """Ids of the conversation and of the message that caused the effects (None for a timeout)."""

    conversation_id: int
    message_id: int | None
    language: str
    text: str = ""
    """What the person wrote, to be relayed to the telephone of the social worker who holds the conversation."""
    media: int = 0


def apply_effects(db: Session, context: Context, effects: Iterable[Effect], origin: TurnOrigin, now: datetime) -> list[int]:
    """Store the effects in the turn's transaction. Replies and silences are stored with the turn itself.

    Returns ids of outbox rows (texts to staff), to be sent after the commit.
    """
    wake: list[int] = []
    for effect in effects:
        match effect:
            case Reply() | StaySilent():
                pass
            case OpenHandoff():
                wake += open_and_alert(db, context, effect, origin.conversation_id, origin.message_id, origin.language, now)
            case NotifyStaff(urgent=urgent):
                wake += relay_to_owner(db, context, origin.conversation_id, origin.text, origin.media, urgent, now)
            case DropQueuedTexts():
                outbox.drop_waiting(db, origin.conversation_id)
            case RaiseAlarm(kind=kind, detail=detail):
                alerts.raise_alarm(db, kind, detail, origin.conversation_id, now)
            case OfferServices(need=need, near=near, services=services):
                referrals.add_offered(db, origin.conversation_id, need, near, services, now)
                manage_case.add_offered_need(db, origin.conversation_id, need, now)
            case ScheduleCheckIns(flow=flow, after=after):
                times = plan_times(now, after, context.zone, origin.conversation_id, context.holidays)
                check_ins.plan(db, origin.conversation_id, flow, times, now)
            case MarkCheckInAnswered(check_in=check_in):
                check_ins.mark_answered(db, check_in, now)
            case RecordReferralOutcome(outcome=outcome, which=which):
                record_referral.record_from_person(db, origin.conversation_id, outcome, which, now)
            case RecordMeasure(name=name, value=value):
                manage_case.record_check_in_answer(db, origin.conversation_id, name, value, now)
                if (name, value) == ("safe", "no"):
                    # A social worker must see this even if the person may not be texted; no text of ours mentions it.
                    cases.add_task(db, origin.conversation_id, "call", "not_safe", now + NOT_SAFE_TASK_DUE, now)
            case RecordConsent():
                consents.record(db, effect, origin.conversation_id, origin.message_id, origin.language, now)
                if effect.choice is ConsentChoice.AGREED:
                    # Services are offered before the person is asked for consent to follow-up.
                    for referral in referrals.lock_last_open_offer(db, origin.conversation_id):
                        manage_case.add_offered_need(db, origin.conversation_id, referral.need, now)
                if effect.choice is ConsentChoice.OPTED_IN:
                    handoffs.mark_reachable(db, origin.conversation_id, now)
                if effect.choice is ConsentChoice.OPTED_OUT:
                    # A social worker about to reply by text must know that it would not arrive.
                    handoffs.mark_unreachable(db, origin.conversation_id, now)
            case EraseData():
                erasures.add_request(db, origin.conversation_id, now)
            case RecordOutcome(outcome=outcome, flow=flow):
                outcomes.record(db, origin.conversation_id, flow, outcome, now)
    return wake
