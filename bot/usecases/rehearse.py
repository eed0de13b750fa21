"""A conversation without a database: what `talk` and the transcripts run on. The state is written out and read back
between two texts, as it is in PostgreSQL, so that whatever would get lost there gets lost here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.domain.conversation import Conversation, load
from bot.domain.effects import Choice, Effect, RecordConsent, Reply, StaySilent
from bot.domain.flow_yaml import Problem
from bot.domain.script import read_duration
from bot.domain.transcript import Kind, Line, Transcript, describe, matches
from bot.usecases.answer import answer
from bot.usecases.converse import enter
from bot.usecases.guarded_turn import Said
from bot.usecases.library import Library
from bot.usecases.line import Line as HelpLine
from bot.usecases.wake_conversation import on_silence

ANY_MORNING = datetime.fromisoformat("2026-11-23 10:00")
"""When a transcript plays that names no time."""
PICTURE = "(picture)"
"""How a transcript writes a picture without words."""


class Rehearsal:
    """One pretend person and their conversation, at a time that is moved by hand (aware UTC)."""

    def __init__(
        self, line: HelpLine, library: Library, now: datetime, language: str = "en", flow: str | None = None
    ) -> None:
        self._line, self._library, self.now = line, library, now
        self._stored = Conversation(language=language, language_chosen=language != "en").dump()
        self._opted_out = False
        self.opening: tuple[Effect, ...] = ()
        if flow:
            turn = enter(library, load(self._stored), flow, "", now, line.text)
            self._stored, self.opening = turn.conversation.dump(), turn.effects

    @property
    def conversation(self) -> Conversation:
        return load(self._stored)

    def say(self, text: str, media: int = 0) -> tuple[Effect, ...]:
        """The person texts; the effects of the turn, in order."""
        said = Said(text, media, None, self._opted_out)
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

    def _keep(self, conversation: Conversation, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, RecordConsent) and effect.choice in (Choice.OPTED_OUT, Choice.OPTED_IN):
                self._opted_out = effect.choice is Choice.OPTED_OUT
        self._stored = conversation.dump()


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
class _Expected:
    """A text of the person, or a wait, and what the transcript says comes of it."""

    cause: Line
    lines: list[Line]


def replay(transcript: Transcript, file: str, line: HelpLine, library: Library, timezone: ZoneInfo) -> list[Problem]:
    """Play a transcript; the first place at which the line does something else is the problem.

    Replies and silences must come as they stand, in order; effects must all be there. `told human` and `outcome` may be
    left out of a transcript: they are bookkeeping.
    """
    start = (transcript.now or ANY_MORNING).replace(tzinfo=timezone)
    rehearsal = Rehearsal(line, library, start, transcript.language, transcript.flow)
    opening, expected = _in_turns(transcript)
    problem = _compare(opening, as_lines(rehearsal.opening), file) if transcript.flow else None
    for turn in expected:
        if problem is not None:
            break
        effects = _cause(rehearsal, turn.cause)
        problem = _compare(turn, as_lines(effects), file)
    return [problem] if problem else []


def _cause(rehearsal: Rehearsal, cause: Line) -> tuple[Effect, ...]:
    if cause.kind is Kind.WAIT:
        length = read_duration(cause.text)
        assert isinstance(length, timedelta)
        return rehearsal.wait(length)
    rehearsal.now += timedelta(seconds=20)
    picture = cause.text.strip() == PICTURE
    return rehearsal.say("" if picture else cause.text, media=int(picture))


def _in_turns(transcript: Transcript) -> tuple[_Expected, list[_Expected]]:
    opening = _Expected(Line(Kind.PERSON, "", 1), [])
    turns: list[_Expected] = []
    for line in transcript.lines:
        if line.kind in (Kind.PERSON, Kind.WAIT):
            turns.append(_Expected(line, []))
        else:
            (turns[-1] if turns else opening).lines.append(line)
    return opening, turns


_OPTIONAL = ("told human", "outcome ")


def _compare(turn: _Expected, happened: list[Line], file: str) -> Problem | None:
    spoken = [line for line in happened if line.kind is not Kind.EFFECT]
    effects = [line.text for line in happened if line.kind is Kind.EFFECT]
    wanted = [line for line in turn.lines if line.kind is not Kind.EFFECT]
    for number, want in enumerate(wanted):
        if number >= len(spoken):
            return _problem(file, want.number, f"The line says nothing here, but {want.text!r} is expected.")
        said = spoken[number]
        if said.kind is not want.kind or (want.text and not matches(want.text, said.text)):
            return _problem(file, want.number, f"Expected {want.text!r}, but the line {said.kind.value}: {said.text!r}.")
    if len(spoken) > len(wanted) and turn.cause.text != "":
        more = spoken[len(wanted)]
        return _problem(file, turn.cause.number, f"The line goes on with {more.kind.value}: {more.text!r}.")
    for want in (line for line in turn.lines if line.kind is Kind.EFFECT):
        if want.text not in effects:
            return _problem(file, want.number, f"There is no effect {want.text!r}; there are {effects}.")
        effects.remove(want.text)
    left = [effect for effect in effects if not effect.startswith(_OPTIONAL)]
    if left:
        return _problem(file, turn.cause.number, f"There is also the effect {left[0]!r}.")
    return None


def _problem(file: str, line: int, what: str) -> Problem:
    return Problem(file, line, what, "Correct the transcript, or the flow.")
