"""Try a flow as a person would: on the draft as it stands, with the clock moved, and nothing sent.

What was tried is kept as a trial and played anew each time it is looked at, so after a change of the draft the same
conversation shows the new words. Nothing is written but the trial itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain import check_in_times
from bot.domain.conversation import Holder
from bot.domain.effects import Effect, OpenHandoff, RaiseAlarm, Reason, Reply, StaySilent
from bot.domain.flow_content import FlowContent
from bot.domain.flow_yaml import Problem
from bot.domain.message import Channel
from bot.domain.roster import instant
from bot.domain.script import AnswerKind, Ask
from bot.domain.segments import Segments, fold_for_sms, join, measure
from bot.storage import drafts, flow_trials
from bot.usecases import search_directory
from bot.usecases.desk import Desk
from bot.usecases.library import Library
from bot.usecases.rehearse import PICTURE
from bot.usecases.studio.edit_draft import Unfit
from bot.usecases.studio.effect_words import how_long, in_words, moment
from bot.usecases.studio.play_trial import Run, Turn, play
from bot.usecases.studio.trials import Start, Trial, dump, load
from bot.usecases.studio.world import Cards, World, world_with

MORNING = time(9)
SHORT_WAITS = {"2h": timedelta(hours=2), "1d": timedelta(days=1), "7d": timedelta(days=7)}


class BubbleKind(StrEnum):
    PERSON = "person"
    PICTURE = "picture"
    LINE = "line"
    EFFECT = "effect"
    SILENT = "silent"
    FAILED = "failed"
    TIME = "time"
    OTHERWISE = "otherwise"
    """From here on it goes another way than when it was tried."""


@dataclass(frozen=True, slots=True)
class Bubble:
    """One thing on the phone. `place` is the (flow, step) of a failure; `cost` what the text takes as an SMS."""

    kind: BubbleKind
    text: str
    at: datetime
    cost: Segments | None = None
    place: tuple[str, str] | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial with what it shows. `problems`: why the draft cannot be played; nothing else is there then.

    `quick` are (text, label) of the answers to the open question.
    """

    trial: Trial
    problems: tuple[Problem, ...] = ()
    run: Run | None = None
    bubbles: tuple[Bubble, ...] = ()
    quick: tuple[tuple[str, str], ...] = ()

    @property
    def now(self) -> datetime | None:
        return self.run.now if self.run else None


def begin(now: datetime, zone: ZoneInfo) -> Trial:
    """A trial of somebody who has not tried this flow yet: it begins now, with the flow itself."""
    return Trial(now.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0), start=Start.FLOW)


def read(db: Session, staff_id: int, flow: str, now: datetime, zone: ZoneInfo, *, lock: bool = False) -> Trial:
    """What this member of staff has tried of the flow, or a fresh trial; `lock` where it is about to be changed."""
    row = flow_trials.lock(db, staff_id, flow) if lock else flow_trials.find(db, staff_id, flow)
    return load(row) if row else begin(now, zone)


def keep(db: Session, desk: Desk, staff_id: int, flow: str, content: FlowContent, trial: Trial, now: datetime) -> Tried:
    """Keep a trial, with the marks of how it goes just now, and show it."""
    tried = show(db, desk, flow, content, trial)
    if tried.run is not None:
        tried = replace(tried, trial=replace(trial, ways=tried.run.ways))
    flow_trials.keep(db, staff_id, flow, dump(tried.trial), now)
    return tried


def show(db: Session, desk: Desk, flow: str, content: FlowContent, trial: Trial) -> Tried:
    """Play a trial on this content of the flow, and say what a phone would show. Nothing is written."""
    world = world_of(db, flow, content, all_drafts=trial.all_drafts)
    if flow not in world.flows:
        return Tried(trial, world.problems)
    library = world.library(desk.zone, desk.line_name, directory_cards(db, desk.zone))
    run = play(trial, flow, desk.line, library, desk.zone)
    folds = desk.fold_accents and trial.channel == Channel.SMS
    shown = _Phone(desk.zone, folds, trial.channel).bubbles(run, trial)
    return Tried(trial, (), run, tuple(shown), tuple(quick_answers(run, library)))


def world_of(db: Session, flow: str, content: FlowContent, *, all_drafts: bool) -> World:
    """The flow with this content among what is published, or among what is drafted."""
    others: Mapping[str, FlowContent] = {}
    if all_drafts:
        others = {draft.flow: draft.revision.content for draft in drafts.everyone(db)}
    return world_with(db, {**others, flow: content})


def directory_cards(db: Session, zone: ZoneInfo) -> Cards:
    """The services of the line's own directory."""

    def cards(need: str, near: str | None, limit: int, language: str, now: datetime) -> tuple[tuple[int, str], ...]:
        return search_directory.offer(db, need, near, limit, language, zone, now)

    return cards


