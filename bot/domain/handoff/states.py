"""The life cycle of a handoff as a state machine, and how soon it must be claimed at each urgency.

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

from bot.domain.safety.levels import Urgency
from bot.domain.state_machine import NamedTransitions


class HandoffState(StrEnum):
    WAITING = "waiting"
    """No social worker could be alerted yet."""
    ALERTED = "alerted"
    ESCALATED = "escalated"
    """A supervisor or all staff were alerted."""
    CLAIMED = "claimed"
    """A social worker has claimed it and has not written yet."""
    WITH_HUMAN = "with_human"
    HANDED_BACK = "handed_back"
    """The bot speaks again; the social worker has not recorded how it ended."""
    CLOSED = "closed"


_S = HandoffState
UNCLAIMED_STATES: Final = (_S.WAITING, _S.ALERTED, _S.ESCALATED)
HELD_STATES: Final = (_S.CLAIMED, _S.WITH_HUMAN)
_OPEN_STATES: Final = (*UNCLAIMED_STATES, *HELD_STATES, _S.HANDED_BACK)

MOVES: Final = NamedTransitions(
    "handoff",
    list(HandoffState),
    [
        ("alert", (_S.WAITING, _S.ALERTED), _S.ALERTED),
        ("alert", (_S.ESCALATED,), _S.ESCALATED),
        ("escalate", UNCLAIMED_STATES, _S.ESCALATED),
        ("rest", UNCLAIMED_STATES, _S.WAITING),
        ("claim", _OPEN_STATES, _S.CLAIMED),
        ("speak", HELD_STATES, _S.WITH_HUMAN),
        ("release", HELD_STATES, _S.WAITING),
        ("hand_back", HELD_STATES, _S.HANDED_BACK),
        ("reopen", (_S.HANDED_BACK,), _S.WAITING),
        ("close", _OPEN_STATES, _S.CLOSED),
    ],
)

CLAIM_WITHIN: Final[Mapping[Urgency, timedelta]] = {
    Urgency.NOW: timedelta(minutes=2),
    Urgency.MINUTES: timedelta(minutes=5),
    Urgency.QUARTER_HOUR: timedelta(minutes=15),
    Urgency.THIS_SHIFT: timedelta(hours=2),
    Urgency.ROUTINE: timedelta(hours=24),
}
"""How soon a social worker must have claimed it (the city may change the last two)."""

DANGEROUS_URGENCIES: Final = frozenset({Urgency.NOW, Urgency.MINUTES, Urgency.QUARTER_HOUR})
"""For these, staff are woken at night; the others wait until a shift begins."""

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
"""How a handoff may end, by key. `lapsed` is set by Warmline itself for one that no social worker closed."""
LAPSED: Final = "lapsed"
