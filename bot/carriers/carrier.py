"""The interface of all carriers, and the types of its results."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from bot.domain.messages.delivery import DeliveryState
from bot.domain.messages.message import Address, OutboxLane


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message to send, from the outbox.

    `message_id` is the outbox row. `status_callback` is the public URL for the carrier's reports ("" for none). `sender` is
    one of our numbers if the text must come from that one; with None the carrier chooses. `validity_seconds` is how long
    the text stays valid: the carrier must not send it later; None means no limit.
    """

    message_id: int
    to: Address
    body: str
    lane: OutboxLane
    status_callback: str = ""
    sender: str | None = None
    validity_seconds: int | None = None

    def __repr__(self) -> str:
        # Tracebacks and log lines show the row's id, never the person's words or telephone number.
        channel, lane = self.to.channel.value, self.lane.value
        return f"Outgoing({self.message_id}, {channel}, {lane}, {len(self.body)} characters)"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The carrier has accepted the message: its id there, its state, and the number of segments that are charged."""

    sid: str
    state: DeliveryState
    segments: int


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """The status of a message at the carrier; `state` is None for a status that we do not know."""

    state: DeliveryState | None
    error_code: int | None = None


class CarrierError(Exception):
    """The carrier did not accept a message, or it is not known whether it did.

    `code` is the carrier's own error code, None where it gave none. `permanent` is True when sending the same message again
    cannot help. `outcome` is "refused" when it was certainly not accepted, "unknown" when it may have been: then call
    `Carrier.find` before sending again. The text contains only code and status, since carriers' error texts repeat the
    telephone number.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: int | None = None,
        permanent: bool = False,
        outcome: Literal["refused", "unknown"] = "refused",
    ) -> None:
        super().__init__(f"{reason} (code {code or 'none'}, {outcome})")
        self.code = code
        self.permanent = permanent
        self.outcome = outcome


class Carrier(Protocol):
    """A way to send messages. Implementations keep no state between calls and may be shared between threads."""

    def send(self, outgoing: OutgoingMessage) -> Receipt:
        """Send the message once. Raises CarrierError, and nothing else, on failure."""
        ...

    def find(self, outgoing: OutgoingMessage, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Look for a message whose sending ended in "unknown". None: the carrier does not have it.

        `since` is aware UTC, a time before the first try. `known` are the carrier's ids of our other messages, so that an
        identical text is not mistaken for this one. Raises CarrierError when the carrier cannot be asked.
        """
        ...

    def fetch_status(self, sid: str) -> MessageStatus | None:
        """The status of a message that the carrier accepted; None where the carrier does not know it (any more). Raises
        CarrierError when the carrier cannot be asked."""
        ...
