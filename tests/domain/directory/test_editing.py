"""What staff enter about a service: it is read, or each wrong field is named with what to do about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.domain.directory import phone_lines, week_hours
from bot.domain.directory.editing import (
    Freshness,
    ServiceForm,
    ServiceFormFacts,
    form_of,
    freshness_of,
    merge,
    offered_until,
    read,
)
from bot.domain.directory.schedules import is_open

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 11, 23, 18, tzinfo=UTC)
KNOWN = ServiceFormFacts(needs=("food", "rent"))
PANTRY = ServiceForm(
    name="Harbor Pantry",
    phones="314-555-0142 ext. 3 (intake)\n211",
    street="1 Main St",
    city="St. Louis",
    state="MO",
    zip="63101",
    needs=("food",),
    languages="English, Spanish",
    hours=("9am-5pm", "9am-5pm", "closed", "9am-12pm, 1pm-5pm", "", "", ""),
)


def problems(**fields: object) -> dict[str, str]:
    return read(replace(PANTRY, **fields), KNOWN)[1]  # type: ignore[arg-type]


def test_it_reads_a_whole_form() -> None:
    values, wrong = read(PANTRY, KNOWN)
    assert wrong == {}
    assert values["phones"][0] == {"number": "314-555-0142", "extension": 3, "description": "intake"}
    assert values["languages"] == ["en", "es"]
    assert values["address"]["postal_code"] == "63101"
    assert values["url"] is None


def test_it_shows_in_the_form_what_it_has_read() -> None:
    values, _ = read(PANTRY, KNOWN)
    shown = form_of(values, values["address"], ("en", "es"))
    assert read(shown, KNOWN) == (values, {})


def test_it_reads_hours_that_the_search_understands() -> None:
    values, _ = read(PANTRY, KNOWN)
    assert is_open(values["schedules"], NOON, CHICAGO) is True
    assert is_open(values["schedules"], NOON + timedelta(days=2), CHICAGO) is False


@pytest.mark.parametrize("typed", ["9-5", "5pm-9am, noon-25", "morning", "9am-9am", "9am-12pm, 11am-5pm", "8am-7am"])
def test_it_refuses_hours_that_cannot_be_meant(typed: str) -> None:
    assert set(problems(hours=(typed, *week_hours.EMPTY_WEEK[1:]))) == {"hours-0"}


def test_it_says_that_a_closing_is_before_the_opening() -> None:
    assert "closes before it opens" in problems(hours=("", "5pm-9:30", *week_hours.EMPTY_WEEK[2:])).get("hours-1", "")


@pytest.mark.parametrize(("typed", "said"), [("8pm-7am", "8pm-7am"), ("24h", "24 hours"), ("9:30 to 17", "9:30am-5pm")])
def test_it_takes_a_night_and_a_whole_day(typed: str, said: str) -> None:
    assert week_hours.week_of(week_hours.schedules_of([week_hours.read_day(typed), *[[]] * 6])) == (
        said,
        *week_hours.EMPTY_WEEK[1:],
    )


@pytest.mark.parametrize(
    "more", [{"interval": 2}, {"valid_to": "2026-12-01"}, {"byday": "1MO"}, {"freq": "MONTHLY"}, {"opens_at": None}]
)
def test_it_does_not_reduce_to_a_week_what_a_week_cannot_express(more: dict[str, object]) -> None:
    row = {"freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "17:00"}
    assert week_hours.week_of([row]) is not None
    assert week_hours.week_of([{**row, **more}]) is None


@pytest.mark.parametrize("typed", ["314-555", "call us", "314-555-0142 or 314-555-0143", "555-0142", "31455501429999999"])
def test_it_refuses_a_telephone_that_cannot_be_read(typed: str) -> None:
    found = problems(phones=f"211\n{typed}")
    assert set(found) == {"phones"}
    assert found["phones"].startswith("Line 2 ")


def test_it_keeps_the_details_of_an_imported_number_that_the_form_does_not_show() -> None:
    row = {"id": "p1", "number": "(314) 555-0142", "languages": [{"code": "es"}]}
    assert phone_lines.read(phone_lines.format_line(row), [row]) == ([row], "")


def test_it_requires_some_way_to_reach_the_service() -> None:
    assert "phones" in problems(phones="", street="", city="", state="", zip="")
    assert problems(phones="", street="", city="", state="", zip="", url="https://example.org/help") == {}
    assert problems(phones="", street="", city="", state="", zip="", status="defunct") == {}


def test_it_does_not_take_a_fax_for_a_way_to_be_reached() -> None:
    assert "phones" in problems(phones="314-555-0142 (fax)", street="", city="", state="", zip="")


def test_it_measures_a_card_after_the_accents_are_folded() -> None:
    assert problems(cards=(("en", "Food: 211"), ("es", "á" * 300))) == {}
    assert "3 segments" in problems(cards=(("en", "a" * 307),))["card-en"]
    assert "card-en" in problems(cards=(("es", "Comida: 211"),))


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""),
        ("name", "n" * 201),
        ("url", "javascript:alert(1)"),
        ("email", "nobody"),
        ("languages", "Klingonish"),
        ("zips", "631, St. Louis"),
        ("zip", "00000"),
        ("city", ""),
        ("status", "gone fishing"),
    ],
)
def test_it_says_which_field_is_wrong(field: str, typed: str) -> None:
    assert set(problems(**{field: typed})) == {field}


def test_it_refuses_a_need_that_is_in_no_list() -> None:
    assert "directory/needs.yaml" in problems(needs=("food", "fod"))["needs"]


def test_it_does_not_complain_of_fields_that_were_not_changed() -> None:
    imported = replace(PANTRY, phones="call the desk", email="see website", zip="", city="")
    known = replace(KNOWN, current=imported)
    values, wrong = read(replace(imported, description="Food boxes"), known)
    assert (values, wrong) == ({"description": "Food boxes"}, {})


def test_it_leaves_hours_alone_that_seven_lines_cannot_express() -> None:
    complex_ = replace(PANTRY, hours=week_hours.EMPTY_WEEK)
    assert "schedules" not in read(replace(complex_, name="New"), replace(KNOWN, current=complex_))[0]


def test_it_merges_two_peoples_changes_and_loses_nothing() -> None:
    mine, theirs = replace(PANTRY, name="Mine", url="mine.org"), replace(PANTRY, name="Theirs", email="a@b.org")
    merged = merge(PANTRY, mine, theirs)
    assert (merged.typed.name, merged.typed.url, merged.typed.email) == ("Mine", "mine.org", "a@b.org")
    assert set(merged.changed) == {"name", "email"}
    assert merged.clashes == {"name": "Theirs"}


def test_it_keeps_everything_typed_where_the_earlier_value_is_unknown() -> None:
    merged = merge(None, replace(PANTRY, name="Mine"), PANTRY)
    assert merged.typed.name == "Mine"
    assert merged.clashes == {"name": "Harbor Pantry"}


def test_it_knows_fresh_from_stale_and_never_and_hidden() -> None:
    later, earlier = NOON + timedelta(days=1), NOON - timedelta(days=1)
    assert freshness_of(True, later, "active", False, NOON) is Freshness.FRESH
    assert freshness_of(True, earlier, "active", False, NOON) is Freshness.STALE
    assert freshness_of(False, later, "active", False, NOON) is Freshness.NEVER
    assert freshness_of(True, later, "defunct", False, NOON) is Freshness.HIDDEN
    assert freshness_of(True, later, "active", True, NOON) is Freshness.HIDDEN


def test_it_counts_a_check_as_valid_to_the_end_of_its_last_day() -> None:
    assert offered_until(date(2026, 11, 23), 1, CHICAGO) == datetime(2026, 11, 25, 6, tzinfo=UTC)
