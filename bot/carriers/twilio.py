"""Texts by Twilio: what it posts to us, what we answer, and what we send through its REST API.

Facts of the webhook and of the API: twilio.com/docs/messaging (webhook request, message resource, errors).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bot.carriers.carrier import CarrierError, Outgoing, Receipt, Seen
from bot.carriers.twilio_codes import code_of, error_from_answer, error_from_transport, state_of
from bot.carriers.twilio_signature import Form
from bot.domain.delivery import State
from bot.domain.message import Address, Channel, Inbound, Media
from bot.domain.segments import fold_for_sms, measure

MOST_REPLIES: Final = 10
"""The most messages that Twilio takes from one answer (its error 14109 above that)."""

# Seconds that a message may wait in Twilio's queues: ten hours, on WhatsApp four.
NOT_FOUND: Final = 20404
_LONGEST_VALIDITY: Final = {Channel.SMS: 36_000, Channel.WHATSAPP: 14_400}
_MOST_MEDIA: Final = 20
_OPT_OUTS: Final = frozenset({"STOP", "START", "HELP"})
# FromCity, FromZip and the like are left out on purpose: they are guesses from the number, often wrong.
_KEPT: Final = (
    "MessagingServiceSid",
    "NumSegments",
    "ProfileName",
    "ButtonText",
    "ButtonPayload",
    "OriginalRepliedMessageSid",
    "Latitude",
    "Longitude",
    "Address",
    "Label",
)


class MissingParameter(ValueError):
    """A request that Twilio signed lacks what we cannot do without. `parameter` is its name."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"Twilio's request has no {parameter}; keep it as it came and check the webhook")
        self.parameter = parameter


class MalformedInbound(MissingParameter):
    """A message from a person that cannot be recorded; its text must still reach a human."""


class MalformedStatus(MissingParameter):
    """A status callback that names no message."""


def parse_form(raw_body: bytes) -> dict[str, list[str]]:
    """Read a posted form so that nothing of it is lost: blank values stay, and so do bytes that are no UTF-8.

    Such bytes become lone surrogates, from which the signature check gets them back; `read_inbound` makes
    them storable. A web framework's own form, or a mapping of strings, serves as well where there are none.
    Split by hand, since the library's `parse_qs` takes twice as long for the twenty fields of every
    text; the tests hold both together.
    """
    values: dict[str, list[str]] = {}
    for pair in raw_body.decode("utf-8", "surrogateescape").split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = _unquoted(name), _unquoted(value)
        values.setdefault(name, []).append(value)
    return values


def _unquoted(part: str) -> str:
    return unquote(part.replace("+", " "), errors="surrogateescape")


# PostgreSQL stores neither NUL nor half a surrogate pair.
_unstorable = re.compile("[\x00\ud800-\udfff]")


def _storable(text: str) -> str:
    if text.isascii() and "\x00" not in text:
        return text
    return _unstorable.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


def _value(form: Form, *names: str) -> str:
    """The first of these parameters that has something in it; "" when none has."""
    for name in names:
        value = form.get(name)
        if value:
            return _storable(value if isinstance(value, str) else value[0])
    return ""


def read_address(text: str) -> Address:
    """Turn Twilio's way of writing an address into ours.

    `rcs:+1314…` becomes the plain number: RCS is a richer SMS to the same telephone, opt-outs are shared,
    and the same person must not be two. Any other channel (`messenger:…`) is kept whole under SMS: Twilio
    takes it back as it stands, so the person gets an answer on a channel that nobody set up here, in place
    of silence.
    """
    text = text.strip()
    prefix, colon, rest = text.partition(":")
    if not colon:
        return Address(Channel.SMS, text)
    if prefix.lower() == "whatsapp":
        return Address(Channel.WHATSAPP, rest)
    if prefix.lower() == "rcs" and rest.startswith("+"):
        return Address(Channel.SMS, rest)
    return Address(Channel.SMS, text)


