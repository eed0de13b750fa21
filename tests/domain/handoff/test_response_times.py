from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.domain.handoff.response_times import HandoffWait, WaitEvent, by_hour, percentile, summarize, waits_of
from bot.domain.safety.levels import Urgency

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def story(*events: tuple[str, float, Urgency | None]) -> list[HandoffWait]:
    return waits_of(7, 70, Urgency.ROUTINE, [WaitEvent(kind, after(minutes), urgency) for kind, minutes, urgency in events])


def test_it_counts_from_the_opening_to_the_first_claim() -> None:
    (wait,) = story(("opened", 0, Urgency.MINUTES), ("called", 0, None), ("claimed", 4, None), ("accepted", 9, None))
    assert wait.duration(after(60)) == timedelta(minutes=4)
    assert wait.is_kept()
    assert not wait.is_missed(after(60))


def test_it_counts_a_claim_one_second_too_late_as_missed() -> None:
    (wait,) = story(("opened", 0, Urgency.NOW), ("claimed", 2 + 1 / 60, None))
    assert wait.is_missed(after(60))
    (just,) = story(("opened", 0, Urgency.NOW), ("claimed", 2, None))
    assert just.is_kept()


def test_it_starts_the_promise_again_when_a_wait_becomes_more_urgent() -> None:
    (wait,) = story(("opened", 0, Urgency.ROUTINE), ("rose", 100, Urgency.NOW), ("claimed", 101, None))
    assert (wait.urgency, wait.limit_at) == (Urgency.NOW, after(102))
    assert wait.is_kept()


def test_it_keeps_the_promise_when_it_rises_without_becoming_more_urgent() -> None:
    (wait,) = story(("opened", 0, Urgency.NOW), ("rose", 1, Urgency.NOW))
    assert wait.limit_at == after(2)


def test_it_counts_a_second_wait_when_the_owner_gave_it_back() -> None:
    first, second = story(
        ("opened", 0, Urgency.MINUTES),
        ("claimed", 1, None),
        ("released", 30, None),
        ("took_over", 40, None),
        ("closed", 90, None),
    )
    assert first.is_kept()
    assert second.began_at == after(30)
    assert second.is_missed(after(90))


def test_it_never_counts_one_that_was_closed_in_time_without_a_claim() -> None:
    counted = story(("opened", 0, Urgency.MINUTES), ("closed", 3, None))
    figures = summarize(counted, after(60))
    assert (figures.began, figures.counted, figures.share, figures.waiting) == (1, 0, None, 0)


def test_it_says_neither_kept_nor_missed_while_there_is_time() -> None:
    counted = story(("opened", 0, Urgency.MINUTES))
    assert (summarize(counted, after(4)).counted, summarize(counted, after(4)).waiting) == (0, 1)
    assert (summarize(counted, after(6)).missed, summarize(counted, after(6)).share) == (1, 0)


def test_it_rounds_shares_down_so_that_a_hundred_means_all() -> None:
    kept = [story(("opened", 0, Urgency.MINUTES), ("claimed", 1, None))[0]] * 399
    missed = story(("opened", 0, Urgency.MINUTES), ("claimed", 6, None))
    assert summarize([*kept, *missed], after(9)).share == 99
    assert summarize(kept, after(9)).share == 100


def test_it_ranks_to_a_time_that_really_happened() -> None:
    times = [timedelta(minutes=number) for number in range(1, 11)]
    assert (percentile(times, 50), percentile(times, 90), percentile([], 50)) == (
        timedelta(minutes=5),
        timedelta(minutes=9),
        None,
    )
    assert percentile(times[:1], 90) == timedelta(minutes=1)


def test_it_sorts_waits_into_the_hours_of_the_clock() -> None:
    counted = [*story(("opened", -70, Urgency.MINUTES), ("claimed", -60, None)), *story(("opened", 5, Urgency.MINUTES))]
    hours = by_hour(counted, after(20))
    assert [hour.began for hour in hours[-3:]] == [1, 0, 1]
    assert len(hours) == 24
    assert (hours[-1].start, hours[-1].longest, hours[-1].waiting) == (NOON, timedelta(minutes=15), 1)
    assert hours[-3].median == timedelta(minutes=10)
