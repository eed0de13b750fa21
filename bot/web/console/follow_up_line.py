"""The drawing of one person's check-ins along a line of time; the list below it says the same in words.

What lies along the line is in hundredths of its width, so that it fits a telephone and a desk alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.usecases.read_follow_up import Planned

LEFT, RIGHT = 5.0, 95.0
_APART = 7.5
"""Marks that would touch on a telephone are pushed apart: a cadence begins with hours and ends with months."""
MOST = 12
"""More than these have no room to be told apart, so the oldest of what is over are left to the list."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A check-in on the line; `shape` is its state."""

    x: float
    shape: str
    title: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """`today` is where now stands; `first` and `last` what is written at the ends; `left_out` check-ins are not drawn."""

    marks: tuple[Mark, ...]
    today: float
    first: str
    last: str
    left_out: int


def draw(
    check_ins: Sequence[Planned], now: datetime, say: Callable[[Planned], str], day: Callable[[datetime], str]
) -> Drawing:
    """The line of these check-ins, which come in order of time."""
    shown = check_ins[-MOST:]
    moments = sorted([*(each.at for each in shown), now])
    start, length = moments[0], moments[-1] - moments[0]
    wanted = [LEFT + (RIGHT - LEFT) * ((at - start) / length if length else 0.5) for at in moments]
    places = _apart(wanted)
    # Now takes a place of its own in the row, after all that is before it.
    today = places.pop(sum(each.at < now for each in shown))
    marks = tuple(Mark(x, each.state, say(each)) for x, each in zip(places, shown, strict=True))
    return Drawing(marks, today, day(moments[0]), day(moments[-1]), len(check_ins) - len(shown))


def _apart(wanted: Sequence[float]) -> list[float]:
    """The same row with at least _APART between neighbours (less, where there are too many), within LEFT and RIGHT."""
    gap = min(_APART, (RIGHT - LEFT) / max(1, len(wanted) - 1))
    found: list[float] = []
    for x in wanted:
        found.append(max(x, found[-1] + gap) if found else max(x, LEFT))
    for back in range(len(found) - 1, -1, -1):
        most = RIGHT if back == len(found) - 1 else found[back + 1] - gap
        found[back] = min(found[back], most)
    return [round(x, 2) for x in found]
