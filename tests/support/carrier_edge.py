"""What nights are made of that are played at random: what people write, how time passes, a crash, a watched carrier."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.carriers.carrier import Carrier, MessageStatus, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState

DANGER = (
    "i want to kill myself tonight {}", "he is hitting me {}", "i took all the pills {}", "me quiero matar esta noche {}",
)  # fmt: skip
CALM = (
    "my name is {} and i need food", "hola {} necesito comida", "{}", "rent {}", "{} " + "and they shut off the heat " * 60,
    "i want to talk to a person {}", "my husband beats me {}",
)  # fmt: skip
BARE = ("1", "2", "MENU", "PERSON", "HELP", "BACK", "espanol", "yes", "stop texting me", "thanks", "63104")
LEAVING = ("release", "hand_back", "take_over", "send_to_team", "close", "pass_on")
COMMANDS = ("#BACK", "#CLOSE resolved", "#CLOSE", "#OPEN", "#HELP", "#WHAT", "2")
STEPS = [timedelta(seconds=5), timedelta(seconds=70), timedelta(minutes=2), timedelta(minutes=6), timedelta(minutes=16),
         timedelta(minutes=61), timedelta(hours=3), timedelta(hours=13), timedelta(days=1)]  # fmt: skip
KNOWN = ('constraint "message_sid"',)
"""See test_handoff_found.py: equal answers to one telephone from two numbers of the pool are taken for one another."""


class Crash(Exception):
    """The process dies just before the commit."""


@dataclass
class Death:
    """Whether the crash came."""

    came: bool = False


class Watched:
    """A carrier that is looked over its shoulder."""

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


class Errors(logging.Handler):
    """What a door has caught and logged is a fault all the same, unless the test made it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        made = isinstance(error, Crash) or (error is None and "Crash" in record.getMessage())
        if not made and not any(known in str(error) for known in KNOWN):
            self._faults.append(f"logged by {record.name}: {record.getMessage()}: {error!r}")
