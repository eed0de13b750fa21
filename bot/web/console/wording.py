"""Labels of the inbox and the conversation page: plain English for the fixed words in the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list

from bot.domain.handoff.states import DISPOSITIONS, LAPSED, HandoffState
from bot.domain.languages import english_name as english_name
from bot.domain.messages.delivery import DeliveryState
from bot.usecases.handoff.read_timeline import TimelineEvent

_ENGLISH = Locale.parse("en_US")
"""Parsed once: looking a locale up by name costs more than formatting a list of names."""
URGENCIES = {
    "now": "Now",
    "minutes": "Within minutes",
    "quarter_hour": "Within 15 minutes",
    "this_shift": "This shift",
    "routine": "Routine",
}
REASONS = {
    "danger": "The safety rules heard danger",
    "asked": "Asked for a person",
    "flow": "The conversation called a person",
    "not_understood": "The line could not understand them",
    "failure": "The line had a fault",
}
DANGERS = {
    "self_harm": "Self-harm",
    "domestic_violence": "Violence at home",
    "violence": "Violence",
    "overdose": "Overdose",
    "child": "A child in danger",
    "medical": "Medical emergency",
    "distress": "Deep distress",
}
CHANNELS = {"sms": "Text message", "whatsapp": "WhatsApp", "web": "Web chat", "simulator": "Phone simulator"}
STATES = {
    DeliveryState.WAITING.value: "Waiting to leave",
    DeliveryState.CLAIMED.value: "Leaving",
    DeliveryState.UNKNOWN.value: "Not sure yet whether it left",
    DeliveryState.ANSWERED.value: "Sent",
    DeliveryState.DROPPED.value: "Not sent",
    DeliveryState.ACCEPTED.value: "Taken by the carrier",
    DeliveryState.SCHEDULED.value: "Planned with the carrier",
    DeliveryState.QUEUED.value: "Taken by the carrier",
    DeliveryState.SENDING.value: "Leaving",
    DeliveryState.SENT.value: "Sent",
    DeliveryState.DELIVERED.value: "Delivered",
    DeliveryState.UNDELIVERED.value: "Not delivered",
    DeliveryState.FAILED.value: "Failed",
    DeliveryState.CANCELED.value: "Cancelled",
    DeliveryState.READ.value: "Read",
    "received": "",
}
UNREACHABLE = {
    "bad_address": "the number is not valid",
    "invalid": "the number is not valid",
    "no_texts": "the number takes no texts",
    "reassigned": "the number may belong to somebody else now",
    "opted_out": "they opted out",
    "erased": "what was kept of them has been deleted",
}


def plain(word: str, table: Mapping[str, str]) -> str:
    """The label of a fixed word; if the table has none, the word itself with spaces for underscores."""
    return table[word] if word in table else word.replace("_", " ").capitalize()


MOST_NAMES = 4
"""When all staff are called, a card must not list all of them."""


def names(people: Sequence[str]) -> str:
    """`Joy Adams, Sam Reed and Li Chen`; of more than `MOST_NAMES` the first three and the number of others."""
    shown = list(people)
    if len(shown) > MOST_NAMES:
        shown = [*shown[:3], f"{len(shown) - 3} others"]
    return str(format_list(shown, locale=_ENGLISH)) if shown else "nobody"


def span(length: timedelta) -> str:
    """A duration: `under a minute`, `4 min`, `2 h 5 min`, `3 days`. Never negative."""
    minutes = max(0, int(length.total_seconds())) // 60
    if minutes < 1:
        return "under a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} day{'s' if hours >= 48 else ''}"


def since(at: datetime, now: datetime) -> str:
    """How long ago `at` was."""
    return span(now - at)


def limit(at: datetime, now: datetime) -> str:
    """How much time is left until `at`, or by how much it has passed."""
    if timedelta() < now - at < timedelta(minutes=1):
        return "just over"
    return f"over by {span(now - at)}" if now > at else f"{span(at - now)} left"


def answer(text: str) -> str:
    """A person's answer; an ISO date as people write it."""
    try:
        return format_date(date.fromisoformat(text), "EEEE, MMMM d, y", locale=_ENGLISH)
    except ValueError:
        return text


