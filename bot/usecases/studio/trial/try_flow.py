"""Tries a flow as a person would: on the current draft, with a simulated clock, sending nothing.

A trial is stored as its entries and played again each time it is shown, so after a change to the draft the same conversation
shows the new texts. Writes nothing but the trial itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.check_ins import times
from bot.domain.conversation.effects import Effect, HandoffReason, OpenHandoff, RaiseAlarm, Reply, StaySilent
from bot.domain.conversation.state import Holder
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import AnswerKind, Ask
from bot.domain.flows.language.yaml_source import FlowProblem
from bot.domain.messages.message import Channel
from bot.domain.messages.segments import SegmentCount, fold_for_sms, join_replies, measure_segments
from bot.domain.refused import Refused
from bot.domain.roster.duty import local_instant
from bot.domain.words import WordTables, read_word_tables
from bot.paths import ROOT
from bot.storage.flows import drafts, trials
from bot.usecases.context import Context
from bot.usecases.conversation.rehearsal import PICTURE
from bot.usecases.directory import search_services
from bot.usecases.flows.library import Library
from bot.usecases.studio.flow_sets import CardLookup, FlowSet, flow_set_with
from bot.usecases.studio.trial.describe_effects import describe_duration, describe_effect, format_moment
from bot.usecases.studio.trial.play_trial import TrialRun, TrialTurn, play
from bot.usecases.studio.trial.trials import Trial, TrialStart, dump, load

MORNING = time(9)
_WORDS_FILE = "words/trial.yaml"
_YES_NO = ("yes", "no")
SHORT_WAITS = {"2h": timedelta(hours=2), "1d": timedelta(days=1), "7d": timedelta(days=7)}


@cache
def read_trial_words(root: Path = ROOT) -> WordTables:
    """Read words/trial.yaml. Raises SafetyRuleError with file, line, key and problem."""
    return read_word_tables((root / _WORDS_FILE).read_text("utf-8"), _WORDS_FILE, _YES_NO, is_reviewed=False)


class BubbleKind(StrEnum):
    PERSON = "person"
    PICTURE = "picture"
    LINE = "line"
    EFFECT = "effect"
    SILENT = "silent"
    FAILED = "failed"
    TIME = "time"
    DIVERGED = "otherwise"
    """From here on it takes another path than when it was tried."""


@dataclass(frozen=True, slots=True)
class PhoneBubble:
    """One item on the phone. `place` is the (flow, step) of a failure; `cost` the size of the text as an SMS."""

    kind: BubbleKind
    text: str
    at: datetime
    cost: SegmentCount | None = None
    place: tuple[str, str] | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class ShownTrial:
    """A trial and what it shows. `problems`: why the draft can't be played; everything else is empty then.

    `quick` are (text, label) of the answers to the open question.
    """

    trial: Trial
    problems: tuple[FlowProblem, ...] = ()
    run: TrialRun | None = None
    bubbles: tuple[PhoneBubble, ...] = ()
    quick: tuple[tuple[str, str], ...] = ()

    @property
    def now(self) -> datetime | None:
        return self.run.now if self.run else None


def new_trial(now: datetime, zone: ZoneInfo) -> Trial:
    """A new trial: begins now, at the flow itself."""
    return Trial(now.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0), start=TrialStart.FLOW)


def read_trial(db: Session, staff_id: int, flow: str, now: datetime, zone: ZoneInfo, *, lock: bool = False) -> Trial:
    """This staff member's trial of the flow, or a new one; `lock` if it is about to be changed."""
    row = trials.lock(db, staff_id, flow) if lock else trials.find(db, staff_id, flow)
    return load(row) if row else new_trial(now, zone)


def store_trial(
    db: Session, context: Context, staff_id: int, flow: str, content: FlowContent, trial: Trial, now: datetime
) -> ShownTrial:
    """Stores a trial with fingerprints of its current turns, and shows it."""
    tried = show_trial(db, context, flow, content, trial)
    if tried.run is not None:
        tried = replace(tried, trial=replace(trial, fingerprints=tried.run.fingerprints))
    trials.save(db, staff_id, flow, dump(tried.trial), now)
    return tried


def show_trial(db: Session, context: Context, flow: str, content: FlowContent, trial: Trial) -> ShownTrial:
    """Plays a trial on this content of the flow and returns what a phone would show. Writes nothing."""
    flow_set = flow_set_for(db, flow, content, all_drafts=trial.all_drafts)
    if flow not in flow_set.flows:
        return ShownTrial(trial, flow_set.problems)
    library = flow_set.library(context.zone, context.line_name, directory_cards(db, context.zone))
    run = play(trial, flow, context.system_texts, library, context.zone)
    folds = context.fold_accents and trial.channel == Channel.SMS
    shown = _PhoneRenderer(context.zone, folds, trial.channel).bubbles(run, trial)
    return ShownTrial(trial, (), run, tuple(shown), tuple(quick_answers(run, library)))


def flow_set_for(db: Session, flow: str, content: FlowContent, *, all_drafts: bool) -> FlowSet:
    """The flow with this content among the published flows, or among the drafts."""
    others: Mapping[str, FlowContent] = {}
    if all_drafts:
        others = {draft.flow: draft.revision.content for draft in drafts.list_all(db)}
    return flow_set_with(db, {**others, flow: content})


