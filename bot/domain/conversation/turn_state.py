"""The state of one turn while the engine runs it: the conversation as it changes, and the effects collected so far."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain.conversation.effects import (
    ConsentChoice,
    ConsentMethod,
    Effect,
    EraseData,
    OfferServices,
    RecordConsent,
    RecordOutcome,
    Reply,
    ScheduleCheckIns,
)
from bot.domain.conversation.state import Conversation, Frame, Holder, Offer
from bot.domain.conversation.turn import ServicesFound, SystemTextLookup
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.flows.language.script import Ask, CheckIn, Consent, Erase, Refer, Step
from bot.domain.messages.message import OutboxLane

MAX_VISITED = 12
"""Questions that BACK can return to, in each flow."""


class TurnState:
    """Changed in place by the engine; nothing of it outlives the turn."""

    def __init__(self, flow: Flow, conversation: Conversation, now: datetime, system_text: SystemTextLookup) -> None:
        self.flow, self.now, self.system_text = flow, now, system_text
        self.conversation = conversation
        self.effects: list[Effect] = []

    @property
    def frame(self) -> Frame:
        """The innermost frame; raises FlowFailed where it is not in this flow."""
        frame = self.conversation.frame
        if frame is None or frame.flow != self.flow.name:
            raise FlowFailed(self.flow.name, "-", "the conversation is not in this flow")
        return frame

    def step(self, name: str) -> Step:
        """Raises FlowFailed where this version of the flow has no such step."""
        step = self.flow.script.steps.get(name)
        if step is None:
            raise FlowFailed(self.flow.name, name, "this version has no such step")
        return step

    # Texts.

    def say(self, text: str) -> None:
        """Reply with this text; an empty one is left out."""
        if text:
            self.effects.append(Reply(text, OutboxLane.REPLY))

    def say_system_text(self, key: str) -> None:
        self.say(self.system_text(key, self.conversation.language))

    def text(self, context: str, source: str) -> str:
        """A text of the flow in the person's language, with the answers filled in."""
        return self.flow.text(context, source, self.conversation.language, self._names(), self.now)

    def holds(self, step: str, condition: str) -> bool:
        return self.flow.holds(step, condition, self.conversation.language, self._names(), self.now)

    def near(self, name: str, step: Refer) -> str | None:
        """Where services are looked for; None where the flow does not say."""
        return self.text(f"{name}.refer", step.refer.near) or None if step.refer.near else None

    def _names(self) -> dict[str, Any]:
        return {**self.conversation.answers, "channel": self.conversation.channel}

    # Questions.

    def ask(self, name: str, ask: Ask) -> None:
        """Say the question, with its choices numbered below it, and start the time that it waits for an answer."""
        language = self.conversation.language
        lines = [self.text(f"{name}.ask", ask.ask)]
        for number, (key, choice) in enumerate(ask.choices.items(), 1):
            lines.append(f"{number} {self.flow.translated(f'{name}.choices.{key}.label', choice.label, language)}")
        self.say("\n".join(lines))
        self.set_timeout(self.now + ask.wait.after if ask.wait else None)

    def set_timeout(self, at: datetime | None) -> None:
        # Most questions have no timeout. This runs in every turn, and copying the conversation for nothing is measurable.
        if at != self.conversation.timeout_at:
            self.conversation = replace(self.conversation, timeout_at=at)

    def save(self, name: str, value: Any) -> None:
        self.conversation = replace(self.conversation, answers={**self.conversation.answers, name: value})

    def mark_answered(self, name: str) -> None:
        """The question is behind the person: BACK returns to it."""
        visited = (*self.conversation.frames[-1].visited, name)[-MAX_VISITED:]
        self.conversation = self.conversation.at_step(name, tries=0, visited=visited)

    # Ends of a turn.

    def wait_for_human(self) -> None:
        """The person has just been told that a human was called."""
        self.conversation = replace(self.conversation, holder=Holder.WAITING, last_notice_at=self.now)

    def finish_flow(self, outcome: str) -> bool:
        """End the innermost flow; whether another one around it goes on."""
        self.effects.append(RecordOutcome(outcome, self.flow.name))
        rest = self.conversation.frames[:-1]
        self.conversation = replace(self.conversation, frames=rest, outcome=outcome, ended=not rest, timeout_at=None)
        return bool(rest)


def offer_services(
    conversation: Conversation, need: str, near: str | None, found: ServicesFound, system_text: SystemTextLookup
) -> tuple[list[Effect], Conversation]:
    """The replies for services that were found, and the conversation that remembers them for MORE."""
    shown = tuple(service for service, _ in found.services)
    before = conversation.offer.service_ids if conversation.offer and conversation.offer.need == need else ()
    effects: list[Effect] = [Reply(card, OutboxLane.REPLY) for _, card in found.services]
    if found.more:
        effects.append(Reply(system_text("more_services", conversation.language), OutboxLane.REPLY, "more_services"))
    effects.append(OfferServices(need, near, shown))
    # Kept after the last ones too, so that a person who asks for MORE again is told that there are no others.
    return effects, replace(conversation, offer=Offer(need, near, (*before, *shown)))


def effect_of(step: Step, place: str) -> Effect:
    """The effect of a step that says nothing and goes on. `place` is `flow/step@version`."""
    match step:
        case CheckIn():
            return ScheduleCheckIns(step.check_in.flow, step.check_in.after)
        case Consent():
            choice = ConsentChoice.WITHDRAWN if step.withdrawn else ConsentChoice.AGREED
            return RecordConsent(choice, ConsentMethod.FLOW, step.consent, place)
        case Erase():
            return EraseData()
        case _:
            raise TypeError(type(step).__name__)
