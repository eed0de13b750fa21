"""Whether a live conversation can go on in another version of its flow, and how it looks there.

Nothing is sent when a conversation moves: the person still has the old question before their eyes. So it moves only where
the answer that they are about to give is read as they mean it, and stays on its version wherever that is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.conversation import Conversation, Frame
from bot.domain.effects import Reply
from bot.domain.engine import StandingText, take_turn
from bot.domain.flow import Flow, FlowFailed
from bot.domain.flow_checks import saved
from bot.domain.flow_reader import names_in
from bot.domain.flow_texts import conditions, texts
from bot.domain.machine import leads_to
from bot.domain.script import Ask, Run, Script, Wait
from bot.domain.turn import AskedAgain, Returned, Said, TimedOut

OldFlow = Callable[[int], Flow]
"""The flow of a version; raises FlowFailed."""


class Stay(StrEnum):
    """Why a conversation stays on its version, in words for the page."""

    CHOSEN = "it was chosen that who rests at this step stays"
    GONE = "the step is gone, and no other was named for it"
    OTHER_KIND = "the step does something else now"
    OTHER_CHOICES = "the choices or the kind of answer have changed: a reply to the old question would be misread"
    NO_ANSWER = "an answer is missing that the new version asks for earlier"
    FAILS = "the new version cannot go on from there"
    UNREADABLE = "the old version or the conversation cannot be read"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`moved` is the conversation in the new version, None where it stays; `why` says why then."""

    moved: Conversation | None
    why: Stay | None = None


class _Stays(Exception):
    def __init__(self, why: Stay) -> None:
        super().__init__(why)
        self.why = why


def is_elsewhere(frame: Frame, flow: str, version: int) -> bool:
    """Whether this is a frame of the flow, in another version than this one."""
    return frame.flow == flow and frame.version != version


def concerns(conversation: Conversation, flow: str, version: int) -> bool:
    """Whether the conversation is, at any depth, in another version of the flow."""
    return not conversation.ended and any(is_elsewhere(frame, flow, version) for frame in conversation.frames)


@dataclass(frozen=True, slots=True)
class _Way:
    """Where those go who rest at a step of a version, and the answers without which they stay."""

    target: str
    needed: frozenset[str]


class Mover:
    """Moves conversations to the version `new`, one at a time; what holds for a step is found out once.

    `steps` maps old step -> new step where the name is another; "" lets those who rest there stay.
    """

    def __init__(self, new: Flow, steps: Mapping[str, str], standing: StandingText) -> None:
        self._new, self._steps, self._standing = new, steps, standing
        self._ways: dict[tuple[int, str], _Way | Stay] = {}

    def move(self, conversation: Conversation, old: OldFlow, now: datetime) -> Verdict:
        """The conversation with all its frames of this flow in the new version, or why it stays.

        Holder, answers, language and the moment at which silence counts stay as they are. Pure: the new version is tried,
        and what it does is thrown away.
        """
        try:
            return Verdict(self._moved(conversation, old, now))
        except _Stays as stays:
            return Verdict(None, stays.why)

    def _moved(self, conversation: Conversation, old: OldFlow, now: datetime) -> Conversation:
        name, version = self._new.name, self._new.version
        frames = tuple(
            self._frame(frame, conversation, old) if is_elsewhere(frame, name, version) else frame
            for frame in conversation.frames
        )
        moved = replace(conversation, frames=frames)
        for depth, (before, frame) in enumerate(zip(conversation.frames, frames, strict=True), 1):
            if before != frame:
                shown = replace(moved, frames=frames[:depth])
                _try(shown, self._new, now, self._standing, is_innermost=depth == len(frames))
        return moved

    def _frame(self, frame: Frame, conversation: Conversation, old: OldFlow) -> Frame:
        way = self._ways.get((frame.version, frame.step))
        if way is None:
            way = self._ways[frame.version, frame.step] = self._way(frame, old)
        if isinstance(way, Stay):
            raise _Stays(way)
        if way.needed - set(conversation.answers):
            raise _Stays(Stay.NO_ANSWER)
        # BACK leads to questions only; one that is gone is left out, and the one before it is gone back to.
        been = (self._steps.get(name, name) for name in frame.been)
        kept = tuple(name for name in been if isinstance(self._new.script.steps.get(name), Ask))
        return Frame(frame.flow, self._new.version, way.target, frame.tries, kept)

    def _way(self, frame: Frame, old: OldFlow) -> _Way | Stay:
        target = self._steps.get(frame.step, frame.step)
        if not target:
            return Stay.CHOSEN
        if target not in self._new.script.steps:
            return Stay.GONE
        try:
            before = old(frame.version)
        except (FlowFailed, ValueError):
            return Stay.UNREADABLE
        if frame.step not in before.script.steps:
            return Stay.UNREADABLE
        why = _why_not(before, frame.step, self._new, target)
        return why or _Way(target, frozenset(_needed(before.script, frame.step, self._new.script, target)))