def directory_cards(db: Session, zone: ZoneInfo) -> CardLookup:
    """The services of the live directory."""

    def cards(need: str, near: str | None, limit: int, language: str, now: datetime) -> tuple[tuple[int, str], ...]:
        return search_services.offer_to_person(db, need, near, limit, language, zone, now)

    return cards


def wait_length(kind: str, run: TrialRun, zone: ZoneInfo) -> timedelta:
    """How long to wait: `2h`, `1d`, `7d`, `morning` (the next 9 AM of another day), `wakes` (the next timeout). Raises
    Refused.
    """
    if kind in SHORT_WAITS:
        return SHORT_WAITS[kind]
    if kind == "morning":
        tomorrow = run.now.astimezone(zone).date() + timedelta(days=1)
        return local_instant(tomorrow, MORNING, zone) - run.now
    timeout_at = run.conversation.timeout_at
    if kind == "wakes" and timeout_at is not None:
        return max(timeout_at - run.now, timedelta(minutes=1))
    raise Refused("Nothing wakes this conversation: it waits for the person as long as it takes.")


def quick_answers(run: TrialRun, library: Library) -> Iterator[tuple[str, str]]:
    """The options of the open question as (text to send, label)."""
    conversation = run.conversation
    frame = conversation.frame
    if frame is None or conversation.holder is not Holder.BOT or conversation.asked_danger or conversation.ended:
        return
    flow = library.flow(frame.version)
    step = flow.script.steps.get(frame.step)
    if not isinstance(step, Ask):
        return
    for number, (name, choice) in enumerate(step.choices.items(), 1):
        label = flow.translated(f"{frame.step}.choices.{name}.label", choice.label, conversation.language)
        yield str(number), f"{number} {label}"
    if not step.choices and step.answer is AnswerKind.YES_NO:
        words = read_trial_words().in_language(conversation.language)
        yield from ((words[key], words[key].capitalize()) for key in _YES_NO)


class _PhoneRenderer:
    """Renders turns as bubbles."""

    def __init__(self, zone: ZoneInfo, folds: bool, channel: str) -> None:
        self.zone, self.folds, self.is_sms = zone, folds, channel == Channel.SMS

    def bubbles(self, run: TrialRun, trial: Trial) -> Iterator[PhoneBubble]:
        changed = self._first_difference(run.fingerprints, trial.fingerprints)
        told = changed is None
        for turn in run.turns:
            place = 0 if turn.entry is None else turn.entry + 1
            if not told and changed is not None and place >= changed:
                told = True
                yield PhoneBubble(BubbleKind.DIVERGED, "From here on it goes differently than when you tried it.", turn.at)
            yield from self._turn(turn)

    @staticmethod
    def _first_difference(now: Sequence[str], then: Sequence[str]) -> int | None:
        return next((at for at, (one, other) in enumerate(zip(now, then, strict=False)) if one != other), None)

    def _turn(self, turn: TrialTurn) -> Iterator[PhoneBubble]:
        if turn.length:
            words = f"{describe_duration(turn.length)} later: {format_moment(turn.at, self.zone)}"
            yield PhoneBubble(BubbleKind.TIME, words, turn.at)
        elif turn.cause is not None:
            kind = BubbleKind.PICTURE if turn.cause.text == PICTURE else BubbleKind.PERSON
            yield PhoneBubble(kind, turn.cause.text, turn.at)
        if turn.note:
            yield PhoneBubble(BubbleKind.SILENT, turn.note, turn.at)
        if turn.failed:
            yield PhoneBubble(
                BubbleKind.FAILED, f"This flow cannot begin: {turn.failed}.", turn.at, place=_failure_place(turn.failed)
            )
        yield from self._texts(turn)
        for effect in turn.effects:
            yield from self._effect(effect, turn)

    def _texts(self, turn: TrialTurn) -> Iterator[PhoneBubble]:
        texts = join_replies([effect.text for effect in turn.effects if isinstance(effect, Reply)])
        if texts and turn.opted_out:
            yield PhoneBubble(BubbleKind.SILENT, "Nothing is sent: the person gets no texts.", turn.at)
            return
        for text in texts:
            sent = fold_for_sms(text) if self.folds else text
            yield PhoneBubble(BubbleKind.LINE, sent, turn.at, measure_segments(sent) if self.is_sms else None)

    def _effect(self, effect: Effect, turn: TrialTurn) -> Iterator[PhoneBubble]:
        match effect:
            case Reply():
                return
            case StaySilent(why=why):
                yield PhoneBubble(BubbleKind.SILENT, f"Nothing is said: {why}.", turn.at)
            case RaiseAlarm(kind="flow_failed", detail=detail):
                words = f"The flow failed: {detail}. The person is told so, and the operator gets an alarm."
                yield PhoneBubble(BubbleKind.FAILED, words, turn.at, place=_failure_place(detail))
            case _:
                words = describe_effect(effect, lambda after: times.plan_times(turn.at, after, self.zone, 0), self.zone)
                urgent = isinstance(effect, OpenHandoff) and effect.reason in (HandoffReason.DANGER, HandoffReason.FAILURE)
                yield PhoneBubble(BubbleKind.EFFECT, words, turn.at, urgent=urgent)


def _failure_place(detail: str) -> tuple[str, str] | None:
    """Parses (flow, step) from `flow/step: why`; the step may be followed by a text's place in it."""
    flow, slash, rest = detail.partition("/")
    step = rest.partition(":")[0].partition(".")[0]
    return (flow, step) if slash and flow.isidentifier() and step.isidentifier() else None
