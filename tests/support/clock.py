"""A clock for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONDAY_MORNING = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""Nine o'clock in St. Louis, on a day on which the clocks do not change."""


@dataclass
class FrozenClock:
    """A clock that stands still until a test moves it."""

    moment: datetime = MONDAY_MORNING

    def now(self) -> datetime:
        return self.moment

    def advance(self, step: timedelta) -> datetime:
        self.moment += step
        return self.moment
