from __future__ import annotations

import pytest

from bot.domain.handoff.states import CLAIM_WITHIN, DANGEROUS_URGENCIES, HELD_STATES, MOVES, UNCLAIMED_STATES, HandoffState
from bot.domain.safety.levels import Urgency
from bot.domain.state_machine import IllegalMove

W, A, E, C, H, B, X = (
    HandoffState.WAITING, HandoffState.ALERTED, HandoffState.ESCALATED, HandoffState.CLAIMED, HandoffState.WITH_HUMAN,
    HandoffState.HANDED_BACK, HandoffState.CLOSED,
)  # fmt: skip
ALL = (W, A, E, C, H, B, X)
TABLE = {
    # move         waiting alerted escalated claimed with_human handed_back closed
    "alert":      (A, A, E, None, None, None, None),
    "escalate":   (E, E, E, None, None, None, None),
    "rest":       (W, W, W, None, None, None, None),
    "claim":      (C, C, C, C, C, C, None),
    "speak":      (None, None, None, H, H, None, None),
    "release":    (None, None, None, W, W, None, None),
    "hand_back":  (None, None, None, B, B, None, None),
    "reopen":     (None, None, None, None, None, W, None),
    "close":      (X, X, X, X, X, X, None),
}  # fmt: skip
CELLS = [(move, state, to) for move, row in TABLE.items() for state, to in zip(ALL, row, strict=True)]


@pytest.mark.parametrize(("move", "state", "to"), [cell for cell in CELLS if cell[2] is not None])
def test_it_moves_as_in_the_table(move: str, state: HandoffState, to: HandoffState) -> None:
    assert MOVES.allows(state.value, move)
    assert MOVES.move(state.value, move) == to.value


@pytest.mark.parametrize(("move", "state"), [cell[:2] for cell in CELLS if cell[2] is None])
def test_it_refuses_every_other_move_and_names_it(move: str, state: HandoffState) -> None:
    assert not MOVES.allows(state.value, move)
    with pytest.raises(IllegalMove, match=f"handoff: {move} is not possible when {state.value}"):
        MOVES.move(state.value, move)


@pytest.mark.parametrize("move", ["", "open", "to_closed", "CLAIM"])
def test_it_has_no_move_that_is_not_in_the_table(move: str) -> None:
    with pytest.raises(IllegalMove):
        MOVES.move(W.value, move)


def test_it_leads_from_everywhere_to_closed_and_nowhere_from_there() -> None:
    assert [state for state in ALL if not MOVES.allows(state.value, "close")] == [X]
    assert not any(MOVES.allows(X.value, move) for move in TABLE)


def test_it_can_always_be_claimed_until_it_is_closed() -> None:
    assert [state for state in ALL if MOVES.allows(state.value, "claim")] == [W, A, E, C, H, B]


def test_it_counts_every_state_once_as_unclaimed_held_handed_back_or_closed() -> None:
    assert sorted([*UNCLAIMED_STATES, *HELD_STATES, B, X]) == sorted(ALL)


def test_it_promises_a_longer_time_for_each_lower_urgency() -> None:
    limits = [CLAIM_WITHIN[urgency] for urgency in Urgency]
    assert limits == sorted(limits) and len(set(limits)) == len(limits)
    assert list(Urgency)[: len(DANGEROUS_URGENCIES)] == [urgency for urgency in Urgency if urgency in DANGEROUS_URGENCIES]
