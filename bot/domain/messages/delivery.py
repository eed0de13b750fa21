"""The states of an outgoing text, and what to do when the carrier says that it did not arrive.

Pure rules. The outbox stores the state, the carrier reports, this module decides. The codes are Twilio's, the only carrier
with codes; another carrier would bring its own table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.domain.messages.message import OutboxLane


class DeliveryState(StrEnum):
    """The state of an outgoing message. The first five are ours, the others are the carrier's."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    """It was sent to the carrier and no answer came: the carrier may or may not have it."""
    ANSWERED = "answered"
    """It was sent in the webhook's answer to the person's message; the carrier has not confirmed it yet."""
    DROPPED = "dropped"
    """We decided not to send it: it was out of date, or the person opted out."""
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    READ = "read"


_RANKS: Final = {
    DeliveryState.WAITING: 0,
    DeliveryState.CLAIMED: 1,
    DeliveryState.UNKNOWN: 2,
    DeliveryState.ANSWERED: 3,
    DeliveryState.DROPPED: 3,
    DeliveryState.ACCEPTED: 4,
    DeliveryState.SCHEDULED: 4,
    DeliveryState.QUEUED: 5,
    DeliveryState.SENDING: 6,
    DeliveryState.SENT: 7,
    DeliveryState.DELIVERED: 8,
    DeliveryState.UNDELIVERED: 8,
    DeliveryState.FAILED: 8,
    DeliveryState.CANCELED: 8,
    DeliveryState.READ: 9,
}

FINAL_STATES: Final = frozenset(
    {
        DeliveryState.DROPPED,
        DeliveryState.DELIVERED,
        DeliveryState.UNDELIVERED,
        DeliveryState.FAILED,
        DeliveryState.CANCELED,
        DeliveryState.READ,
    }
)
"""States after which no further report is expected."""


def rank(state: DeliveryState) -> int:
    """How far along a message is, from 0. A carrier's report counts only if it ranks higher than the current state.

    Reports come twice, late and out of order, so `delivered, sent, queued` ends as delivered. Our own states rank below
    every state that the carrier reports: a dropped message that the carrier did deliver (after a time-out that hid this)
    becomes delivered, since the person has read it. The outbox's own steps back (a claim that is given up) ignore ranks.
    """
    return _RANKS[state]


class Reaction(StrEnum):
    """What to do with a message that the carrier did not take or could not deliver."""

    RETRY_SOON = "retry_soon"
    """The carrier took nothing: try again in seconds, then minutes."""
    RETRY_ONCE = "retry_once"
    RETRY_HOURS = "retry_hours"
    """The telephone is off or unreachable: try again two or three times over hours."""
    NEXT_DAY = "next_day"
    """A daily limit is used up."""
    OTHER_SENDER = "other_sender"
    """This sender cannot send now, but another of our numbers can: try that one at once."""
    HOLD = "hold"
    """Our own configuration is broken: the message is kept and retried now and then until an operator fixes it."""
    RECONCILE = "reconcile"
    """The carrier may have taken it: ask first, and send again only if it does not have the message."""
    RECONSIDER = "reconsider"
    """Its time has passed: decide again whether it still applies before it is sent."""
    TEMPLATE_OR_SMS = "template_or_sms"
    """WhatsApp accepts only an approved template now: send that, otherwise a plain SMS."""
    DROP = "drop"
    """Never send this text to this person again."""


class AddressProblem(StrEnum):
    """What an error says about an address."""

    OPTED_OUT = "opted_out"
    INVALID = "invalid"
    NO_TEXTS = "no_texts"
    """A landline, or unreachable by text: offer a call."""
    REASSIGNED = "reassigned"
    """The number may belong to another person now: nothing more is sent there until staff have checked."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What to do about an error code.

    `meaning` is for staff screens and contains no personal data. `crisis` is the reaction in the crisis lane where that
    differs. `alert_staff`: the person's social worker must see it. `slow_bulk`: slow the bulk lane down. `checked` is False
    where the meaning was not verified in the carrier's documentation.
    """

    meaning: str
    reaction: Reaction
    crisis: Reaction | None = None
    address_problem: AddressProblem | None = None
    alert_staff: bool = False
    page_operator: bool = False
    slow_bulk: bool = False
    checked: bool = True

    def reaction_in(self, lane: OutboxLane) -> Reaction:
        """The reaction for a message of this lane."""
        return self.crisis if lane is OutboxLane.CRISIS and self.crisis else self.reaction

    def must_alert_staff(self, lane: OutboxLane) -> bool:
        """Whether staff must be told now. In the crisis lane: always, unless it is sent again within seconds."""
        if lane is not OutboxLane.CRISIS:
            return self.alert_staff
        return self.alert_staff or self.reaction_in(lane) not in _RETRIED_WITHIN_SECONDS


_RETRIED_WITHIN_SECONDS: Final = frozenset({Reaction.RETRY_SOON, Reaction.OTHER_SENDER, Reaction.RECONCILE})


