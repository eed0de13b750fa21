"""Alerts that are said by telephone. What Twilio posts to us while a call lasts is in `twilio_voice_webhook.py`.

Facts of the API: twilio.com/docs/voice/api/call-resource.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from bot.carriers.carrier import CarrierError, Outgoing, Receipt, Seen
from bot.carriers.twilio_client import NOT_FOUND, Account, in_our_words
from bot.carriers.twilio_codes import state_of_call
from bot.carriers.twilio_voice_webhook import write_question
from bot.domain.delivery import State
from bot.domain.message import Channel

RING_SECONDS: Final = 25
"""Most mailboxes take a call after about thirty seconds; the time is better spent on the next worker."""
LONGEST_CALL_SECONDS: Final = 180
"""For a mailbox that never hangs up."""


class TwilioVoiceCarrier:
    """Calls a member of staff, says the words twice and listens for a key.

    `public_url` is where the key is posted to: `{public_url}/twilio/voice?message=ID`. `from_` is the number that
    calls where a message names none.

    No machine detection is asked for: it costs seconds of silence at the start, in which people hang up, and nothing
    follows from a call that is picked up. A mailbox cannot press 1, and only a pressed digit counts as an answer.
    """

    def __init__(self, account: Account, public_url: str, *, from_: str = "") -> None:
        self._action = f"{public_url.rstrip('/')}/twilio/voice?message="
        self._from = from_
        self._client = account.client()

    def send(self, outgoing: Outgoing) -> Receipt:
        """Have Twilio place the call; CarrierError tells whether it was refused or nobody knows."""
        request: dict[str, Any] = {
            "to": _to(outgoing),
            "from_": self._sender(outgoing),
            "twiml": write_question(outgoing.body, f"{self._action}{outgoing.message_id}"),
            "timeout": RING_SECONDS,
            "time_limit": LONGEST_CALL_SECONDS,
        }
        if outgoing.status_callback:
            # Without a list of events Twilio reports once, when the call is over, however it ended.
            request["status_callback"] = outgoing.status_callback
        with in_our_words():
            call = self._client.calls.create(**request)
        return _receipt(call)

    def find(self, outgoing: Outgoing, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Look among the calls to this telephone since then; see `Carrier.find`.

        A call has no words to compare, so any that no other row of ours knows is taken for this one. That is why
        `since` is not widened as it is for texts: a call wrongly found is an alert never given, while one placed twice
        only rings twice. The list comes newest first.
        """
        earliest = since.replace(microsecond=0)
        with in_our_words():
            for call in self._client.calls.stream(to=_to(outgoing), page_size=50, limit=200):
                moment = call.date_created or call.start_time
                if moment is not None and moment < earliest:
                    return None
                if call.sid not in known and str(call.direction) != "inbound":
                    return _receipt(call)
        return None

    def look(self, sid: str) -> Seen | None:
        """Fetch one call by its SID; see `Carrier.look`."""
        try:
            with in_our_words():
                call = self._client.calls(sid).fetch()
        except CarrierError as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return Seen(state_of_call(str(call.status)))

    def _sender(self, outgoing: Outgoing) -> str:
        sender = outgoing.sender or self._from
        if not sender.startswith("+"):
            # A messaging service cannot call, and neither can nobody.
            raise CarrierError("no number of ours to call from: set TWILIO_STAFF_NUMBERS", permanent=True)
        return sender


def _to(outgoing: Outgoing) -> str:
    if outgoing.to.channel is not Channel.VOICE:
        raise CarrierError(f"a call cannot bring what is for {outgoing.to.channel.value}", permanent=True)
    return outgoing.to.value


def _receipt(call: Any) -> Receipt:
    return Receipt(str(call.sid), state_of_call(str(call.status)) or State.QUEUED, 0)
