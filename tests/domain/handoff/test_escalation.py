from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.handoff.escalation import (
    AlertChannel,
    Candidate,
    HandoffRequirements,
    Tier,
    TierAudience,
    next_tier,
    sort_by_match,
)
from bot.domain.handoff.states import CLAIM_WITHIN, DANGEROUS_URGENCIES
from bot.domain.safety.levels import Urgency

DANA = Candidate(1, on_duty=True, in_team=True, is_supervisor=False, on_call_place=1)
LEE = Candidate(2, on_duty=True, in_team=True, is_supervisor=False, on_call_place=2)
MO = Candidate(3, on_duty=True, in_team=True, is_supervisor=False, on_call_place=3)
SUE = Candidate(4, on_duty=True, in_team=True, is_supervisor=True, on_call_place=9)
HOME = Candidate(5, on_duty=False, in_team=True, is_supervisor=False, on_call_place=99)
BOSS = Candidate(6, on_duty=False, in_team=True, is_supervisor=True, on_call_place=99)
OTHER = Candidate(7, on_duty=True, in_team=False, is_supervisor=False, on_call_place=99)
TEAM = (DANA, LEE, MO, SUE, HOME, BOSS, OTHER)
URGENCIES = st.sampled_from(list(Urgency))
IN_DANGER = st.sampled_from(sorted(DANGEROUS_URGENCIES))
CANDIDATES = st.lists(
    st.builds(
        Candidate, st.integers(1, 30), st.booleans(), st.booleans(), st.booleans(), on_call_place=st.integers(1, 4),
        languages=st.sampled_from([("en",), ("en", "es")]), load=st.integers(0, 6), knows_person=st.booleans(),
    ),
    max_size=9, unique_by=lambda one: one.staff_id,
)  # fmt: skip


def escalate(urgency: Urgency, team: Sequence[Candidate], tiers: int) -> list[Tier]:
    """The first tiers of a handoff that no one answers."""
    called: set[int] = set()
    found = []
    for number in range(1, tiers + 1):
        tier = next_tier(HandoffRequirements(urgency), team, called, number)
        assert tier is not None
        called |= set(tier.staff)
        found.append(tier)
    return found


def test_it_calls_one_worker_another_the_supervisor_and_then_all_staff() -> None:
    tiers = escalate(Urgency.MINUTES, TEAM, 5)
    assert [tier.audience for tier in tiers] == [
        TierAudience.SOCIAL_WORKER,
        TierAudience.SOCIAL_WORKER,
        TierAudience.SUPERVISOR,
        TierAudience.ALL_STAFF,
        TierAudience.ALL_STAFF,
    ]
    assert [tier.staff for tier in tiers[:3]] == [(1,), (2,), (4,)]
    assert set(tiers[3].staff) == {one.staff_id for one in TEAM}


def test_it_calls_all_on_duty_and_the_supervisors_at_once_when_a_life_is_in_danger() -> None:
    first, second = escalate(Urgency.NOW, TEAM, 2)
    assert set(first.staff) == {1, 2, 3, 4, 6} and AlertChannel.VOICE in first.channels
    assert set(second.staff) == {one.staff_id for one in TEAM}


@pytest.mark.parametrize("urgency", [Urgency.THIS_SHIFT, Urgency.ROUTINE])
def test_it_does_not_wake_staff_at_home_for_what_can_wait(urgency: Urgency) -> None:
    on_duty = {one.staff_id for one in TEAM if one.on_duty}
    assert all(set(tier.staff) <= on_duty for tier in escalate(urgency, TEAM, 12))


@pytest.mark.parametrize("urgency", [Urgency.THIS_SHIFT, Urgency.ROUTINE])
def test_it_rests_when_no_one_is_on_duty_and_it_can_wait(urgency: Urgency) -> None:
    assert next_tier(HandoffRequirements(urgency), (HOME, BOSS), (), 1) is None


@pytest.mark.parametrize("urgency", sorted(DANGEROUS_URGENCIES))
def test_it_wakes_the_supervisor_at_home_in_danger(urgency: Urgency) -> None:
    tier = next_tier(HandoffRequirements(urgency), (HOME, BOSS), (), 1)
    assert tier is not None and 6 in tier.staff


@pytest.mark.parametrize("urgency", sorted(DANGEROUS_URGENCIES))
def test_it_keeps_looking_where_there_is_no_staff_at_all(urgency: Urgency) -> None:
    tier = next_tier(HandoffRequirements(urgency), (), (), 1)
    assert tier is not None and tier.staff == () and tier.duration <= timedelta(minutes=5)


@pytest.mark.parametrize("urgency", list(Urgency))
def test_it_escalates_no_later_than_was_promised(urgency: Urgency) -> None:
    assert escalate(urgency, TEAM, 1)[0].duration <= CLAIM_WITHIN[urgency]


@pytest.mark.parametrize("urgency", list(Urgency))
def test_it_slows_down_after_many_tiers_and_never_stops(urgency: Urgency) -> None:
    tiers = escalate(urgency, TEAM, 60)
    assert tiers[-1].duration == 3 * tiers[0].duration and tiers[-1].staff
    assert tiers[6].duration == tiers[0].duration


