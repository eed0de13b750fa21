from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.handoff.relay import StaffCommand, StaffText, read_staff_text, strip_signature
from bot.domain.handoff.states import DISPOSITIONS

OWN = "+13145550121"
WORDS = st.text(alphabet="abc xyz,.!?\n'áñ", max_size=60)
FORMATS = (
    "+13145550121", "13145550121", "3145550121", "314-555-0121", "(314) 555-0121", "314.555.0121", "314 555 0121",
    "1-314-555-0121", "+1 (314) 555-0121", "+1.314.555.0121", "(314)555-0121", "1 (314) 555 0121",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "verb", "handoff"),
    [
        ("1", StaffCommand.TAKE, None), (" 1 ", StaffCommand.TAKE, None), ("1.", StaffCommand.TAKE, None),
        ("1!", StaffCommand.TAKE, None), ("1 48", StaffCommand.TAKE, 48), ("1#48", StaffCommand.TAKE, 48),
        ("1 #48", StaffCommand.TAKE, 48), ("2", StaffCommand.PASS, None), ("2 48.", StaffCommand.PASS, 48),
        ("claim 48", StaffCommand.TAKE, 48), ("Take #48", StaffCommand.TAKE, 48), ("PASS 48", StaffCommand.PASS, 48),
    ],
)  # fmt: skip
def test_it_reads_an_answer_to_an_alert(text: str, verb: StaffCommand, handoff: int | None) -> None:
    assert (read_staff_text(text).command, read_staff_text(text).handoff) == (verb, handoff)


@pytest.mark.parametrize(
    "text",
    [
        "1 or 2 people?", "I have 1", "3", "11 am works", "2 pm", "1st", "take care", "pass it to me", "claim denied",
        "stop him", "please stop", "help is on the way", "start at 9", "", "one", "1 2 3", "the #1 thing", "@back",
        "11", "12", "211", "2:30", "1.5", "1, 48", "1\n48",
    ],
)  # fmt: skip
def test_it_treats_everything_else_as_words_for_the_person(text: str) -> None:
    assert read_staff_text(text) == StaffText(StaffCommand.SAY, words=text)


@pytest.mark.parametrize("text", ["1", "2", "1 48", "2 48", "claim 48", "Take 2", "1.5"])
def test_it_never_mistakes_words_for_a_person_for_an_answer(text: str) -> None:
    assert read_staff_text(text, for_person=True) == StaffText(StaffCommand.SAY, words=text)


@pytest.mark.parametrize(
    ("text", "verb"),
    [("#BACK", StaffCommand.BACK), ("#back ", StaffCommand.BACK), (" # back", StaffCommand.BACK),
     ("#Open", StaffCommand.OPEN), ("#help", StaffCommand.HELP), ("#CLOSE", StaffCommand.CLOSE),
     ("#bakc", StaffCommand.UNKNOWN), ("#clsoe resolved", StaffCommand.UNKNOWN), ("#backup is here", StaffCommand.UNKNOWN)],
)  # fmt: skip
def test_it_reads_a_command_and_sends_a_mistyped_one_to_no_one(text: str, verb: StaffCommand) -> None:
    assert read_staff_text(text).command is verb


@pytest.mark.parametrize("disposition", sorted(DISPOSITIONS))
def test_it_reads_how_it_ended_however_it_is_typed(disposition: str) -> None:
    typed = (
        disposition,
        disposition.upper(),
        disposition.replace("_", " "),
        disposition.replace("_", "-"),
        f"{disposition}.",
    )
    assert {read_staff_text(f"#CLOSE {one}").disposition for one in typed} == {disposition}
    assert read_staff_text(f"#close: {disposition}").disposition == disposition


def test_it_asks_how_it_ended_where_that_is_not_known() -> None:
    assert read_staff_text("#CLOSE they were fine") == StaffText(StaffCommand.CLOSE)


@pytest.mark.parametrize(
    ("text", "opt_out", "verb"),
    [
        ("STOP", None, StaffCommand.STOP), ("Unsubscribe ", None, StaffCommand.STOP), ("end", None, StaffCommand.STOP),
        ("START", None, StaffCommand.START), ("help", None, StaffCommand.HELP), ("INFO", None, StaffCommand.HELP),
        ("anything", "STOP", StaffCommand.STOP), ("STOP", "STOP", StaffCommand.STOP),
        ("unstop", "START", StaffCommand.START), ("help", "HELP", StaffCommand.HELP),
    ],
)  # fmt: skip
def test_it_reads_the_carriers_words_as_a_whole_message_only(text: str, opt_out: str | None, verb: StaffCommand) -> None:
    assert read_staff_text(text, opt_out).command is verb


