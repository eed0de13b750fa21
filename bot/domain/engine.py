"""One turn of a conversation in one flow: what was said goes in, the new conversation and its effects come out.

Pure: no clock, no database, no carrier. Where a turn needs something from outside (services near a ZIP, another flow),
it stops with a `request`; the host answers it by another call, with `Found`, `Started` or `Returned` as what was said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.domain import answers
from bot.domain.conversation import Conversation, Holder, Offer
from bot.domain.effects import (
    Choice,
    Effect,
    EraseData,
    Method,
    OfferServices,
    OpenHandoff,
    Reason,
    RecordConsent,
    RecordMeasure,
    RecordOutcome,
    Reply,
    ScheduleCheckIns,
    TellReferral,
)
from bot.domain.flow import Flow, FlowFailed
from bot.domain.machine import ENDED, HUMAN
from bot.domain.message import Lane
from bot.domain.safety.levels import Urgency
from bot.domain.script import (
    AnswerKind,
    Ask,
    CheckIn,
    Consent,
    Decide,
    End,
    Erase,
    Handoff,
    Measure,
    Refer,
    Run,
    Say,
    Step,
    Wait,
)
from bot.domain.script import TellReferral as TellReferralStep
from bot.domain.turn import (
    AskedAgain,
    EnterFlow,
    FindServices,
    Found,
    LeaveFlow,
    Request,
    Returned,
    Said,
    Started,
    TimedOut,
    Turn,
    Words,
)
from bot.domain.understanding import Picked

MOST_STEPS = 60
"""Steps in one turn. A script that says more without asking is in a loop, and the person is owed an end of it."""
MOST_BACK = 12
CRISIS_TEAM = "crisis"
"""Who is handed to this team counts as in danger until a human has closed it, whichever flow led there."""


StandingText = Callable[[str, str], str]
"""(key, language) -> a reviewed text that belongs to no flow."""


def take_turn(flow: Flow, conversation: Conversation, said: Said, now: datetime, standing: StandingText) -> Turn:
    """Advance the innermost frame of `conversation`, which must be in `flow`, by what was said at `now` (aware UTC).

    Raises FlowFailed where the script cannot go on; the conversation that was handed in is still whole then.
    """
    return _Walk(flow, conversation, now, standing).take(said)


class _Walk:
    """The working state of a single turn; nothing of it outlives the call."""

    def __init__(self, flow: Flow, conversation: Conversation, now: datetime, standing: StandingText) -> None:
        self.flow, self.now, self.standing = flow, now, standing
        self.conversation = conversation
        self.effects: list[Effect] = []
        self.request: Request | None = None
        self.words = ""
        """The person's own words of this turn, which may answer one question with choices in each flow they reach."""
        self.used = False
        self.steps = 0

    def take(self, said: Said) -> Turn:
        here = self._here()
        step = self._step(here)
        match said:
            case Started(words=words):
                self.words = words
                self._enter(here)
            case AskedAgain():
                self._ask_again(here, step)
            case TimedOut():
                self._time_out(here, step)
            case Found():
                self._found(here, step, said)
            case Returned(words=words):
                self.words, self.used = words, True
                self._come_back(here, step)
            case Words():
                self._hear(here, step, said)
        return Turn(self.conversation, tuple(self.effects), self.request)

    def _here(self) -> str:
        frame = self.conversation.frame
        if frame is None or frame.flow != self.flow.name:
            raise FlowFailed(self.flow.name, "-", "the conversation is not in this flow")
        return frame.step

    def _step(self, name: str) -> Step:
        step = self.flow.script.steps.get(name)
        if step is None:
            raise FlowFailed(self.flow.name, name, "this version has no such step")
        return step

    # What was said, by the kind of step that it was said to.

    def _hear(self, here: str, step: Step, said: Words) -> None:
        self._wake_at(None)
        match step:
            case Ask():
                self._answer(here, step, said)
            case Wait():
                self._go_on(here, step)
            case _:
                # A hand-off that rests, or a flow changed under a stored row: say where we are rather than nothing.
                self._ask_again(here, step)

    def _come_back(self, here: str, step: Step) -> None:
        """From a flow that this step ran; or that the person called by a word, and then the open question is asked again."""
        if isinstance(step, Run):
            self._go_on(here, step)
        else:
            self._ask_again(here, step)

    def _time_out(self, here: str, step: Step) -> None:
        self.conversation = replace(self.conversation, waking=None)
        if isinstance(step, Ask) and step.wait:
            self._move(here, step.wait.go)
        elif isinstance(step, Wait):
            self._go_on(here, step)

    def _found(self, here: str, step: Step, found: Found) -> None:
        if not isinstance(step, Refer):
            raise FlowFailed(self.flow.name, here, "services were found for a step that asked for none")
        if not found.services:
            self._move(here, step.none)
            return
        need, near = self._text(f"{here}.refer", step.refer.need), self._near(here, step)
        effects, self.conversation = offered(self.conversation, need, near, found, self.standing)
        self.effects += effects
        self._go_on(here, step)

    def _ask_again(self, here: str, step: Step) -> None:
        if isinstance(step, Ask):
            self._say(self._question(here, step))
            self._wait_for(step)
        elif isinstance(step, Handoff):
            self._say(self.standing("waiting_calm", self.conversation.language))
        else:
            self._enter(here)

    # Answers.

    def _answer(self, here: str, ask: Ask, said: Words) -> None:
        if not said.text.strip() and said.media:
            self._say(self.standing("media_only", self.conversation.language))
            self._not_understood(here, ask, quiet=True)
        elif ask.choices:
            self._pick(here, ask, said.text)
        else:
            self._read(here, ask, said.text)

    def _pick(self, here: str, ask: Ask, text: str) -> None:
        picked = self.flow.matcher(here, self.conversation.language).read(text)
        if not isinstance(picked, Picked):
            self._not_understood(here, ask)
            return
        self.words = _reusable(text)
        self.used = True
        self._chosen(here, ask, picked.name)

    def _chosen(self, here: str, ask: Ask, name: str) -> None:
        self._save(ask.save or here, name)
        choice = ask.choices[name]
        self._answered(here)
        if choice.go:
            self._move(here, choice.go)
        else:
            self._go_on(here, ask)

    def _read(self, here: str, ask: Ask, text: str) -> None:
        answer = answers.read(
            ask.answer,
            text,
            language=self.conversation.language,
            today=self.flow.today(self.now),
            optional=ask.optional,
        )
        if not answer.understood:
            self._not_understood(here, ask)
            return
        if ask.answer is AnswerKind.LANGUAGE and answer.value:
            self.conversation = replace(self.conversation, language=str(answer.value), language_chosen=True)
        if ask.save:
            self._save(ask.save, answer.value)
        self._answered(here)
        self._go_on(here, ask)

    def _save(self, name: str, value: Any) -> None:
        self.conversation = replace(self.conversation, answers={**self.conversation.answers, name: value})

    def _answered(self, here: str) -> None:
        """The question lies behind: BACK leads to it."""
        frame = self.conversation.frame
        assert frame is not None
        self.conversation = self.conversation.at_step(here, tries=0, been=(*frame.been, here)[-MOST_BACK:])

    def _not_understood(self, here: str, ask: Ask, quiet: bool = False) -> None:
        frame = self.conversation.frame
        assert frame is not None
        tries = frame.tries + 1
        if tries >= ask.not_understood.tries:
            self.conversation = self.conversation.at_step(here, tries=0)
            self._give_up(here, ask)
            return
        self.conversation = self.conversation.at_step(here, tries=tries)
        if not quiet:
            own = ask.not_understood.say
            kind = "choice" if ask.choices else ask.answer.value
            sorry = self._text(f"{here}.not_understood.say", own) if own else ""
            self._say(sorry or self.standing(f"again_{kind}", self.conversation.language))
        self._say(self._question(here, ask))
        self._wait_for(ask)

    def _give_up(self, here: str, ask: Ask) -> None:
        if ask.not_understood.go:
            self._move(here, ask.not_understood.go)
            return
        self.flow.machine.move(here, HUMAN)
        self._say(self.standing("not_understood_person", self.conversation.language))
        because = f"{self.flow.name}/{here}: not understood {ask.not_understood.tries} times"
        self.effects.append(OpenHandoff(Reason.NOT_UNDERSTOOD, Urgency.THIS_SHIFT, because=because))
        self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now)

    # Moving on.

    def _go_on(self, here: str, step: Step) -> None:
        """Take the first branch that holds; a step without one ends its flow."""
        for branch in step.next:
            if branch.when is None or self._holds(here, branch.when):
                self._move(here, branch.go)
                return
        if step.next:
            raise FlowFailed(self.flow.name, here, "no branch of `next` holds")
        self._finish("done")

    def _move(self, here: str, way: str) -> None:
        self._enter(self.flow.machine.move(here, way))

    def _enter(self, name: str) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise FlowFailed(self.flow.name, name, f"more than {MOST_STEPS} steps in one turn")
        step = self._step(name)
        self.conversation = self.conversation.at_step(name)
        match step:
            case Ask():
                self._ask(name, step)
            case Say():
                self._tell(name, step)
            case Decide():
                self._go_on(name, step)
            case End():
                self._end(name, step.end)
            case Refer():
                need = self._text(f"{name}.refer", step.refer.need)
                self.request = FindServices(need, self._near(name, step), step.refer.limit)
            case Run():
                self.request = EnterFlow(step.run, self.words)
            case Wait():
                self.conversation = replace(self.conversation, waking=self.now + step.wait)
            case Handoff():
                self._hand_off(name, step)
            case TellReferralStep():
                self._tell_referral(name, step)
            case Measure():
                value = self._text(f"{name}.measure", step.measure.value)
                self.effects.append(RecordMeasure(step.measure.name, value.strip().lower()))
                self._go_on(name, step)
            case _:
                self.effects.append(_effect_of(step, f"{self.flow.name}/{name}@{self.flow.version}"))
                self._go_on(name, step)

    def _ask(self, name: str, ask: Ask) -> None:
        if self.words and ask.choices and not self.used:
            self.used = True
            picked = self.flow.matcher(name, self.conversation.language).read(self.words)
            if isinstance(picked, Picked):
                self.words = _reusable(self.words)
                self._chosen(name, ask, picked.name)
                return
        self._say(self._question(name, ask))
        self._wait_for(ask)

    def _tell(self, name: str, step: Say) -> None:
        self._say(self._text(f"{name}.say", step.say))
        if step.end is not None:
            self._end(name, step.end)
        else:
            self._go_on(name, step)

    def _hand_off(self, name: str, step: Handoff) -> None:
        plan = step.handoff
        because = self._text(f"{name}.because", plan.because) if plan.because else f"{self.flow.name}/{name}"
        wish = self._text(f"{name}.community", plan.community) if plan.community else ""
        self.effects.append(OpenHandoff(Reason.FLOW, plan.urgency, plan.team, because, wish=wish))
        if plan.team == CRISIS_TEAM:
            self.conversation = replace(self.conversation, in_danger=True)
        if step.say:
            self._say(self._text(f"{name}.say", step.say))
        else:
            self._say(self.standing("person_asked", self.conversation.language))
        if step.next:
            self._go_on(name, step)
        else:
            self.conversation = replace(self.conversation, holder=Holder.WAITING, told_at=self.now)

    def _tell_referral(self, name: str, step: TellReferralStep) -> None:
        news = step.referral
        which = self._text(f"{name}.which", news.which).strip() if news.which else ""
        self.effects.append(TellReferral(news.outcome, int(which) if which.isdecimal() and len(which) < 4 else None))
        self._go_on(name, step)

    def _end(self, name: str, outcome: str) -> None:
        self.flow.machine.move(name, ENDED)
        self._finish(outcome)

    def _finish(self, outcome: str) -> None:
        self.effects.append(RecordOutcome(outcome, self.flow.name))
        rest = self.conversation.frames[:-1]
        self.conversation = replace(self.conversation, frames=rest, outcome=outcome, ended=not rest, waking=None)
        self.request = LeaveFlow(self.words) if rest else None

    # Words.

    def _say(self, text: str) -> None:
        if text:
            self.effects.append(Reply(text, Lane.REPLY))

    def _text(self, context: str, source: str) -> str:
        return self.flow.text(context, source, self.conversation.language, self._known(), self.now)

    def _known(self) -> dict[str, Any]:
        return {**self.conversation.answers, "channel": self.conversation.channel}

    def _near(self, here: str, step: Refer) -> str | None:
        return self._text(f"{here}.refer", step.refer.near) or None if step.refer.near else None

    def _holds(self, here: str, condition: str) -> bool:
        return self.flow.holds(here, condition, self.conversation.language, self._known(), self.now)

    def _question(self, name: str, ask: Ask) -> str:
        """The question, with its choices numbered below it."""
        language = self.conversation.language
        lines = [self._text(f"{name}.ask", ask.ask)]
        for number, (key, choice) in enumerate(ask.choices.items(), 1):
            lines.append(f"{number} {self.flow.translated(f'{name}.choices.{key}.label', choice.label, language)}")
        return "\n".join(lines)

    def _wait_for(self, ask: Ask) -> None:
        self._wake_at(self.now + ask.wait.after if ask.wait else None)

    def _wake_at(self, waking: datetime | None) -> None:
        # Most questions wait without an end, and a new conversation for nothing is felt: it is the commonest act here.
        if waking != self.conversation.waking:
            self.conversation = replace(self.conversation, waking=waking)


