"""What a turn does beside its texts, told to admins: as it would happen on the line, where here nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta

from bot.domain.effects import (
    CheckInAnswered,
    Choice,
    Effect,
    EraseData,
    HoldTexts,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    Reason,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    ScheduleCheckIns,
    TellHuman,
    TellReferral,
)
from bot.domain.safety.levels import Urgency

URGENCIES = {
    Urgency.NOW: "now",
    Urgency.MINUTES: "within minutes",
    Urgency.QUARTER_HOUR: "within 15 minutes",
    Urgency.THIS_SHIFT: "this shift",
    Urgency.ROUTINE: "routine",
}
_CALLED = {
    Reason.DANGER: "The safety net heard danger.",
    Reason.ASKED: "The person asked for somebody.",
    Reason.FLOW: "",
    Reason.NOT_UNDERSTOOD: "The line could not understand them.",
    Reason.FAILURE: "The line had a fault.",
}
_LEDGER = {
    Choice.AGREED: "agreed",
    Choice.WITHDRAWN: "taken back",
}

Due = Callable[[tuple[timedelta, ...]], Sequence[datetime]]
"""When check-ins after these lengths of time would be asked."""


def in_words(effect: Effect, due: Due, zone: ZoneInfo) -> str:
    """One sentence or two about an effect that is no text and no silence; TypeError for those."""
    match effect:
        case OpenHandoff():
            return _handoff(effect)
        case TellHuman(urgent=urgent):
            return f"The text goes to the social worker who is called{', as urgent' if urgent else ''}."
        case HoldTexts():
            return "What still waits to be sent to them is held back."
        case RaiseAlarm(kind=kind, detail=detail):
            return f"Alarm for the operator: {kind.replace('_', ' ')}" + (f" ({detail})." if detail else ".")
        case OfferServices(need=need, near=near, services=services):
            where = f", near {near}" if near else ""
            return f"Writes down {_count(len(services), 'referral')}: {_plain(need)}{where}."
        case ScheduleCheckIns(flow=flow, after=after):
            days = ", ".join(short_day(at, zone) for at in due(after))
            return f"Would ask again with {flow} on {days}, where they have agreed to it."
        case CheckInAnswered():
            return "The check-in counts as answered."
        case RecordConsent():
            return _consent(effect)
        case _:
            return _record(effect)


def _record(effect: Effect) -> str:
    match effect:
        case TellReferral(outcome=outcome, which=which):
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


def _handoff(effect: OpenHandoff) -> str:
    team = "anyone" if effect.team == "anyone" else f"team {_plain(effect.team)}"
    said = [f"A handoff to {team}, urgency: {URGENCIES[effect.urgency]}.", _CALLED[effect.reason]]
    if effect.because:
        said.append(f"The social worker would read: {effect.because}")
    if effect.wish:
        said.append(f"They asked for: {effect.wish}")
    if not effect.reachable:
        said.append("The person gets no texts: somebody must phone.")
    return " ".join(part for part in said if part)


def _consent(effect: RecordConsent) -> str:
    if effect.choice is Choice.OPTED_OUT:
        return "All texts to them are stopped. Writes that into the consent ledger."
    if effect.choice is Choice.OPTED_IN:
        return "Texts to them begin again. Writes that into the consent ledger."
    return f"Writes into the consent ledger: {_plain(effect.scope)} {_LEDGER[effect.choice]}."


def moment(at: datetime, zone: ZoneInfo) -> str:
    """`Mon, Nov 30, 9:00 AM`, in the line's zone."""
    return f"{short_day(at, zone)}, {clock(at, zone)}"


def short_day(at: datetime, zone: ZoneInfo) -> str:
    """`Mon, Nov 30`."""
    return format_date(at.astimezone(zone).date(), "EEE, MMM d", locale="en_US")


def clock(at: datetime, zone: ZoneInfo) -> str:
    """`9:00 AM`."""
    local = at.astimezone(zone)
    return " ".join(format_time(local.time().replace(tzinfo=None), "h:mm a", locale="en_US").split())


def how_long(length: timedelta) -> str:
    """`3 days`, `2 hours`; both parts where it is not about whole."""
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
