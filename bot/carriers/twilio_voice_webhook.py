"""What Twilio posts to us of a telephone call, and what is said in one: forms into values, sentences into TwiML.

Nothing here opens a connection. Facts of the verbs: twilio.com/docs/voice/twiml (Say, Gather).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.carriers.twilio_codes import state_of_call
from bot.carriers.twilio_signature import Form
from bot.carriers.twilio_webhook import MissingParameter, value, xml_text, xml_value
from bot.domain.delivery import State

LONGEST_SAID: Final = 320
"""Characters of an alert that are read aloud, over twenty seconds. Said twice, and were each to be escaped with five, they
stay under the 4,000 that Twilio takes as inline TwiML."""
SECONDS_FOR_A_KEY: Final = 8
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>'


class MalformedCall(MissingParameter):
    """A request about a call that names no call."""


@dataclass(frozen=True, slots=True)
class VoiceAnswer:
    """What Twilio posts while a call lasts. `digits` is "" where no key was pressed, as when somebody calls us."""

    call_sid: str
    digits: str
    status: State | None


def read_voice(form: Form) -> VoiceAnswer:
    """Read what is posted when a key was pressed or somebody calls a number of ours. MalformedCall without CallSid."""
    call_sid = value(form, "CallSid")
    if not call_sid:
        raise MalformedCall("CallSid")
    return VoiceAnswer(call_sid, value(form, "Digits").strip(), state_of_call(value(form, "CallStatus")))


def write_voice(say: str, spanish: str = "") -> str:
    """Say this, then the same in Spanish where that is given, and hang up."""
    also = f'<Pause length="1"/>{_say(spanish, "es-US")}' if spanish else ""
    return f"{_HEAD}<Response>{_say(say)}{also}<Hangup/></Response>"


def write_question(words: str, action: str) -> str:
    """Say the words twice, listen all the while for one key and post it to `action` (a public address).

    Without a key it says goodbye and ends; nothing is posted then, since silence answers nothing.
    """
    spoken = _say(_shortened(words))
    return (
        f'{_HEAD}<Response><Gather numDigits="1" timeout="{SECONDS_FOR_A_KEY}" method="POST" action="{xml_value(action)}">'
        f'{spoken}<Pause length="1"/>{spoken}</Gather>{_say("No key was pressed. Goodbye.")}</Response>'
    )


def _say(sentence: str, language: str = "en-US") -> str:
    return f'<Say language="{xml_value(language)}">{xml_text(sentence)}</Say>'


def _shortened(words: str) -> str:
    """The words on one line, cut after a whole word; what is cut stands in the text and the mail of the same alert."""
    line = " ".join(words.split())
    return line if len(line) <= LONGEST_SAID else line[: LONGEST_SAID + 1].rpartition(" ")[0] or line[:LONGEST_SAID]
