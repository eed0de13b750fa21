from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.messages.delivery import (
    FINAL_STATES,
    KNOWN_CODES,
    AddressProblem,
    DeliveryState,
    Reaction,
    rank,
    retry_delay,
    rule_for,
)
from bot.domain.messages.message import OutboxLane


def after(*reports: DeliveryState, start: DeliveryState = DeliveryState.CLAIMED) -> DeliveryState:
    state = start
    for report in reports:
        state = report if rank(report) > rank(state) else state
    return state


def test_it_ranks_the_carriers_states_in_the_order_of_a_delivery() -> None:
    journey = [
        DeliveryState.ACCEPTED,
        DeliveryState.QUEUED,
        DeliveryState.SENDING,
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
        DeliveryState.READ,
    ]
    assert sorted(journey, key=rank) == journey
    ends = {
        rank(state)
        for state in (DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.FAILED, DeliveryState.CANCELED)
    }
    assert ends == {rank(DeliveryState.DELIVERED)}


def test_it_has_a_rank_for_each_state() -> None:
    assert all(rank(state) >= 0 for state in DeliveryState)


@pytest.mark.parametrize("reports", list(permutations([DeliveryState.QUEUED, DeliveryState.SENT, DeliveryState.DELIVERED])))
def test_it_ends_as_delivered_whatever_the_order_of_the_reports(reports: tuple[DeliveryState, ...]) -> None:
    assert after(*reports) is DeliveryState.DELIVERED


def test_it_does_not_let_a_late_failure_overwrite_a_delivery() -> None:
    assert after(DeliveryState.DELIVERED, DeliveryState.FAILED) is DeliveryState.DELIVERED
    assert after(DeliveryState.FAILED, DeliveryState.DELIVERED) is DeliveryState.FAILED


def test_it_believes_the_carrier_over_our_own_conclusions() -> None:
    for ours in (DeliveryState.UNKNOWN, DeliveryState.ANSWERED, DeliveryState.DROPPED):
        assert after(DeliveryState.DELIVERED, start=ours) is DeliveryState.DELIVERED


@given(st.lists(st.sampled_from(DeliveryState)))
def test_it_never_leaves_an_end_except_upwards(reports: list[DeliveryState]) -> None:
    state = after(*reports)
    assert rank(state) == max(rank(report) for report in [DeliveryState.CLAIMED, *reports])
    assert state not in FINAL_STATES or rank(DeliveryState.SENT) <= rank(state) or state is DeliveryState.DROPPED


# fmt: off
CODES_OF_THE_FIELD = (
    20003, 20429, 21211, 21212, 21606, 21408, 21608, 21610, 21611, 21612, 21614, 21635, 21617,
    30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008, 30022, 30023, 30027, 30032, 30034, 30036,
    30450, 30610, 30640, 35114, 35115, 35117, 35125, 63003, 63016, 63017, 63018,
    11200, 11205, 11751, 12100, 12200,
)
# fmt: on
FROM_MEMORY = {21617, 30002, 30004, 30027, 30032, 30036, 11205}


@pytest.mark.parametrize("code", CODES_OF_THE_FIELD)
def test_it_has_a_rule_for_each_code_of_the_field(code: int) -> None:
    assert code in KNOWN_CODES
    assert rule_for(code).checked is (code not in FROM_MEMORY)


@pytest.mark.parametrize(
    ("code", "mark"),
    [
        (21610, AddressProblem.OPTED_OUT),
        (21211, AddressProblem.INVALID),
        (30005, AddressProblem.REASSIGNED),
        (21614, AddressProblem.NO_TEXTS),
        (30006, AddressProblem.NO_TEXTS),
        (30003, None),
    ],
)
def test_it_marks_the_address_where_an_error_says_something_about_it(code: int, mark: AddressProblem | None) -> None:
    assert rule_for(code).address_problem is mark


@pytest.mark.parametrize("code", [21610, 30003, 30005, 30006, 30007])
def test_it_shows_the_social_worker_that_a_text_did_not_arrive(code: int) -> None:
    assert rule_for(code).must_alert_staff(OutboxLane.REPLY)