def write_address(address: Address) -> str:
    """Turn our address into Twilio's way of writing it; ValueError for a channel that Twilio lacks."""
    if address.channel is Channel.SMS:
        return address.value
    if address.channel is Channel.WHATSAPP:
        return f"whatsapp:{address.value}"
    raise ValueError(f"Twilio has no channel {address.channel.value}; send it by that channel's own carrier")


def read_inbound(form: Form, received_at: datetime) -> Inbound:
    """Read the form of a person's message, SMS, MMS or WhatsApp. `received_at` is aware UTC.

    The body may be empty (a picture); where it is, the text of a pressed button or a shared place stands in
    for it. A body of any length is kept whole, without NUL. Unknown parameters are passed over, since
    Twilio adds some without notice. MalformedInbound names the parameter when MessageSid, From or To is
    missing.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at must carry a time zone (aware UTC)")
    sid = _value(form, "MessageSid", "SmsMessageSid", "SmsSid") or _missing("MessageSid")
    sender = read_address(_value(form, "From"))
    to = read_address(_value(form, "To", "MessagingServiceSid"))
    opt_out = _value(form, "OptOutType").upper()
    body = _value(form, "Body")
    return Inbound(
        sid=sid,
        sender=sender if sender.value else _missing("From"),
        to=to.value or _missing("To"),
        body=body if body.strip() else _value(form, "ButtonText") or _place(form) or body,
        received_at=received_at,
        media=tuple(_media(form)),
        opt_out=opt_out if opt_out in _OPT_OUTS else None,
        extra={name: _value(form, name) for name in _KEPT if form.get(name)},
    )


def _missing(parameter: str) -> Any:
    raise MalformedInbound(parameter)


def _place(form: Form) -> str:
    """A shared place as one line, in no language: what the telephone calls it, then its coordinates."""
    latitude, longitude = _value(form, "Latitude"), _value(form, "Longitude")
    if not (latitude and longitude):
        return ""
    parts = (_value(form, "Label"), _value(form, "Address"), f"{latitude}, {longitude}")
    return ", ".join(part for part in parts if part)


def _media(form: Form) -> Iterator[Media]:
    # NumMedia is not asked: a picture that came counts, whatever the number beside it says.
    for number in range(_MOST_MEDIA):
        url = _value(form, f"MediaUrl{number}")
        if not url:
            return
        yield Media(url, _value(form, f"MediaContentType{number}"))


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What a status callback says. `state` is None for a word that we do not know: log it, change nothing."""

    sid: str
    state: State | None
    error_code: int | None = None
    to: Address | None = None


def read_status(form: Form) -> StatusReport:
    """Read a status callback. MalformedStatus when it names no message or no status."""
    sid = _value(form, "MessageSid", "SmsSid")
    if not sid:
        raise MalformedStatus("MessageSid")
    word = _value(form, "MessageStatus", "SmsStatus")
    if not word:
        raise MalformedStatus("MessageStatus")
    error_code, to = code_of(_value(form, "ErrorCode")), _value(form, "To")
    return StatusReport(sid, state_of(word), error_code, read_address(to) if to else None)


# What XML 1.0 cannot hold, not even escaped; one such character and Twilio throws the whole answer away.
_not_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_twiml(replies: Sequence[tuple[str, str]]) -> str:
    """Write the answer to a webhook: a `<Message>` for each (body, address for its reports; "" for none).

    Blank bodies are left out, and so is what comes after `MOST_REPLIES`: Twilio would not send it, so those
    rows must leave by the API. Written by hand, since the library builds a tree to write one line, and this
    is on the way of every answer; the tests hold both together.
    """
    legal = ((_not_xml.sub("", body), callback) for body, callback in replies)
    messages = [_message(body, callback) for body, callback in legal if body.strip()]
    if not messages:
        return '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    written = "".join(messages[:MOST_REPLIES])
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{written}</Response>'


