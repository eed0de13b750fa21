"""Messages as the rest of the system sees them, whatever the carrier."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    """How a text reaches a person. The same person on two channels has two addresses."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    WEB = "web"
    SIMULATOR = "simulator"
    EMAIL = "email"
    """Staff only: residents are never sent e-mail."""
    VOICE = "voice"
    """A telephone call that speaks the text; staff only."""


class OutboxLane(StrEnum):
    """Priority of queued texts; the order of the members is the order of sending."""

    CRISIS = "crisis"
    REPLY = "reply"
    FOLLOW_UP = "follow_up"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person is reached: E.164 for telephones, an opaque random id for the web and the simulator."""

    channel: Channel
    value: str

    def __str__(self) -> str:
        return f"{self.channel.value}:{self.value}"

    def __repr__(self) -> str:
        # Keeps the number out of tracebacks and logs.
        return f"Address({self.channel.value}, …{self.value[-2:]})"


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or voice note of a message. The URL is the carrier's and is never shown as it is."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a person.

    `sid` is the carrier's id; a message is recorded once per sid.
    `opt_out` is the keyword that the carrier has answered itself: "STOP", "START", "HELP" or None.
    `received_at` is aware UTC. `to` is Warmline's number or service on that channel.
    """

    sid: str
    sender: Address
    to: str
    body: str
    received_at: datetime
    media: tuple[Media, ...] = ()
    opt_out: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Inbound({self.sid}, {len(self.body)} characters, {len(self.media)} media)"
