"""The life cycle of a referral as a state machine, how it may end, and when its loop is closed.

```
           request              accept               start                  complete
    draft ---------> requested --------> accepted ----------> in_progress -----------> completed
                       |   |                |  ^                  |  ^
                reject |   | hold      hold |  | accept      hold |  | start
                       v   |                v  |                  v  |
                 rejected  +-------------> on_hold (the same state, left and right)

 start leads from requested too, complete and fail (to failed) from requested, accepted, in_progress and on_hold, cancel
 (to cancelled) from these and from draft, retract from every state to entered_in_error. Nothing else leads from rejected,
 completed, cancelled and failed: what an agency has completed cannot be cancelled afterwards.
```

The states are those of the FHIR Task in Gravity's guide for social care, without received and ready.

A referral is closed when the person or the agency has said how it ended. Sending a text does not close it; neither does
"not reached" or a place on a waiting list: a social worker must ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from bot.domain.state_machine import IllegalMove, NamedTransitions


class ReferralState(StrEnum):
    DRAFT = "draft"
    """Neither the person nor the agency knows of it yet."""
    REQUESTED = "requested"
    """The person knows of the service; the outcome is not known yet."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    """A waiting list, or the agency needs to find out more first."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """The agency had begun and then could not help."""
    ENTERED_IN_ERROR = "entered_in_error"


_S = ReferralState
OPEN_STATES: Final = (_S.REQUESTED, _S.ACCEPTED, _S.IN_PROGRESS, _S.ON_HOLD)
"""States whose outcome is not known yet."""

MOVES: Final = NamedTransitions(
    "referral",
    list(ReferralState),
    [
        ("request", (_S.DRAFT,), _S.REQUESTED),
        ("accept", (_S.REQUESTED, _S.ON_HOLD), _S.ACCEPTED),
        ("reject", (_S.REQUESTED,), _S.REJECTED),
        ("start", (_S.REQUESTED, _S.ACCEPTED, _S.ON_HOLD), _S.IN_PROGRESS),
        ("hold", (_S.REQUESTED, _S.ACCEPTED, _S.IN_PROGRESS), _S.ON_HOLD),
        ("complete", OPEN_STATES, _S.COMPLETED),
        ("cancel", (_S.DRAFT, *OPEN_STATES), _S.CANCELLED),
        ("fail", OPEN_STATES, _S.FAILED),
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
"""Labels of the states for staff."""


class ReferralOutcome(StrEnum):
    """How a referral turned out."""

    HELPED = "helped"
    """Enrolled in a program, or given what was needed."""
    NOT_ENROLLED = "not_enrolled"
    WAITLIST = "waitlist"
    COULD_NOT_HELP = "could_not_help"
    NOT_REACHED = "not_reached"
    """Person and agency have not reached each other so far."""
    NO_LONGER_NEEDED = "no_longer_needed"


OUTCOMES: Final[Mapping[str, str]] = {
    ReferralOutcome.HELPED: "Helped",
    ReferralOutcome.NOT_ENROLLED: "Not taken on",
    ReferralOutcome.WAITLIST: "On a waiting list",
    ReferralOutcome.COULD_NOT_HELP: "They could not help",
    ReferralOutcome.NOT_REACHED: "Not reached yet",
    ReferralOutcome.NO_LONGER_NEEDED: "Not needed any more",
}
"""Labels of the outcomes for staff; flows are checked against these keys."""

_CLOSING_MOVES: Final[Mapping[ReferralOutcome, tuple[str, ...]]] = {
    ReferralOutcome.HELPED: ("complete",),
    ReferralOutcome.NOT_ENROLLED: ("complete",),
    # An agency that has accepted can no longer reject; the referral has then failed.
    ReferralOutcome.COULD_NOT_HELP: ("reject", "fail"),
    ReferralOutcome.NO_LONGER_NEEDED: ("cancel",),
}
"""The moves by which an outcome closes the loop; the first that the state allows is made."""

UNMET_OUTCOMES: Final = frozenset({ReferralOutcome.COULD_NOT_HELP, ReferralOutcome.NOT_ENROLLED})
"""The need remains: when an agency reports such an outcome, a social worker must look for other help."""


class Reporter(StrEnum):
    """Who reported the outcome. A social worker passes on what they heard from the person or the agency."""

    PERSON = "person"
    WORKER = "worker"
    AGENCY = "agency"


class AgencyCapacity(StrEnum):
    """Whether an agency can take one more person, as it says."""

    CAPACITY = "capacity"
    NO_CAPACITY = "no_capacity"
    WAITLIST = "waitlist"
    ADDITIONAL_ASSESSMENT = "additional_assessment"


CAPACITIES: Final[Mapping[str, str]] = {
    AgencyCapacity.CAPACITY: "Has room",
    AgencyCapacity.NO_CAPACITY: "Has no room",
    AgencyCapacity.WAITLIST: "Has a waiting list",
    AgencyCapacity.ADDITIONAL_ASSESSMENT: "Must find out more first",
}

EVENTS: Final[Mapping[str, str]] = {
    "requested": "Referred",
    "shared": "A link was made for the agency",
    "told": "Told what became of it",
    "started": "The agency has begun",
    "retracted": "Taken back: written down by mistake",
    **CAPACITIES,
}
"""Labels of the events of a referral, by the kind of the event row."""


def state_after_outcome(state: str, outcome: ReferralOutcome, reporter: Reporter) -> tuple[ReferralState, bool]:
    """The state after an outcome was reported, and whether that closes the loop.

    Where the report changes nothing (still on the waiting list) the state stays. Raises IllegalMove where the referral is
    over, or was never requested.
    """
    if state not in OPEN_STATES:
        raise IllegalMove(f"referral: {reporter} cannot tell {outcome} when {state}")
    here = _S(state)
    if outcome is ReferralOutcome.NOT_REACHED:
        return here, False
    if outcome is ReferralOutcome.WAITLIST:
        return _state_after_move(here, "hold"), False
    move = next(name for name in _CLOSING_MOVES[outcome] if MOVES.allows(here.value, name))
    return _state_after_move(here, move), True


def state_after_capacity(state: str, capacity: AgencyCapacity) -> tuple[ReferralState, ReferralOutcome | None]:
    """The state after an agency reported its capacity, and the outcome that this amounts to, if any.

    Raises IllegalMove where the referral is over, or was never requested.
    """
    if state not in OPEN_STATES:
        raise IllegalMove(f"referral: the agency cannot answer {capacity} when {state}")
    here = _S(state)
    match capacity:
        case AgencyCapacity.CAPACITY:
            return _state_after_move(here, "accept"), None
        case AgencyCapacity.NO_CAPACITY:
            return state_after_outcome(here, ReferralOutcome.COULD_NOT_HELP, Reporter.AGENCY)[
                0
            ], ReferralOutcome.COULD_NOT_HELP
        case AgencyCapacity.WAITLIST:
            return _state_after_move(here, "hold"), ReferralOutcome.WAITLIST
        case AgencyCapacity.ADDITIONAL_ASSESSMENT:
            return _state_after_move(here, "hold"), None


def _state_after_move(here: ReferralState, move: str) -> ReferralState:
    """The state of an open referral after the move; unchanged where it is already there or further along."""
    return _S(MOVES.move(here.value, move)) if MOVES.allows(here.value, move) else here
