"""What every use case needs beside the session and the time, made once at the start and shared by all threads."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from bot.storage.sealing import Sealer
from bot.usecases.library import FlowCache
from bot.usecases.line import Line
from bot.usecases.staff_words import StaffWords


@dataclass(frozen=True, slots=True)
class Desk:
    """The line's words, the compiled flows, the keys, the settings.

    `line_number` is our own number on which residents text, `staff_numbers` those by which social workers do; alerts leave
    from the first of them.
    """

    line: Line
    cache: FlowCache
    sealer: Sealer
    staff_words: StaffWords
    zone: ZoneInfo
    fold_accents: bool = True
    resend_after: timedelta = timedelta(minutes=2)
    line_number: str = "warmline"
    staff_numbers: tuple[str, ...] = ()
    console_url: str = ""
    hand_back_after: timedelta = timedelta(hours=2)
    holidays: Container[date] = frozenset()
    """Days on which no check-in is sent."""
    line_name: str = "Warmline"
    """What `{{ line_name }}` is in a text."""

    def is_for_staff(self, number: str) -> bool:
        """Whether a text to this number of ours comes to the staff's door."""
        return number in self.staff_numbers
