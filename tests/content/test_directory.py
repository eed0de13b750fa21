"""The directory that comes with Warmline: what is texted to people must be short, dated and checked."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import Any

import yaml

from bot.domain.messages.segments import fold_for_sms, measure_segments
from tests.paths import ROOT

LANGUAGES = ["en", "es"]
WRITTEN_ON = date(2026, 11, 23)


@cache
def services() -> list[dict[str, Any]]:
    held = yaml.safe_load((ROOT / "directory/st_louis.yaml").read_text("utf-8"))
    rows: list[dict[str, Any]] = held["services"]
    return rows


def test_it_gives_each_service_a_card_of_one_segment_that_holds_its_number() -> None:
    for row in services():
        for language in LANGUAGES:
            card = fold_for_sms(row["card"][language])
            assert (measure_segments(card).encoding, measure_segments(card).segments) == ("GSM-7", 1), row["slug"]
            assert row["phone"] in card, row["slug"]


def test_it_has_a_date_and_a_source_for_every_number_and_each_number_once() -> None:
    slugs = [row["slug"] for row in services()]
    assert len(set(slugs)) == len(slugs)
    for row in services():
        assert row["source"] and row["checked_on"] <= WRITTEN_ON < row["review_by"], row["slug"]
        assert isinstance(row["verified"], bool)


def test_it_holds_back_every_number_that_was_not_seen_at_its_source() -> None:
    held_back = {row["phone"] for row in services() if not row["verified"]}
    assert held_back == {"800-662-4357", "314-469-6644", "800-422-4453", "866-488-7386", "800-392-0210"}
    texts = "".join(path.read_text("utf-8") for path in (ROOT / "flows").rglob("*.yaml"))
    assert not held_back & set(re.findall(r"\d{3}-\d{3}-\d{4}", texts))


def test_it_has_a_checked_service_everywhere_for_every_need_that_a_flow_refers_and_211_last() -> None:
    for need in ("rent", "utilities", "food", "shelter"):
        rows = [row for row in services() if row["verified"] and need in row["needs"] and row["area"] == "everywhere"]
        assert rows[-1]["slug"] == "line_211", need


def test_it_offers_the_cold_weather_rule_for_one_winter_only() -> None:
    rule = next(row for row in services() if row["slug"] == "cold_weather_rule")
    assert rule["review_by"] == date(2027, 3, 31)
