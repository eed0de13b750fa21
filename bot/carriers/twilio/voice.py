"""Alerts by telephone call. What Twilio posts to us during a call is in `twilio_voice_webhook.py`.

Facts of the API: twilio.com/docs/voice/api/call-resource.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from bot.carriers.carrier import CarrierError, MessageStatus, OutgoingMessage, Receipt
from bot.carriers.twilio.client import NOT_FOUND, TwilioAccount, carrier_errors
from bot.carriers.twilio.codes import call_state
from bot.carriers.twilio.voice_webhook import question_twiml
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Channel

RING_SECONDS: Final = 25
"""Most voicemail boxes answer after about thirty seconds; it is better to call the next social worker."""
MAX_CALL_SECONDS: Final = 180
"""A limit for voicemail boxes that never hang up."""


class TwilioVoiceCarrier:
    """Calls a member of staff, says the text twice and waits for a key.

    The key is posted to `{public_url}/twilio/voice?message=ID`. `from_` is the calling number for messages that name none.

    Machine detection is not used: it causes seconds of silence at the start, in which people hang up, and it is not needed,
    as only a pressed digit counts as an answer, which a voicemail box cannot give.
    """

    def __init__(self, account: TwilioAccount, public_url: str, *, from_: str = "") -> None:
        self._action = f"{public_url.rstrip('/')}/twilio/voice?message="
        self._from = from_
        self._client = account.client()

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Have Twilio place the call; CarrierError says whether it was refused or whether that is unknown."""
        request: dict[str, Any] = {
            "to": _recipient(outgoing),
            "from_": self._sender(outgoing),
            "twiml": question_twiml(outgoing.body, f"{self._action}{outgoing.message_id}"),
            "timeout": RING_SECONDS,
            "time_limit": MAX_CALL_SECONDS,
        }
        if outgoing.status_callback:
            # Without a list of events Twilio reports only once, when the call has ended in whatever way.
            request["status_callback"] = outgoing.status_callback
        with carrier_errors():
            call = self._client.calls.create(**request)
        return _receipt(call)

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Search the calls to this telephone since then; see `Carrier.find`.

        A call has no text to compare, so any call that belongs to no other row of ours is taken for this one. That is why
        `since` is not widened as it is for texts: a call wrongly found means an alert that is never given, while one placed
        twice only rings twice. The list comes newest first.
        """
        earliest = since.replace(microsecond=0)
        with carrier_errors():
            for call in self._client.calls.stream(to=_recipient(outgoing), page_size=50, limit=200):
                moment = call.date_created or call.start_time
                if moment is not None and moment < earliest:
                    return None
                if call.sid not in known and str(call.direction) != "inbound":
                    return _receipt(call)
        return None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """Fetch one call by its SID; see `Carrier.fetch_status`."""
        try:
            with carrier_errors():
                call = self._client.calls(sid).fetch()
        except CarrierError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return MessageStatus(call_state(str(call.status)))

    def _sender(self, outgoing: OutgoingMessage) -> str:
        sender = outgoing.sender or self._from
        if not sender.startswith("+"):
            # A messaging service cannot place calls.
            raise CarrierError("no number of ours to call from: set TWILIO_STAFF_NUMBERS", permanent=True)
        return sender


def _recipient(outgoing: OutgoingMessage) -> str:
    if outgoing.to.channel is not Channel.VOICE:
        raise CarrierError(f"a call cannot bring what is for {outgoing.to.channel.value}", permanent=True)
    return outgoing.to.value


def _receipt(call: Any) -> Receipt:
    return Receipt(str(call.sid), call_state(str(call.status)) or DeliveryState.QUEUED, 0)