def _configuration_error(meaning: str, *, checked: bool = True) -> ErrorRule:
    """A fault in our account or settings: every message would fail, so none is discarded."""
    return ErrorRule(meaning, Reaction.HOLD, alert_staff=False, page_operator=True, checked=checked)


def _our_bug(meaning: str, *, checked: bool = True) -> ErrorRule:
    """We wrote something that can never be sent. The text is not lost: a social worker reads it and answers."""
    return ErrorRule(meaning, Reaction.DROP, alert_staff=True, page_operator=True, checked=checked)


def _webhook_failure(meaning: str, *, checked: bool = True) -> ErrorRule:
    """The carrier could not reach or read our webhook: a person got no answer, and a reply may be unsent."""
    return ErrorRule(meaning, Reaction.RECONCILE, alert_staff=True, page_operator=True, checked=checked)


_RULES: Final[dict[int, ErrorRule]] = {
    11200: _webhook_failure("our webhook answered with an error or not at all"),
    11205: _webhook_failure("our webhook could not be connected to", checked=False),
    11751: _webhook_failure("a picture or our webhook could not be fetched"),
    12100: _webhook_failure("our answer was not well-formed XML"),
    12200: _webhook_failure("our answer did not fit the carrier's schema"),
    14107: ErrorRule("too many replies in a few seconds, perhaps another bot", Reaction.RETRY_SOON, page_operator=True),
    14109: _webhook_failure("more than ten replies in one answer"),
    20003: _configuration_error("the carrier refused our account or key"),
    20429: ErrorRule("too many requests at once", Reaction.RETRY_SOON, slow_bulk=True),
    20500: ErrorRule("the carrier had an internal error", Reaction.RECONCILE),
    20503: ErrorRule("the carrier is not available", Reaction.RETRY_SOON),
    21211: ErrorRule("not a telephone number", Reaction.DROP, address_problem=AddressProblem.INVALID, alert_staff=True),
    21212: _configuration_error("our sender is not a valid number"),
    21408: ErrorRule(
        "texts to that country are not enabled",
        Reaction.DROP,
        address_problem=AddressProblem.NO_TEXTS,
        alert_staff=True,
        page_operator=True,
    ),
    21606: _configuration_error("our sender cannot send texts"),
    21608: _configuration_error("a trial account sends only to verified numbers"),
    21610: ErrorRule("the person has opted out", Reaction.DROP, address_problem=AddressProblem.OPTED_OUT, alert_staff=True),
    21611: ErrorRule("our sender's queue is full", Reaction.RETRY_HOURS, crisis=Reaction.OTHER_SENDER, slow_bulk=True),
    21612: ErrorRule(
        "no route from our sender to that number", Reaction.DROP, address_problem=AddressProblem.NO_TEXTS, alert_staff=True
    ),
    21614: ErrorRule("not a mobile number", Reaction.DROP, address_problem=AddressProblem.NO_TEXTS, alert_staff=True),
    21617: _our_bug("the text is over 1600 characters", checked=False),
    21635: ErrorRule("not a mobile number", Reaction.DROP, address_problem=AddressProblem.NO_TEXTS, alert_staff=True),
    30001: ErrorRule("our queue overflowed", Reaction.RETRY_SOON, slow_bulk=True),
    30002: _configuration_error("our account is suspended", checked=False),
    30003: ErrorRule("the telephone is off or out of reach", Reaction.RETRY_HOURS, alert_staff=True),
    30004: ErrorRule("the message was blocked", Reaction.DROP, alert_staff=True, checked=False),
    30005: ErrorRule("the number is not in use", Reaction.DROP, address_problem=AddressProblem.REASSIGNED, alert_staff=True),
    30006: ErrorRule(
        "a landline or a carrier without texts", Reaction.DROP, address_problem=AddressProblem.NO_TEXTS, alert_staff=True
    ),
    30007: ErrorRule("a filter took the text for spam", Reaction.DROP, alert_staff=True, page_operator=True),
    30008: ErrorRule("the carrier does not know why", Reaction.RETRY_ONCE, alert_staff=True),
    30022: ErrorRule("too fast for our registration, or too many to one number", Reaction.RETRY_SOON, slow_bulk=True),
    30023: ErrorRule("our daily allowance is spent", Reaction.NEXT_DAY, crisis=Reaction.OTHER_SENDER, slow_bulk=True),
    30027: ErrorRule(
        "our daily allowance with one network is spent",
        Reaction.NEXT_DAY,
        crisis=Reaction.OTHER_SENDER,
        slow_bulk=True,
        checked=False,
    ),
    30032: _configuration_error("our toll-free number is not verified", checked=False),
    30034: _configuration_error("our number is not registered for texts"),
    30036: ErrorRule("it was not sent in time", Reaction.RECONSIDER, alert_staff=True, checked=False),
    30450: ErrorRule(
        "blocked as suspected pumping of texts",
        Reaction.DROP,
        alert_staff=True,
        page_operator=True,
        slow_bulk=True,
    ),
    30610: ErrorRule("held back by quiet hours", Reaction.RECONSIDER),
    30640: ErrorRule(
        "the number is on a do-not-text list", Reaction.DROP, address_problem=AddressProblem.NO_TEXTS, alert_staff=True
    ),
    35114: _our_bug("a send time out of range"),
    35115: _our_bug("a send time out of range"),
    35117: _our_bug("a send time out of range"),
    35125: _our_bug("too many scheduled messages"),
    63003: ErrorRule(
        "not an address of that channel", Reaction.DROP, address_problem=AddressProblem.INVALID, alert_staff=True
    ),
    63016: ErrorRule("outside the 24 hours in which free text is allowed", Reaction.TEMPLATE_OR_SMS),
    63017: ErrorRule("too fast for that channel", Reaction.RETRY_SOON, slow_bulk=True),
    63018: ErrorRule("too fast for that channel", Reaction.RETRY_SOON, slow_bulk=True),
}

