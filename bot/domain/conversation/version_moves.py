"""Moves live conversations to another version of their flow, where that is safe.

Nothing is sent when a conversation moves: the person still sees the old question. So it moves only if the new version
reads their answer as they mean it; in doubt it stays on its version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.conversation.effects import Reply
from bot.domain.conversation.engine import take_turn
from bot.domain.conversation.state import Conversation, Frame
from bot.domain.conversation.turn import FlowReturned, RepeatQuestion, SystemTextLookup, TimeoutReached, TurnInput
from bot.domain.flows.checks.checks import saved_answers
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.flows.language.machine import next_steps
from bot.domain.flows.language.reader import names_in
from bot.domain.flows.language.script import Ask, Run, Script, Wait
from bot.domain.flows.language.texts import conditions, templates

FlowOfVersion = Callable[[int], Flow]
"""The flow of a version; raises FlowFailed."""


class StayReason(StrEnum):
    """Why a conversation stays on its version, in words for the page."""

    ADMIN_CHOICE = "it was chosen that who rests at this step stays"
    GONE = "the step is gone, and no other was named for it"
    OTHER_KIND = "the step does something else now"
    OTHER_CHOICES = "the choices or the kind of answer have changed: a reply to the old question would be misread"
    NO_ANSWER = "an answer is missing that the new version asks for earlier"
    FAILS = "the new version cannot go on from there"
    UNREADABLE = "the old version or the conversation cannot be read"


@dataclass(frozen=True, slots=True)
class MoveResult:
    """`moved` is the conversation in the new version, None where it stays; `why` says why then."""

    moved: Conversation | None
    why: StayReason | None = None


class _CannotMove(Exception):
    def __init__(self, why: StayReason) -> None:
        super().__init__(why)
        self.why = why


def is_in_other_version(frame: Frame, flow: str, version: int) -> bool:
    """Whether this is a frame of the flow, in another version than this one."""
    return frame.flow == flow and frame.version != version


def has_frame_in_other_version(conversation: Conversation, flow: str, version: int) -> bool:
    """Whether the conversation is, at any depth, in another version of the flow."""
    return not conversation.ended and any(is_in_other_version(frame, flow, version) for frame in conversation.frames)


@dataclass(frozen=True, slots=True)
class _MoveTarget:
    """Where conversations at a step of an old version move to, and the answers that they need for it."""

    target: str
    needed: frozenset[str]


class ConversationMover:
    """Moves conversations to the version `new`, one at a time; the result for each step is cached.

    `steps` maps old step -> new step where the name has changed; "" keeps conversations at that step on their version.
    """

    def __init__(self, new: Flow, steps: Mapping[str, str], system_text: SystemTextLookup) -> None:
        self._new, self._steps, self._system_text = new, steps, system_text
        self._targets: dict[tuple[int, str], _MoveTarget | StayReason] = {}

    def move(self, conversation: Conversation, old: FlowOfVersion, now: datetime) -> MoveResult:
        """The conversation with all its frames of this flow in the new version, or why it stays.

        Holder, answers, language and timeout do not change. Pure: the new version is tried, and its effects are discarded.
        """
        try:
            return MoveResult(self._moved(conversation, old, now))
        except _CannotMove as stays:
            return MoveResult(None, stays.why)

    def _moved(self, conversation: Conversation, old: FlowOfVersion, now: datetime) -> Conversation:
        name, version = self._new.name, self._new.version
        frames = tuple(
            self._moved_frame(frame, conversation, old) if is_in_other_version(frame, name, version) else frame
            for frame in conversation.frames
        )
        moved = replace(conversation, frames=frames)
        for depth, (before, frame) in enumerate(zip(conversation.frames, frames, strict=True), 1):
            if before != frame:
                shown = replace(moved, frames=frames[:depth])
                _check_it_runs(shown, self._new, now, self._system_text, is_innermost=depth == len(frames))
        return moved

    def _moved_frame(self, frame: Frame, conversation: Conversation, old: FlowOfVersion) -> Frame:
        way = self._targets.get((frame.version, frame.step))
        if way is None:
            way = self._targets[frame.version, frame.step] = self._target_of(frame, old)
        if isinstance(way, StayReason):
            raise _CannotMove(way)
        if way.needed - set(conversation.answers):
            raise _CannotMove(StayReason.NO_ANSWER)
        # BACK leads to questions only; removed questions are left out.
        been = (self._steps.get(name, name) for name in frame.visited)
        kept = tuple(name for name in been if isinstance(self._new.script.steps.get(name), Ask))
        return Frame(frame.flow, self._new.version, way.target, frame.tries, kept)

    def _target_of(self, frame: Frame, old: FlowOfVersion) -> _MoveTarget | StayReason:
        target = self._steps.get(frame.step, frame.step)
        if not target:
            return StayReason.ADMIN_CHOICE
        if target not in self._new.script.steps:
            return StayReason.GONE
        try:
            before = old(frame.version)
        except (FlowFailed, ValueError):
            return StayReason.UNREADABLE
        if frame.step not in before.script.steps:
            return StayReason.UNREADABLE
        why = _why_not(before, frame.step, self._new, target)
        return why or _MoveTarget(target, frozenset(_answers_needed(before.script, frame.step, self._new.script, target)))


def _why_not(before: Flow, step: str, new: Flow, target: str) -> StayReason | None:
    was, becomes = before.script.steps[step], new.script.steps[target]
    if type(was) is not type(becomes):
        return StayReason.OTHER_KIND
    if (step in before.machine.waits_for_human) != (target in new.machine.waits_for_human):
        return StayReason.OTHER_KIND
    if isinstance(was, Ask) and isinstance(becomes, Ask) and not reads_same_answers(was, becomes):
        return StayReason.OTHER_CHOICES
    return None


def reads_same_answers(was: Ask, becomes: Ask) -> bool:
    """Whether a reply to the old question means the same to the new one: "2" is still the second choice that was seen.

    Choices that were added at the end do no harm.
    """
    seen, now = list(was.choices), list(becomes.choices)
    if bool(seen) != bool(now):
        return False
    return seen == now[: len(seen)] if seen else was.answer is becomes.answer


def _answers_needed(before: Script, step: str, script: Script, target: str) -> set[str]:
    """Answers that the new version uses from here on, but asks for only before this step.

    A missing answer counts as undefined, so conditions on it would hold or fail by accident. Answers that the old version
    used from here on as well are left out: they were missing there too.
    """
    ahead = _steps_ahead(script, target)
    asked_behind = set(saved_answers(script)) - _answers_asked(script, ahead)
    return (_answers_named(script, ahead) & asked_behind) - _answers_named(before, _steps_ahead(before, step))


def _steps_ahead(script: Script, step: str) -> set[str]:
    found, waiting = {step}, [step]
    while waiting:
        for way in next_steps(script.steps[waiting.pop()]):
            if way not in found:
                found.add(way)
                waiting.append(way)
    return found


def _answers_asked(script: Script, steps: Collection[str]) -> set[str]:
    asks = ((name, step) for name in steps if isinstance(step := script.steps[name], Ask))
    return {step.save or name for name, step in asks}


def _answers_named(script: Script, steps: Collection[str]) -> set[str]:
    found: set[str] = set()
    for path, condition in conditions(script):
        if path[1] in steps:
            found |= names_in(condition, is_condition=True)
    for _, path, source in templates(script):
        if path[1] in steps:
            found |= names_in(source)
    return found


def _check_it_runs(
    conversation: Conversation, new: Flow, now: datetime, system_text: SystemTextLookup, *, is_innermost: bool
) -> None:
    """Run the new version from its innermost frame with each input that may come next; raises _CannotMove if it fails."""
    assert conversation.frame is not None
    step = new.script.steps[conversation.frame.step]
    ways: list[TurnInput] = [RepeatQuestion()]
    if isinstance(step, Wait) or (isinstance(step, Ask) and step.wait):
        ways.append(TimeoutReached())
    if not is_innermost:
        ways.append(FlowReturned())
        if isinstance(step, Run):
            ways.remove(RepeatQuestion())
    for said in ways:
        try:
            turn = take_turn(new, conversation, said, now, system_text)
        except Exception as error:
            # Any error keeps this one conversation on its version; the others still move.
            raise _CannotMove(StayReason.FAILS) from error
        is_silent = not any(isinstance(effect, Reply) for effect in turn.effects)
        if isinstance(said, RepeatQuestion) and isinstance(step, Ask) and is_silent:
            raise _CannotMove(StayReason.FAILS)