def disposition(key: str) -> str:
    """How a handoff ended."""
    return "Nobody closed it, so the line did" if key == LAPSED else plain(key, DISPOSITIONS)


def describe_state(state: str, owner: str, owner_is_me: bool, calling: Sequence[str], tier: int) -> str:
    """Who has the handoff, or who is being called on which tier of the escalation policy, in one sentence."""
    who = "You" if owner_is_me else owner or "Nobody"
    if state == HandoffState.CLAIMED:
        return f"{who} {'have' if owner_is_me else 'has'} it and {'have' if owner_is_me else 'has'} not written yet"
    if state == HandoffState.WITH_HUMAN:
        return f"{who} {'are' if owner_is_me else 'is'} talking with them"
    if state == HandoffState.HANDED_BACK:
        return f"{who} handed it back to the line; it is not closed yet"
    if state == HandoffState.CLOSED:
        return "Closed"
    if calling:
        return f"Call {tier}: {names(calling)} {'is' if len(calling) == 1 else 'are'} being called"
    return "Nobody could be called yet" if state == HandoffState.WAITING else "Nobody has answered the calls yet"


_EVENTS = {
    "opened": "A human was called",
    "rose": "It became more urgent",
    "reopened": "They need a human again",
    "rests": "Nobody is on duty; it rests until a shift begins",
    "told_waiting": "The person was told that we are still trying",
    "could_not_tell": "The person was not told how it stands: it is not safe, or texts do not reach them",
    "danger_again": "The safety rules heard danger again; the owner was told",
    "reminded": "The owner was reminded",
    "quiet_in_danger": "It is quiet and they may be in danger; the owner was told",
    "shift_ending": "The owner was told that their shift ends soon",
    "shift_over": "The owner's shift is over; others are being called",
    "supervisor_called": "A supervisor was called",
    "texts_blocked": "Texts do not reach them: somebody must phone",
    "handed_back_idle": "It was quiet for long, so the line has it again",
    "undelivered": "A text of the worker's did not arrive",
    "told_undelivered": "The owner was told that it did not arrive",
    "texts_open": "They take texts again",
    "not_sent": "A planned text did not leave: things had changed since it was planned",
    "offer_expired": "The offer was not answered in time",
}
_STAFF_ACTS = {
    "claimed": "took it",
    "passed": "passed",
    "released": "gave it back, for others to answer",
    "offered": "offered it",
    "accepted": "accepted it",
    "offer_declined": "declined it",
    "took_over": "took it over as supervisor",
    "sent_to_team": "sent it to another team",
    "handed_back": "handed it back to the line",
    "closed": "closed it",
    "scheduled": "planned a text",
    "unscheduled": "cancelled a planned text",
    "noted": "wrote a note",
    "reached_out": "wrote first",
}
HIDDEN_EVENTS = frozenset({"spoke"})
"""Events that the timeline leaves out, because the conversation itself shows them."""


def event(happened: TimelineEvent, teams: Mapping[str, str]) -> str:
    """A timeline event in one line."""
    kind, detail = happened.kind, happened.detail
    others = [name for name in happened.names.values() if name != happened.by]
    if kind == "called":
        # Events from before migration 0005 say "rung".
        tier = detail.get("tier", detail.get("rung", ""))
        return f"Call {tier}: {names(others)} {'was' if len(others) == 1 else 'were'} called"
    sentence = f"{happened.by or 'The line'} {_STAFF_ACTS[kind]}" if kind in _STAFF_ACTS else plain(kind, _EVENTS)
    if others:
        sentence += f" to {names(others)}" if kind == "offered" else f" ({names(others)})"
    return "".join([sentence, *(f": {more}" for more in _event_details(kind, detail, teams))])


def _event_details(kind: str, detail: Mapping[str, object], teams: Mapping[str, str]) -> Iterator[str]:
    if kind == "sent_to_team":
        yield teams.get(str(detail.get("team")), str(detail.get("team")))
    if kind in ("opened", "rose") and "urgency" in detail:
        yield plain(str(detail["urgency"]), URGENCIES).lower()
    if "disposition" in detail:
        yield disposition(str(detail["disposition"]))
