"""The timeline chart of one person's check-ins; the list below it has the same content.

Horizontal positions are in percent of its width, so that it fits a phone and a desktop alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.usecases.check_ins.read_follow_up import CheckInEntry

LEFT, RIGHT = 5.0, 95.0
_MIN_DISTANCE = 7.5
"""Marks that would touch on a phone's screen are moved apart: a cadence begins with hours and ends with months."""
MAX_MARKS = 12
"""More marks would be too close together; older check-ins are only in the list."""


@dataclass(frozen=True, slots=True)
class CheckInMark:
    """A check-in on the timeline; `shape` is its state."""

    x: float
    shape: str
    title: str


@dataclass(frozen=True, slots=True)
class CheckInTimeline:
    """The timeline: `today` is the position of now, `first` and `last` are the labels at its ends, and `left_out` check-ins
    are not drawn."""

    marks: tuple[CheckInMark, ...]
    today: float
    first: str
    last: str
    left_out: int


def draw(
    check_ins: Sequence[CheckInEntry], now: datetime, say: Callable[[CheckInEntry], str], day: Callable[[datetime], str]
) -> CheckInTimeline:
    """The timeline of these check-ins, which are in chronological order."""
    shown = check_ins[-MAX_MARKS:]
    moments = sorted([*(each.at for each in shown), now])
    start, length = moments[0], moments[-1] - moments[0]
    wanted = [LEFT + (RIGHT - LEFT) * ((at - start) / length if length else 0.5) for at in moments]
    places = _spread(wanted)
    # Now has its own position, after all check-ins before it.
    today = places.pop(sum(each.at < now for each in shown))
    marks = tuple(CheckInMark(x, each.state, say(each)) for x, each in zip(places, shown, strict=True))
    return CheckInTimeline(marks, today, day(moments[0]), day(moments[-1]), len(check_ins) - len(shown))


def _spread(wanted: Sequence[float]) -> list[float]:
    """The positions with a minimum distance between neighbours (less if there are too many), within LEFT and RIGHT."""
    gap = min(_MIN_DISTANCE, (RIGHT - LEFT) / max(1, len(wanted) - 1))
    found: list[float] = []
    for x in wanted:
        found.append(max(x, found[-1] + gap) if found else max(x, LEFT))
    for back in range(len(found) - 1, -1, -1):
        most = RIGHT if back == len(found) - 1 else found[back + 1] - gap
        found[back] = min(found[back], most)
    return [round(x, 2) for x in found]
