"""The life of a referral: its moves are those of the table, and only a known outcome closes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.referrals import (
    CAPACITIES,
    EVENTS,
    MOVES,
    OPEN_STATES,
    OUTCOMES,
    STATES,
    UNMET_OUTCOMES,
    AgencyCapacity,
    ReferralOutcome,
    ReferralState,
    Reporter,
    state_after_capacity,
    state_after_outcome,
)
from bot.domain.state_machine import IllegalMove

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
STORIES = st.lists(st.sampled_from([*ReferralOutcome, *AgencyCapacity, "accept", "start"]), max_size=8)


@pytest.mark.parametrize(("move", "state", "to"), [cell for cell in CELLS if cell[2] is not None])
def test_it_moves_as_in_the_table(move: str, state: ReferralState, to: ReferralState) -> None:
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
        (Q, ReferralOutcome.HELPED, C, True),
        (P, ReferralOutcome.HELPED, C, True),
        (H, ReferralOutcome.HELPED, C, True),
        (A, ReferralOutcome.NOT_ENROLLED, C, True),
        (Q, ReferralOutcome.COULD_NOT_HELP, R, True),
        (A, ReferralOutcome.COULD_NOT_HELP, F, True),
        (H, ReferralOutcome.COULD_NOT_HELP, F, True),
        (P, ReferralOutcome.NO_LONGER_NEEDED, X, True),
        (Q, ReferralOutcome.WAITLIST, H, False),
        (H, ReferralOutcome.WAITLIST, H, False),
        (Q, ReferralOutcome.NOT_REACHED, Q, False),
        (A, ReferralOutcome.NOT_REACHED, A, False),
    ],
)
def test_it_leads_where_the_outcome_says(
    state: ReferralState, outcome: ReferralOutcome, after: ReferralState, closed: bool
) -> None:  # fmt: skip
    for by in Reporter:
        assert state_after_outcome(state, outcome, by) == (after, closed)


@pytest.mark.parametrize("state", [state for state in ReferralState if state not in OPEN_STATES])
def test_it_takes_no_answer_about_a_referral_that_is_over(state: ReferralState) -> None:
    for outcome in ReferralOutcome:
        with pytest.raises(IllegalMove):
            state_after_outcome(state, outcome, Reporter.PERSON)
    for capacity in AgencyCapacity:
        with pytest.raises(IllegalMove):
            state_after_capacity(state, capacity)


@pytest.mark.parametrize(
    ("state", "capacity", "after", "outcome"),
    [
        (Q, AgencyCapacity.CAPACITY, A, None),
        (H, AgencyCapacity.CAPACITY, A, None),
        (P, AgencyCapacity.CAPACITY, P, None),
        (Q, AgencyCapacity.NO_CAPACITY, R, ReferralOutcome.COULD_NOT_HELP),
        (P, AgencyCapacity.NO_CAPACITY, F, ReferralOutcome.COULD_NOT_HELP),
        (Q, AgencyCapacity.WAITLIST, H, ReferralOutcome.WAITLIST),
        (A, AgencyCapacity.ADDITIONAL_ASSESSMENT, H, None),
        (H, AgencyCapacity.ADDITIONAL_ASSESSMENT, H, None),
    ],
)
def test_it_accepts_what_an_agency_reports(
    state: ReferralState, capacity: AgencyCapacity, after: ReferralState, outcome: ReferralOutcome | None
) -> None:
    assert state_after_capacity(state, capacity) == (after, outcome)


@given(STORIES, st.sampled_from(list(Reporter)))
def test_it_is_closed_only_with_an_outcome_that_is_known(story: list[str], by: Reporter) -> None:
    state, outcome, closed = ReferralState.REQUESTED, None, False
    for said in story:
        try:
            if said in [*ReferralOutcome]:
                state, closed = state_after_outcome(state, ReferralOutcome(said), by)
                outcome = ReferralOutcome(said)
            elif said in [*AgencyCapacity]:
                state, known = state_after_capacity(state, AgencyCapacity(said))
                outcome, closed = known or outcome, state not in OPEN_STATES
            else:
                state = ReferralState(MOVES.move(state.value, said))
        except IllegalMove:
            continue
    assert closed == (state not in OPEN_STATES)
    if closed:
        assert outcome in {ReferralOutcome.HELPED, ReferralOutcome.NO_LONGER_NEEDED, *UNMET_OUTCOMES}


def test_it_has_a_word_for_everything() -> None:
    assert list(OUTCOMES) == list(ReferralOutcome) and list(STATES) == list(ReferralState)
    assert list(CAPACITIES) == list(AgencyCapacity) and {*CAPACITIES} < {*EVENTS}
