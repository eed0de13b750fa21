"""Plays a trial from its beginning, turn by turn. Pure and deterministic, except for the services it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from bot.domain.check_ins import times
from bot.domain.conversation.effects import (
    ConsentChoice,
    Effect,
    OfferServices,
    RecordConsent,
    Reply,
    ScheduleCheckIns,
    StaySilent,
)
from bot.domain.conversation.state import Conversation, Holder
from bot.domain.conversation.transcript import LineKind, TranscriptLine, describe, format_duration
from bot.domain.directory.cards import shorten
from bot.domain.flows.language.flow import FlowFailed
from bot.domain.state_machine import IllegalMove
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.conversation.rehearsal import PICTURE, Rehearsal
from bot.usecases.flows.library import Library
from bot.usecases.studio.trial.trials import Trial, TrialEntry, TrialEntryKind, TrialStart
from bot.usecases.system_texts import SystemTexts as HelpLine

MAX_TIMEOUTS = 12
"""How often timeouts may fire within one wait; the rest of the wait then passes at once."""
FOLLOW_UP = "followup"
MAX_NAME_LENGTH = 40
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class TrialTurn:
    """The result of one entry. `entry` counts from 0, None for the opening; one wait may cause several turns.

    `failed` is the reason if a flow could not even begin; `at` is aware UTC.
    """

    entry: int | None
    cause: TranscriptLine | None
    at: datetime
    effects: tuple[Effect, ...] = ()
    failed: str = ""
    opted_out: bool = False
    """Whether the person is opted out: texts caused by a timeout are then not sent."""
    length: timedelta = timedelta(0)
    """How much time passed, for a wait."""
    note: str = ""
    """Why a check-in had no effect."""


@dataclass(slots=True)
class TrialRun:
    """The result of a trial. `planned` are check-ins still to come."""

    conversation: Conversation
    now: datetime
    turns: list[TrialTurn] = field(default_factory=list)
    planned: list[tuple[str, datetime]] = field(default_factory=list)
    fingerprints: tuple[str, ...] = ()
    opted_out: bool = False


def play(trial: Trial, flow: str, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> TrialRun:
    """Plays a trial of `flow`. Never raises for a broken flow: that gives a turn that failed."""
    return _TrialPlayer(trial, flow, system_texts, library, zone).run()


class _TrialPlayer:
    def __init__(self, trial: Trial, flow: str, system_texts: HelpLine, library: Library, zone: ZoneInfo) -> None:
        self.trial, self.library, self.zone = trial, library, zone
        self.turns: list[TrialTurn] = []
        self.planned: list[tuple[str, datetime]] = []
        self.names: list[str] = []
        self.withdrawn = False
        start = trial.moment.replace(tzinfo=zone).astimezone(UTC)

        def begin(at_flow: str | None, step: str | None) -> Rehearsal:
            return Rehearsal(
                system_texts, library, start, trial.language, at_flow, at=step, answers=trial.answers, channel=trial.channel
            )

        try:
            at = trial.step if trial.start is TrialStart.STEP else None
            self.rehearsal = begin(None if trial.start is TrialStart.MENU else flow, at)
            failed = ""
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            # If the flow can't begin, the person's texts start at the menu, as they do live.
            self.rehearsal, failed = begin(None, None), failure_reason(error)
        self._record_turn(TrialTurn(None, None, start, self.rehearsal.opening, failed))

    def run(self) -> TrialRun:
        acts: dict[TrialEntryKind, Callable[[int, TrialEntry], None]] = {
            TrialEntryKind.SAYS: self._say,
            TrialEntryKind.PICTURE: self._say,
            TrialEntryKind.WAIT: self._wait,
            TrialEntryKind.CHECK_IN: self._check_in,
        }
        ways = [self._fingerprint(0)]
        for number, entry in enumerate(self.trial.entries):
            before = len(self.turns)
            acts[entry.kind](number, entry)
            ways.append(self._fingerprint(before))
        now = self.rehearsal.now
        planned = sorted((one for one in self.planned if one[1] > now), key=lambda one: one[1])
        return TrialRun(self.rehearsal.conversation, now, self.turns, planned, tuple(ways), self.rehearsal.opted_out)

    def _say(self, number: int, entry: TrialEntry) -> None:
        cause = TranscriptLine(LineKind.PERSON, PICTURE if entry.kind is TrialEntryKind.PICTURE else entry.text)
        effects = self.rehearsal.play_line(cause)
        self._record_turn(TrialTurn(number, cause, self.rehearsal.now, effects))

    def _wait(self, number: int, entry: TrialEntry) -> None:
        self._pass_time(number, int(entry.text) * _MINUTE)

    def _pass_time(self, number: int, length: timedelta) -> None:
        """Lets time pass and fires each timeout that falls due, as happens live."""
        for count in range(MAX_TIMEOUTS + 1):
            if length <= timedelta(0):
                return
            timeout_at, piece = self.rehearsal.conversation.timeout_at, length
            if count < MAX_TIMEOUTS and timeout_at is not None and timeout_at - self.rehearsal.now < length:
                piece = min(_whole_minutes(timeout_at - self.rehearsal.now), length)
            cause = TranscriptLine(LineKind.WAIT, format_duration(piece))
            opted_out = self.rehearsal.opted_out
            effects = self.rehearsal.wait(piece)
            self._record_turn(TrialTurn(number, cause, self.rehearsal.now, effects, opted_out=opted_out, length=piece))
            length -= piece

    def _check_in(self, number: int, entry: TrialEntry) -> None:
        flow = entry.text
        now = self.rehearsal.now
        due = min((at for name, at in self.planned if name == flow and at > now), default=None)
        if due is not None:
            self.planned.remove((flow, due))
            self._pass_time(number, _whole_minutes(due - now))
        held = self._check_in_obstacle()
        if held:
            self._record_turn(TrialTurn(number, None, self.rehearsal.now, note=held))
            return
        effects: tuple[Effect, ...] = ()
        failed = ""
        try:
            effects = self.rehearsal.check_in(flow, self._offered_answers())
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            failed = failure_reason(error)
        self._record_turn(TrialTurn(number, None, self.rehearsal.now, effects, failed))

    def _check_in_obstacle(self) -> str:
        """The reasons of check_in.py that can be known here; the others need live data."""
        if self.rehearsal.opted_out:
            return "This check-in is not asked: the person gets no texts."
        if self.withdrawn:
            return "This check-in is not asked: the person has taken back that we may ask."
        if self.rehearsal.conversation.holder is not Holder.BOT:
            return "This check-in waits: a social worker is called, or has the conversation."
        return ""

    def _offered_answers(self) -> dict[str, str | int]:
        """The services sent last, as a check-in's flow may name them; the trial's own answers take precedence."""
        known: dict[str, str | int] = {
            "offered": ", ".join(self.names),
            "offered_count": len(self.names),
            "offered_list": "\n".join(f"{place} {name}" for place, name in enumerate(self.names, 1)),
        }
        return {name: self.trial.answers.get(name, value) for name, value in known.items()}

    def _record_turn(self, turn: TrialTurn) -> None:
        self.turns.append(turn)
        for at, effect in enumerate(turn.effects):
            match effect:
                case ScheduleCheckIns(flow=flow, after=after):
                    self.planned += [(flow, due) for due in times.plan_times(turn.at, after, self.zone, 0)]
                case OfferServices():
                    self.names = [
                        shorten(" ".join(turn_text.partition(":")[0].split()), MAX_NAME_LENGTH)
                        for number, turn_text in replies(turn.effects)
                        if number in cards_before(turn.effects, at)
                    ]
                case RecordConsent(choice=choice, scope=scope) if scope == FOLLOW_UP:
                    self.withdrawn = choice is ConsentChoice.WITHDRAWN

    def _fingerprint(self, first: int) -> str:
        """Equal for turns that took the same path, whatever their wording."""
        conversation = self.rehearsal.conversation
        rows = [f"{frame.flow}/{frame.step}" for frame in conversation.frames]
        rows.append(conversation.holder.value)
        for turn in self.turns[first:]:
            rows.append(turn.failed or turn.note)
            rows += [_effect_mark(effect) for effect in turn.effects if not isinstance(effect, Reply)]
        return sha256("\n".join(rows).encode()).hexdigest()[:16]


def failure_reason(error: Exception) -> str:
    """Why a flow failed: its place and reason, or the type of an unexpected error."""
    return str(error) if isinstance(error, (FlowFailed, IllegalMove)) else f"{type(error).__name__} in a flow"


def replies(effects: Sequence[Effect]) -> list[tuple[int, str]]:
    """(index among the effects, text) of each reply."""
    return [(number, effect.text) for number, effect in enumerate(effects) if isinstance(effect, Reply)]


def cards_before(effects: Sequence[Effect], offer: int) -> range:
    """The indices of the cards that belong to the offer of services at this index: they stand just before it."""
    effect = effects[offer]
    assert isinstance(effect, OfferServices)
    end = offer
    # "Reply MORE" stands between the cards and the offer.
    while end > 0 and isinstance(reply := effects[end - 1], Reply) and reply.key is not None:
        end -= 1
    return range(max(0, end - len(effect.services)), end)


def _effect_mark(effect: Effect) -> str:
    return "silent" if isinstance(effect, StaySilent) else describe(effect)


def _whole_minutes(length: timedelta) -> timedelta:
    return max(-(-length // _MINUTE), 1) * _MINUTE
