"""What is known about a text on its way out, and what to do when the carrier says that it did not arrive.

Pure rules. The outbox keeps the state, the carrier reports, this page decides. The codes are Twilio's,
since it is the only carrier with codes; a carrier that comes later brings a table of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.domain.message import Lane


class State(StrEnum):
    """Where an outgoing message stands. The first five are ours, the others are the carrier's words."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    UNKNOWN = "unknown"
    """It was handed over and no answer came: the carrier may have it or not."""
    ANSWERED = "answered"
    """It rode in the answer to the person's own message; the carrier has not confirmed it yet."""
    DROPPED = "dropped"
    """We decided not to send it: it came too late to be true, or the person opted out."""
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
    State.WAITING: 0,
    State.CLAIMED: 1,
    State.UNKNOWN: 2,
    State.ANSWERED: 3,
    State.DROPPED: 3,
    State.ACCEPTED: 4,
    State.SCHEDULED: 4,
    State.QUEUED: 5,
    State.SENDING: 6,
    State.SENT: 7,
    State.DELIVERED: 8,
    State.UNDELIVERED: 8,
    State.FAILED: 8,
    State.CANCELED: 8,
    State.READ: 9,
}

FINAL: Final = frozenset({State.DROPPED, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.CANCELED, State.READ})
"""States that nothing is waited for in."""


def rank(state: State) -> int:
    """How far along a message is, from 0. Our own conclusions rank below every word of the carrier."""
    return _RANKS[state]


def moves_forward(current: State, new: State) -> bool:
    """Tell whether a carrier's report `new` says more than `current`.

    Reports come doubled, late and out of order, so a state moves only up the rank: `delivered, sent,
    queued` ends as delivered. A dropped message that the carrier did deliver (its time-out hid that)
    becomes delivered, since the person has read it. The outbox's own steps back (a claim that is given up)
    do not go through here.
    """
    return _RANKS[new] > _RANKS[current]


class Reaction(StrEnum):
    """What becomes of a message that the carrier did not take or could not bring."""

    RETRY_SOON = "retry_soon"
    """Nothing was taken: try again in seconds, then minutes."""
    RETRY_ONCE = "retry_once"
    RETRY_HOURS = "retry_hours"
    """The telephone is off or out of reach: try again two or three times over hours."""
    NEXT_DAY = "next_day"
    """A daily allowance is spent."""
    OTHER_SENDER = "other_sender"
    """This sender cannot send now, another of our numbers can: try there at once."""
    HOLD = "hold"
    """Our own set-up is broken: the message is kept and tried now and then until an operator mends it."""
    RECONCILE = "reconcile"
    """It may have been taken: ask the carrier first, send again only if it has nothing."""
    RECONSIDER = "reconsider"
    """Its time has passed: decide again whether it is still true before anything is sent."""
    TEMPLATE_OR_SMS = "template_or_sms"
    """WhatsApp takes only an approved template now: send that, else a plain SMS."""
    DROP = "drop"
    """Never send this text to this person again."""


class Mark(StrEnum):
    """What an error teaches about an address."""

    OPTED_OUT = "opted_out"
    INVALID = "invalid"
    NO_TEXTS = "no_texts"
    """A landline, or out of reach for texts: offer a call."""
    REASSIGNED = "reassigned"
    """The number may belong to somebody else now: nothing more is sent there until a human has checked."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about an error code.

    `meaning` is for staff screens and has no person's data in it. `crisis` is the reaction in the crisis
    lane where that differs. `tell_human`: the social worker of the case must see it. `slow_bulk`: hold the
    bulk lane back. `checked` is False where the meaning comes from memory and was not seen in the carrier's
    own words.
    """

    meaning: str
    reaction: Reaction
    crisis: Reaction | None = None
    mark: Mark | None = None
    tell_human: bool = False
    page_operator: bool = False
    slow_bulk: bool = False
    checked: bool = True

    def reaction_in(self, lane: Lane) -> Reaction:
        """The reaction for a message of this lane."""
        return self.crisis if lane is Lane.CRISIS and self.crisis else self.reaction

    def needs_human(self, lane: Lane) -> bool:
        """Whether a human must know now. In a crisis: always, unless it goes out again within seconds."""
        if lane is not Lane.CRISIS:
            return self.tell_human
        return self.tell_human or self.reaction_in(lane) not in _BACK_IN_SECONDS


_BACK_IN_SECONDS: Final = frozenset({Reaction.RETRY_SOON, Reaction.OTHER_SENDER, Reaction.RECONCILE})


def _set_up(meaning: str, *, checked: bool = True) -> Rule:
    """A fault in our account or settings: every message would fail, so none is thrown away."""
    return Rule(meaning, Reaction.HOLD, tell_human=False, page_operator=True, checked=checked)


