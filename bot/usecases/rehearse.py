"""A conversation without a database: what `talk` and the transcripts run on. The state is written out and read back
between two texts, as it is in PostgreSQL, so that whatever would get lost there gets lost here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.conversation import Conversation, Frame, load
from bot.domain.effects import Choice, Effect, RecordConsent, Reply, StaySilent
from bot.domain.flow import FlowFailed
from bot.domain.flow_checks import saved
from bot.domain.flow_yaml import Problem
from bot.domain.machine import IllegalMove
from bot.domain.script import read_duration
from bot.domain.transcript import Kind, Line, Transcript, describe, matches
from bot.domain.turn import Started, Turn
from bot.usecases.answer import answer
from bot.usecases.converse import converse, enter
from bot.usecases.guarded_turn import Said
from bot.usecases.library import Library
from bot.usecases.line import Line as HelpLine
from bot.usecases.wake_conversation import on_silence

ANY_MORNING = datetime.fromisoformat("2026-11-23 10:00")
"""When a transcript plays that names no time."""
PICTURE = "(picture)"
"""How a transcript writes a picture without words."""
BREATH = timedelta(seconds=20)
"""How much time goes by before each text of the person."""
SOME_CHECK_IN = 1
"""The number of a check-in that is only played: there is no row of it."""


class Rehearsal:
    """One pretend person and their conversation, at a time that is moved by hand (aware UTC).

    It begins with the menu, at the start of `flow`, or at its step `at`; `answers` are what is known of the person by then.
    Raises FlowFailed where the flow cannot even begin.
    """

    def __init__(
        self,
        line: HelpLine,
        library: Library,
        now: datetime,
        language: str = "en",
        flow: str | None = None,
        *,
        at: str | None = None,
        answers: Mapping[str, Any] | None = None,
        channel: str = "sms",
    ) -> None:
        self._line, self._library, self.now = line, library, now
        begun = Conversation(
            channel=channel, language=language, language_chosen=language != "en", answers=dict(answers or {})
        )
        self._stored = begun.dump()
        self.opted_out = False
        self.opening: tuple[Effect, ...] = ()
        if flow:
            turn = self._jump(flow, at) if at else enter(library, begun, flow, "", now, line.text)
            self._stored, self.opening = turn.conversation.dump(), turn.effects

    def _jump(self, flow: str, step: str) -> Turn:
        frame = Frame(flow, self._library.published(flow).version, step)
        inside = replace(self.conversation, frames=(frame,))
        return converse(self._library, inside, Started(""), self.now, self._line.text)

    @property
    def conversation(self) -> Conversation:
        return load(self._stored)

    def say(self, text: str, media: int = 0) -> tuple[Effect, ...]:
        """The person texts; the effects of the turn, in order."""
        said = Said(text, media, None, self.opted_out)
        turn = answer(self._line, self._library, load(self._stored), said, self.now).turn
        self._keep(turn.conversation, turn.effects)
        return turn.effects

    def wait(self, length: timedelta) -> tuple[Effect, ...]:
        """Time goes by; what silence leads to, where its time has come."""
        self.now += length
        conversation = load(self._stored)
        if conversation.waking is None or conversation.waking > self.now:
            return ()
        turn = on_silence(self._line, self._library, conversation, self.now)
        self._keep(replace(turn.conversation, turn=conversation.turn + 1), turn.effects)
        return turn.effects

    def check_in(self, flow: str, offered: Mapping[str, str | int] | None = None) -> tuple[Effect, ...]:
        """A check-in asks by this flow, as send_check_ins.py does; `offered` are the services that it may ask about.

        Raises FlowFailed where its flow cannot begin.
        """
        before = self.conversation
        stale = saved(self._library.published(flow).script)
        known = {name: value for name, value in before.answers.items() if name not in stale}
        fresh = replace(
            before, frames=(), answers={**known, **(offered or {})}, ended=False, outcome=None, offered=False, waking=None,
            check_in=None,
        )  # fmt: skip
        turn = enter(self._library, fresh, flow, "", self.now, self._line.text)
        self._keep(replace(turn.conversation, turn=before.turn + 1, check_in=SOME_CHECK_IN), turn.effects)
        return turn.effects

    def act(self, cause: Line) -> tuple[Effect, ...]:
        """What a `person:` or `wait:` line of a transcript brings; before a text a breath of time goes by."""
        if cause.kind is Kind.WAIT:
            length = read_duration(cause.text)
            assert isinstance(length, timedelta)
            return self.wait(length)
        self.now += BREATH
        picture = cause.text.strip() == PICTURE
        return self.say("" if picture else cause.text, media=int(picture))

    def _keep(self, conversation: Conversation, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, RecordConsent) and effect.choice in (Choice.OPTED_OUT, Choice.OPTED_IN):
                self.opted_out = effect.choice is Choice.OPTED_OUT
        self._stored = conversation.dump()


def begin(transcript: Transcript, line: HelpLine, library: Library, zone: ZoneInfo) -> Rehearsal:
    """The conversation of a transcript before anybody has said anything. Raises FlowFailed."""
    start = (transcript.now or ANY_MORNING).replace(tzinfo=zone).astimezone(UTC)
    return Rehearsal(
        line, library, start, transcript.language, transcript.flow, at=transcript.step, answers=transcript.answers,
        channel=transcript.channel,
    )  # fmt: skip


def as_lines(effects: Sequence[Effect]) -> list[Line]:
    """Effects as a transcript shows them."""
    lines = []
    for effect in effects:
        match effect:
            case Reply(text=text):
                lines.append(Line(Kind.LINE, text))
            case StaySilent(why=why):
                lines.append(Line(Kind.SILENT, why))
            case _:
                lines.append(Line(Kind.EFFECT, describe(effect)))
    return lines


@dataclass(frozen=True, slots=True)
class Expected:
    """A text of the person, or a wait, and what the transcript says comes of it. The opening has no cause's number."""

    cause: Line
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Played:
    """One turn of a transcript as it went: what was expected, what came, and what is wrong about it."""

    expected: Expected
    effects: tuple[Effect, ...]
    problem: Problem | None
    failed: bool = False
    """Whether it could not be played; no other turn comes then."""

    @property
    def came(self) -> list[Line]:
        return as_lines(self.effects)


