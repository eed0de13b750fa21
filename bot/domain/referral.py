"""The life of a referral as a state machine, how it may end, and when its loop is closed.

```
           request              accept               start                  complete
    draft ---------> requested --------> accepted ----------> in_progress -----------> completed
                       |   |                |  ^                  |  ^
                reject |   | hold      hold |  | accept      hold |  | start
                       v   |                v  |                  v  |
                 rejected  +-------------> on_hold (one and the same, left and right)

 start leads from requested too, complete and fail (to failed) from requested, accepted, in_progress and on_hold, cancel
 (to cancelled) from these and from draft, retract from everywhere to entered_in_error. Nothing else leads from rejected,
 completed, cancelled and failed: what an agency has completed cannot be cancelled afterwards.
```

The states are those of the FHIR Task in Gravity's guide for social care, without received and ready (domain.md 5.5).

A referral is closed when it is known how it ended, from the person or from the agency. A text that was sent closes
nothing; neither does "not reached", nor a place on a waiting list: somebody must ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from bot.domain.machine import IllegalMove, NamedMoves


class ReferralState(StrEnum):
    DRAFT = "draft"
    """Nobody has told the person or the agency of it."""
    REQUESTED = "requested"
    """The person knows of the service; nobody knows yet what came of it."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    """A waiting list, or the agency must find out more first."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """The agency had begun and could not help after all."""
    ENTERED_IN_ERROR = "entered_in_error"


_S = ReferralState
OPEN: Final = (_S.REQUESTED, _S.ACCEPTED, _S.IN_PROGRESS, _S.ON_HOLD)
"""States in which what became of it is still to be learned."""

MOVES: Final = NamedMoves(
    "referral",
    list(ReferralState),
    [
        ("request", (_S.DRAFT,), _S.REQUESTED),
        ("accept", (_S.REQUESTED, _S.ON_HOLD), _S.ACCEPTED),
        ("reject", (_S.REQUESTED,), _S.REJECTED),
        ("start", (_S.REQUESTED, _S.ACCEPTED, _S.ON_HOLD), _S.IN_PROGRESS),
        ("hold", (_S.REQUESTED, _S.ACCEPTED, _S.IN_PROGRESS), _S.ON_HOLD),
        ("complete", OPEN, _S.COMPLETED),
        ("cancel", (_S.DRAFT, *OPEN), _S.CANCELLED),
        ("fail", OPEN, _S.FAILED),
        ("retract", [state for state in ReferralState if state is not _S.ENTERED_IN_ERROR], _S.ENTERED_IN_ERROR),
    ],
)

STATES: Final[Mapping[str, str]] = {
    _S.DRAFT: "Not passed on yet",
    _S.REQUESTED: "Waiting to hear",
    _S.ACCEPTED: "The agency said yes",
    _S.REJECTED: "The agency said no",
    _S.IN_PROGRESS: "The agency has begun",
    _S.ON_HOLD: "Waiting list, or the agency must find out more",
    _S.COMPLETED: "Ended at the agency",
    _S.CANCELLED: "Not needed any more",
    _S.FAILED: "Began, and did not work out",
    _S.ENTERED_IN_ERROR: "Written down by mistake",
}
"""Each state as the staff read it."""


class Outcome(StrEnum):
    """What became of a referral."""

    HELPED = "helped"
    """Enrolled in a programme, or given what was needed."""
    NOT_ENROLLED = "not_enrolled"
    WAITLIST = "waitlist"
    COULD_NOT_HELP = "could_not_help"
    NOT_REACHED = "not_reached"
    """Person and agency have not found each other so far."""
    NO_LONGER_NEEDED = "no_longer_needed"


OUTCOMES: Final[Mapping[str, str]] = {
    Outcome.HELPED: "Helped",
    Outcome.NOT_ENROLLED: "Not taken on",
    Outcome.WAITLIST: "On a waiting list",
    Outcome.COULD_NOT_HELP: "They could not help",
    Outcome.NOT_REACHED: "Not reached yet",
    Outcome.NO_LONGER_NEEDED: "Not needed any more",
}
"""Each outcome as the staff read it; flows are checked against these words."""

_ENDS: Final[Mapping[Outcome, tuple[str, ...]]] = {
    Outcome.HELPED: ("complete",),
    Outcome.NOT_ENROLLED: ("complete",),
    # An agency that has said yes can no longer say no: then it has not worked out.
    Outcome.COULD_NOT_HELP: ("reject", "fail"),
    Outcome.NO_LONGER_NEEDED: ("cancel",),
}
"""Which move an outcome makes that closes the loop: the first that the state allows."""

UNMET: Final = frozenset({Outcome.COULD_NOT_HELP, Outcome.NOT_ENROLLED})
"""The need is as it was: told by an agency, somebody of ours must look for other help."""


class Teller(StrEnum):
    """Who told the outcome. A worker passes on what they heard from the person or from the agency."""

    PERSON = "person"
    WORKER = "worker"
    AGENCY = "agency"


class Capacity(StrEnum):
    """What an agency says of its room for one more."""

    CAPACITY = "capacity"
    NO_CAPACITY = "no_capacity"
    WAITLIST = "waitlist"
    ADDITIONAL_ASSESSMENT = "additional_assessment"


CAPACITIES: Final[Mapping[str, str]] = {
    Capacity.CAPACITY: "Has room",
    Capacity.NO_CAPACITY: "Has no room",
    Capacity.WAITLIST: "Has a waiting list",
    Capacity.ADDITIONAL_ASSESSMENT: "Must find out more first",
}

EVENTS: Final[Mapping[str, str]] = {
    "requested": "Referred",
    "shared": "A link was made for the agency",
    "told": "Told what became of it",
    "started": "The agency has begun",
    "retracted": "Taken back: written down by mistake",
    **CAPACITIES,
}
"""What may happen to a referral, by the kind of its event row."""


def told(state: str, outcome: Outcome, by: Teller) -> tuple[ReferralState, bool]:
    """The state after somebody told the outcome, and whether the loop is closed by it.

    Told again what is so already (still on the waiting list) the state stays. Raises IllegalMove where the referral is
    over, or was never passed on.
    """
    if state not in OPEN:
        raise IllegalMove(f"referral: {by} cannot tell {outcome} when {state}")
    here = _S(state)
    if outcome is Outcome.NOT_REACHED:
        return here, False
    if outcome is Outcome.WAITLIST:
        return _moved(here, "hold"), False
    move = next(name for name in _ENDS[outcome] if MOVES.allows(here.value, name))
    return _moved(here, move), True


def answered(state: str, capacity: Capacity) -> tuple[ReferralState, Outcome | None]:
    """The state after an agency told whether it has room, and the outcome that this amounts to, if any.

    Raises IllegalMove where the referral is over, or was never passed on.
    """
    if state not in OPEN:
        raise IllegalMove(f"referral: the agency cannot answer {capacity} when {state}")
    here = _S(state)
    match capacity:
        case Capacity.CAPACITY:
            return _moved(here, "accept"), None
        case Capacity.NO_CAPACITY:
            return told(here, Outcome.COULD_NOT_HELP, Teller.AGENCY)[0], Outcome.COULD_NOT_HELP
        case Capacity.WAITLIST:
            return _moved(here, "hold"), Outcome.WAITLIST
        case Capacity.ADDITIONAL_ASSESSMENT:
            return _moved(here, "hold"), None


def _moved(here: ReferralState, move: str) -> ReferralState:
    """Where an open referral is after the move; where it is already there or further, it stays."""
    return _S(MOVES.move(here.value, move)) if MOVES.allows(here.value, move) else here