def _our_bug(meaning: str, *, checked: bool = True) -> Rule:
    """We wrote something that can never be sent. The text is not lost: a human reads it and answers."""
    return Rule(meaning, Reaction.DROP, tell_human=True, page_operator=True, checked=checked)


def _unheard(meaning: str, *, checked: bool = True) -> Rule:
    """The carrier could not reach or read our webhook: a resident met silence, and a reply may be unsent."""
    return Rule(meaning, Reaction.RECONCILE, tell_human=True, page_operator=True, checked=checked)


_RULES: Final[dict[int, Rule]] = {
    11200: _unheard("our webhook answered with an error or not at all"),
    11205: _unheard("our webhook could not be connected to", checked=False),
    11751: _unheard("a picture or our webhook could not be fetched"),
    12100: _unheard("our answer was not well-formed XML"),
    12200: _unheard("our answer did not fit the carrier's schema"),
    14107: Rule("too many replies in a few seconds, perhaps another bot", Reaction.RETRY_SOON, page_operator=True),
    14109: _unheard("more than ten replies in one answer"),
    20003: _set_up("the carrier refused our account or key"),
    20429: Rule("too many requests at once", Reaction.RETRY_SOON, slow_bulk=True),
    20500: Rule("the carrier had an internal error", Reaction.RECONCILE),
    20503: Rule("the carrier is not available", Reaction.RETRY_SOON),
    21211: Rule("not a telephone number", Reaction.DROP, mark=Mark.INVALID, tell_human=True),
    21212: _set_up("our sender is not a valid number"),
    21408: Rule(
        "texts to that country are not enabled",
        Reaction.DROP,
        mark=Mark.NO_TEXTS,
        tell_human=True,
        page_operator=True,
    ),
    21606: _set_up("our sender cannot send texts"),
    21608: _set_up("a trial account sends only to verified numbers"),
    21610: Rule("the person has opted out", Reaction.DROP, mark=Mark.OPTED_OUT, tell_human=True),
    21611: Rule("our sender's queue is full", Reaction.RETRY_HOURS, crisis=Reaction.OTHER_SENDER, slow_bulk=True),
    21612: Rule("no route from our sender to that number", Reaction.DROP, mark=Mark.NO_TEXTS, tell_human=True),
    21614: Rule("not a mobile number", Reaction.DROP, mark=Mark.NO_TEXTS, tell_human=True),
    21617: _our_bug("the text is over 1600 characters", checked=False),
    21635: Rule("not a mobile number", Reaction.DROP, mark=Mark.NO_TEXTS, tell_human=True),
    30001: Rule("our queue overflowed", Reaction.RETRY_SOON, slow_bulk=True),
    30002: _set_up("our account is suspended", checked=False),
    30003: Rule("the telephone is off or out of reach", Reaction.RETRY_HOURS, tell_human=True),
    30004: Rule("the message was blocked", Reaction.DROP, tell_human=True, checked=False),
    30005: Rule("the number is not in use", Reaction.DROP, mark=Mark.REASSIGNED, tell_human=True),
    30006: Rule("a landline or a carrier without texts", Reaction.DROP, mark=Mark.NO_TEXTS, tell_human=True),
    30007: Rule("a filter took the text for spam", Reaction.DROP, tell_human=True, page_operator=True),
    30008: Rule("the carrier does not know why", Reaction.RETRY_ONCE, tell_human=True),
    30022: Rule("too fast for our registration, or too many to one number", Reaction.RETRY_SOON, slow_bulk=True),
    30023: Rule("our daily allowance is spent", Reaction.NEXT_DAY, crisis=Reaction.OTHER_SENDER, slow_bulk=True),
    30027: Rule(
        "our daily allowance with one network is spent",
        Reaction.NEXT_DAY,
        crisis=Reaction.OTHER_SENDER,
        slow_bulk=True,
        checked=False,
    ),
    30032: _set_up("our toll-free number is not verified", checked=False),
    30034: _set_up("our number is not registered for texts"),
    30036: Rule("it was not sent in time", Reaction.RECONSIDER, tell_human=True, checked=False),
    30450: Rule(
        "blocked as suspected pumping of texts",
        Reaction.DROP,
        tell_human=True,
        page_operator=True,
        slow_bulk=True,
    ),
    30610: Rule("held back by quiet hours", Reaction.RECONSIDER),
    30640: Rule("the number is on a do-not-text list", Reaction.DROP, mark=Mark.NO_TEXTS, tell_human=True),
    35114: _our_bug("a send time out of range"),
    35115: _our_bug("a send time out of range"),
    35117: _our_bug("a send time out of range"),
    35125: _our_bug("too many scheduled messages"),
    63003: Rule("not an address of that channel", Reaction.DROP, mark=Mark.INVALID, tell_human=True),
    63016: Rule("outside the 24 hours in which free text is allowed", Reaction.TEMPLATE_OR_SMS),
    63017: Rule("too fast for that channel", Reaction.RETRY_SOON, slow_bulk=True),
    63018: Rule("too fast for that channel", Reaction.RETRY_SOON, slow_bulk=True),
}

