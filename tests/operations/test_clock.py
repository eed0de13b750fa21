from __future__ import annotations

from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from bot.operations.clock import DemoClock, SystemClock

WEEK = timedelta(days=7)


def advance_often(path: Path) -> None:
    for _ in range(20):
        DemoClock(path).advance(timedelta(hours=1))


def test_it_gives_aware_utc(tmp_path: Path) -> None:
    for clock in (SystemClock(), DemoClock(tmp_path / "clock")):
        assert clock.now().tzinfo is UTC
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_it_is_pushed_forward_for_every_process_that_reads_the_file(tmp_path: Path) -> None:
    DemoClock(tmp_path / "clock").advance(WEEK)
    assert DemoClock(tmp_path / "clock").offset() == WEEK
    assert DemoClock(tmp_path / "clock").now() - datetime.now(UTC) > WEEK - timedelta(seconds=5)


@pytest.mark.parametrize("step", [timedelta(), -WEEK])
def test_it_never_goes_back(tmp_path: Path, step: timedelta) -> None:
    with pytest.raises(ValueError, match="only goes forward"):
        DemoClock(tmp_path / "clock").advance(step)


def test_it_loses_no_step_when_two_processes_push_at_once(tmp_path: Path) -> None:
    processes = [get_context("spawn").Process(target=advance_often, args=(tmp_path / "clock",)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert DemoClock(tmp_path / "clock").offset() == timedelta(hours=40)


def test_it_says_what_to_do_about_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("soon")
    with pytest.raises(ValueError, match="delete the file"):
        DemoClock(tmp_path / "clock").now()
