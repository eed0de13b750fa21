"""Twilio's words and failures in the words of the house; `bot.domain.delivery` has what to do about them."""

from __future__ import annotations

from typing import Final

from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ConnectTimeout
from twilio.base.exceptions import TwilioRestException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bot.carriers.carrier import CarrierError
from bot.domain.delivery import Reaction, State, rule_for

_STATES: Final = {
    "accepted": State.ACCEPTED,
    "scheduled": State.SCHEDULED,
    "queued": State.QUEUED,
    "sending": State.SENDING,
    "sent": State.SENT,
    # An old word for "some parts arrived": not enough to call it delivered.
    "partially_delivered": State.SENT,
    "delivered": State.DELIVERED,
    "undelivered": State.UNDELIVERED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
    "read": State.READ,
}

# Of a call, DELIVERED means that it was picked up and the words were said, to a person or to an answering machine. It
# never means that somebody has heard them: only a pressed digit does.
_STATES_OF_CALLS: Final = {
    "queued": State.QUEUED,
    "initiated": State.SENDING,
    "ringing": State.SENDING,
    "in-progress": State.SENT,
    "completed": State.DELIVERED,
    "busy": State.UNDELIVERED,
    "no-answer": State.UNDELIVERED,
    "failed": State.FAILED,
    "canceled": State.CANCELED,
}

_TOO_MANY_REQUESTS, _UNAVAILABLE, _SERVER_FAULT = 429, 503, 500
_LOWEST_CODE: Final = 10_000

# The reactions that can still end in this same message being sent.
_NOT_FOR_GOOD: Final = frozenset(Reaction) - {Reaction.DROP}


def state_of(word: str) -> State | None:
    """The state that Twilio's word means; None for a word it has added since, or one of inbound messages."""
    return _STATES.get(word.strip().lower())


def state_of_call(word: str) -> State | None:
    """The state of an alert that is said by telephone; None for a word that we do not know."""
    return _STATES_OF_CALLS.get(word.strip().lower())


def code_of(text: object) -> int | None:
    """An error code as a number; None where there is none (an empty parameter, "None", "0")."""
    digits = str(text or "").strip()
    return (int(digits) or None) if digits.isascii() and digits.isdigit() else None


def error_from_answer(error: TwilioRestException) -> CarrierError:
    """What Twilio's refusal means. An answer of 5xx other than 503 leaves open whether the message was taken.

    The library's own text is left behind: it repeats the telephone number.
    """
    status = int(error.status)
    code = _code_in(error) or {_TOO_MANY_REQUESTS: 20429, _UNAVAILABLE: 20503}.get(status)
    if status >= _SERVER_FAULT and status != _UNAVAILABLE:
        return CarrierError(f"the carrier answered {status}", code=code or 20500, outcome="unknown")
    # A refusal without a code is a gateway's, not a judgement on the message: worth another try.
    permanent = code is not None and rule_for(code).reaction not in _NOT_FOR_GOOD
    return CarrierError(f"the carrier answered {status}", code=code, permanent=permanent)


def _code_in(error: TwilioRestException) -> int | None:
    # Where an answer holds no code (a proxy's page) the library puts the HTTP status in its place.
    code = code_of(error.code)
    return code if code and code >= _LOWEST_CODE else None


def error_from_transport(error: Exception) -> CarrierError:
    """What a failure between us and Twilio means.

    Only a connection that was never made proves that nothing was taken. After that point (a time-out while
    reading, a connection cut, an answer that cannot be read) Twilio may have the message though we never
    heard.
    """
    if isinstance(error, ConnectTimeout) or _was_never_made(error):
        return CarrierError("the carrier could not be reached", outcome="refused")
    return CarrierError(f"no answer from the carrier ({type(error).__name__})", outcome="unknown")


def _was_never_made(error: Exception) -> bool:
    if not isinstance(error, NotConnected) or not error.args:
        return False
    cause = error.args[0]
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
