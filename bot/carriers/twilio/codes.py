"""Twilio's statuses and failures as states and CarrierError; `bot.domain.messages.delivery` says what to do about them."""

from __future__ import annotations

from typing import Final

from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ConnectTimeout
from twilio.base.exceptions import TwilioRestException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bot.carriers.carrier import CarrierError
from bot.domain.messages.delivery import DeliveryState, Reaction, rule_for

_MESSAGE_STATES: Final = {
    "accepted": DeliveryState.ACCEPTED,
    "scheduled": DeliveryState.SCHEDULED,
    "queued": DeliveryState.QUEUED,
    "sending": DeliveryState.SENDING,
    "sent": DeliveryState.SENT,
    # An old status for "some segments arrived": not enough to count as delivered.
    "partially_delivered": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.CANCELED,
    "read": DeliveryState.READ,
}

# For a call, DELIVERED means that it was picked up and the words were spoken, to a person or to an answering machine. It
# does not mean that anyone heard them: only a pressed digit shows that.
_CALL_STATES: Final = {
    "queued": DeliveryState.QUEUED,
    "initiated": DeliveryState.SENDING,
    "ringing": DeliveryState.SENDING,
    "in-progress": DeliveryState.SENT,
    "completed": DeliveryState.DELIVERED,
    "busy": DeliveryState.UNDELIVERED,
    "no-answer": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.FAILED,
    "canceled": DeliveryState.CANCELED,
}

_TOO_MANY_REQUESTS, _UNAVAILABLE, _SERVER_FAULT = 429, 503, 500
_LOWEST_CODE: Final = 10_000

# Reactions after which the same message may still be sent.
_RETRYABLE: Final = frozenset(Reaction) - {Reaction.DROP}


def message_state(word: str) -> DeliveryState | None:
    """The state for Twilio's status; None for one that is new, or that belongs to inbound messages."""
    return _MESSAGE_STATES.get(word.strip().lower())


def call_state(word: str) -> DeliveryState | None:
    """The state for Twilio's status of a call; None for one that we do not know."""
    return _CALL_STATES.get(word.strip().lower())


def parse_number(text: object) -> int | None:
    """A number such as an error code; None where there is none (an empty parameter, "None", "0")."""
    digits = str(text or "").strip()
    return (int(digits) or None) if digits.isascii() and digits.isdigit() else None


def error_from_response(error: TwilioRestException) -> CarrierError:
    """The CarrierError for an error answer of Twilio. After a 5xx other than 503 it is unknown whether it has the message.

    The library's own text is dropped: it repeats the telephone number.
    """
    status = int(error.status)
    code = _code_in(error) or {_TOO_MANY_REQUESTS: 20429, _UNAVAILABLE: 20503}.get(status)
    if status >= _SERVER_FAULT and status != _UNAVAILABLE:
        return CarrierError(f"the carrier answered {status}", code=code or 20500, outcome="unknown")
    # A refusal without a code comes from a gateway and says nothing about the message: worth another try.
    permanent = code is not None and rule_for(code).reaction not in _RETRYABLE
    return CarrierError(f"the carrier answered {status}", code=code, permanent=permanent)


def _code_in(error: TwilioRestException) -> int | None:
    # If an answer contains no code (a proxy's page) the library uses the HTTP status instead.
    code = parse_number(error.code)
    return code if code and code >= _LOWEST_CODE else None


def error_from_transport(error: Exception) -> CarrierError:
    """The CarrierError for a failure between us and Twilio.

    Only a connection that was never made proves that Twilio does not have the message. After that point (a time-out while
    reading, a broken connection, an unreadable answer) it may have it without our knowing.
    """
    if isinstance(error, ConnectTimeout) or _never_connected(error):
        return CarrierError("the carrier could not be reached", outcome="refused")
    return CarrierError(f"no answer from the carrier ({type(error).__name__})", outcome="unknown")


def _never_connected(error: Exception) -> bool:
    if not isinstance(error, NotConnected) or not error.args:
        return False
    cause = error.args[0]
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
