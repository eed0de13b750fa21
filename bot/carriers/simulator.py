"""The carrier for demos and installations without telephone numbers: a web page shows a telephone."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime

from bot.carriers.carrier import MessageStatus, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.segments import measure_segments


class SimulatorCarrier:
    """Delivers at once, because the page reads the rows of the outbox."""

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Report the message as delivered, with the segments that an SMS would be charged."""
        return Receipt(f"SIM{secrets.token_hex(16)}", DeliveryState.DELIVERED, measure_segments(outgoing.body).segments)

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Always None: nothing is ever in transit to the page, so sending again repeats nothing."""
        return None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """Always DELIVERED."""
        return MessageStatus(DeliveryState.DELIVERED)
