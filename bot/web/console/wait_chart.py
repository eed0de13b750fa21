"""The chart of the last day's waits: positions of its bars. The template renders the SVG, next to a table with the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_time

from bot.domain.handoff.response_times import HourlyWaits
from bot.web.console.wording import span

WIDTH, HEIGHT = 520, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 6, 10, 24
_TOPS_IN_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
"""Possible tops of the chart in minutes; the first that holds the longest wait is used."""
_LABEL_EVERY_HOURS = 4


@dataclass(frozen=True, slots=True)
class HourBar:
    """One hour: a bar as high as the median wait, a line at the longest. All in the chart's units."""

    x: float
    y: float
    width: float
    height: float
    longest_y: float
    middle: float
    label: str
    """Shown below the bar; "" for most."""


@dataclass(frozen=True, slots=True)
class GridLine:
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class WaitChart:
    bars: tuple[HourBar, ...]
    lines: tuple[GridLine, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    floor: int = HEIGHT - _BOTTOM


def draw(hours: Sequence[HourlyWaits], zone: ZoneInfo) -> WaitChart:
    """Bars for these hours; hours without a wait have none."""
    longest = max((hour.longest for hour in hours if hour.longest), default=timedelta())
    top = timedelta(minutes=next((scale for scale in _TOPS_IN_MINUTES if timedelta(minutes=scale) >= longest), 0)) or longest
    step = (WIDTH - _LEFT - _RIGHT) / max(len(hours), 1)
    bars = tuple(_bar(hour, place, step, top, zone) for place, hour in enumerate(hours))
    lines = tuple(GridLine(_y_position(top * part, top), "0" if not part else span(top * part)) for part in (0, 0.5, 1))
    return WaitChart(bars, lines)


def _bar(hour: HourlyWaits, place: int, step: float, top: timedelta, zone: ZoneInfo) -> HourBar:
    x, floor = _LEFT + place * step, HEIGHT - _BOTTOM
    median_y = _y_position(hour.median or timedelta(), top)
    # A wait of seconds still gets a visible bar; without one the hour would look as if no one had waited.
    median_y = min(median_y, floor - 2) if hour.began else floor
    label = format_time(hour.start, "h a", tzinfo=zone, locale="en_US") if not place % _LABEL_EVERY_HOURS else ""
    return HourBar(
        x=round(x + step * 0.15, 1),
        y=round(median_y, 1),
        width=round(step * 0.7, 1),
        height=round(floor - median_y, 1),
        longest_y=round(min(_y_position(hour.longest or timedelta(), top), median_y), 1),
        middle=round(x + step / 2, 1),
        label=label,
    )


def _y_position(time: timedelta, top: timedelta) -> float:
    """The y position of this duration; y grows downwards."""
    share = time / top if top else 0.0
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)
