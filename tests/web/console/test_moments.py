"""Moments on the pages, as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date, format_time

from bot.web.console import moments


@pytest.mark.parametrize("key", ["America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_it_says_every_moment_of_a_year_as_babel_does(key: str) -> None:
    zone, at = ZoneInfo(key), datetime(2026, 1, 1, tzinfo=UTC)
    while at.year == 2026:
        day = format_date(at.astimezone(zone), "EEE, MMM d", locale="en_US")
        clock = format_time(at, "short", tzinfo=zone, locale="en_US").replace("\u202f", " ")
        assert (moments.clock(at, zone), moments.moment(at, zone)) == (clock, f"{day}, {clock}")
        at += timedelta(hours=11, minutes=13)


def test_it_says_that_it_never_was() -> None:
    assert moments.moment(None, ZoneInfo("UTC")) == "never"
