"""What becomes of each kind of Twilio Studio widget; the table in docs/admins/importing-flows.md says the same."""

from __future__ import annotations

import re

from bot.domain.flows.importing.report import ImportStatus

CARRIED, APPROXIMATED, LEFT_OUT = ImportStatus.CARRIED, ImportStatus.APPROXIMATED, ImportStatus.LEFT_OUT
_HUMAN = "A human is called: team `anyone`, within this shift. Choose the team and how urgent it is."

KINDS: dict[str, tuple[ImportStatus, str]] = {
    "trigger": (CARRIED, "The way for an incoming message is where the draft starts."),
    "send-message": (CARRIED, "A step that says the text."),
    "send-and-wait-for-reply": (
        CARRIED, "A step that asks. Where a split looks at the reply, its matches are the choices; else the answer is free "
        "text. The time it waits is kept."),
    "split-based-on": (
        APPROXIMATED, "Its matches are the choices of the question before it, and the values are their words; elsewhere it "
        "decides by conditions. What is not known here never holds, until you write a condition."),
    "set-variables": (APPROXIMATED, "What it sets is written where it is used."),
    "run-subflow": (CARRIED, "A step that runs the other flow. Parameters are left out: flows share their answers."),
    "send-to-flex": (APPROXIMATED, _HUMAN),
    "enqueue-call": (APPROXIMATED, _HUMAN),
    "connect-call-to": (APPROXIMATED, "A text can't be put through to another phone. " + _HUMAN),
    "say-play": (APPROXIMATED, "What is spoken is texted. A recording is left out."),
    "gather-input-on-call": (APPROXIMATED, "A question by text, with the keys as choices where a split looks at them."),
    "make-http-request": (LEFT_OUT, "A flow does not call other computers; it goes on as if that had worked."),
    "run-function": (LEFT_OUT, "A flow does not run programs; it goes on as if that had worked."),
    "record-voicemail": (LEFT_OUT, "There is no voice in a text conversation; it goes on as if that had worked."),
    "record-call": (LEFT_OUT, "There is no voice in a text conversation; it goes on as if that had worked."),
    "fork-stream": (LEFT_OUT, "There is no voice in a text conversation; it goes on as if that had worked."),
    "make-outgoing-call": (LEFT_OUT, "The line makes no calls; it goes on as if somebody had answered."),
    "capture-payments": (LEFT_OUT, "Nobody pays by text here; it goes on as if that had worked."),
    "add-twiml-redirect": (LEFT_OUT, "It hands over to another program; it goes on as if that had come back."),
    "send-to-auto-pilot": (LEFT_OUT, "No machine makes up answers here; it goes on as if that had worked."),
    "search-knowledge": (LEFT_OUT, "No machine makes up answers here; it goes on as if that had worked."),
    "connect-virtual-agent": (LEFT_OUT, "No machine makes up answers here; it goes on as if that had worked."),
}  # fmt: skip
"""Kind -> the best possible result, and the explanation."""

UNKNOWN_KIND = (LEFT_OUT, "This kind of widget is not known here; it goes on by its first way.")

_OTHER_NAMES = {
    "initial-state": "trigger", "split": "split-based-on", "send-wait": "send-and-wait-for-reply",
    "send-and-wait": "send-and-wait-for-reply", "send-wait-for-reply": "send-and-wait-for-reply",
    "subflow": "run-subflow", "http-request": "make-http-request", "function": "run-function", "flex": "send-to-flex",
    "make-outgoing-call-v2": "make-outgoing-call", "make-outgoing-call-v1": "make-outgoing-call",
    "gather-input": "gather-input-on-call", "connect-call": "connect-call-to", "send-to-autopilot": "send-to-auto-pilot",
    "capture-payment": "capture-payments", "twiml-redirect": "add-twiml-redirect", "state-set-attributes": "set-variables",
}  # fmt: skip
"""Older spellings of the same widgets."""

SUCCESS_EVENTS = (
    "success", "completed", "next", "sent", "audioComplete", "incomingMessage", "keypress", "recordingComplete",
    "callComplete", "callCompleted", "answered", "return", "sessionEnded", "maxFailedAttempts", "hangup",
)  # fmt: skip
"""Events by which a widget goes on after success, best first."""


def normalize_kind(spelling: str) -> str:
    """`SendMessage`, `send_message` and `send-message` are the same kind."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", spelling.strip())
    kind = re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-")
    return _OTHER_NAMES.get(kind, kind)
