"""The drawing of the waits of the last day: where each bar stands. The template makes the SVG, and a table says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_time

from bot.domain.promises import Hour
from bot.web.console.wording import span

WIDTH, HEIGHT = 520, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 6, 10, 24
_SCALES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
"""Minutes at the top of the drawing: the first that holds the longest wait."""
_NAMED_HOURS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: a bar as high as the median wait, a line at the longest. All in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    longest_y: float
    middle: float
    label: str
    """Below the bar; "" for most."""


@dataclass(frozen=True, slots=True)
class Line:
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    floor: int = HEIGHT - _BOTTOM


def draw(hours: Sequence[Hour], zone: ZoneInfo) -> Chart:
    """Bars for these hours; hours without a wait have none."""
    longest = max((hour.longest for hour in hours if hour.longest), default=timedelta())
    top = timedelta(minutes=next((scale for scale in _SCALES if timedelta(minutes=scale) >= longest), 0)) or longest
    step = (WIDTH - _LEFT - _RIGHT) / max(len(hours), 1)
    bars = tuple(_bar(hour, place, step, top, zone) for place, hour in enumerate(hours))
    lines = tuple(Line(_height(top * part, top), "0" if not part else span(top * part)) for part in (0, 0.5, 1))
    return Chart(bars, lines)


def _bar(hour: Hour, place: int, step: float, top: timedelta, zone: ZoneInfo) -> Bar:
    x, floor = _LEFT + place * step, HEIGHT - _BOTTOM
    median_y = _height(hour.median or timedelta(), top)
    # A wait of seconds is seen as well: without a bar the hour would look as if nobody had waited.
    median_y = min(median_y, floor - 2) if hour.began else floor
    label = format_time(hour.start, "h a", tzinfo=zone, locale="en_US") if not place % _NAMED_HOURS else ""
    return Bar(
        x=round(x + step * 0.15, 1),
        y=round(median_y, 1),
        width=round(step * 0.7, 1),
        height=round(floor - median_y, 1),
        longest_y=round(min(_height(hour.longest or timedelta(), top), median_y), 1),
        middle=round(x + step / 2, 1),
        label=label,
    )


def _height(time: timedelta, top: timedelta) -> float:
    """Where this length of time stands; y grows downwards."""
    share = time / top if top else 0.0
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)
