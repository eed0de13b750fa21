"""Conversations without a database, for `talk` and the transcripts. The state is serialised between two texts, as it is
in PostgreSQL, so that whatever would get lost there gets lost here too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.conversation.effects import ConsentChoice, Effect, RecordConsent, Reply, StaySilent
from bot.domain.conversation.state import Conversation, Frame, load
from bot.domain.conversation.transcript import LineKind, Transcript, TranscriptLine, describe, matches_expected
from bot.domain.conversation.turn import FlowStarted, Turn
from bot.domain.flows.checks.checks import saved_answers
from bot.domain.flows.language.flow import FlowFailed
from bot.domain.flows.language.script import read_duration
from bot.domain.flows.language.yaml_source import FlowProblem
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.state_machine import IllegalMove
from bot.usecases.conversation.answer import answer
from bot.usecases.conversation.converse import enter_flow, run_flows
from bot.usecases.conversation.time_out import decide_timeout
from bot.usecases.conversation.turn_in_progress import IncomingText
from bot.usecases.flows.library import Library
from bot.usecases.system_texts import SystemTexts as HelpLine

DEFAULT_START = datetime.fromisoformat("2026-11-23 10:00")
"""The start time of a transcript that names none."""
PICTURE = "(picture)"
"""How a transcript denotes a picture without text."""
TIME_BETWEEN_TEXTS = timedelta(seconds=20)
"""The time that passes before each text of the person."""
REHEARSED_CHECK_IN = 1
"""The id of a check-in in a rehearsal, which has no row."""


class Rehearsal:
    """A pretend person and their conversation, with a clock that is moved by hand (aware UTC).

    It begins with the menu, at the start of `flow`, or at its step `at`, with these `answers` already given. Raises
    FlowFailed where the flow cannot begin.
    """

    def __init__(
        self,
        system_texts: HelpLine,
        library: Library,
        now: datetime,
        language: str = SOURCE_LANGUAGE,
        flow: str | None = None,
        *,
        at: str | None = None,
        answers: Mapping[str, Any] | None = None,
        channel: str = "sms",
    ) -> None:
        self._system_texts, self._library, self.now = system_texts, library, now
        begun = Conversation(
            channel=channel, language=language, language_chosen=language != SOURCE_LANGUAGE, answers=dict(answers or {})
        )
        self._stored = begun.dump()
        self.opted_out = False
        self.opening: tuple[Effect, ...] = ()
        if flow:
            turn = self._jump(flow, at) if at else enter_flow(library, begun, flow, "", now, system_texts.text)
            self._stored, self.opening = turn.conversation.dump(), turn.effects

    def _jump(self, flow: str, step: str) -> Turn:
        frame = Frame(flow, self._library.published(flow).version, step)
        inside = replace(self.conversation, frames=(frame,))
        return run_flows(self._library, inside, FlowStarted(""), self.now, self._system_texts.text)

    @property
    def conversation(self) -> Conversation:
        return load(self._stored)

    def say(self, text: str, media: int = 0) -> tuple[Effect, ...]:
        """The person texts; the effects of the turn, in order."""
        said = IncomingText(text, media, None, self.opted_out)
        turn = answer(self._system_texts, self._library, load(self._stored), said, self.now).turn
        self._keep(turn.conversation, turn.effects)
        return turn.effects

    def wait(self, length: timedelta) -> tuple[Effect, ...]:
        """Let time pass; returns the effects of the timeout, if one is reached."""
        self.now += length
        conversation = load(self._stored)
        if conversation.timeout_at is None or conversation.timeout_at > self.now:
            return ()
        turn = decide_timeout(self._system_texts, self._library, conversation, self.now)
        self._keep(replace(turn.conversation, turn=conversation.turn + 1), turn.effects)
        return turn.effects

    def check_in(self, flow: str, offered: Mapping[str, str | int] | None = None) -> tuple[Effect, ...]:
        """Send a check-in with this flow, as send_check_ins.py does; `offered` are the services that it may ask about.

        Raises FlowFailed where the flow cannot begin.
        """
        before = self.conversation
        stale = saved_answers(self._library.published(flow).script)
        known = {name: value for name, value in before.answers.items() if name not in stale}
        fresh = replace(
            before,
            frames=(),
            answers={**known, **(offered or {})},
            ended=False,
            outcome=None,
            human_offered=False,
            timeout_at=None,
            check_in=None,
        )
        turn = enter_flow(self._library, fresh, flow, "", self.now, self._system_texts.text)
        self._keep(replace(turn.conversation, turn=before.turn + 1, check_in=REHEARSED_CHECK_IN), turn.effects)
        return turn.effects

    def play_line(self, cause: TranscriptLine) -> tuple[Effect, ...]:
        """Play a `person:` or `wait:` line of a transcript; a short time passes before a text."""
        if cause.kind is LineKind.WAIT:
            length = read_duration(cause.text)
            assert isinstance(length, timedelta)
            return self.wait(length)
        self.now += TIME_BETWEEN_TEXTS
        picture = cause.text.strip() == PICTURE
        return self.say("" if picture else cause.text, media=int(picture))

    def _keep(self, conversation: Conversation, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, RecordConsent) and effect.choice in (ConsentChoice.OPTED_OUT, ConsentChoice.OPTED_IN):
                self.opted_out = effect.choice is ConsentChoice.OPTED_OUT
        self._stored = conversation.dump()


def begin_rehearsal(transcript: Transcript, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> Rehearsal:
    """The conversation of a transcript before its first text. Raises FlowFailed."""
    start = (transcript.now or DEFAULT_START).replace(tzinfo=zone).astimezone(UTC)
    return Rehearsal(
        system_texts, library, start, transcript.language, transcript.flow, at=transcript.step, answers=transcript.answers,
        channel=transcript.channel,
    )  # fmt: skip


def effects_as_lines(effects: Sequence[Effect]) -> list[TranscriptLine]:
    """Effects as a transcript shows them."""
    lines = []
    for effect in effects:
        match effect:
            case Reply(text=text):
                lines.append(TranscriptLine(LineKind.LINE, text))
            case StaySilent(why=why):
                lines.append(TranscriptLine(LineKind.SILENT, why))
            case _:
                lines.append(TranscriptLine(LineKind.EFFECT, describe(effect)))
    return lines


@dataclass(frozen=True, slots=True)
class ExpectedTurn:
    """A text of the person, or a wait, with the lines that the transcript expects in response."""

    cause: TranscriptLine
    lines: list[TranscriptLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """A played turn of a transcript: what was expected, what came, and what is wrong."""

    expected: ExpectedTurn
    effects: tuple[Effect, ...]
    problem: FlowProblem | None
    failed: bool = False
    """Whether it could not be played; it is then the last turn."""

    @property
    def actual_lines(self) -> list[TranscriptLine]:
        return effects_as_lines(self.effects)


def replay(
    transcript: Transcript, file: str, system_texts: HelpLine, library: Library, timezone: ZoneInfo
) -> list[FlowProblem]:
    """Play a transcript; returns the first difference, if any.

    Replies and silences must match in order, and all effects must be there. A transcript may omit `told human` and
    `outcome`, which are bookkeeping.
    """
    for turn in play_turns(transcript, file, system_texts, library, timezone):
        if turn.problem is not None:
            return [turn.problem]
    return []


def play_turns(
    transcript: Transcript, file: str, system_texts: HelpLine, library: Library, timezone: ZoneInfo
) -> Iterator[PlayedTurn]:
    """Play all turns of a transcript, going on after a difference; the opening is the first turn."""
    opening, expected = group_into_turns(transcript)
    try:
        rehearsal = begin_rehearsal(transcript, system_texts, library, timezone)
    except _UNPLAYABLE_ERRORS as error:
        what = f"The conversation cannot begin: {_reason(error)}."
        yield PlayedTurn(
            opening, (), FlowProblem(file, 1, what, "Correct the head of the transcript, or the flow."), failed=True
        )
        return
    # A transcript from the menu begins with a text: there is no opening to compare.
    first = compare_turn(opening, effects_as_lines(rehearsal.opening), file) if transcript.flow else None
    yield PlayedTurn(opening, rehearsal.opening, first)
    for turn in expected:
        try:
            effects = rehearsal.play_line(turn.cause)
        except _UNPLAYABLE_ERRORS as error:
            what = f"This can't be played: {_reason(error)}."
            remedy = "Look for a time or a language that is none."
            yield PlayedTurn(turn, (), FlowProblem(file, turn.cause.number, what, remedy), failed=True)
            return
        yield PlayedTurn(turn, effects, compare_turn(turn, effects_as_lines(effects), file))


_UNPLAYABLE_ERRORS = (FlowFailed, IllegalMove, OverflowError, ValueError, LookupError)
"""Errors of an impossible transcript: an unknown step, a wait of a million years."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, (FlowFailed, IllegalMove)) else type(error).__name__


