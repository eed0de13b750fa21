from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.staff.form import StaffForm, language_names, read, read_languages

ROSA = StaffForm(name="Rosa Ortiz", email="Rosa@Example.org", languages="English, spanish", roles=("social_worker",))


def test_it_reads_values_that_can_be_stored() -> None:
    given, problems = read(ROSA, ["housing"])
    assert problems == {}
    assert (given.called, given.email, given.languages, given.capacity) == ("Rosa", "rosa@example.org", ["en", "es"], 4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 81),
        ("email", "rosa"),
        ("email", "rosa@example"),
        ("email", "a@b.org, c@d.org"),
        ("capacity", "0"),
        ("capacity", "51"),
        ("capacity", "\u0664"),
        ("languages", ""),
        ("languages", "Klingonish"),
        ("roles", ()),
        ("roles", ("emperor",)),
        ("teams", ("gone",)),
    ],
)
def test_it_says_what_is_wrong_beside_the_field(field: str, value: object) -> None:
    _, problems = read(replace(ROSA, **{field: value}), ["housing"])  # type: ignore[arg-type]
    assert list(problems) == [field]


def test_it_knows_languages_by_their_english_names_and_says_them_again() -> None:
    assert read_languages("Bosnian; vi\nBOSNIAN") == (["bs", "vi"], [])
    assert language_names(["en", "bs", "vi"]) == "English, Bosnian, Vietnamese"
