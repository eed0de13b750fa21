"""Sends texts by Twilio's REST API and asks for their status. What Twilio posts to us is in `twilio_webhook.py`.

Facts of the API: twilio.com/docs/messaging (message resource, errors).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from bot.carriers.carrier import CarrierError, MessageStatus, OutgoingMessage, Receipt
from bot.carriers.twilio.client import NOT_FOUND, TwilioAccount, carrier_errors
from bot.carriers.twilio.codes import message_state, parse_number
from bot.carriers.twilio.webhook import from_twilio_address, storable_text, to_twilio_address
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel, InboundMessage
from bot.domain.messages.segments import fold_for_sms, measure_segments

# Seconds that a message may wait in Twilio's queues: ten hours, on WhatsApp four.
_MAX_VALIDITY_SECONDS: Final = {Channel.SMS: 36_000, Channel.WHATSAPP: 14_400}


def body_as_sent(body: str, channel: Channel, *, fold_accents: bool) -> str:
    """The text as it will be sent: an SMS is folded to GSM-7 where that saves segments; other channels are unchanged."""
    return fold_for_sms(body) if fold_accents and channel is Channel.SMS else body


class TwilioCarrier:
    """Sends by Twilio's REST API. `messaging_service_sid` or `from_` must be set; the service takes precedence."""

    def __init__(
        self, account: TwilioAccount, *, messaging_service_sid: str = "", from_: str = "", fold_accents: bool = True
    ) -> None:
        if not (messaging_service_sid or from_):
            raise ValueError("Twilio needs a sender: set a Messaging Service or a number to send from")
        self._sender = messaging_service_sid or from_
        self._fold_accents = fold_accents
        self._client = account.client()

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Send the message once; CarrierError says whether it was refused or whether that is unknown.

        Twilio has no idempotency keys, so after "unknown" the outbox must call `find` before it sends again.
        """
        request = self._request(outgoing)
        with carrier_errors():
            message = self._client.messages.create(**request)
        return _receipt(message, request["body"])

    def _request(self, outgoing: OutgoingMessage) -> dict[str, Any]:
        body = body_as_sent(outgoing.body, outgoing.to.channel, fold_accents=self._fold_accents)
        request: dict[str, Any] = {"to": _recipient(outgoing), "body": body, **self._from(outgoing)}
        # Off on purpose: we fold ourselves, and `find` could not recognize a text that Twilio rewrote.
        request["smart_encoded"] = False
        if outgoing.status_callback:
            request["status_callback"] = outgoing.status_callback
        if outgoing.validity_seconds is not None:
            longest = _MAX_VALIDITY_SECONDS[outgoing.to.channel]
            request["validity_period"] = max(1, min(outgoing.validity_seconds, longest))
        return request

    def _from(self, outgoing: OutgoingMessage) -> dict[str, str]:
        sender = outgoing.sender or self._sender
        if sender.startswith("MG"):
            return {"messaging_service_sid": sender}
        if outgoing.to.channel is Channel.WHATSAPP and ":" not in sender:
            sender = f"whatsapp:{sender}"
        return {"from_": sender}

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Search the messages to this person since then for one with the same text; see `Carrier.find`.

        The list is read newest first and not filtered by Twilio's date of sending, which a message that is still queued
        does not have. Where Message Redaction is on, Twilio has no text to compare and nothing is found.
        """
        wanted = _normalized(outgoing.body)
        # Twilio's clock and ours differ, and its times have no fractions of a second.
        earliest = since - timedelta(minutes=5)
        to = _recipient(outgoing)
        with carrier_errors():
            for message in self._client.messages.stream(to=to, page_size=50, limit=500):
                if message.date_created is not None and message.date_created < earliest:
                    return None
                if message.sid in known or _normalized(message.body or "") != wanted:
                    continue
                # The same text to the same telephone from another of our numbers is a different message.
                if not (outgoing.sender or "").startswith("+") or _bare_number(message.from_) == outgoing.sender:
                    return _receipt(message, outgoing.body)
        return None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """Fetch one message by its SID; see `Carrier.fetch_status`."""
        try:
            with carrier_errors():
                message = self._client.messages(sid).fetch()
        except CarrierError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return MessageStatus(message_state(str(message.status)), parse_number(message.error_code))

    def received_since(self, since: datetime) -> list[InboundMessage]:
        """The messages from people that Twilio received since then (aware UTC), oldest first; for those we missed.

        Pictures are left out: each would be a separate request, and it is the words that must be answered.
        """
        with carrier_errors():
            found = self._client.messages.list(date_sent_after=since, limit=5000)
        return [_as_inbound(message) for message in reversed(found) if str(message.direction) == "inbound"]


def _as_inbound(message: Any) -> InboundMessage:
    to = from_twilio_address(str(message.to))
    moment = message.date_sent or message.date_created
    return InboundMessage(
        str(message.sid), from_twilio_address(str(message.from_)), to.value, storable_text(message.body or ""), moment
    )


def _recipient(outgoing: OutgoingMessage) -> str:
    try:
        return to_twilio_address(outgoing.to)
    except ValueError as error:
        raise CarrierError(str(error), permanent=True) from None


def _bare_number(address: object) -> str:
    return str(address or "").rpartition(":")[2]


def _normalized(body: str) -> str:
    """A normal form of a text, the same whether or not it was folded or trimmed on the way."""
    return " ".join(fold_for_sms(body).split())


def _receipt(message: Any, body: str) -> Receipt:
    # With a Messaging Service, Twilio counts the segments later and reports 0 now.
    segments = parse_number(message.num_segments) or measure_segments(body).segments
    return Receipt(str(message.sid), message_state(str(message.status)) or DeliveryState.ACCEPTED, segments)
