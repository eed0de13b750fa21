"""What Twilio posts to us and what we answer: forms into values, replies into TwiML. Nothing here opens a connection.

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

from bot.carriers.twilio_codes import code_of, state_of, state_of_call
from bot.carriers.twilio_signature import Form
from bot.domain.delivery import State
from bot.domain.message import Address, Channel, Inbound, Media

MOST_REPLIES: Final = 10
"""The most messages that Twilio takes from one answer (its error 14109 above that)."""

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


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep: NUL goes, half a surrogate pair becomes a mark."""
    if text.isascii() and "\x00" not in text:
        return text
    return _unstorable.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


def value(form: Form, *names: str) -> str:
    """The first of these parameters that has something in it; "" when none has."""
    for name in names:
        found = form.get(name)
        if found:
            return storable(found if isinstance(found, str) else found[0])
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
    sid = value(form, "MessageSid", "SmsMessageSid", "SmsSid") or _missing("MessageSid")
    sender = read_address(value(form, "From"))
    to = read_address(value(form, "To", "MessagingServiceSid"))
    opt_out = value(form, "OptOutType").upper()
    body = value(form, "Body")
    return Inbound(
        sid=sid,
        sender=sender if sender.value else _missing("From"),
        to=to.value or _missing("To"),
        body=body if body.strip() else value(form, "ButtonText") or _place(form) or body,
        received_at=received_at,
        media=tuple(_media(form)),
        opt_out=opt_out if opt_out in _OPT_OUTS else None,
        extra={name: value(form, name) for name in _KEPT if form.get(name)},
    )


def _missing(parameter: str) -> Any:
    raise MalformedInbound(parameter)


def _place(form: Form) -> str:
    """A shared place as one line, in no language: what the telephone calls it, then its coordinates."""
    latitude, longitude = value(form, "Latitude"), value(form, "Longitude")
    if not (latitude and longitude):
        return ""
    parts = (value(form, "Label"), value(form, "Address"), f"{latitude}, {longitude}")
    return ", ".join(part for part in parts if part)


def _media(form: Form) -> Iterator[Media]:
    # NumMedia is not asked: a picture that came counts, whatever the number beside it says.
    for number in range(_MOST_MEDIA):
        url = value(form, f"MediaUrl{number}")
        if not url:
            return
        yield Media(url, value(form, f"MediaContentType{number}"))


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What a status callback says. `state` is None for a word that we do not know: log it, change nothing."""

    sid: str
    state: State | None
    error_code: int | None = None
    to: Address | None = None


def read_status(form: Form) -> StatusReport:
    """Read a status callback, of a message or of a call. MalformedStatus when it names neither, or no status."""
    sid = value(form, "MessageSid", "SmsSid")
    if not sid:
        return _read_status_of_call(form)
    word = value(form, "MessageStatus", "SmsStatus")
    if not word:
        raise MalformedStatus("MessageStatus")
    error_code, to = code_of(value(form, "ErrorCode")), value(form, "To")
    return StatusReport(sid, state_of(word), error_code, read_address(to) if to else None)


def _read_status_of_call(form: Form) -> StatusReport:
    sid, word, to = value(form, "CallSid"), value(form, "CallStatus"), value(form, "To")
    if not (sid and word):
        raise MalformedStatus("CallStatus" if sid else "MessageSid")
    error_code = code_of(value(form, "ErrorCode"))
    return StatusReport(sid, state_of_call(word), error_code, Address(Channel.VOICE, to) if to else None)


# What XML 1.0 cannot hold, not even escaped; one such character and Twilio throws the whole answer away.
_not_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Words as they stand between two tags."""
    return escape(_not_xml.sub("", text))


def xml_value(text: str) -> str:
    """Words as they stand in an attribute, between its quotes."""
    return escape(_not_xml.sub("", text), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;"})


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
    return f'<Message statusCallback="{xml_value(callback)}">{text}</Message>'
