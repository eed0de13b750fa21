"""A trial of a flow on the studio's phone: where it begins and what the simulated person did, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.conversation.transcript import PLAYABLE_CHANNELS, trim_lines
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import Refused

MAX_ENTRIES = 200
MAX_WAIT = timedelta(days=400)
"""Longer than any check-in is planned ahead."""
_MINUTE = timedelta(minutes=1)


class TrialStart(StrEnum):
    """Where a conversation begins."""

    MENU = "menu"
    """As for any person: with the first text, at the menu."""
    FLOW = "flow"
    STEP = "step"


class TrialEntryKind(StrEnum):
    """What the simulated person does, or what happens to them."""

    SAYS = "says"
    PICTURE = "picture"
    WAIT = "wait"
    """Time passes; the text is a number of minutes."""
    CHECK_IN = "check_in"
    """A check-in is sent; the text is its flow."""


@dataclass(frozen=True, slots=True)
class TrialEntry:
    kind: TrialEntryKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """`moment` is the local time at which it begins, without a zone. `fingerprints` say how each turn went when it
    was tried: the opening first, then one for each entry.
    """

    moment: datetime
    language: str = SOURCE_LANGUAGE
    channel: str = PLAYABLE_CHANNELS[0]
    start: TrialStart = TrialStart.MENU
    step: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    all_drafts: bool = False
    entries: tuple[TrialEntry, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def with_text(self, text: str) -> Trial:
        """The person texts. Raises Refused."""
        words = trim_lines(text)
        if not words:
            raise Refused("Write a text first.")
        if len(words) > MAX_BODY_LENGTH:
            raise Refused(f"A text has at most {MAX_BODY_LENGTH} characters; this one has {len(words)}.")
        return self._with(TrialEntry(TrialEntryKind.SAYS, words))

    def with_picture(self) -> Trial:
        """The person sends a picture without text. Raises Refused."""
        return self._with(TrialEntry(TrialEntryKind.PICTURE))

    def with_wait(self, length: timedelta) -> Trial:
        """Time passes, rounded up to whole minutes. Raises Refused."""
        if not timedelta(0) < length <= MAX_WAIT:
            raise Refused(f"Wait at least a minute, and at most {MAX_WAIT.days} days.")
        return self._with(TrialEntry(TrialEntryKind.WAIT, str(-(-length // _MINUTE))))

    def with_check_in(self, flow: str) -> Trial:
        """A check-in with this flow is sent at its planned time. Raises Refused."""
        return self._with(TrialEntry(TrialEntryKind.CHECK_IN, flow))

    def without_last(self) -> Trial:
        """Removes the last entry."""
        return replace(self, entries=self.entries[:-1], fingerprints=self.fingerprints[: len(self.entries)])

    def restarted(self) -> Trial:
        """Removes all entries; begins in the same way."""
        return replace(self, entries=(), fingerprints=())

    def restarted_at(self, start: TrialStart, step: str = "") -> Trial:
        """Removes all entries; begins there."""
        return replace(self.restarted(), start=start, step=step if start is TrialStart.STEP else "")

    def _with(self, entry: TrialEntry) -> Trial:
        if len(self.entries) >= MAX_ENTRIES:
            raise Refused(f"A conversation on this phone holds {MAX_ENTRIES} acts. Start over, or undo some.")
        return replace(self, entries=(*self.entries, entry))


def dump(trial: Trial) -> dict[str, Any]:
    """The trial as JSON-compatible data; `load` restores it."""
    return {
        "moment": trial.moment.isoformat(),
        "language": trial.language,
        "channel": trial.channel,
        "start": trial.start.value,
        "step": trial.step,
        "answers": dict(trial.answers),
        "all_drafts": trial.all_drafts,
        "entries": [[entry.kind.value, entry.text] for entry in trial.entries],
        "ways": list(trial.fingerprints),
    }


def load(row: Mapping[str, Any]) -> Trial:
    """Restores a trial written by `dump`."""
    return Trial(
        moment=datetime.fromisoformat(row["moment"]),
        language=row.get("language", SOURCE_LANGUAGE),
        channel=row.get("channel", PLAYABLE_CHANNELS[0]),
        start=TrialStart(row.get("start", "menu")),
        step=row.get("step", ""),
        answers=row.get("answers", {}),
        all_drafts=row.get("all_drafts", False),
        entries=_entries(row.get("entries", ())),
        fingerprints=tuple(row.get("ways", ())),
    )


def _entries(rows: Sequence[Sequence[str]]) -> tuple[TrialEntry, ...]:
    return tuple(TrialEntry(TrialEntryKind(kind), text) for kind, text in rows)
