"""A message as the rest of the house sees it, whatever carrier brought it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    """How words reach a person. The same person on two channels is two addresses."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    WEB = "web"
    SIMULATOR = "simulator"
    EMAIL = "email"
    """Staff only: residents are never written to by e-mail."""
    VOICE = "voice"
    """A telephone call that says the words; staff only."""


class Lane(StrEnum):
    """Who goes first when several texts wait to leave; the order of the members is the order of the lanes."""

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
        # A traceback or a log line that holds an Address must not hold the number.
        return f"Address({self.channel.value}, …{self.value[-2:]})"


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or voice note that came along; the URL is the carrier's and is never shown to anybody as it is."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from a person.

    `sid` is the carrier's own id, the key under which it is recorded once.
    `opt_out` is what the carrier says it has answered itself: "STOP", "START", "HELP" or None.
    `received_at` is aware UTC. `to` is our own number or service on that channel.
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