@pytest.mark.parametrize("code", [21610, 21211, 30004, 30005, 30007, 30450])
def test_it_never_sends_again_what_was_refused_for_good(code: int) -> None:
    for lane in OutboxLane:
        assert retry_delay(rule_for(code).reaction_in(lane), 1, lane) is None


def test_it_does_not_retry_an_unknown_code_but_tells_the_operator() -> None:
    rule = rule_for(99999)
    assert rule.reaction is Reaction.DROP
    assert (rule.page_operator, rule.alert_staff, rule.checked) == (True, True, False)


def test_it_retries_when_the_carrier_was_not_reached_at_all() -> None:
    assert rule_for(None).reaction is Reaction.RETRY_SOON


@pytest.mark.parametrize("code", [20003, 21212, 21606, 30002, 30034])
def test_it_drops_no_message_because_our_own_settings_are_wrong(code: int) -> None:
    rule = rule_for(code)
    assert rule.page_operator
    waits = [retry_delay(rule.reaction, attempt, OutboxLane.REPLY) for attempt in range(1, 49)]
    assert sum((wait or timedelta() for wait in waits), timedelta()) >= timedelta(hours=4)


@pytest.mark.parametrize("code", [21611, 30023, 30027])
def test_it_sends_a_crisis_text_by_another_sender_when_ours_is_full(code: int) -> None:
    assert rule_for(code).reaction_in(OutboxLane.CRISIS) is Reaction.OTHER_SENDER
    assert rule_for(code).reaction_in(OutboxLane.BULK) is not Reaction.OTHER_SENDER
    assert rule_for(code).slow_bulk


@pytest.mark.parametrize("code", sorted(KNOWN_CODES | {99999}))
def test_it_alerts_a_human_in_a_crisis_unless_the_text_is_sent_again_within_seconds(code: int) -> None:
    rule = rule_for(code)
    again = retry_delay(rule.reaction_in(OutboxLane.CRISIS), 1, OutboxLane.CRISIS)
    assert rule.must_alert_staff(OutboxLane.CRISIS) or (again is not None and again <= timedelta(seconds=5))


def test_it_waits_longer_each_time_up_to_a_bound_and_then_stops() -> None:
    waits = [retry_delay(Reaction.RETRY_SOON, attempt, OutboxLane.REPLY) for attempt in range(1, 14)]
    assert [wait.total_seconds() for wait in waits[:4] if wait] == [2, 4, 8, 16]
    assert max(wait for wait in waits if wait) == timedelta(minutes=2)
    assert waits[-1] is None


@pytest.mark.parametrize("reaction", [Reaction.RETRY_SOON, Reaction.RETRY_HOURS, Reaction.HOLD])
def test_it_lets_a_crisis_text_wait_least(reaction: Reaction) -> None:
    waits = [retry_delay(reaction, 1, lane) or timedelta() for lane in OutboxLane]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]


@given(
    st.sampled_from(Reaction),
    st.integers(min_value=1, max_value=10_000),
    st.sampled_from(OutboxLane),
    st.floats(min_value=0, max_value=1),
)
def test_it_keeps_every_wait_within_bounds(reaction: Reaction, attempt: int, lane: OutboxLane, jitter: float) -> None:
    plain = retry_delay(reaction, attempt, lane)
    wait = retry_delay(reaction, attempt, lane, jitter)
    assert (plain is None) == (wait is None)
    assert attempt <= 48 or wait is None
    if plain is not None and wait is not None:
        assert timedelta(0) < plain <= wait <= plain * 1.5 <= timedelta(hours=36)


@pytest.mark.parametrize(("attempt", "jitter"), [(0, 0.0), (-1, 0.5), (1, 1.5), (1, -0.1)])
def test_it_refuses_impossible_numbers(attempt: int, jitter: float) -> None:
    with pytest.raises(ValueError, match=r"attempt|jitter"):
        retry_delay(Reaction.RETRY_SOON, attempt, OutboxLane.REPLY, jitter)
