"""Reads what Twilio posts to us about a telephone call, and writes what is said in one as TwiML.

It makes no connections. Facts of the verbs: twilio.com/docs/voice/twiml (Say, Gather).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.carriers.twilio.codes import call_state
from bot.carriers.twilio.signature import Form
from bot.carriers.twilio.webhook import MissingParameter, form_value, xml_attribute, xml_text
from bot.domain.messages.delivery import DeliveryState

MAX_SPOKEN_CHARACTERS: Final = 320
"""Characters of an alert that are read aloud, over twenty seconds. Said twice, and even if each were escaped to five, they
stay below the 4,000 characters that Twilio accepts as inline TwiML."""
KEY_TIMEOUT_SECONDS: Final = 8
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>'


class MalformedCall(MissingParameter):
    """A request about a call without the call's SID."""


@dataclass(frozen=True, slots=True)
class VoiceEvent:
    """What Twilio posts during a call. `digits` is "" where no key was pressed, as for an incoming call."""

    call_sid: str
    digits: str
    status: DeliveryState | None


def read_voice_form(form: Form) -> VoiceEvent:
    """Read what is posted for a pressed key or an incoming call. Raises MalformedCall without CallSid."""
    call_sid = form_value(form, "CallSid")
    if not call_sid:
        raise MalformedCall("CallSid")
    return VoiceEvent(call_sid, form_value(form, "Digits").strip(), call_state(form_value(form, "CallStatus")))


def voice_twiml(say: str, spanish: str = "") -> str:
    """TwiML that says this, then the Spanish text if given, and hangs up."""
    also = f'<Pause length="1"/>{_say(spanish, "es-US")}' if spanish else ""
    return f"{_HEAD}<Response>{_say(say)}{also}<Hangup/></Response>"


def question_twiml(words: str, action: str) -> str:
    """TwiML that says the words twice, waits meanwhile for one key and posts it to `action` (a public URL).

    Without a key the call says goodbye and ends, and nothing is posted, since silence is not an answer.
    """
    spoken = _say(_shorten(words))
    return (
        f'{_HEAD}<Response><Gather numDigits="1" timeout="{KEY_TIMEOUT_SECONDS}" method="POST" '
        f'action="{xml_attribute(action)}">'
        f'{spoken}<Pause length="1"/>{spoken}</Gather>{_say("No key was pressed. Goodbye.")}</Response>'
    )


def _say(sentence: str, language: str = "en-US") -> str:
    return f'<Say language="{xml_attribute(language)}">{xml_text(sentence)}</Say>'


def _shorten(words: str) -> str:
    """The words on one line, cut after a whole word; the text and the mail of the same alert contain all of it."""
    line = " ".join(words.split())
    return (
        line
        if len(line) <= MAX_SPOKEN_CHARACTERS
        else line[: MAX_SPOKEN_CHARACTERS + 1].rpartition(" ")[0] or line[:MAX_SPOKEN_CHARACTERS]
    )
