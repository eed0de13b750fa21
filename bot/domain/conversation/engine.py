"""The conversation engine: runs one turn of a conversation in one flow.

Pure: no clock, no database, no carrier. What the person wrote goes in; the new conversation and its effects come out.
Where a turn needs something from outside (services near a ZIP, another flow), it stops with a `request`; the caller
answers it by another call, with `ServicesFound`, `FlowStarted` or `FlowReturned`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.conversation import answers
from bot.domain.conversation.effects import HandoffReason, OpenHandoff, RecordMeasure, RecordReferralOutcome
from bot.domain.conversation.state import Conversation
from bot.domain.conversation.turn import (
    EnterFlow,
    FindServices,
    FlowReturned,
    FlowStarted,
    LeaveFlow,
    RepeatQuestion,
    ServicesFound,
    SystemTextLookup,
    TextReceived,
    TimeoutReached,
    Turn,
    TurnInput,
    TurnRequest,
)
from bot.domain.conversation.turn_state import TurnState, effect_of, offer_services
from bot.domain.flows.checks.turn_length import MAX_STEPS_PER_TURN
from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.flows.language.script import AnswerKind, Ask, Decide, End, Handoff, Measure, Refer, Run, Say, Step, Wait
from bot.domain.flows.language.script import TellReferral as TellReferralStep
from bot.domain.listening.understanding import PickedOption
from bot.domain.safety.levels import Urgency
from bot.domain.state_machine import ENDED, HUMAN

CRISIS_TEAM = "crisis"
"""A person who is handed to this team counts as in danger until a human has closed it, whichever flow led there."""


def take_turn(
    flow: Flow, conversation: Conversation, turn_input: TurnInput, now: datetime, system_text: SystemTextLookup
) -> Turn:
    """Advance the innermost frame of `conversation`, which must be in `flow`, by one input at `now` (aware UTC).

    1. Find the step at which the conversation stands.
    2. Apply the input to that step: read the answer, follow the timeout, offer the services that were found, go on
       after a flow that was run, or repeat the open question. The result is the step to enter next, or none.
    3. Enter that step: it says, asks, records or decides, and names the step after it, or none.
    4. Repeat 3 until no step is named: a question or a pause waits, a human was called, the flow has ended, or
       something is needed from outside (`request`). More than MAX_STEPS_PER_TURN steps are a loop.

    Raises FlowFailed where the script cannot go on, and IllegalMove where it has no such way; the conversation that was
    passed in is unchanged then.
    """
    return TurnRunner(flow, conversation, now, system_text).run(turn_input)


class TurnRunner:
    """Runs a single turn. Methods that return `str | None` name the step to enter next; None ends the turn."""

    def __init__(self, flow: Flow, conversation: Conversation, now: datetime, system_text: SystemTextLookup) -> None:
        self.flow = flow
        self.state = TurnState(flow, conversation, now, system_text)
        self.request: TurnRequest | None = None
        self.words = ""
        """The person's own words of this turn, which may answer one question with choices in each flow they reach."""
        self.words_used = False

    def run(self, turn_input: TurnInput) -> Turn:
        start = self.state.frame.step
        name = self._apply(start, self.state.step(start), turn_input)
        entered = 0
        while name is not None:
            entered += 1
            if entered > MAX_STEPS_PER_TURN:
                raise FlowFailed(self.flow.name, name, f"more than {MAX_STEPS_PER_TURN} steps in one turn")
            name = self._enter(name)
        return Turn(self.state.conversation, tuple(self.state.effects), self.request)

    # Step 2 of a turn: what came in.

    def _apply(self, name: str, step: Step, turn_input: TurnInput) -> str | None:
        match turn_input:
            case TextReceived():
                return self._hear(name, step, turn_input)
            case FlowStarted(words=words):
                self.words = words
                return name
            case FlowReturned(words=words):
                self.words, self.words_used = words, True
                # From a flow that this step ran, or that the person called by a keyword: then the question is asked again.
                return self._next(name, step) if isinstance(step, Run) else self._repeat(name, step)
            case ServicesFound():
                return self._offer(name, step, turn_input)
            case TimeoutReached():
                return self._time_out(name, step)
            case RepeatQuestion():
                return self._repeat(name, step)

    def _hear(self, name: str, step: Step, received: TextReceived) -> str | None:
        self.state.set_timeout(None)
        match step:
            case Ask():
                return self._answer(name, step, received)
            case Wait():
                return self._next(name, step)
            case _:
                # A handoff that waits for a human, or a flow that changed under a stored row: say where the conversation
                # stands rather than nothing.
                return self._repeat(name, step)

    def _time_out(self, name: str, step: Step) -> str | None:
        self.state.conversation = replace(self.state.conversation, timeout_at=None)
        if isinstance(step, Ask) and step.wait:
            return self._go(name, step.wait.go)
        if isinstance(step, Wait):
            return self._next(name, step)
        return None

    def _offer(self, name: str, step: Step, found: ServicesFound) -> str | None:
        if not isinstance(step, Refer):
            raise FlowFailed(self.flow.name, name, "services were found for a step that asked for none")
        if not found.services:
            return self._go(name, step.none)
        state = self.state
        need, near = state.text(f"{name}.refer", step.refer.need), state.near(name, step)
        effects, state.conversation = offer_services(state.conversation, need, near, found, state.system_text)
        state.effects += effects
        return self._next(name, step)

    def _repeat(self, name: str, step: Step) -> str | None:
        if isinstance(step, Ask):
            self.state.ask(name, step)
        elif isinstance(step, Handoff):
            self.state.say_system_text("waiting_calm")
        else:
            return name
        return None

    # Answers.

    def _answer(self, name: str, ask: Ask, received: TextReceived) -> str | None:
        if not received.text.strip() and received.media:
            self.state.say_system_text("media_only")
            return self._not_understood(name, ask, quiet=True)
        return self._pick(name, ask, received.text) if ask.choices else self._read(name, ask, received.text)

    def _pick(self, name: str, ask: Ask, text: str) -> str | None:
        picked = self.flow.matcher(name, self.state.conversation.language).read(text)
        if not isinstance(picked, PickedOption):
            return self._not_understood(name, ask)
        self.words, self.words_used = _reusable(text), True
        return self._take_choice(name, ask, picked.name)

    def _take_choice(self, name: str, ask: Ask, key: str) -> str | None:
        self.state.save(ask.save or name, key)
        self.state.mark_answered(name)
        way = ask.choices[key].go
        return self._go(name, way) if way else self._next(name, ask)

    def _read(self, name: str, ask: Ask, text: str) -> str | None:
        state = self.state
        answer = answers.parse_answer(
            ask.answer,
            text,
            language=state.conversation.language,
            today=self.flow.today(state.now),
            optional=ask.optional,
        )
        if not answer.understood:
            return self._not_understood(name, ask)
        if ask.answer is AnswerKind.LANGUAGE and answer.value:
            state.conversation = replace(state.conversation, language=str(answer.value), language_chosen=True)
        if ask.save:
            state.save(ask.save, answer.value)
        state.mark_answered(name)
        return self._next(name, ask)

    def _not_understood(self, name: str, ask: Ask, quiet: bool = False) -> str | None:
        state = self.state
        tries = state.frame.tries + 1
        if tries >= ask.not_understood.tries:
            state.conversation = state.conversation.at_step(name, tries=0)
            return self._give_up(name, ask)
        state.conversation = state.conversation.at_step(name, tries=tries)
        if not quiet:
            own = ask.not_understood.say
            kind = "choice" if ask.choices else ask.answer.value
            sorry = state.text(f"{name}.not_understood.say", own) if own else ""
            state.say(sorry or state.system_text(f"again_{kind}", state.conversation.language))
        state.ask(name, ask)
        return None

    def _give_up(self, name: str, ask: Ask) -> str | None:
        if ask.not_understood.go:
            return self._go(name, ask.not_understood.go)
        self.flow.machine.move(name, HUMAN)
        self.state.say_system_text("not_understood_person")
        because = f"{self.flow.name}/{name}: not understood {ask.not_understood.tries} times"
        self.state.effects.append(OpenHandoff(HandoffReason.NOT_UNDERSTOOD, Urgency.THIS_SHIFT, because=because))
        self.state.wait_for_human()
        return None

    # Step 3 of a turn: entering a step.

    def _enter(self, name: str) -> str | None:
        state = self.state
        step = state.step(name)
        state.conversation = state.conversation.at_step(name)
        match step:
            case Ask():
                return self._ask(name, step)
            case Say():
                state.say(state.text(f"{name}.say", step.say))
                if step.end is None:
                    return self._next(name, step)
                self._end(name, step.end)
                return None
            case Decide():
                return self._next(name, step)
            case End():
                self._end(name, step.end)
                return None
            case Refer():
                need = state.text(f"{name}.refer", step.refer.need)
                self.request = FindServices(need, state.near(name, step), step.refer.limit)
                return None
            case Run():
                self.request = EnterFlow(step.run, self.words)
                return None
            case Wait():
                state.conversation = replace(state.conversation, timeout_at=state.now + step.wait)
                return None
            case Handoff():
                return self._hand_off(name, step)
            case TellReferralStep():
                return self._tell_referral(name, step)
            case Measure():
                value = state.text(f"{name}.measure", step.measure.value)
                state.effects.append(RecordMeasure(step.measure.name, value.strip().lower()))
                return self._next(name, step)
            case _:
                state.effects.append(effect_of(step, f"{self.flow.name}/{name}@{self.flow.version}"))
                return self._next(name, step)

    def _ask(self, name: str, ask: Ask) -> str | None:
        if self.words and ask.choices and not self.words_used:
            self.words_used = True
            picked = self.flow.matcher(name, self.state.conversation.language).read(self.words)
            if isinstance(picked, PickedOption):
                self.words = _reusable(self.words)
                return self._take_choice(name, ask, picked.name)
        self.state.ask(name, ask)
        return None

    def _hand_off(self, name: str, step: Handoff) -> str | None:
        state, plan = self.state, step.handoff
        because = state.text(f"{name}.because", plan.because) if plan.because else f"{self.flow.name}/{name}"
        wish = state.text(f"{name}.community", plan.community) if plan.community else ""
        state.effects.append(OpenHandoff(HandoffReason.FLOW, plan.urgency, plan.team, because, wish=wish))
        if plan.team == CRISIS_TEAM:
            state.conversation = replace(state.conversation, in_danger=True)
        if step.say:
            state.say(state.text(f"{name}.say", step.say))
        else:
            state.say_system_text("person_asked")
        if step.next:
            return self._next(name, step)
        state.wait_for_human()
        return None

    def _tell_referral(self, name: str, step: TellReferralStep) -> str | None:
        plan = step.referral
        which = self.state.text(f"{name}.which", plan.which).strip() if plan.which else ""
        number = int(which) if which.isdecimal() and len(which) < 4 else None
        self.state.effects.append(RecordReferralOutcome(plan.outcome, number))
        return self._next(name, step)

    # Where a step leads.

    def _next(self, name: str, step: Step) -> str | None:
        """The first branch that holds; a step without branches ends its flow."""
        for branch in step.next:
            if branch.when is None or self.state.holds(name, branch.when):
                return self._go(name, branch.go)
        if step.next:
            raise FlowFailed(self.flow.name, name, "no branch of `next` holds")
        self._finish("done")
        return None

    def _go(self, name: str, way: str) -> str:
        return self.flow.machine.move(name, way)

    def _end(self, name: str, outcome: str) -> None:
        self.flow.machine.move(name, ENDED)
        self._finish(outcome)

    def _finish(self, outcome: str) -> None:
        self.request = LeaveFlow(self.words) if self.state.finish_flow(outcome) else None


def _reusable(words: str) -> str:
    """Free words may also answer the next flow's first question ("my landlord is evicting me"); a number may not."""
    return words if any(letter.isalpha() for letter in words) else ""
