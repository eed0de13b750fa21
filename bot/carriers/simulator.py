"""The carrier of the demonstration, and of a desk without telephone numbers: a page shows a telephone."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime

from bot.carriers.carrier import Outgoing, Receipt, Seen
from bot.domain.delivery import State
from bot.domain.segments import measure


class SimulatorCarrier:
    """Delivers at once, because the page reads the same rows that the outbox keeps."""

    def send(self, outgoing: Outgoing) -> Receipt:
        """Say that the message is delivered; its segments are those that an SMS would be charged as."""
        return Receipt(f"SIM{secrets.token_hex(16)}", State.DELIVERED, measure(outgoing.body).segments)

    def find(self, outgoing: Outgoing, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """None, always: nothing is ever on its way to the page, so sending again repeats nothing."""
        return None

    def look(self, sid: str) -> Seen | None:
        """Delivered, as everything here is."""
        return Seen(State.DELIVERED)
