from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.conversation import answers
from bot.domain.conversation.answers import EMPTY_ANSWER, UNREADABLE, ParsedAnswer, Value
from bot.domain.flows.language.script import AnswerKind

MONDAY = date(2026, 11, 23)


def read(kind: AnswerKind, text: str, *, optional: bool = False, today: date = MONDAY, language: str = "en") -> ParsedAnswer:
    return answers.parse_answer(kind, text, language=language, today=today, optional=optional)


@pytest.mark.parametrize("text", ["63118", "its 63118", "63118-1234", "631 18", "St. Louis MO 63118.", "63118, 63118"])
def test_it_finds_the_one_zip(text: str) -> None:
    assert read(AnswerKind.ZIP, text) == ParsedAnswer(True, "63118")


def test_it_takes_a_letter_o_for_a_zero() -> None:
    assert read(AnswerKind.ZIP, "631O1").value == "63101"


@pytest.mark.parametrize("text", ["63118 or 63119", "3145551234", "sixty three", "12,345", "$63118", "00000", "1234"])
def test_it_refuses_what_is_no_single_zip(text: str) -> None:
    assert read(AnswerKind.ZIP, text) == UNREADABLE


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("3", 3), ("three", 3), ("tres", 3), ("treinta y cinco", 35), ("twenty-two", 22), ("$1,200.00", 1200),
        ("just me", 1), ("solo yo", 1), ("I live alone", 1), ("no one", 0),
        ("me and my 2 kids", 3), ("me and my wife", 2), ("yo y mis dos hijos", 3), ("3 kids and me", 4),
        ("2 adults 3 kids", 5), ("there are 4 of us", 4), ("4 including me", 4), ("I have 3 kids", 3),
        ("4 people, 2 adults and 2 kids", 4), ("3 kids ages 4, 6 and 9", 3),
    ],
)  # fmt: skip
def test_it_counts_people_as_they_count_themselves(text: str, count: int) -> None:
    assert read(AnswerKind.NUMBER, text).value == count


@pytest.mark.parametrize("text", ["2 or 3", "2-3", "me and my kids", "-3", "2.5", "5 people, me and 1 kid", "idk", "no"])
def test_it_does_not_guess_a_number(text: str) -> None:
    assert read(AnswerKind.NUMBER, text) == UNREADABLE


@pytest.mark.parametrize(
    "text",
    ["12/3", "12/3/26", "12-3-2026", "2026-12-03", "Dec 3rd", "dec. 3 at 9:30 AM", "3 de diciembre",
     "el 3 de diciembre de 2026",
     "the 3rd of december", "Thursday Dec 3", "in ten days", "December 3, 2026", "12/3 @ 9", "12/3/25"],
)  # fmt: skip
def test_it_reads_the_third_of_december(text: str) -> None:
    assert read(AnswerKind.DATE, text).value == "2026-12-03"


@pytest.mark.parametrize(
    ("text", "ahead"),
    [("mañana", 1), ("manana", 1), ("tomorrow at 9", 1), ("pasado mañana", 2), ("friday", 4), ("next friday", 4),
     ("el próximo viernes", 4), ("in 2 weeks", 14), ("dentro de 3 dias", 3), ("the 5th", 12), ("el 5", 12), ("today", 0),
     ("a week from friday", 11), ("yesterday", -1), ("hace 3 dias", -3), ("next monday", 7)],
)  # fmt: skip
def test_it_counts_days_from_the_today_that_it_is_given(text: str, ahead: int) -> None:
    assert read(AnswerKind.DATE, text).value == (MONDAY + timedelta(days=ahead)).isoformat()


def test_it_takes_a_date_of_last_week_for_missed_and_not_for_next_year() -> None:
    assert read(AnswerKind.DATE, "11/18").value == "2026-11-18"


def test_it_takes_a_date_long_past_for_the_coming_one() -> None:
    assert read(AnswerKind.DATE, "1/5").value == "2027-01-05"


@pytest.mark.parametrize(
    "text", ["no", "NO.", "none", "not yet", "I don't have one", "no tengo", "todavía no", "no, not that I know of"]
)
def test_it_understands_that_there_is_no_date(text: str) -> None:
    assert read(AnswerKind.DATE, text) == EMPTY_ANSWER


@pytest.mark.parametrize(
    "text", ["12/3 or 12/5", "tomorrow or friday", "next week", "2/30", "13/13", "5", "may", "12/3/1980", "not sure",
             "I have been here 2 weeks", "in 2-3 weeks", "I work 9-5", "24/7",
     "my 2nd notice", "no idea", "we sat there so very long"]
)  # fmt: skip
def test_it_asks_again_rather_than_guess_a_date(text: str) -> None:
    assert read(AnswerKind.DATE, text) == UNREADABLE


@pytest.mark.parametrize(("text", "language"), [("3 décembre", "fr"), ("ngày 3 tháng 12", "vi"), ("3 ديسمبر", "ar")])
def test_it_reads_dates_of_other_languages(text: str, language: str) -> None:
    assert read(AnswerKind.DATE, text, language=language).value == "2026-12-03"


@pytest.mark.parametrize(
    "text", ["yes", "Y", "YESSSS", "yes please", "sí", "si", "claro", "1", "👍🏽", "yeah i do", "of course", "Oui"]
)
def test_it_understands_a_yes(text: str) -> None:
    assert read(AnswerKind.YES_NO, text) == ParsedAnswer(True, True)


