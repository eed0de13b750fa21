"""The card of an imported service: it fits two segments, has a number or an address, and says only what is known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.directory import cards, places
from bot.domain.directory.ranking import RankedHit, ServiceHit, rank_hits
from bot.domain.messages.segments import fold_for_sms, measure_segments
from bot.usecases.directory.words import read_directory_words

TODAY = date(2026, 11, 23)
HOURS = [{"freq": "WEEKLY", "byday": "MO,TU,WE,TH,FR", "opens_at": "09:00", "closes_at": "17:00"}]
PANTRY: dict[str, Any] = {
    "name": "Food pantry",
    "organization": "St. Ann Parish",
    "phones": [{"number": "(314) 555-0142", "type": "voice"}],
    "addresses": [{"address_1": "12 Main St", "city": "St. Louis", "address_type": "physical"}],
    "schedules": HOURS,
}


def hit(shown: dict[str, Any], number: int = 1, **more: Any) -> ServiceHit:
    fields: dict[str, Any] = {
        "service_id": number, "location_id": number, "needs": ("food",), "languages": (), "latitude": 38.63,
        "longitude": -90.2, "offered": True, "review_by": datetime(2027, 1, 1, tzinfo=UTC), "accepting": None,
    }  # fmt: skip
    return ServiceHit(**{**fields, "shown": shown, **more})


def card(shown: dict[str, Any], language: str = "en", miles: float | None = 3.2, need: str = "food") -> str | None:
    words = read_directory_words().in_language(language)
    return cards.card_of(RankedHit(hit(shown), miles, True), need, language, words, TODAY)


def test_it_says_who_what_number_address_and_hours_in_that_order() -> None:
    assert card(PANTRY) == (
        "St. Ann Parish, Food pantry: 314-555-0142. 12 Main St, St. Louis, about 3 miles away. Mon-Fri 9am-5pm."
    )
    assert card(PANTRY, "es") == (
        "St. Ann Parish, Food pantry (comida): 314-555-0142. 12 Main St, St. Louis, a unas 3 millas. lun-vie 9am-5pm."
    )


def test_it_makes_no_card_of_what_can_neither_be_called_nor_visited() -> None:
    fax = [{"number": "314-555-0143", "type": "fax"}, {"number": "ask the office"}]
    secret = [{"address_1": "Confidential", "city": "St. Louis"}, {"address_1": "PO Box 3", "address_type": "postal"}]
    assert card({**PANTRY, "phones": fax, "addresses": secret}) is None


def test_it_says_no_distance_where_the_place_is_secret() -> None:
    said = card({**PANTRY, "addresses": [{"address_1": "St. Louis", "city": "St. Louis"}]})
    assert said == "St. Ann Parish, Food pantry: 314-555-0142. Mon-Fri 9am-5pm."


def test_it_says_to_call_first_where_hours_are_not_known_or_may_have_changed() -> None:
    assert (card({**PANTRY, "schedules": []}) or "").endswith("about 3 miles away. Call first.")
    assert (card({**PANTRY, "alert": "Closed for repairs"}, "es") or "").endswith("lun-vie 9am-5pm. Llame antes.")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("+1 (314) 555-0142 x7", "314-555-0142 ext. 7"), ("211", "211"), ("741741", "741741"), ("988", "988"),
        ("1-800-555-HELP", "800-555-4357"), ("+44 20 7946 0018", "+44 20 7946 0018"), ("12", ""), ("555", "555"),
        ("call us", ""), ("1234567890123456789", ""), ("9-8-8", "988"), ("988, 1", ""), ("988 #1", ""), ("988 (1)", ""),
        ("211/311", ""), ("555-0142", ""), ("5550142", ""), ("1-900-555-0142", ""), ("000-000-0000", ""),
    ],
)  # fmt: skip
def test_it_writes_numbers_as_people_read_them(written: str, read: str) -> None:
    assert cards.phone_of({"phones": [{"number": written}]}) == read


def test_it_sends_reviewed_words_as_they_are() -> None:
    reviewed = {**PANTRY, "cards": {"en": "Ours: 211", "es": "El nuestro: 211"}}
    assert (card(reviewed), card(reviewed, "es"), card(reviewed, "bs")) == ("Ours: 211", "El nuestro: 211", "Ours: 211")


@given(
    name=st.text(min_size=1, max_size=300),
    organization=st.text(max_size=300),
    street=st.text(max_size=200),
    language=st.sampled_from(["en", "es"]),
)
def test_it_never_needs_more_than_two_segments(name: str, organization: str, street: str, language: str) -> None:
    shown = {**PANTRY, "name": name, "organization": organization, "addresses": [{"address_1": f"1 {street}"}]}
    said = card(shown, language)
    assert said is not None and "314-555-0142" in said and "\n" not in said
    assert measure_segments(fold_for_sms(said)).segments <= 2


def test_it_measures_miles_on_a_globe() -> None:
    # St. Louis to Kansas City, St. Louis to Chicago, and across the date line.
    assert places.miles_between(38.627, -90.199, 39.099, -94.578) == pytest.approx(237.6, rel=0.01)
    assert places.miles_between(38.627, -90.199, 41.878, -87.63) == pytest.approx(262, rel=0.01)
    assert places.miles_between(0, 179.9, 0, -179.9) == pytest.approx(13.8, rel=0.01)


def test_it_knows_where_a_zip_is() -> None:
    place = places.find_zip("63101-1234")
    assert place is not None and (place.state, place.zone) == ("MO", "America/Chicago")
    assert [places.find_zip(word) for word in ("00000", "", "6310", "abcde", "٦٣١٠١", "09001")] == [None] * 6


def test_it_puts_an_open_place_before_a_closed_one_that_is_nearer() -> None:
    here = (38.63, -90.2)
    near_closed = hit({"name": "a"}, 1, latitude=38.64)
    far_open = hit({"name": "b"}, 2, latitude=38.69)
    speaks = hit({"name": "c"}, 3, latitude=38.70, languages=("es",))

    def order(language: str) -> list[int]:
        found = rank_hits([near_closed, far_open, speaks], here, language, lambda one: one.service_id != 1)
        return [one.hit.service_id for one in found]

    assert order("en") == [2, 3, 1] and order("es") == [3, 2, 1]


def test_it_lists_a_service_once_at_its_best_place_and_looks_up_few_hours() -> None:
    places_of_two = [hit({"name": "x"}, number % 2, latitude=38.63 + number / 100) for number in range(50)]
    asked: list[ServiceHit] = []

    def is_open(one: ServiceHit) -> bool:
        asked.append(one)
        return True

    found = rank_hits(places_of_two, (38.63, -90.2), "en", is_open)
    assert next(found).hit.latitude == 38.63 and len(asked) == 1
    assert len(list(found)) == 1