def group_into_turns(transcript: Transcript) -> tuple[ExpectedTurn, list[ExpectedTurn]]:
    """The lines of a transcript grouped into the opening (before the first text) and the turn of each text or wait."""
    opening = ExpectedTurn(TranscriptLine(LineKind.PERSON, "", 1))
    found: list[ExpectedTurn] = []
    for line in transcript.lines:
        if line.kind in (LineKind.PERSON, LineKind.WAIT):
            found.append(ExpectedTurn(line))
        else:
            (found[-1] if found else opening).lines.append(line)
    return opening, found


OPTIONAL_EFFECTS = ("told human", "outcome ")
"""Effects that a transcript may leave out."""


def compare_turn(turn: ExpectedTurn, happened: list[TranscriptLine], file: str) -> FlowProblem | None:
    """The first difference between a turn and what was expected, if any."""
    spoken = [line for line in happened if line.kind is not LineKind.EFFECT]
    effects = [line.text for line in happened if line.kind is LineKind.EFFECT]
    wanted = [line for line in turn.lines if line.kind is not LineKind.EFFECT]
    for number, want in enumerate(wanted):
        if number >= len(spoken):
            return _problem(file, want.number, f"Expected {_quoted(want)}, but it says nothing.")
        said = spoken[number]
        if said.kind is not want.kind or (want.text and not matches_expected(want.text, said.text)):
            return _problem(file, want.number, f"Expected {_quoted(want)}, but it says {_quoted(said)}.")
    if len(spoken) > len(wanted) and turn.cause.text != "":
        more = spoken[len(wanted)]
        return _problem(file, turn.cause.number, f"Nothing more is expected, but it says {_quoted(more)}.")
    for want in (line for line in turn.lines if line.kind is LineKind.EFFECT):
        if want.text not in effects:
            return _problem(file, want.number, f"There is no effect {want.text!r}; there are {effects}.")
        effects.remove(want.text)
    left = [effect for effect in effects if not effect.startswith(OPTIONAL_EFFECTS)]
    if left:
        return _problem(file, turn.cause.number, f"There is also the effect {left[0]!r}.")
    return None


def _quoted(system_texts: TranscriptLine) -> str:
    if system_texts.kind is LineKind.SILENT:
        return f"nothing ({system_texts.text})" if system_texts.text else "nothing"
    return repr(system_texts.text)


def _problem(file: str, line: int, what: str) -> FlowProblem:
    return FlowProblem(file, line, what, "Correct the transcript, or the flow.")