def wait_until(kind: str, run: Run, zone: ZoneInfo) -> timedelta:
    """How long to wait: `2h`, `1d`, `7d`, `morning` (the next 9 AM of another day), `wakes`. Raises Unfit."""
    if kind in SHORT_WAITS:
        return SHORT_WAITS[kind]
    if kind == "morning":
        tomorrow = run.now.astimezone(zone).date() + timedelta(days=1)
        return instant(tomorrow, MORNING, zone) - run.now
    waking = run.conversation.waking
    if kind == "wakes" and waking is not None:
        return max(waking - run.now, timedelta(minutes=1))
    raise Unfit("Nothing wakes this conversation: it waits for the person as long as it takes.")


def quick_answers(run: Run, library: Library) -> Iterator[tuple[str, str]]:
    """What the open question offers as (text to send, label)."""
    conversation = run.conversation
    frame = conversation.frame
    if frame is None or conversation.holder is not Holder.BOT or conversation.asked or conversation.ended:
        return
    flow = library.flow(frame.version)
    step = flow.script.steps.get(frame.step)
    if not isinstance(step, Ask):
        return
    for number, (name, choice) in enumerate(step.choices.items(), 1):
        label = flow.translated(f"{frame.step}.choices.{name}.label", choice.label, conversation.language)
        yield str(number), f"{number} {label}"
    if not step.choices and step.answer is AnswerKind.YES_NO:
        words = ("sí", "no") if conversation.language == "es" else ("yes", "no")
        yield from ((word, word.capitalize()) for word in words)


class _Phone:
    """Turns as bubbles."""

    def __init__(self, zone: ZoneInfo, folds: bool, channel: str) -> None:
        self.zone, self.folds, self.is_sms = zone, folds, channel == Channel.SMS

    def bubbles(self, run: Run, trial: Trial) -> Iterator[Bubble]:
        changed = self._changed_at(run.ways, trial.ways)
        told = changed is None
        for turn in run.turns:
            place = 0 if turn.entry is None else turn.entry + 1
            if not told and changed is not None and place >= changed:
                told = True
                yield Bubble(BubbleKind.OTHERWISE, "From here on it goes differently than when you tried it.", turn.at)
            yield from self._turn(turn)

    @staticmethod
    def _changed_at(now: Sequence[str], then: Sequence[str]) -> int | None:
        return next((at for at, (one, other) in enumerate(zip(now, then, strict=False)) if one != other), None)

    def _turn(self, turn: Turn) -> Iterator[Bubble]:
        if turn.length:
            words = f"{how_long(turn.length)} later: {moment(turn.at, self.zone)}"
            yield Bubble(BubbleKind.TIME, words, turn.at)
        elif turn.cause is not None:
            kind = BubbleKind.PICTURE if turn.cause.text == PICTURE else BubbleKind.PERSON
            yield Bubble(kind, turn.cause.text, turn.at)
        if turn.note:
            yield Bubble(BubbleKind.SILENT, turn.note, turn.at)
        if turn.failed:
            yield Bubble(BubbleKind.FAILED, f"This flow cannot begin: {turn.failed}.", turn.at, place=_place(turn.failed))
        yield from self._texts(turn)
        for effect in turn.effects:
            yield from self._effect(effect, turn)

    def _texts(self, turn: Turn) -> Iterator[Bubble]:
        texts = join([effect.text for effect in turn.effects if isinstance(effect, Reply)])
        if texts and turn.opted_out:
            yield Bubble(BubbleKind.SILENT, "Nothing is sent: the person gets no texts.", turn.at)
            return
        for text in texts:
            sent = fold_for_sms(text) if self.folds else text
            yield Bubble(BubbleKind.LINE, sent, turn.at, measure(sent) if self.is_sms else None)

    def _effect(self, effect: Effect, turn: Turn) -> Iterator[Bubble]:
        match effect:
            case Reply():
                return
            case StaySilent(why=why):
                yield Bubble(BubbleKind.SILENT, f"Nothing is said: {why}.", turn.at)
            case RaiseAlarm(kind="flow_failed", detail=detail):
                words = f"The flow failed: {detail}. The person is told so, and the operator gets an alarm."
                yield Bubble(BubbleKind.FAILED, words, turn.at, place=_place(detail))
            case _:
                words = in_words(effect, lambda after: check_in_times.plan(turn.at, after, self.zone, 0), self.zone)
                urgent = isinstance(effect, OpenHandoff) and effect.reason in (Reason.DANGER, Reason.FAILURE)
                yield Bubble(BubbleKind.EFFECT, words, turn.at, urgent=urgent)


def _place(detail: str) -> tuple[str, str] | None:
    """(flow, step) out of `flow/step: why`; the step may be a text's place in it."""
    flow, slash, rest = detail.partition("/")
    step = rest.partition(":")[0].partition(".")[0]
    return (flow, step) if slash and flow.isidentifier() and step.isidentifier() else None