def _message(body: str, callback: str) -> str:
    text = escape(body)
    if not callback:
        return f"<Message>{text}</Message>"
    address = escape(_not_xml.sub("", callback), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;"})
    return f'<Message statusCallback="{address}">{text}</Message>'


def body_as_sent(body: str, channel: Channel, *, fold_accents: bool) -> str:
    """The words as they leave: an SMS is folded to GSM-7 where that wins something, nothing else is."""
    return fold_for_sms(body) if fold_accents and channel is Channel.SMS else body


class _Http(TwilioHttpClient):
    """The library's HTTP client with a time-out, another base address if one is set, and no logs.

    The library has no option for the base address (its issues 521 and 821) and waits for ever by default.
    """

    def __init__(self, api_url: str, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._base = urlsplit(api_url) if api_url else None
        # The look-up of a person's messages carries the number in its address, and urllib3 logs addresses.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def request(self, method: str, url: str, *args: Any, **keywords: Any) -> Response:  # type: ignore[override]
        if self._base is not None:
            there = urlsplit(url)
            path = self._base.path.rstrip("/") + there.path
            url = urlunsplit((self._base.scheme, self._base.netloc, path, there.query, ""))
        return super().request(method, url, *args, **keywords)

    def log_request(self, kwargs: dict[str, Any]) -> None:
        """Nothing: the library would log the person's number."""

    def log_response(self, status_code: int, response: object) -> None:
        """Nothing, as with the request."""


class TwilioCarrier:
    """Sends by Twilio's REST API.

    `username` and `password` are an API key and its secret (best: they outlive a change of the auth token)
    or the account's SID and token. One of `messaging_service_sid` and `from_` must be set; the service goes
    first. `api_url` replaces https://api.twilio.com, for a stand-in; "" leaves it. `timeout` is in seconds,
    for each request.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        username: str,
        password: str,
        messaging_service_sid: str = "",
        from_: str = "",
        api_url: str = "",
        timeout: float = 10,
        fold_accents: bool = True,
    ) -> None:
        if not (messaging_service_sid or from_):
            raise ValueError("Twilio needs a sender: set a Messaging Service or a number to send from")
        self._sender = messaging_service_sid or from_
        self._fold_accents = fold_accents
        self._client = Client(username, password, account_sid, http_client=_Http(api_url, timeout))

    def send(self, outgoing: Outgoing) -> Receipt:
        """Hand the message to Twilio once; CarrierError tells whether it was refused or nobody knows.

        Twilio keeps no idempotency key, so after "unknown" the outbox must ask `find` before it sends again.
        """
        request = self._request(outgoing)
        with _in_our_words():
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
        with _in_our_words():
            for message in self._client.messages.stream(to=to, page_size=50, limit=500):
                if message.date_created is not None and message.date_created < earliest:
                    return None
                if message.sid not in known and _likeness(message.body or "") == wanted:
                    return _receipt(message, outgoing.body)
        return None

    def look(self, sid: str) -> Seen | None:
        """Fetch one message by its SID; see `Carrier.look`."""
        try:
            with _in_our_words():
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
        with _in_our_words():
            found = self._client.messages.list(date_sent_after=since, limit=5000)
        return [_as_inbound(message) for message in reversed(found) if str(message.direction) == "inbound"]


def _as_inbound(message: Any) -> Inbound:
    to = read_address(str(message.to))
    moment = message.date_sent or message.date_created
    return Inbound(str(message.sid), read_address(str(message.from_)), to.value, _storable(message.body or ""), moment)


def _to(outgoing: Outgoing) -> str:
    try:
        return write_address(outgoing.to)
    except ValueError as error:
        raise CarrierError(str(error), permanent=True) from None


def _likeness(body: str) -> str:
    """What stays the same whether or not a text was folded, and whatever was trimmed on the way."""
    return " ".join(fold_for_sms(body).split())


def _receipt(message: Any, body: str) -> Receipt:
    # With a Messaging Service Twilio counts the segments later and says 0 now.
    segments = code_of(message.num_segments) or measure(body).segments
    return Receipt(str(message.sid), state_of(str(message.status)) or State.ACCEPTED, segments)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Turn the failures of the library and of the network into CarrierError.

    The original is cut off (`from None`): its text holds the person's number, and tracebacks are logged.
    """
    try:
        yield
    except TwilioRestException as error:
        raise error_from_answer(error) from None
    except (RequestException, TwilioException, ValueError, KeyError, TypeError) as error:
        raise error_from_transport(error) from None