def offered(
    conversation: Conversation, need: str, near: str | None, found: Found, standing: StandingText
) -> tuple[list[Effect], Conversation]:
    """What is said of services that were found, and the conversation that remembers them for MORE."""
    shown = tuple(service for service, _ in found.services)
    before = conversation.offer.shown if conversation.offer and conversation.offer.need == need else ()
    effects: list[Effect] = [Reply(card, Lane.REPLY) for _, card in found.services]
    if found.more:
        effects.append(Reply(standing("more_services", conversation.language), Lane.REPLY, "more_services"))
    effects.append(OfferServices(need, near, shown))
    # Kept after the last ones too: whoever asks once more is told that these were all.
    return effects, replace(conversation, offer=Offer(need, near, (*before, *shown)))


def _reusable(words: str) -> str:
    """Free words may also answer the next flow's first question ("my landlord is evicting me"); a number may not."""
    return words if any(letter.isalpha() for letter in words) else ""


def _effect_of(step: Step, place: str) -> Effect:
    match step:
        case CheckIn():
            return ScheduleCheckIns(step.check_in.flow, step.check_in.after)
        case Consent():
            choice = Choice.WITHDRAWN if step.withdrawn else Choice.AGREED
            return RecordConsent(choice, Method.FLOW, step.consent, place)
        case Erase():
            return EraseData()
        case _:
            raise TypeError(type(step).__name__)
