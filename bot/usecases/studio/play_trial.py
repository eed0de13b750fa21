"""A trial played from its beginning: what the person says and what comes of it, turn by turn. Pure and deterministic, but
for the services that the library is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from bot.domain import check_in_times
from bot.domain.conversation import Conversation, Holder
from bot.domain.directory.cards import shortened
from bot.domain.effects import Choice, Effect, OfferServices, RecordConsent, Reply, ScheduleCheckIns, StaySilent
from bot.domain.flow import FlowFailed
from bot.domain.machine import IllegalMove
from bot.domain.transcript import Kind, Line, describe, duration
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.library import Library
from bot.usecases.line import Line as HelpLine
from bot.usecases.rehearse import PICTURE, Rehearsal
from bot.usecases.studio.trials import Entry, EntryKind, Start, Trial

MOST_WAKINGS = 12
"""How often silence may wake a conversation within one wait; the rest of it goes by at once."""
FOLLOW_UP = "followup"
LONGEST_NAME = 40
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one act brought. `entry` counts from 0, None for the opening; one wait may be several turns.

    `failed` tells why a flow could not even begin; `at` is the moment of it (aware UTC).
    """

    entry: int | None
    cause: Line | None
    at: datetime
    effects: tuple[Effect, ...] = ()
    failed: str = ""
    opted_out: bool = False
    """Whether they get no texts: what silence would bring is not sent."""
    length: timedelta = timedelta(0)
    """How much time went by, where that is what happened."""
    note: str = ""
    """Why nothing came of a check-in."""


@dataclass(slots=True)
class Run:
    """A trial as it went. `planned` are check-ins that are still to come."""

    conversation: Conversation
    now: datetime
    turns: list[Turn] = field(default_factory=list)
    planned: list[tuple[str, datetime]] = field(default_factory=list)
    ways: tuple[str, ...] = ()
    opted_out: bool = False


def play(trial: Trial, flow: str, line: HelpLine, library: Library, zone: ZoneInfo) -> Run:
    """Play a trial of `flow`. Never raises for a broken flow: that is a turn that failed."""
    return _Playing(trial, flow, line, library, zone).run()