_NOT_LISTED: Final = Rule(
    "an error that this table does not know",
    Reaction.DROP,
    tell_human=True,
    page_operator=True,
    checked=False,
)
_NO_CODE: Final = Rule("the carrier did not take it", Reaction.RETRY_SOON)

KNOWN_CODES: Final = frozenset(_RULES)


def rule_for(code: int | None) -> Rule:
    """The rule for an error code of the carrier.

    None (the carrier was not reached, so nothing was taken) is retried. A code that is not in the table is
    never retried, since a blind retry may repeat a text that did arrive; the operator and a human hear of
    it.
    """
    if code is None:
        return _NO_CODE
    return _RULES.get(code, _NOT_LISTED)


_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

_FIRST_WAIT: Final = {
    Lane.CRISIS: _SECOND,
    Lane.REPLY: 2 * _SECOND,
    Lane.FOLLOW_UP: 30 * _SECOND,
    Lane.BULK: _MINUTE,
}
_LONGEST_WAIT: Final = {
    Lane.CRISIS: 30 * _SECOND,
    Lane.REPLY: 2 * _MINUTE,
    Lane.FOLLOW_UP: 10 * _MINUTE,
    Lane.BULK: 30 * _MINUTE,
}
_MOST_SOON: Final = 12
_HOLD_WAIT: Final = {
    Lane.CRISIS: _MINUTE,
    Lane.REPLY: 5 * _MINUTE,
    Lane.FOLLOW_UP: 15 * _MINUTE,
    Lane.BULK: _HOUR,
}
_MOST_HELD: Final = 48
_LADDERS: Final[dict[Reaction, tuple[timedelta, ...]]] = {
    Reaction.RETRY_ONCE: (5 * _MINUTE,),
    Reaction.RETRY_HOURS: (30 * _MINUTE, 2 * _HOUR, 6 * _HOUR),
    Reaction.NEXT_DAY: (24 * _HOUR, 24 * _HOUR),
    Reaction.OTHER_SENDER: (_SECOND, _SECOND, 30 * _SECOND),
    Reaction.RECONCILE: (2 * _SECOND, 10 * _SECOND, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR),
    Reaction.RECONSIDER: (_MINUTE, 12 * _HOUR),
    Reaction.TEMPLATE_OR_SMS: (_SECOND,),
}
_CRISIS_LADDERS: Final[dict[Reaction, tuple[timedelta, ...]]] = {
    Reaction.RETRY_ONCE: (5 * _SECOND,),
    Reaction.RETRY_HOURS: (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR),
}


def retry_delay(reaction: Reaction, attempt: int, lane: Lane, jitter: float = 0.0) -> timedelta | None:
    """How long to wait before the next try, or None when there must be none.

    `attempt` counts the tries made, from 1. `jitter` is drawn by the caller from 0 up to 1 and lengthens
    the wait by up to a half, so that texts that failed together do not come back together. Each wait is
    bounded and so is the number of tries. ValueError for an attempt below 1 or a jitter outside 0..1.
    """
    if attempt < 1:
        raise ValueError(f"attempt counts from 1, not {attempt}")
    if not 0 <= jitter <= 1:
        raise ValueError(f"jitter lies between 0 and 1, not {jitter}")
    wait = _wait(reaction, attempt, lane)
    return None if wait is None else wait * (1 + jitter / 2)


def _wait(reaction: Reaction, attempt: int, lane: Lane) -> timedelta | None:
    if reaction is Reaction.DROP:
        return None
    if reaction is Reaction.RETRY_SOON:
        doubled = _FIRST_WAIT[lane] * 2 ** min(attempt - 1, 20)
        return min(doubled, _LONGEST_WAIT[lane]) if attempt <= _MOST_SOON else None
    if reaction is Reaction.HOLD:
        return _HOLD_WAIT[lane] if attempt <= _MOST_HELD else None
    ladder = (_CRISIS_LADDERS if lane is Lane.CRISIS else _LADDERS).get(reaction) or _LADDERS[reaction]
    return ladder[attempt - 1] if attempt <= len(ladder) else None