@pytest.mark.parametrize(
    "text", ["no", "N", "nope", "nooo", "not really", "no thanks", "2", "👎", "claro que no", "i dont", "no i don't"]
)
def test_it_understands_a_no(text: str) -> None:
    assert read(AnswerKind.YES_NO, text) == ParsedAnswer(True, False)


@pytest.mark.parametrize(
    "text",
    ["yes and no", "Yes, I am not safe", "not sure", "no sé", "no one has come", "maybe", "12", "👍👎", "right now"],
)
def test_it_asks_again_where_yes_and_no_are_mixed(text: str) -> None:
    assert read(AnswerKind.YES_NO, text) == UNREADABLE


@pytest.mark.parametrize("text", ["(314) 622-3333", "my number is 314.622.3333", "+13146223333"])
def test_it_writes_telephone_numbers_one_way(text: str) -> None:
    assert read(AnswerKind.PHONE, text).value == "+13146223333"


def test_it_refuses_two_telephone_numbers() -> None:
    assert read(AnswerKind.PHONE, "3146223333 or 3146223334") == UNREADABLE


@pytest.mark.parametrize(
    ("text", "name"),
    [("my name is Ana", "Ana"), ("Soy Ana.", "Ana"), ("me llamo José Luis", "José Luis"), ("Imani", "Imani"),
     ("MARIA DE LA CRUZ", "Maria de la Cruz"), ("o'brien", "O'Brien"), ("Dana McDonald", "Dana McDonald"),
     ("hi, I’m ana", "Ana"), ("call me Mike please", "Mike"), ("AJ", "AJ"), ("이민호", "이민호"),
     ("J.R. Smith", "J.R. Smith")],
)  # fmt: skip
def test_it_keeps_the_name_without_the_words_around_it(text: str, name: str) -> None:
    assert read(AnswerKind.NAME, text).value == name


@pytest.mark.parametrize("text", ["Ana3", "why?", "no", "I'm scared", "ana@example.org", "x" * 80, "...", "a b c d e f g"])
def test_it_takes_no_other_words_for_a_name(text: str) -> None:
    assert read(AnswerKind.NAME, text) == UNREADABLE


@pytest.mark.parametrize(
    ("text", "code"),
    [("Spanish", "es"), ("español por favor", "es"), ("es", "es"), ("inglés", "en"), ("bosanski", "bs"), ("العربية", "ar"),
     ("Tiếng Việt", "vi"), ("I don't speak English, I speak Spanish", "es"), ("dari", "prs"), ("kiswahili", "sw")],
)  # fmt: skip
def test_it_knows_languages_by_their_names(text: str, code: str) -> None:
    assert read(AnswerKind.LANGUAGE, text).value == code


@pytest.mark.parametrize("text", ["english or spanish", "klingon", "2", "I don't speak English"])
def test_it_does_not_guess_a_language(text: str) -> None:
    assert read(AnswerKind.LANGUAGE, text) == UNREADABLE


def test_it_keeps_a_text_that_can_be_stored() -> None:
    assert read(AnswerKind.TEXT, "  a\x00 b\ud800 ").value == "a b"
    assert read(AnswerKind.TEXT, " \x00 ") == UNREADABLE


@pytest.mark.parametrize("text", ["no", "None", "skip", "N/A", "ninguno", "omitir", "no gracias"])
@pytest.mark.parametrize("kind", [kind for kind in AnswerKind if kind is not AnswerKind.YES_NO])
def test_it_lets_an_optional_answer_be_nothing(kind: AnswerKind, text: str) -> None:
    assert read(kind, text, optional=True) == EMPTY_ANSWER


def test_it_keeps_no_as_an_answer_to_an_optional_yes_or_no() -> None:
    assert read(AnswerKind.YES_NO, "no", optional=True) == ParsedAnswer(True, False)
    assert read(AnswerKind.YES_NO, "skip", optional=True) == EMPTY_ANSWER


TYPED = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(
        st.sampled_from(
            [
                "3",
                "12/3",
                "no",
                "yes",
                "me",
                "and",
                "kids",
                "friday",
                "next",
                "week",
                "in",
                "2",
                "dec",
                "mañana",
                "a",
                "from",
                "63118",
                "+",
                "²",
                "٣",
                "👍",
                "my",
                "name",
                "is",
            ]
        ),
        max_size=8,
    ).map(" ".join),
)


@settings(max_examples=300, deadline=None)
@given(TYPED, st.sampled_from(list(AnswerKind)), st.booleans(), st.sampled_from(["en", "es"]))
def test_it_never_fails_and_its_value_can_be_kept(text: str, kind: AnswerKind, optional: bool, language: str) -> None:
    answer = read(kind, text, optional=optional, language=language)
    value: Value = json.loads(json.dumps(answer.value, ensure_ascii=False).encode("utf-8"))
    assert value == answer.value
    assert answer.understood or answer.value is None


@settings(max_examples=200, deadline=None)
@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.sampled_from(["friday", "the 31st", "feb 29", "in 3 months", "1/1"]),
)
def test_it_reads_dates_on_any_day_of_any_year(today: date, text: str) -> None:
    answer = read(AnswerKind.DATE, text, today=today)
    if answer.understood:
        assert date.fromisoformat(str(answer.value)) >= today - timedelta(days=60)
    else:
        assert text == "feb 29"
