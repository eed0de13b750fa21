"""Conversation tests in plain text, read and written by social workers.

    title: An eviction with a court date next week
    flow: emergency_assistance        # where the person starts; absent: the menu, with the first text
    step: zip                         # the step of that flow; absent: its first one
    answers: {"need": "rent"}         # what is already known about the person, as JSON
    channel: web                      # absent: sms
    language: en
    now: 2026-11-23 10:00             # local time

    person: my landlord is evicting me
    line: Do you have a court date? Reply with the date, or NO.
    effect: handoff housing now
    wait: 2h
    silent: held by a human

Indented lines continue a text. `...` at the end of a text stands for anything. `#` at the start of a line begins a
comment. Transcripts are run elsewhere (`bot/usecases/conversation/rehearsal.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.conversation.effects import (
    ConsentChoice,
    DropQueuedTexts,
    Effect,
    EraseData,
    MarkCheckInAnswered,
    NotifyStaff,
    OfferServices,
    OpenHandoff,
    RaiseAlarm,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    RecordReferralOutcome,
    ScheduleCheckIns,
)
from bot.domain.flows.language.script import STEP_NAME, read_duration
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowError, FlowProblem
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.message import Channel
from bot.domain.suggestion import nearest

ANYTHING = "..."


class LineKind(StrEnum):
    """Who acts in a line of a transcript."""

    PERSON = "person"
    """The person sends this text."""
    LINE = "line"
    """Warmline replies with this."""
    EFFECT = "effect"
    """Another effect, in the words of `describe`."""
    WAIT = "wait"
    """Time that passes without a text."""
    SILENT = "silent"
    """Intended silence and its reason; without a reason, any will do."""


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """`number` is the line of the file, and is ignored when comparing two lines."""

    kind: LineKind
    text: str
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Transcript:
    """`now` is local time without a zone; None if the test may run at any time.

    `step` is where in `flow` it begins, None for the start; `answers` are known before the first text.
    """

    title: str
    flow: str | None = None
    language: str = SOURCE_LANGUAGE
    now: datetime | None = None
    lines: tuple[TranscriptLine, ...] = ()
    step: str | None = None
    channel: str = Channel.SMS.value
    answers: Mapping[str, Any] = field(default_factory=dict)


_FIELD = re.compile(r"([A-Za-z_]+)\s*:(?:[ \t]+|$)(.*)", re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$")
_HEADER = ("title", "flow", "step", "channel", "language", "now", "answers")
PLAYABLE_CHANNELS = (Channel.SMS.value, Channel.WEB.value)
"""Channels on which a conversation can be played."""
_NOW = "%Y-%m-%d %H:%M"


def read_transcript(text: str, file: str) -> Transcript:
    """Parses a transcript. Raises FlowError with every problem; `file` only names it in them."""
    if len(text) > MAX_BYTES:
        what, remedy = f"The transcript has {len(text):,} characters.", f"Keep it under {MAX_BYTES:,}; make several of it."
        raise FlowError([FlowProblem(file, 1, what, remedy)])
    return _TranscriptReader(file).read(text)


class _TranscriptReader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[FlowProblem] = []
        self.header: dict[str, tuple[str, int]] = {}
        self.lines: list[TranscriptLine] = []

    def read(self, text: str) -> Transcript:
        for number, entry in _entries(text):
            self._take(entry, number)
        transcript = self._transcript()
        if self.problems:
            raise FlowError(self.problems)
        return transcript

    def _add(self, number: int, what: str, remedy: str) -> None:
        self.problems.append(FlowProblem(self.file, number, what, remedy))

    def _take(self, entry: str, number: int) -> None:
        matched = _FIELD.fullmatch(entry)
        if matched is None:
            self._add(
                number,
                "This line does not say who speaks.",
                "Begin it with `person:` or `line:`, or indent it.",
            )
            return
        name, value = matched[1].lower(), matched[2].strip()
        if name in _HEADER and not self.lines:
            self._take_header(name, value, number)
        elif name in list(LineKind):
            self._take_line(LineKind(name), value, number)
        else:
            near = nearest(name, [*_HEADER, *LineKind])
            hint = f"Did you mean `{near}`?" if near else f"It is one of: {', '.join(LineKind)}."
            late = name in _HEADER
            self._add(
                number,
                f"`{name}:` is not known here.",
                "Move it to the top, before the first text." if late else hint,
            )

    def _take_header(self, name: str, value: str, number: int) -> None:
        if name in self.header:
            self._add(number, f"`{name}:` stands here a second time.", "Keep one of them.")
        # Free text may hold a `#`, which would begin a comment elsewhere.
        is_free = name in ("title", "answers")
        self.header[name] = (value if is_free else _COMMENT.sub("", value).strip(), number)

    def _take_line(self, kind: LineKind, text: str, number: int) -> None:
        if not text and kind is not LineKind.SILENT:
            self._add(number, f"`{kind.value}:` has no words.", "Write them behind the colon.")
        if kind is LineKind.WAIT and text:
            try:
                read_duration(text)
            except (ValueError, OverflowError):
                self._add(
                    number,
                    f"`{text}` is not a length of time.",
                    "Write a number and s, m, h, d or w, like 2h.",
                )
        self.lines.append(TranscriptLine(kind, text, number))

    def _transcript(self) -> Transcript:
        if not self.header.get("title", ("", 0))[0]:
            self._add(1, "The transcript has no title.", "Begin with `title:` and what it shows.")
        if not self.lines:
            self._add(1, "Nobody says anything.", "Write `person:` and `line:` lines below the head.")
        return Transcript(
            title=self.header.get("title", ("", 0))[0],
            flow=self.header.get("flow", ("", 0))[0] or None,
            language=self.header.get("language", ("", 0))[0] or SOURCE_LANGUAGE,
            now=self._now(),
            lines=tuple(self.lines),
            step=self._step(),
            channel=self._channel(),
            answers=self._answers(),
        )

    def _step(self) -> str | None:
        value, number = self.header.get("step", ("", 0))
        if value and not self.header.get("flow", ("", 0))[0]:
            self._add(number, "`step:` stands here without its flow.", "Add `flow:` with the name of the flow.")
        elif value and not re.fullmatch(STEP_NAME, value):
            self._add(number, f"`{value}` is not the name of a step.", "Write it as it stands in the flow.")
        return value or None

    def _channel(self) -> str:
        value, number = self.header.get("channel", ("", 0))
        if value and value not in PLAYABLE_CHANNELS:
            self._add(number, f"`{value}` is not a channel.", f"Write one of: {', '.join(PLAYABLE_CHANNELS)}.")
        return value or Channel.SMS.value

    def _answers(self) -> dict[str, Any]:
        value, number = self.header.get("answers", ("", 0))
        if not value:
            return {}
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(_is_answer(name, each) for name, each in found.items()):
            remedy = 'Write it like {"zip": "63118", "adults": 2}, with names of answers.'
            self._add(number, "The answers can't be read.", remedy)
            return {}
        return found

    def _now(self) -> datetime | None:
        value, number = self.header.get("now", ("", 0))
        if not value:
            return None
        try:
            # The time zone is not known here; the caller that runs the transcript adds it.
            return datetime.strptime(value, _NOW)  # noqa: DTZ007
        except ValueError:
            self._add(number, f"`{value}` is not a date and time.", "Write it like 2026-11-23 10:00.")
            return None


def _is_answer(name: str, value: object) -> bool:
    return re.fullmatch(STEP_NAME, name) is not None and (value is None or isinstance(value, (str, int)))


def _entries(text: str) -> list[tuple[int, str]]:
    """(line number, text) of each entry; indented lines, and blank ones between them, belong to the entry above."""
    found: list[tuple[int, list[str]]] = []
    for number, row in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), start=1):
        if row.startswith("#"):
            continue
        if (row[:1] in {" ", "\t"} or not row.strip()) and found:
            found[-1][1].append(row.strip())
        elif row.strip():
            found.append((number, [row.strip()]))
    return [(number, "\n".join(rows).strip()) for number, rows in found]


def write_transcript(transcript: Transcript) -> str:
    """The text that `read_transcript` reads as an equal transcript (texts are trimmed line by line)."""
    rows = [f"title: {_one_line(transcript.title)}"]
    if transcript.flow:
        rows.append(f"flow: {transcript.flow}")
    if transcript.step:
        rows.append(f"step: {transcript.step}")
    if transcript.channel != Channel.SMS.value:
        rows.append(f"channel: {transcript.channel}")
    rows.append(f"language: {transcript.language}")
    if transcript.now:
        rows.append(f"now: {transcript.now.strftime(_NOW)}")
    if transcript.answers:
        rows.append(f"answers: {json.dumps(dict(transcript.answers), ensure_ascii=False)}")
    rows.append("")
    for number, line in enumerate(transcript.lines):
        if number and line.kind in (LineKind.PERSON, LineKind.WAIT):
            # Set off each turn by a blank line: social workers read this.
            rows.append("")
        rows += write_line(line)
    return "\n".join(rows) + "\n"


def write_line(line: TranscriptLine) -> list[str]:
    first, *more = trim_lines(line.text).split("\n")
    return [f"{line.kind.value}: {first}".rstrip(), *(f"  {row}".rstrip() for row in more)]


def trim_lines(text: str) -> str:
    """A text as a transcript stores it: each line trimmed, no blank lines around it."""
    return "\n".join(row.strip() for row in text.replace("\r\n", "\n").split("\n")).strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def matches_expected(expected: str, said: str) -> bool:
    """Whether what was said matches what a transcript expects; ignores whitespace; `...` at the end stands for anything."""
    expected_text, actual = _one_line(expected), _one_line(said)
    if expected_text.endswith(ANYTHING):
        return actual.startswith(expected_text.removesuffix(ANYTHING).rstrip())
    return expected_text == actual


def describe(effect: Effect) -> str:
    """The words after `effect:` for this effect. Raises TypeError for replies and silence, which have their own lines."""
    match effect:
        case OpenHandoff():
            return f"handoff {effect.team} {effect.urgency.value}" + ("" if effect.reachable else " by phone")
        case NotifyStaff():
            return "told human urgently" if effect.urgent else "told human"
        case DropQueuedTexts():
            return "texts held back"
        case RaiseAlarm():
            return f"alarm {effect.kind}"
        case OfferServices():
            return f"services {effect.need} {effect.near or '-'} {len(effect.services)}"
        case ScheduleCheckIns():
            return " ".join(["check_in", effect.flow, *map(format_duration, effect.after)])
        case RecordConsent(choice=ConsentChoice.AGREED | ConsentChoice.WITHDRAWN):
            return f"consent {effect.scope} {effect.choice.value}"
        case RecordConsent():
            return f"{effect.choice.value} {effect.method.value}"
        case MarkCheckInAnswered():
            return "check_in answered"
        case RecordReferralOutcome():
            return f"referral {effect.outcome}" + (f" {effect.which}" if effect.which else "")
        case RecordMeasure():
            return f"measure {effect.name} {effect.value}"
        case EraseData():
            return "erase"
        case RecordOutcome():
            return f"outcome {effect.outcome}"
        case _:
            raise TypeError(f"{type(effect).__name__} has a line of its own in a transcript")


def format_duration(length: timedelta) -> str:
    """`7d`, `90m`: the largest unit of which it is a whole number."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
