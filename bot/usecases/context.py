"""What every use case needs besides the session and the time."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from bot.storage.sealing import Sealer
from bot.usecases.flows.library import FlowCache
from bot.usecases.staff_words import StaffTexts
from bot.usecases.system_texts import SystemTexts


@dataclass(frozen=True, slots=True)
class Context:
    """System texts, compiled flows, keys and settings. Made once at the start and shared by all threads.

    People text to `line_number`, social workers to `staff_numbers`; alerts are sent from the first of these.
    """

    system_texts: SystemTexts
    flow_cache: FlowCache
    sealer: Sealer
    staff_texts: StaffTexts
    zone: ZoneInfo
    fold_accents: bool = True
    resend_after: timedelta = timedelta(minutes=2)
    public_number: str = "warmline"
    staff_numbers: tuple[str, ...] = ()
    console_url: str = ""
    hand_back_after: timedelta = timedelta(hours=2)
    holidays: Container[date] = frozenset()
    """Days on which no check-in is sent."""
    line_name: str = "Warmline"
    """What `{{ line_name }}` is in a text."""

    def is_staff_number(self, number: str) -> bool:
        """Whether this number of ours is one that social workers text to."""
        return number in self.staff_numbers