def replay(transcript: Transcript, file: str, line: HelpLine, library: Library, timezone: ZoneInfo) -> list[Problem]:
    """Play a transcript; the first place at which the line does something else is the problem.

    Replies and silences must come as they stand, in order; effects must all be there. `told human` and `outcome` may be
    left out of a transcript: they are bookkeeping.
    """
    for turn in turns(transcript, file, line, library, timezone):
        if turn.problem is not None:
            return [turn.problem]
    return []


def turns(transcript: Transcript, file: str, line: HelpLine, library: Library, timezone: ZoneInfo) -> Iterator[Played]:
    """Each turn of a transcript played, also behind one that goes otherwise; the opening is the first."""
    opening, expected = in_turns(transcript)
    try:
        rehearsal = begin(transcript, line, library, timezone)
    except _UNPLAYABLE as error:
        what = f"The conversation cannot begin: {_reason(error)}."
        yield Played(opening, (), Problem(file, 1, what, "Correct the head of the transcript, or the flow."), failed=True)
        return
    # A transcript from the menu begins with a text, and what stands before that is nobody's.
    first = compare(opening, as_lines(rehearsal.opening), file) if transcript.flow else None
    yield Played(opening, rehearsal.opening, first)
    for turn in expected:
        try:
            effects = rehearsal.act(turn.cause)
        except _UNPLAYABLE as error:
            what = f"This can't be played: {_reason(error)}."
            remedy = "Look for a time or a language that is none."
            yield Played(turn, (), Problem(file, turn.cause.number, what, remedy), failed=True)
            return
        yield Played(turn, effects, compare(turn, as_lines(effects), file))


_UNPLAYABLE = (FlowFailed, IllegalMove, OverflowError, ValueError, LookupError)
"""What a transcript can come upon: a step that is not there, a wait of a million years."""


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, (FlowFailed, IllegalMove)) else type(error).__name__


def in_turns(transcript: Transcript) -> tuple[Expected, list[Expected]]:
    """The lines of a transcript by what causes them: those before the first text, then each text and wait."""
    opening = Expected(Line(Kind.PERSON, "", 1))
    found: list[Expected] = []
    for line in transcript.lines:
        if line.kind in (Kind.PERSON, Kind.WAIT):
            found.append(Expected(line))
        else:
            (found[-1] if found else opening).lines.append(line)
    return opening, found


OPTIONAL = ("told human", "outcome ")
"""Effects that a transcript may leave out."""


def compare(turn: Expected, happened: list[Line], file: str) -> Problem | None:
    """What is wrong about a turn: the first thing that is not as expected."""
    spoken = [line for line in happened if line.kind is not Kind.EFFECT]
    effects = [line.text for line in happened if line.kind is Kind.EFFECT]
    wanted = [line for line in turn.lines if line.kind is not Kind.EFFECT]
    for number, want in enumerate(wanted):
        if number >= len(spoken):
            return _problem(file, want.number, f"Expected {_quoted(want)}, but it says nothing.")
        said = spoken[number]
        if said.kind is not want.kind or (want.text and not matches(want.text, said.text)):
            return _problem(file, want.number, f"Expected {_quoted(want)}, but it says {_quoted(said)}.")
    if len(spoken) > len(wanted) and turn.cause.text != "":
        more = spoken[len(wanted)]
        return _problem(file, turn.cause.number, f"Nothing more is expected, but it says {_quoted(more)}.")
    for want in (line for line in turn.lines if line.kind is Kind.EFFECT):
        if want.text not in effects:
            return _problem(file, want.number, f"There is no effect {want.text!r}; there are {effects}.")
        effects.remove(want.text)
    left = [effect for effect in effects if not effect.startswith(OPTIONAL)]
    if left:
        return _problem(file, turn.cause.number, f"There is also the effect {left[0]!r}.")
    return None


def _quoted(line: Line) -> str:
    if line.kind is Kind.SILENT:
        return f"nothing ({line.text})" if line.text else "nothing"
    return repr(line.text)


def _problem(file: str, line: int, what: str) -> Problem:
    return Problem(file, line, what, "Correct the transcript, or the flow.")
