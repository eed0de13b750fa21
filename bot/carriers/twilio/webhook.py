"""Reads what Twilio posts to us, and writes our replies as TwiML. It makes no connections.

Facts of the webhook: twilio.com/docs/messaging/guides/webhook-request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from bot.carriers.twilio.codes import call_state, message_state, parse_number
from bot.carriers.twilio.signature import Form
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, Channel, InboundMessage, Media

MAX_REPLIES: Final = 10
"""The most messages that Twilio accepts in one answer (error 14109 above that)."""

_MAX_MEDIA: Final = 20
_OPT_OUTS: Final = frozenset({"STOP", "START", "HELP"})
# FromCity, FromZip and the like are left out on purpose: they are guesses based on the number, and often wrong.
_EXTRA_PARAMETERS: Final = (
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
    """A signed request of Twilio lacks a required parameter. `parameter` is its name."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"Twilio's request has no {parameter}; keep it as it came and check the webhook")
        self.parameter = parameter


class MalformedInbound(MissingParameter):
    """A message from a person that cannot be recorded; its text must still reach a social worker."""


class MalformedStatus(MissingParameter):
    """A status callback without the message's SID or status."""


def parse_form(raw_body: bytes) -> dict[str, list[str]]:
    """Parse a posted form without loss: blank values are kept, and so are bytes that are not valid UTF-8.

    Such bytes become lone surrogates, from which the signature check restores them; `read_inbound` makes them storable.
    Where there are none, a web framework's form or a mapping of strings works as well. Our own parser, since `parse_qs`
    takes twice as long for the twenty fields of every text; the tests compare both.
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


# PostgreSQL can store neither NUL nor a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text without what PostgreSQL cannot store: NUL is removed, a lone surrogate becomes U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


def form_value(form: Form, *names: str) -> str:
    """The first of these parameters that is not empty; "" when there is none."""
    for name in names:
        found = form.get(name)
        if found:
            return storable_text(found if isinstance(found, str) else found[0])
    return ""


def from_twilio_address(text: str) -> Address:
    """Convert Twilio's form of an address into ours.

    `rcs:+1314…` becomes the plain number: RCS is a richer SMS to the same telephone, opt-outs are shared, and the same
    person must not become two. Any other channel (`messenger:…`) is kept unchanged under SMS: Twilio accepts it back in
    that form, so the person gets an answer even on a channel that was not set up here.
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


def to_twilio_address(address: Address) -> str:
    """Convert our address into Twilio's form; ValueError for a channel that Twilio does not have."""
    if address.channel is Channel.SMS:
        return address.value
    if address.channel is Channel.WHATSAPP:
        return f"whatsapp:{address.value}"
    raise ValueError(f"Twilio has no channel {address.channel.value}; send it by that channel's own carrier")


def read_inbound(form: Form, received_at: datetime) -> InboundMessage:
    """Read the form of a person's message, SMS, MMS or WhatsApp. `received_at` is aware UTC.

    The body may be empty (a picture); then the text of a pressed button or a shared location is used instead. A body of any
    length is kept whole, without NUL. Unknown parameters are ignored, since Twilio adds some without notice. Raises
    MalformedInbound with the parameter when MessageSid, From or To is missing.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at must carry a time zone (aware UTC)")
    sid = form_value(form, "MessageSid", "SmsMessageSid", "SmsSid") or _raise_missing("MessageSid")
    sender = from_twilio_address(form_value(form, "From"))
    to = from_twilio_address(form_value(form, "To", "MessagingServiceSid"))
    opt_out = form_value(form, "OptOutType").upper()
    body = form_value(form, "Body")
    return InboundMessage(
        sid=sid,
        sender=sender if sender.value else _raise_missing("From"),
        to=to.value or _raise_missing("To"),
        body=body if body.strip() else form_value(form, "ButtonText") or _shared_location(form) or body,
        received_at=received_at,
        media=tuple(_media(form)),
        opt_out=opt_out if opt_out in _OPT_OUTS else None,
        extra={name: form_value(form, name) for name in _EXTRA_PARAMETERS if form.get(name)},
    )


def _raise_missing(parameter: str) -> Any:
    raise MalformedInbound(parameter)


def _shared_location(form: Form) -> str:
    """A shared location as one line, in no particular language: the telephone's label for it, then its coordinates."""
    latitude, longitude = form_value(form, "Latitude"), form_value(form, "Longitude")
    if not (latitude and longitude):
        return ""
    parts = (form_value(form, "Label"), form_value(form, "Address"), f"{latitude}, {longitude}")
    return ", ".join(part for part in parts if part)


def _media(form: Form) -> Iterator[Media]:
    # NumMedia is not used: a picture that is in the form counts, whatever that number says.
    for number in range(_MAX_MEDIA):
        url = form_value(form, f"MediaUrl{number}")
        if not url:
            return
        yield Media(url, form_value(form, f"MediaContentType{number}"))


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The content of a status callback. `state` is None for an unknown status: log it, change nothing."""

    sid: str
    state: DeliveryState | None
    error_code: int | None = None
    to: Address | None = None


def read_status(form: Form) -> StatusReport:
    """Read a status callback for a message or a call. Raises MalformedStatus when it names neither, or no status."""
    sid = form_value(form, "MessageSid", "SmsSid")
    if not sid:
        return _read_call_status(form)
    word = form_value(form, "MessageStatus", "SmsStatus")
    if not word:
        raise MalformedStatus("MessageStatus")
    error_code, to = parse_number(form_value(form, "ErrorCode")), form_value(form, "To")
    return StatusReport(sid, message_state(word), error_code, from_twilio_address(to) if to else None)


def _read_call_status(form: Form) -> StatusReport:
    sid, word, to = form_value(form, "CallSid"), form_value(form, "CallStatus"), form_value(form, "To")
    if not (sid and word):
        raise MalformedStatus("CallStatus" if sid else "MessageSid")
    error_code = parse_number(form_value(form, "ErrorCode"))
    return StatusReport(sid, call_state(word), error_code, Address(Channel.VOICE, to) if to else None)


# Characters that XML 1.0 cannot contain, not even escaped; with one of them Twilio rejects the whole answer.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text escaped for element content."""
    return escape(_NOT_XML.sub("", text))


def xml_attribute(text: str) -> str:
    """The text escaped for an attribute value in double quotes."""
    return escape(_NOT_XML.sub("", text), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;"})


def replies_twiml(replies: Sequence[tuple[str, str]]) -> str:
    """The answer to a webhook: a `<Message>` for each pair of body and status callback URL ("" for none).

    Blank bodies are left out, and so are those after `MAX_REPLIES`: Twilio would not send them, so those rows must be sent
    by the API. Our own writer, since the library builds a tree to write one line, and this runs for every answer; the tests
    compare both.
    """
    legal = ((_NOT_XML.sub("", body), callback) for body, callback in replies)
    messages = [_message_element(body, callback) for body, callback in legal if body.strip()]
    if not messages:
        return '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    written = "".join(messages[:MAX_REPLIES])
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{written}</Response>'


def _message_element(body: str, callback: str) -> str:
    text = escape(body)
    if not callback:
        return f"<Message>{text}</Message>"
    return f'<Message statusCallback="{xml_attribute(callback)}">{text}</Message>'
