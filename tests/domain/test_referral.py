"""The life of a referral: the moves as drawn, and a loop that only a known outcome closes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.machine import IllegalMove
from bot.domain.referral import (
    CAPACITIES,
    EVENTS,
    MOVES,
    OPEN,
    OUTCOMES,
    STATES,
    UNMET,
    Capacity,
    Outcome,
    ReferralState,
    Teller,
    answered,
    told,
)

D, Q, A, R, P, H, C, X, F, E = ReferralState
TABLE = {
    # move      draft requested accepted rejected in_progress on_hold completed cancelled failed in_error
    "request":  (Q, None, None, None, None, None, None, None, None, None),
    "accept":   (None, A, None, None, None, A, None, None, None, None),
    "reject":   (None, R, None, None, None, None, None, None, None, None),
    "start":    (None, P, P, None, None, P, None, None, None, None),
    "hold":     (None, H, H, None, H, None, None, None, None, None),
    "complete": (None, C, C, None, C, C, None, None, None, None),
    "cancel":   (X, X, X, None, X, X, None, None, None, None),
    "fail":     (None, F, F, None, F, F, None, None, None, None),
    "retract":  (E, E, E, E, E, E, E, E, E, None),
}  # fmt: skip
CELLS = [(move, state, to) for move, row in TABLE.items() for state, to in zip(ReferralState, row, strict=True)]
STORIES = st.lists(st.sampled_from([*Outcome, *Capacity, "accept", "start"]), max_size=8)


@pytest.mark.parametrize(("move", "state", "to"), [cell for cell in CELLS if cell[2] is not None])
def test_it_moves_as_drawn(move: str, state: ReferralState, to: ReferralState) -> None:
    assert MOVES.allows(state.value, move)
    assert MOVES.move(state.value, move) == to.value


@pytest.mark.parametrize(("move", "state"), [cell[:2] for cell in CELLS if cell[2] is None])
def test_it_refuses_every_other_move_and_names_it(move: str, state: ReferralState) -> None:
    assert not MOVES.allows(state.value, move)
    with pytest.raises(IllegalMove, match=f"referral: {move} is not possible when {state.value}"):
        MOVES.move(state.value, move)


def test_it_has_the_states_of_the_guide() -> None:
    assert [state.value for state in ReferralState] == [
        "draft", "requested", "accepted", "rejected", "in_progress", "on_hold", "completed", "cancelled", "failed",
        "entered_in_error",
    ]  # fmt: skip


def test_it_cannot_cancel_what_was_completed() -> None:
    with pytest.raises(IllegalMove):
        MOVES.move(C.value, "cancel")


@pytest.mark.parametrize(
    ("state", "outcome", "after", "closed"),
    [
        (Q, Outcome.HELPED, C, True),
        (P, Outcome.HELPED, C, True),
        (H, Outcome.HELPED, C, True),
        (A, Outcome.NOT_ENROLLED, C, True),
        (Q, Outcome.COULD_NOT_HELP, R, True),
        (A, Outcome.COULD_NOT_HELP, F, True),
        (H, Outcome.COULD_NOT_HELP, F, True),
        (P, Outcome.NO_LONGER_NEEDED, X, True),
        (Q, Outcome.WAITLIST, H, False),
        (H, Outcome.WAITLIST, H, False),
        (Q, Outcome.NOT_REACHED, Q, False),
        (A, Outcome.NOT_REACHED, A, False),
    ],
)
def test_it_leads_where_the_outcome_says(
    state: ReferralState, outcome: Outcome, after: ReferralState, closed: bool
) -> None:  # fmt: skip
    for by in Teller:
        assert told(state, outcome, by) == (after, closed)


@pytest.mark.parametrize("state", [state for state in ReferralState if state not in OPEN])
def test_it_hears_nothing_of_what_is_over(state: ReferralState) -> None:
    for outcome in Outcome:
        with pytest.raises(IllegalMove):
            told(state, outcome, Teller.PERSON)
    for capacity in Capacity:
        with pytest.raises(IllegalMove):
            answered(state, capacity)


@pytest.mark.parametrize(
    ("state", "capacity", "after", "outcome"),
    [
        (Q, Capacity.CAPACITY, A, None),
        (H, Capacity.CAPACITY, A, None),
        (P, Capacity.CAPACITY, P, None),
        (Q, Capacity.NO_CAPACITY, R, Outcome.COULD_NOT_HELP),
        (P, Capacity.NO_CAPACITY, F, Outcome.COULD_NOT_HELP),
        (Q, Capacity.WAITLIST, H, Outcome.WAITLIST),
        (A, Capacity.ADDITIONAL_ASSESSMENT, H, None),
        (H, Capacity.ADDITIONAL_ASSESSMENT, H, None),
    ],
)
def test_it_takes_an_agency_at_its_word(
    state: ReferralState, capacity: Capacity, after: ReferralState, outcome: Outcome | None
) -> None:
    assert answered(state, capacity) == (after, outcome)


@given(STORIES, st.sampled_from(list(Teller)))
def test_it_is_closed_only_with_an_outcome_that_is_known(story: list[str], by: Teller) -> None:
    state, outcome, closed = ReferralState.REQUESTED, None, False
    for said in story:
        try:
            if said in [*Outcome]:
                state, closed = told(state, Outcome(said), by)
                outcome = Outcome(said)
            elif said in [*Capacity]:
                state, known = answered(state, Capacity(said))
                outcome, closed = known or outcome, state not in OPEN
            else:
                state = ReferralState(MOVES.move(state.value, said))
        except IllegalMove:
            continue
    assert closed == (state not in OPEN)
    if closed:
        assert outcome in {Outcome.HELPED, Outcome.NO_LONGER_NEEDED, *UNMET}


def test_it_has_a_word_for_everything() -> None:
    assert list(OUTCOMES) == list(Outcome) and list(STATES) == list(ReferralState)
    assert list(CAPACITIES) == list(Capacity) and {*CAPACITIES} < {*EVENTS}
