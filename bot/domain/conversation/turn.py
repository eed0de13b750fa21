"""What goes into a turn of a flow and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.conversation.effects import Effect
from bot.domain.conversation.state import Conversation

SystemTextLookup = Callable[[str, str], str]
"""(key, language) -> a reviewed text that belongs to no flow."""


@dataclass(frozen=True, slots=True)
class TextReceived:
    """The person wrote. A picture or voice note alone comes as empty text; `media` counts them."""

    text: str
    media: int = 0


@dataclass(frozen=True, slots=True)
class FlowStarted:
    """The flow was entered. `words` are what the person wrote; they may answer its first question."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class ServicesFound:
    """The services asked for, best first: (id, card in the person's language). `more`: there are others."""

    services: tuple[tuple[int, str], ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class FlowReturned:
    """The inner flow has ended and this one goes on. `words` are what the person wrote."""

    words: str = ""


@dataclass(frozen=True, slots=True)
class TimeoutReached:
    """The person did not answer in time, or a pause is over."""


@dataclass(frozen=True, slots=True)
class RepeatQuestion:
    """Repeat the open question (after an answer of the safety net, HELP, BACK or another language)."""


TurnInput = TextReceived | FlowStarted | ServicesFound | FlowReturned | TimeoutReached | RepeatQuestion


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


TurnRequest = FindServices | EnterFlow | LeaveFlow


@dataclass(frozen=True, slots=True)
class Turn:
    conversation: Conversation
    effects: tuple[Effect, ...]
    request: TurnRequest | None = None
