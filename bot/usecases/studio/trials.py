"""What somebody tries of a flow on the studio's phone: where it begins, and what the pretend person did, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.segments import LONGEST_BODY
from bot.domain.transcript import CHANNELS, tidy
from bot.usecases.studio.edit_draft import Unfit

MOST_ENTRIES = 200
LONGEST_WAIT = timedelta(days=400)
"""Longer than any check-in is planned ahead."""
_MINUTE = timedelta(minutes=1)


class Start(StrEnum):
    """Where a conversation begins."""

    MENU = "menu"
    """As for anybody who texts: with their first words, at the menu."""
    FLOW = "flow"
    STEP = "step"


class EntryKind(StrEnum):
    """What the pretend person does, or what happens to them."""

    SAYS = "says"
    PICTURE = "picture"
    WAIT = "wait"
    """Time goes by; the text is a number of minutes."""
    CHECK_IN = "check_in"
    """A check-in asks; the text is its flow."""


@dataclass(frozen=True, slots=True)
class Entry:
    kind: EntryKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """`moment` is the local time of the line at which it begins, without a zone. `ways` are marks of how each turn went
    when it was tried: the opening first, then one for each entry."""

    moment: datetime
    language: str = "en"
    channel: str = CHANNELS[0]
    start: Start = Start.MENU
    step: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    all_drafts: bool = False
    entries: tuple[Entry, ...] = ()
    ways: tuple[str, ...] = ()

    def says(self, text: str) -> Trial:
        """The person texts. Raises Unfit."""
        words = tidy(text)
        if not words:
            raise Unfit("Write a text first.")
        if len(words) > LONGEST_BODY:
            raise Unfit(f"A text has at most {LONGEST_BODY} characters; this one has {len(words)}.")
        return self._with(Entry(EntryKind.SAYS, words))

    def picture(self) -> Trial:
        """The person sends a picture without words. Raises Unfit."""
        return self._with(Entry(EntryKind.PICTURE))

    def waits(self, length: timedelta) -> Trial:
        """Time goes by, in whole minutes, the last one begun counts. Raises Unfit."""
        if not timedelta(0) < length <= LONGEST_WAIT:
            raise Unfit(f"Wait at least a minute, and at most {LONGEST_WAIT.days} days.")
        return self._with(Entry(EntryKind.WAIT, str(-(-length // _MINUTE))))

    def check_in(self, flow: str) -> Trial:
        """A check-in asks by this flow, at the time for which it is planned. Raises Unfit."""
        return self._with(Entry(EntryKind.CHECK_IN, flow))

    def undone(self) -> Trial:
        """Without what came last."""
        return replace(self, entries=self.entries[:-1], ways=self.ways[: len(self.entries)])

    def restarted(self) -> Trial:
        """From the beginning, begun in the same way."""
        return replace(self, entries=(), ways=())

    def begun(self, start: Start, step: str = "") -> Trial:
        """From the beginning, begun there."""
        return replace(self.restarted(), start=start, step=step if start is Start.STEP else "")

    def _with(self, entry: Entry) -> Trial:
        if len(self.entries) >= MOST_ENTRIES:
            raise Unfit(f"A conversation on this phone holds {MOST_ENTRIES} acts. Start over, or undo some.")
        return replace(self, entries=(*self.entries, entry))


def dump(trial: Trial) -> dict[str, Any]:
    """As JSON can hold it; `load` gives an equal trial back."""
    return {
        "moment": trial.moment.isoformat(),
        "language": trial.language,
        "channel": trial.channel,
        "start": trial.start.value,
        "step": trial.step,
        "answers": dict(trial.answers),
        "all_drafts": trial.all_drafts,
        "entries": [[entry.kind.value, entry.text] for entry in trial.entries],
        "ways": list(trial.ways),
    }


def load(row: Mapping[str, Any]) -> Trial:
    """The trial that `dump` wrote."""
    return Trial(
        moment=datetime.fromisoformat(row["moment"]),
        language=row.get("language", "en"),
        channel=row.get("channel", CHANNELS[0]),
        start=Start(row.get("start", "menu")),
        step=row.get("step", ""),
        answers=row.get("answers", {}),
        all_drafts=row.get("all_drafts", False),
        entries=_entries(row.get("entries", ())),
        ways=tuple(row.get("ways", ())),
    )


def _entries(rows: Sequence[Sequence[str]]) -> tuple[Entry, ...]:
    return tuple(Entry(EntryKind(kind), text) for kind, text in rows)