class _Playing:
    def __init__(self, trial: Trial, flow: str, line: HelpLine, library: Library, zone: ZoneInfo) -> None:
        self.trial, self.library, self.zone = trial, library, zone
        self.turns: list[Turn] = []
        self.planned: list[tuple[str, datetime]] = []
        self.names: list[str] = []
        self.withdrawn = False
        start = trial.moment.replace(tzinfo=zone).astimezone(UTC)

        def begin(at_flow: str | None, step: str | None) -> Rehearsal:
            return Rehearsal(
                line, library, start, trial.language, at_flow, at=step, answers=trial.answers, channel=trial.channel
            )

        try:
            at = trial.step if trial.start is Start.STEP else None
            self.rehearsal = begin(None if trial.start is Start.MENU else flow, at)
            failed = ""
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            # Where the flow cannot begin, what is texted begins at the menu, as on the line.
            self.rehearsal, failed = begin(None, None), why(error)
        self._note(Turn(None, None, start, self.rehearsal.opening, failed))

    def run(self) -> Run:
        acts: dict[EntryKind, Callable[[int, Entry], None]] = {
            EntryKind.SAYS: self._say,
            EntryKind.PICTURE: self._say,
            EntryKind.WAIT: self._wait,
            EntryKind.CHECK_IN: self._check_in,
        }
        ways = [self._way(0)]
        for number, entry in enumerate(self.trial.entries):
            before = len(self.turns)
            acts[entry.kind](number, entry)
            ways.append(self._way(before))
        now = self.rehearsal.now
        planned = sorted((one for one in self.planned if one[1] > now), key=lambda one: one[1])
        return Run(self.rehearsal.conversation, now, self.turns, planned, tuple(ways), self.rehearsal.opted_out)

    def _say(self, number: int, entry: Entry) -> None:
        cause = Line(Kind.PERSON, PICTURE if entry.kind is EntryKind.PICTURE else entry.text)
        effects = self.rehearsal.act(cause)
        self._note(Turn(number, cause, self.rehearsal.now, effects))

    def _wait(self, number: int, entry: Entry) -> None:
        self._let_pass(number, int(entry.text) * _MINUTE)

    def _let_pass(self, number: int, length: timedelta) -> None:
        """Time goes by, and at each moment at which silence counts it is heard, as on the line."""
        for count in range(MOST_WAKINGS + 1):
            if length <= timedelta(0):
                return
            waking, piece = self.rehearsal.conversation.waking, length
            if count < MOST_WAKINGS and waking is not None and waking - self.rehearsal.now < length:
                piece = min(_whole_minutes(waking - self.rehearsal.now), length)
            cause = Line(Kind.WAIT, duration(piece))
            opted_out = self.rehearsal.opted_out
            effects = self.rehearsal.wait(piece)
            self._note(Turn(number, cause, self.rehearsal.now, effects, opted_out=opted_out, length=piece))
            length -= piece

    def _check_in(self, number: int, entry: Entry) -> None:
        flow = entry.text
        now = self.rehearsal.now
        due = min((at for name, at in self.planned if name == flow and at > now), default=None)
        if due is not None:
            self.planned.remove((flow, due))
            self._let_pass(number, _whole_minutes(due - now))
        held = self._why_not_asked()
        if held:
            self._note(Turn(number, None, self.rehearsal.now, note=held))
            return
        effects: tuple[Effect, ...] = ()
        failed = ""
        try:
            effects = self.rehearsal.check_in(flow, self._offered())
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            failed = why(error)
        self._note(Turn(number, None, self.rehearsal.now, effects, failed))

    def _why_not_asked(self) -> str:
        """The reasons of check_in.py that can be seen here; the others need what only the line knows."""
        if self.rehearsal.opted_out:
            return "This check-in is not asked: the person gets no texts."
        if self.withdrawn:
            return "This check-in is not asked: the person has taken back that we may ask."
        if self.rehearsal.conversation.holder is not Holder.BOT:
            return "This check-in waits: a social worker is called, or has the conversation."
        return ""

    def _offered(self) -> dict[str, str | int]:
        """The services that were texted last, as a check-in's flow may name them; what the trial gives goes before."""
        known: dict[str, str | int] = {
            "offered": ", ".join(self.names),
            "offered_count": len(self.names),
            "offered_list": "\n".join(f"{place} {name}" for place, name in enumerate(self.names, 1)),
        }
        return {name: self.trial.answers.get(name, value) for name, value in known.items()}

    def _note(self, turn: Turn) -> None:
        self.turns.append(turn)
        for at, effect in enumerate(turn.effects):
            match effect:
                case ScheduleCheckIns(flow=flow, after=after):
                    self.planned += [(flow, due) for due in check_in_times.plan(turn.at, after, self.zone, 0)]
                case OfferServices():
                    self.names = [
                        shortened(" ".join(turn_text.partition(":")[0].split()), LONGEST_NAME)
                        for number, turn_text in replies(turn.effects)
                        if number in cards_before(turn.effects, at)
                    ]
                case RecordConsent(choice=choice, scope=scope) if scope == FOLLOW_UP:
                    self.withdrawn = choice is Choice.WITHDRAWN

    def _way(self, first: int) -> str:
        """The same for turns that went the same way, in whatever words."""
        conversation = self.rehearsal.conversation
        rows = [f"{frame.flow}/{frame.step}" for frame in conversation.frames]
        rows.append(conversation.holder.value)
        for turn in self.turns[first:]:
            rows.append(turn.failed or turn.note)
            rows += [_mark(effect) for effect in turn.effects if not isinstance(effect, Reply)]
        return sha256("\n".join(rows).encode()).hexdigest()[:16]


def why(error: Exception) -> str:
    """Why a flow failed: its place and reason, or the kind of a fault that nobody foresaw."""
    return str(error) if isinstance(error, (FlowFailed, IllegalMove)) else f"{type(error).__name__} in a flow"


def replies(effects: Sequence[Effect]) -> list[tuple[int, str]]:
    """(place among the effects, text) of what is said."""
    return [(number, effect.text) for number, effect in enumerate(effects) if isinstance(effect, Reply)]


def cards_before(effects: Sequence[Effect], offer: int) -> range:
    """The places of the cards that belong to the offer of services at this place: they stand just before it."""
    effect = effects[offer]
    assert isinstance(effect, OfferServices)
    end = offer
    # "Reply MORE" stands between the cards and the offer.
    while end > 0 and isinstance(said := effects[end - 1], Reply) and said.key is not None:
        end -= 1
    return range(max(0, end - len(effect.services)), end)


def _mark(effect: Effect) -> str:
    return "silent" if isinstance(effect, StaySilent) else describe(effect)


def _whole_minutes(length: timedelta) -> timedelta:
    return max(-(-length // _MINUTE), 1) * _MINUTE
