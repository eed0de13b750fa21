"""What goes into a turn and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.conversation import Conversation
from bot.domain.effects import Effect


@dataclass(frozen=True, slots=True)
class Words:
    """The person wrote. A picture or voice note alone comes as empty text with `media`."""

    text: str
    media: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """The flow was entered. `words` are the person's own, still unused: the first question may be answered by them."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Services that were asked for: (identifier, card in the person's language), best first. `more`: there are others."""

    services: tuple[tuple[int, str], ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """The flow that this one ran has ended."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered in time."""


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """Say the open question once more (after an answer of the safety net, HELP, BACK or another language)."""


Said = Words | Started | Found | Returned | TimedOut | AskedAgain


@dataclass(frozen=True, slots=True)
class FindServices:
    need: str
    near: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class EnterFlow:
    """Enter this flow as the innermost, with the words that may answer its first question."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class LeaveFlow:
    """The innermost flow has ended; go on in the one around it."""

    words: str


Request = FindServices | EnterFlow | LeaveFlow


@dataclass(frozen=True, slots=True)
class Turn:
    conversation: Conversation
    effects: tuple[Effect, ...]
    request: Request | None = None
