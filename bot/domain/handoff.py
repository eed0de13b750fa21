"""The life of a handoff as a state machine, and how soon each urgency must be answered.

```
 waiting ---alert---> alerted ---escalate---> escalated
    ^  \\                 |                       |
    |   +-----claim------+--------claim----------+
    |                    v
    |                 claimed ---speak---> with_human
    |  release           |                    |
    +--------------------+--------------------+---hand_back---> handed_back
    ^                                                               |
    +-----------------------------reopen----------------------------+      close leads from each of them to closed
```
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.domain.machine import NamedMoves
from bot.domain.safety.levels import Urgency


class HandoffState(StrEnum):
    WAITING = "waiting"
    """Nobody could be called yet."""
    ALERTED = "alerted"
    ESCALATED = "escalated"
    """A supervisor or everybody was called."""
    CLAIMED = "claimed"
    """Somebody has said "I have it" and has not written yet."""
    WITH_HUMAN = "with_human"
    HANDED_BACK = "handed_back"
    """The bot speaks again; the worker has not written down how it ended."""
    CLOSED = "closed"


_S = HandoffState
UNCLAIMED: Final = (_S.WAITING, _S.ALERTED, _S.ESCALATED)
HELD: Final = (_S.CLAIMED, _S.WITH_HUMAN)
_OPEN: Final = (*UNCLAIMED, *HELD, _S.HANDED_BACK)

MOVES: Final = NamedMoves(
    "handoff",
    list(HandoffState),
    [
        ("alert", (_S.WAITING, _S.ALERTED), _S.ALERTED),
        ("alert", (_S.ESCALATED,), _S.ESCALATED),
        ("escalate", UNCLAIMED, _S.ESCALATED),
        ("rest", UNCLAIMED, _S.WAITING),
        ("claim", _OPEN, _S.CLAIMED),
        ("speak", HELD, _S.WITH_HUMAN),
        ("release", HELD, _S.WAITING),
        ("hand_back", HELD, _S.HANDED_BACK),
        ("reopen", (_S.HANDED_BACK,), _S.WAITING),
        ("close", _OPEN, _S.CLOSED),
    ],
)

ACKNOWLEDGED_WITHIN: Final[Mapping[Urgency, timedelta]] = {
    Urgency.NOW: timedelta(minutes=2),
    Urgency.MINUTES: timedelta(minutes=5),
    Urgency.QUARTER_HOUR: timedelta(minutes=15),
    Urgency.THIS_SHIFT: timedelta(hours=2),
    Urgency.ROUTINE: timedelta(hours=24),
}
"""How soon somebody must have said "I have it" (domain.md 4.3; the last two are the city's to set)."""

DANGEROUS: Final = frozenset({Urgency.NOW, Urgency.MINUTES, Urgency.QUARTER_HOUR})
"""For these people are woken at night; the others rest until a shift begins."""

DISPOSITIONS: Final[Mapping[str, str]] = {
    "resolved": "Need met, nothing more to do",
    "linked": "Linked to a service",
    "safety_plan": "Safety plan made",
    "referred_crisis": "Passed to 988, 911 or an emergency room",
    "no_answer": "Person stopped answering",
    "declined": "Person did not want help",
    "wrong_number": "Wrong number or not the person",
    "duplicate": "Same matter as another handoff",
    "other": "Something else (say what in the note)",
}
"""How a handoff may end, by key; `lapsed` is written by the line itself for one that nobody closed."""
LAPSED: Final = "lapsed"
