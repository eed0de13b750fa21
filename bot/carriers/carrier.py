"""What every carrier does, and the words in which it says how it went."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from bot.domain.delivery import State
from bot.domain.message import Address, Lane


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for one person, as the outbox hands it over.

    `message_id` is the outbox row. `status_callback` is the public address for the carrier's reports (""
    for none). `sender` is one of our numbers where the text must come from that one, else None and the
    carrier chooses. `validity_seconds` is how long the text stays true: the carrier must not send it later;
    None leaves it open.
    """

    message_id: int
    to: Address
    body: str
    lane: Lane
    status_callback: str = ""
    sender: str | None = None
    validity_seconds: int | None = None

    def __repr__(self) -> str:
        # Tracebacks and log lines hold the row's number, never the person's words or telephone number.
        channel, lane = self.to.channel.value, self.lane.value
        return f"Outgoing({self.message_id}, {channel}, {lane}, {len(self.body)} characters)"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The carrier has the message: its id there, the state it was in, and the parts that it is charged as."""

    sid: str
    state: State
    segments: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the carrier says of a message that it has; `state` is None for a word that we do not know."""

    state: State | None
    error_code: int | None = None


class CarrierError(Exception):
    """The carrier did not take a message, or it is not known whether it did.

    `code` is the carrier's own error code, None where it gave none. `permanent` is True when sending the
    same message again cannot help. `outcome` is "refused" when it was surely not taken, "unknown" when it
    may have been: then `Carrier.find` must be asked before it is sent again. The text names code and status
    only, since a carrier's own words repeat the telephone number.
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
    """A way for words to reach a person. Implementations keep nothing between two calls and may be shared."""

    def send(self, outgoing: Outgoing) -> Receipt:
        """Hand the message over once. It raises CarrierError, and nothing else, when that went wrong."""
        ...

    def find(self, outgoing: Outgoing, since: datetime, known: Collection[str] = ()) -> Receipt | None:
        """Look for a message whose handing over ended in "unknown". None: the carrier does not have it.

        `since` is aware UTC, a time before the first try. `known` are the carrier's ids of our other
        messages, so that an equal text sent twice is not taken for this one. CarrierError when the carrier
        cannot be asked.
        """
        ...

    def look(self, sid: str) -> Seen | None:
        """What became of a message that the carrier took; None where it does not know it (any more). CarrierError when
        the carrier cannot be asked."""
        ...