def test_it_calls_by_telephone_only_when_a_life_is_in_danger_and_for_supervisors_in_danger() -> None:
    rings = {urgency: [AlertChannel.VOICE in tier.channels for tier in escalate(urgency, TEAM, 4)] for urgency in Urgency}
    assert rings[Urgency.NOW] == [True] * 4
    assert rings[Urgency.MINUTES] == [False, False, True, True]
    assert not any(any(rings[urgency]) for urgency in (Urgency.QUARTER_HOUR, Urgency.THIS_SHIFT, Urgency.ROUTINE))


@pytest.mark.parametrize(
    ("wanted", "team", "first"),
    [
        (HandoffRequirements(Urgency.MINUTES), (LEE, DANA), 1),
        (HandoffRequirements(Urgency.MINUTES), (DANA, replace(LEE, knows_person=True)), 2),
        (HandoffRequirements(Urgency.MINUTES), (DANA, replace(LEE, knows_person=True, load=4)), 1),
        (HandoffRequirements(Urgency.MINUTES, "es"), (DANA, replace(LEE, languages=("en", "es"))), 2),
        (HandoffRequirements(Urgency.MINUTES, community="bosnian"), (DANA, replace(LEE, communities=("bosnian",))), 2),
        (HandoffRequirements(Urgency.MINUTES, skills=("crisis",)), (DANA, replace(LEE, skills=("crisis",))), 2),
        (HandoffRequirements(Urgency.MINUTES), (replace(DANA, load=4), LEE), 2),
        (HandoffRequirements(Urgency.MINUTES), (replace(DANA, on_call_place=2, load=1), LEE), 2),
        (HandoffRequirements(Urgency.MINUTES), (replace(DANA, on_call_place=2), LEE), 1),
        # Knowing the person counts more than the language; the language more than the community and the skill.
        (HandoffRequirements(Urgency.MINUTES, "es"), (replace(DANA, languages=("es",)), replace(LEE, knows_person=True)), 2),
        (HandoffRequirements(Urgency.MINUTES, "es", "x", ("y",)), (replace(DANA, communities=("x",), skills=("y",)),
                                                     replace(LEE, languages=("es",))), 2),
    ],
)  # fmt: skip
def test_it_puts_first_who_fits_best(wanted: HandoffRequirements, team: tuple[Candidate, ...], first: int) -> None:
    assert sort_by_match(wanted, team)[0].staff_id == first
    tier = next_tier(wanted, team, (), 1)
    assert tier is not None and tier.staff == (first,)


@pytest.mark.parametrize("called", [{1}, {1, 2}])
def test_it_does_not_ask_those_again_who_have_passed(called: Collection[int]) -> None:
    tier = next_tier(HandoffRequirements(Urgency.MINUTES), TEAM, called, 2)
    assert tier is not None and not set(tier.staff) & set(called)


@settings(max_examples=200)
@given(
    urgency=st.sampled_from(sorted(DANGEROUS_URGENCIES)),
    team=CANDIDATES,
    called=st.sets(st.integers(1, 30)),
    number=st.integers(1, 40),
)
def test_it_always_calls_someone_in_danger_if_there_is_any_staff(
    urgency: Urgency, team: list[Candidate], called: set[int], number: int
) -> None:
    tier = next_tier(HandoffRequirements(urgency), team, called, number)
    assert tier is not None
    assert bool(tier.staff) == bool(team)


@settings(max_examples=200)
@given(urgency=URGENCIES, team=CANDIDATES)
def test_it_calls_no_one_twice_before_all_staff_are_called(urgency: Urgency, team: list[Candidate]) -> None:
    called: set[int] = set()
    for number in range(1, 12):
        tier = next_tier(HandoffRequirements(urgency), team, called, number)
        if tier is None or tier.audience is TierAudience.ALL_STAFF:
            return
        assert not called & set(tier.staff)
        called |= set(tier.staff)
    raise AssertionError("the escalation never reaches all staff")


@settings(max_examples=200)
@given(urgency=URGENCIES, team=CANDIDATES, called=st.sets(st.integers(1, 30)), number=st.integers(1, 40))
def test_it_calls_only_known_staff_and_no_one_twice_on_a_tier(
    urgency: Urgency, team: list[Candidate], called: set[int], number: int
) -> None:
    tier = next_tier(HandoffRequirements(urgency), team, called, number)
    if tier is None:
        assert urgency not in DANGEROUS_URGENCIES and not any(one.on_duty for one in team)
        return
    assert set(tier.staff) <= {one.staff_id for one in team} and len(set(tier.staff)) == len(tier.staff)
    assert timedelta(0) < tier.duration <= timedelta(hours=3)
    assert tier.staff or not team


@settings(max_examples=100)
@given(team=CANDIDATES, urgency=IN_DANGER)
def test_it_reaches_all_staff_in_danger_within_six_tiers(urgency: Urgency, team: list[Candidate]) -> None:
    assert {number for tier in escalate(urgency, team, 6) for number in tier.staff} == {one.staff_id for one in team}
