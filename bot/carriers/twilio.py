"""Texts that leave by Twilio's REST API, and questions about them. What it posts to us is in `twilio_webhook.py`.

Facts of the API: twilio.com/docs/messaging (message resource, errors).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from bot.carriers.carrier import CarrierError, Outgoing, Receipt, Seen
from bot.carriers.twilio_client import NOT_FOUND, Account, in_our_words
from bot.carriers.twilio_codes import code_of, state_of
from bot.carriers.twilio_webhook import read_address, storable, write_address
from bot.domain.delivery import State
from bot.domain.message import Channel, Inbound
from bot.domain.segments import fold_for_sms, measure

# Seconds that a message may wait in Twilio's queues: ten hours, on WhatsApp four.
_LONGEST_VALIDITY: Final = {Channel.SMS: 36_000, Channel.WHATSAPP: 14_400}


def body_as_sent(body: str, channel: Channel, *, fold_accents: bool) -> str:
    """The words as they leave: an SMS is folded to GSM-7 where that wins something, nothing else is."""
    return fold_for_sms(body) if fold_accents and channel is Channel.SMS else body


class TwilioCarrier:
    """Sends by Twilio's REST API. One of `messaging_service_sid` and `from_` must be set; the service goes first."""

    def __init__(
        self, account: Account, *, messaging_service_sid: str = "", from_: str = "", fold_accents: bool = True
    ) -> None:
        if not (messaging_service_sid or from_):
            raise ValueError("Twilio needs a sender: set a Messaging Service or a number to send from")
        self._sender = messaging_service_sid or from_
        self._fold_accents = fold_accents
        self._client = account.client()

    def send(self, outgoing: Outgoing) -> Receipt:
        """Hand the message to Twilio once; CarrierError tells whether it was refused or nobody knows.

        Twilio keeps no idempotency key, so after "unknown" the outbox must ask `find` before it sends again.
        """
        request = self._request(outgoing)
        with in_our_words():
            message = self._client.messages.create(**request)
        return _receipt(message, request["body"])

    def _request(self, outgoing: Outgoing) -> dict[str, Any]:
        body = body_as_sent(outgoing.body, outgoing.to.channel, fold_accents=self._fold_accents)
        request: dict[str, Any] = {"to": _to(outgoing), "body": body, **self._from(outgoing)}
        # Off on purpose: we fold ourselves, and `find` could not know a text again that Twilio rewrote.
        request["smart_encoded"] = False
        if outgoing.status_callback:
            request["status_callback"] = outgoing.status_callback
        if outgoing.validity_seconds is not None:
            longest = _LONGEST_VALIDITY[outgoing.to.channel]
            request["validity_period"] = max(1, min(outgoing.validity_seconds, longest))
        return request

    def _from(self, outgoing: Outgoing) -> dict[str, str]:
        sender = outgoing.sender or self._sender
        if sender.startswith("MG"):
            return {"messaging_service_sid": sender}
        if outgoing.to.channel is Channel.WHATSAPP and ":" not in sender:
            sender = f"whatsapp:{sender}"
        return {"from_": sender}

    def find(self, outgoing: Outgoing, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Look among the messages to this person since then for one with these words; see `Carrier.find`.

        The list is read newest first and not filtered by Twilio's date of sending, which a message that
        still waits in a queue does not have. Where Message Redaction is on, Twilio has no words to compare
        and nothing is found.
        """
        wanted = _likeness(outgoing.body)
        # Twilio's clock and ours differ, and its times have no fractions of a second.
        earliest = since - timedelta(minutes=5)
        to = _to(outgoing)
        with in_our_words():
            for message in self._client.messages.stream(to=to, page_size=50, limit=500):
                if message.date_created is not None and message.date_created < earliest:
                    return None
                if message.sid in known or _likeness(message.body or "") != wanted:
                    continue
                # The same words to the same telephone from another number of ours are another text.
                if not (outgoing.sender or "").startswith("+") or _number(message.from_) == outgoing.sender:
                    return _receipt(message, outgoing.body)
        return None

    def look(self, sid: str) -> Seen | None:
        """Fetch one message by its SID; see `Carrier.look`."""
        try:
            with in_our_words():
                message = self._client.messages(sid).fetch()
        except CarrierError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return Seen(state_of(str(message.status)), code_of(message.error_code))

    def received(self, since: datetime) -> list[Inbound]:
        """The messages from people that Twilio has since then (aware UTC), oldest first; for what came while we were away.

        Pictures are not fetched: each is a request of its own, and the words are what must be answered.
        """
        with in_our_words():
            found = self._client.messages.list(date_sent_after=since, limit=5000)
        return [_as_inbound(message) for message in reversed(found) if str(message.direction) == "inbound"]


def _as_inbound(message: Any) -> Inbound:
    to = read_address(str(message.to))
    moment = message.date_sent or message.date_created
    return Inbound(str(message.sid), read_address(str(message.from_)), to.value, storable(message.body or ""), moment)


def _to(outgoing: Outgoing) -> str:
    try:
        return write_address(outgoing.to)
    except ValueError as error:
        raise CarrierError(str(error), permanent=True) from None


def _number(address: object) -> str:
    return str(address or "").rpartition(":")[2]


def _likeness(body: str) -> str:
    """What stays the same whether or not a text was folded, and whatever was trimmed on the way."""
    return " ".join(fold_for_sms(body).split())


def _receipt(message: Any, body: str) -> Receipt:
    # With a Messaging Service Twilio counts the segments later and says 0 now.
    segments = code_of(message.num_segments) or measure(body).segments
    return Receipt(str(message.sid), state_of(str(message.status)) or State.ACCEPTED, segments)
