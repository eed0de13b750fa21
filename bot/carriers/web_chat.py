"""The carrier of the web chat: the page reads the rows of the outbox, so a row that exists has arrived."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime

from bot.carriers.carrier import MessageStatus, OutgoingMessage, Receipt
from bot.domain.messages.delivery import DeliveryState


class WebChatCarrier:
    """Delivers at once. Whether the person still has the page open is known to the page, not to the carrier."""

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Report the message as delivered. A web chat is not charged by segments, so there are 0."""
        return Receipt(f"WEB{secrets.token_hex(16)}", DeliveryState.DELIVERED, 0)

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Always None: nothing is ever in transit to the page, so sending again repeats nothing."""
        return None

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """Always DELIVERED."""
        return MessageStatus(DeliveryState.DELIVERED)