@settings(max_examples=300)
@given(text=st.text(max_size=80))
def test_it_never_raises_and_keeps_words_as_they_are(text: str) -> None:
    said = read_staff_text(text)
    assert said.command is not StaffCommand.SAY or said.words == text
    assert said.command is StaffCommand.CLOSE or said.disposition is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("I am here.\nSent from my iPhone", "I am here."),
        ("I am here.\r\n\r\nSent from my Galaxy S22", "I am here."),
        ("I am here.\nGet Outlook for iOS", "I am here."),
        ("Estoy aquí.\nEnviado desde mi iPhone", "Estoy aquí."),
        ("I am here.\n--\nDana Ortiz\nCity of St. Louis", "I am here."),
        ("I am here.\n-- \nDana\n", "I am here."),
        ("I am here.\n--\nDana\nSent from my iPhone", "I am here."),
        ("First\n--\nsecond\n--\nDana", "First\n--\nsecond"),
        ("I am here.\n-- Dana", "I am here.\n-- Dana"),
        ("Two are open:\n— one\n— two\nWhich?", "Two are open:\n— one\n— two\nWhich?"),
        ("Not one\n--\nbut\n\ntwo parts", "Not one\n--\nbut\n\ntwo parts"),
        ("Line one\nLine two", "Line one\nLine two"),
        ("Two things -- rent and food", "Two things -- rent and food"),
        ("  spaces  ", "spaces"),
        ("Sent from my heart", "Sent from my heart"),
    ],
)
def test_it_removes_what_a_telephone_adds(text: str, left: str) -> None:
    assert strip_signature(text, OWN) == left


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("around", ["{}", "call me at {} today", "Dana ({})", "x{}x", "Dana\n{}", "{}, or {}"])
def test_it_removes_the_workers_own_number_however_it_is_written(number: str, around: str) -> None:
    left = strip_signature(around.replace("{}", number), OWN)
    assert "5550121" not in re.sub(r"\D", "", left)


def test_it_leaves_every_other_number() -> None:
    text = "Call 988, 911 or 314-555-0199; the shelter has 1-800-555-0100, apartment 3145"
    assert strip_signature(text, OWN) == text


@settings(max_examples=300)
@given(before=WORDS, after=WORDS, number=st.sampled_from(FORMATS), twice=st.booleans())
def test_it_lets_no_digit_of_their_own_number_survive(before: str, after: str, number: str, twice: bool) -> None:
    text = f"{before}{number}{after}" + (number if twice else "")
    assert "5550121" not in re.sub(r"\D", "", strip_signature(text, OWN))


COMMON_GAPS = ["", " ", "-", ".", "(", ")", ") ", "\t", " - "]


@settings(max_examples=300)
@given(gaps=st.lists(st.sampled_from(COMMON_GAPS), min_size=10, max_size=10))
def test_it_knows_their_own_number_with_common_separators_between_its_digits(gaps: list[str]) -> None:
    text = "ring " + "".join(digit + gap for digit, gap in zip("3145550121", gaps, strict=True)) + " soon"
    assert "3145550121" not in re.sub(r"\D", "", strip_signature(text, OWN))


@pytest.mark.parametrize("gap", ["/", "–", "\u2011"])
def test_it_knows_their_own_number_with_strokes_between_its_digits(gap: str) -> None:
    text = f"ring {gap.join(('314', '555', '0121'))} soon"
    assert "3145550121" not in re.sub(r"\D", "", strip_signature(text, OWN))


@pytest.mark.parametrize("gap", ["*", "_", ", "])
def test_it_knows_their_own_number_with_other_signs_between_its_digits(gap: str) -> None:
    text = f"ring {gap.join('3145550121')} soon"
    assert "3145550121" not in re.sub(r"\D", "", strip_signature(text, OWN))


@settings(max_examples=200)
@given(text=st.text(max_size=120), own=st.sampled_from([OWN, "", "sim-dana"]))
def test_it_never_raises_and_only_takes_away(text: str, own: str) -> None:
    left = strip_signature(text, own)
    assert len(left) <= len(text)
    assert not own or own not in left