_UNKNOWN_CODE: Final = ErrorRule(
    "an error that this table does not know",
    Reaction.DROP,
    alert_staff=True,
    page_operator=True,
    checked=False,
)
_NO_CODE: Final = ErrorRule("the carrier did not take it", Reaction.RETRY_SOON)

KNOWN_CODES: Final = frozenset(_RULES)


def rule_for(code: int | None) -> ErrorRule:
    """The rule for an error code of the carrier.

    None (the carrier was not reached, so it took nothing) is retried. A code that is not in the table is never retried,
    since a blind retry may repeat a text that did arrive; the operator and a social worker are told.
    """
    if code is None:
        return _NO_CODE
    return _RULES.get(code, _UNKNOWN_CODE)


_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

_FIRST_WAIT: Final = {
    OutboxLane.CRISIS: _SECOND,
    OutboxLane.REPLY: 2 * _SECOND,
    OutboxLane.FOLLOW_UP: 30 * _SECOND,
    OutboxLane.BULK: _MINUTE,
}
_LONGEST_WAIT: Final = {
    OutboxLane.CRISIS: 30 * _SECOND,
    OutboxLane.REPLY: 2 * _MINUTE,
    OutboxLane.FOLLOW_UP: 10 * _MINUTE,
    OutboxLane.BULK: 30 * _MINUTE,
}
_MAX_SOON_TRIES: Final = 12
_HOLD_WAIT: Final = {
    OutboxLane.CRISIS: _MINUTE,
    OutboxLane.REPLY: 5 * _MINUTE,
    OutboxLane.FOLLOW_UP: 15 * _MINUTE,
    OutboxLane.BULK: _HOUR,
}
_MAX_HOLD_TRIES: Final = 48
_RETRY_DELAYS: Final[dict[Reaction, tuple[timedelta, ...]]] = {
    Reaction.RETRY_ONCE: (5 * _MINUTE,),
    Reaction.RETRY_HOURS: (30 * _MINUTE, 2 * _HOUR, 6 * _HOUR),
    Reaction.NEXT_DAY: (24 * _HOUR, 24 * _HOUR),
    Reaction.OTHER_SENDER: (_SECOND, _SECOND, 30 * _SECOND),
    Reaction.RECONCILE: (2 * _SECOND, 10 * _SECOND, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR),
    Reaction.RECONSIDER: (_MINUTE, 12 * _HOUR),
    Reaction.TEMPLATE_OR_SMS: (_SECOND,),
}
_CRISIS_RETRY_DELAYS: Final[dict[Reaction, tuple[timedelta, ...]]] = {
    Reaction.RETRY_ONCE: (5 * _SECOND,),
    Reaction.RETRY_HOURS: (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR),
}


def retry_delay(reaction: Reaction, attempt: int, lane: OutboxLane, jitter: float = 0.0) -> timedelta | None:
    """How long to wait before the next try, or None when there must be none.

    `attempt` counts the tries made, from 1. `jitter` is drawn by the caller from 0 up to 1 and lengthens the wait by up
    to a half, so that texts that failed together are not retried together. The wait and the number of tries are bounded.
    ValueError for an attempt below 1 or a jitter outside 0..1.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, not {attempt}")
    if not 0 <= jitter <= 1:
        raise ValueError(f"jitter lies between 0 and 1, not {jitter}")
    wait = _base_delay(reaction, attempt, lane)
    return None if wait is None else wait * (1 + jitter / 2)


def _base_delay(reaction: Reaction, attempt: int, lane: OutboxLane) -> timedelta | None:
    if reaction is Reaction.DROP:
        return None
    if reaction is Reaction.RETRY_SOON:
        doubled = _FIRST_WAIT[lane] * 2 ** min(attempt - 1, 20)
        return min(doubled, _LONGEST_WAIT[lane]) if attempt <= _MAX_SOON_TRIES else None
    if reaction is Reaction.HOLD:
        return _HOLD_WAIT[lane] if attempt <= _MAX_HOLD_TRIES else None
    delays = (_CRISIS_RETRY_DELAYS if lane is OutboxLane.CRISIS else _RETRY_DELAYS).get(reaction) or _RETRY_DELAYS[reaction]
    return delays[attempt - 1] if attempt <= len(delays) else None