def _why_not(before: Flow, step: str, new: Flow, target: str) -> Stay | None:
    was, becomes = before.script.steps[step], new.script.steps[target]
    if type(was) is not type(becomes):
        return Stay.OTHER_KIND
    if (step in before.machine.waits_for_human) != (target in new.machine.waits_for_human):
        return Stay.OTHER_KIND
    if isinstance(was, Ask) and isinstance(becomes, Ask) and not reads_alike(was, becomes):
        return Stay.OTHER_CHOICES
    return None


def reads_alike(was: Ask, becomes: Ask) -> bool:
    """Whether a reply to the old question means the same to the new one: "2" is still the second choice that was seen.

    Choices that were added at the end disturb nobody.
    """
    seen, now = list(was.choices), list(becomes.choices)
    if bool(seen) != bool(now):
        return False
    return seen == now[: len(seen)] if seen else was.answer is becomes.answer


def _needed(before: Script, step: str, script: Script, target: str) -> set[str]:
    """Answers that the new version looks at from here on and asks for only behind this step.

    What was never answered counts as nothing, so a condition would hold or not by accident. What the old version looked at
    from here as well was as much an accident before.
    """
    ahead = _ahead(script, target)
    asked_behind = set(saved(script)) - _asked(script, ahead)
    return (_named(script, ahead) & asked_behind) - _named(before, _ahead(before, step))


def _ahead(script: Script, step: str) -> set[str]:
    found, waiting = {step}, [step]
    while waiting:
        for way in leads_to(script.steps[waiting.pop()]):
            if way not in found:
                found.add(way)
                waiting.append(way)
    return found


def _asked(script: Script, steps: Collection[str]) -> set[str]:
    asks = ((name, step) for name in steps if isinstance(step := script.steps[name], Ask))
    return {step.save or name for name, step in asks}


def _named(script: Script, steps: Collection[str]) -> set[str]:
    found: set[str] = set()
    for path, condition in conditions(script):
        if path[1] in steps:
            found |= names_in(condition, is_condition=True)
    for _, path, source in texts(script):
        if path[1] in steps:
            found |= names_in(source)
    return found


def _try(conversation: Conversation, new: Flow, now: datetime, standing: StandingText, *, is_innermost: bool) -> None:
    """Let the new version go on from its innermost frame in each way that it may be asked to, and look that it can."""
    assert conversation.frame is not None
    step = new.script.steps[conversation.frame.step]
    ways: list[Said] = [AskedAgain()]
    if isinstance(step, Wait) or (isinstance(step, Ask) and step.wait):
        ways.append(TimedOut())
    if not is_innermost:
        ways.append(Returned())
        if isinstance(step, Run):
            ways.remove(AskedAgain())
    for said in ways:
        try:
            turn = take_turn(new, conversation, said, now, standing)
        except Exception as error:
            # Whatever goes wrong is a reason to leave this one person where they are, and none to leave all the others.
            raise _Stays(Stay.FAILS) from error
        is_silent = not any(isinstance(effect, Reply) for effect in turn.effects)
        if isinstance(said, AskedAgain) and isinstance(step, Ask) and is_silent:
            raise _Stays(Stay.FAILS)
