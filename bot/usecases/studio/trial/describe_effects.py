"""Describes for admins the effects of a turn beside its texts, as they would happen live. Carries none of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta

from bot.domain.conversation.effects import (
    ConsentChoice,
    DropQueuedTexts,
    Effect,
    EraseData,
    HandoffReason,
    MarkCheckInAnswered,
    NotifyStaff,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    RecordReferralOutcome,
    ScheduleCheckIns,
)
from bot.domain.safety.levels import Urgency

URGENCIES = {
    Urgency.NOW: "now",
    Urgency.MINUTES: "within minutes",
    Urgency.QUARTER_HOUR: "within 15 minutes",
    Urgency.THIS_SHIFT: "this shift",
    Urgency.ROUTINE: "routine",
}
_HANDOFF_REASONS = {
    HandoffReason.DANGER: "The safety net heard danger.",
    HandoffReason.ASKED: "The person asked for somebody.",
    HandoffReason.FLOW: "",
    HandoffReason.NOT_UNDERSTOOD: "The line could not understand them.",
    HandoffReason.FAILURE: "The line had a fault.",
}
_CONSENT_CHOICES = {
    ConsentChoice.AGREED: "agreed",
    ConsentChoice.WITHDRAWN: "taken back",
}

CheckInTimes = Callable[[tuple[timedelta, ...]], Sequence[datetime]]
"""When check-ins after these delays would be sent."""


def describe_effect(effect: Effect, due: CheckInTimes, zone: ZoneInfo) -> str:
    """Describes an effect in a sentence or two; TypeError for texts and silence."""
    match effect:
        case OpenHandoff():
            return _describe_handoff(effect)
        case NotifyStaff(urgent=urgent):
            return f"The text goes to the social worker who is called{', as urgent' if urgent else ''}."
        case DropQueuedTexts():
            return "What still waits to be sent to them is held back."
        case RaiseAlarm(kind=kind, detail=detail):
            return f"Alarm for the operator: {kind.replace('_', ' ')}" + (f" ({detail})." if detail else ".")
        case OfferServices(need=need, near=near, services=services):
            where = f", near {near}" if near else ""
            return f"Writes down {_count(len(services), 'referral')}: {_plain(need)}{where}."
        case ScheduleCheckIns(flow=flow, after=after):
            days = ", ".join(format_day(at, zone) for at in due(after))
            return f"Would ask again with {flow} on {days}, where they have agreed to it."
        case MarkCheckInAnswered():
            return "The check-in counts as answered."
        case RecordConsent():
            return _describe_consent(effect)
        case _:
            return _describe_record(effect)


def _describe_record(effect: Effect) -> str:
    match effect:
        case RecordReferralOutcome(outcome=outcome, which=which):
            of = f"service {which}" if which else "the services that were offered"
            return f"Writes down what became of {of}: {_plain(outcome)}."
        case RecordMeasure(name=name, value=value):
            return f"Writes down how the household is: {_plain(name)}: {_plain(value) or 'nothing'}."
        case EraseData():
            return "What is kept of the person is deleted."
        case RecordOutcome(outcome=outcome, flow=flow):
            return f"{flow} ends with the outcome {_plain(outcome)}."
        case _:
            raise TypeError(f"{type(effect).__name__} is told otherwise")


def _describe_handoff(effect: OpenHandoff) -> str:
    team = "anyone" if effect.team == "anyone" else f"team {_plain(effect.team)}"
    said = [f"A handoff to {team}, urgency: {URGENCIES[effect.urgency]}.", _HANDOFF_REASONS[effect.reason]]
    if effect.because:
        said.append(f"The social worker would read: {effect.because}")
    if effect.wish:
        said.append(f"They asked for: {effect.wish}")
    if not effect.reachable:
        said.append("The person gets no texts: somebody must phone.")
    return " ".join(part for part in said if part)


def _describe_consent(effect: RecordConsent) -> str:
    if effect.choice is ConsentChoice.OPTED_OUT:
        return "All texts to them are stopped. Writes that into the consent ledger."
    if effect.choice is ConsentChoice.OPTED_IN:
        return "Texts to them begin again. Writes that into the consent ledger."
    return f"Writes into the consent ledger: {_plain(effect.scope)} {_CONSENT_CHOICES[effect.choice]}."


def format_moment(at: datetime, zone: ZoneInfo) -> str:
    """`Mon, Nov 30, 9:00 AM`, in local time."""
    return f"{format_day(at, zone)}, {format_clock(at, zone)}"


def format_day(at: datetime, zone: ZoneInfo) -> str:
    return format_date(at.astimezone(zone).date(), "EEE, MMM d", locale="en_US")


def format_clock(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return " ".join(format_time(local.time().replace(tzinfo=None), "h:mm a", locale="en_US").split())


def describe_duration(length: timedelta) -> str:
    """`3 days`, `2 hours`; both parts if it is not roughly whole."""
    if length < timedelta(minutes=1):
        return format_timedelta(length, threshold=10, granularity="second", locale="en_US")
    days, rest = divmod(length, timedelta(days=1))
    hours, rest = divmod(rest, timedelta(hours=1))
    minutes = rest // timedelta(minutes=1)
    parts = [_count(days, "day"), _count(hours, "hour"), _count(minutes, "minute")]
    numbers = (days, hours, minutes)
    return " and ".join([part for part, number in zip(parts, numbers, strict=True) if number][:2])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _plain(word: str) -> str:
    return word.replace("_", " ")
