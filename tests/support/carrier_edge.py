"""Building blocks of simulated nights: what people write, steps of time, a planned crash, a carrier that is observed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.carriers.carrier import Carrier, MessageStatus, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState

DANGEROUS_TEXTS = (
    "i want to kill myself tonight {}", "he is hitting me {}", "i took all the pills {}", "me quiero matar esta noche {}",
)  # fmt: skip
CALM_TEXTS = (
    "my name is {} and i need food", "hola {} necesito comida", "{}", "rent {}", "{} " + "and they shut off the heat " * 60,
    "i want to talk to a person {}", "my husband beats me {}",
)  # fmt: skip
SHORT_TEXTS = ("1", "2", "MENU", "PERSON", "HELP", "BACK", "espanol", "yes", "stop texting me", "thanks", "63104")
RELEASING_ACTS = ("release", "hand_back", "take_over", "send_to_team", "close", "pass_on")
STAFF_COMMANDS = ("#BACK", "#CLOSE resolved", "#CLOSE", "#OPEN", "#HELP", "#WHAT", "2")
TIME_STEPS = [timedelta(seconds=5), timedelta(seconds=70), timedelta(minutes=2), timedelta(minutes=6), timedelta(minutes=16),
         timedelta(minutes=61), timedelta(hours=3), timedelta(hours=13), timedelta(days=1)]  # fmt: skip
KNOWN_DEFECTS = ('constraint "message_sid"',)
"""A known defect, see test_handoff_found.py: equal answers to one telephone from two numbers of the pool are confused."""


class Crash(Exception):
    """Stands for the death of the process just before a commit."""


@dataclass
class PlannedCrash:
    """Whether the crash has happened."""

    happened: bool = False


class WatchedCarrier:
    """A carrier that shows each message to `look` before sending it. Without an `inner` carrier, all are delivered."""

    def __init__(self, inner: Carrier | None, look: Callable[[OutgoingMessage], None]) -> None:
        self._inner, self._look, self._count = inner, look, 0

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        self._look(outgoing)
        if self._inner is None:
            return Receipt(f"mail-{outgoing.message_id}", DeliveryState.DELIVERED, 1)
        return self._inner.send(outgoing)

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        return self._inner.find(outgoing, since, known) if self._inner else None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        return self._inner.fetch_status(sid) if self._inner else None


class LoggedErrors(logging.Handler):
    """Records every logged error as a fault: a caught and logged error counts, unless the test caused it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        is_planned = isinstance(error, Crash) or (error is None and "Crash" in record.getMessage())
        if not is_planned and not any(known in str(error) for known in KNOWN_DEFECTS):
            self._faults.append(f"logged by {record.name}: {record.getMessage()}: {error!r}")
