from __future__ import annotations

import json
from typing import Any

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.messages.segments import MAX_BODY_LENGTH, fold_for_sms, join_replies, measure_segments
from tests.paths import SHARED_DATA

SHARED = SHARED_DATA / "twilio"


def shared_lines(name: str) -> list[dict[str, Any]]:
    if not (SHARED / name).exists():
        pytest.skip(f"the shared test data has no {name} here")
    text = (SHARED / name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return list(json.loads(text))


@pytest.mark.parametrize("name", ["segment_vectors.json", "segment_oracle.jsonl"])
def test_it_measures_like_the_carriers_own_calculator(name: str) -> None:
    vectors = shared_lines(name)
    wrong = []
    for number, vector in enumerate(vectors):
        measured = measure_segments(vector["body"])
        expected = (vector["encoding"], vector["segments"], vector.get("characters") or measured.characters)
        if (measured.encoding, measured.segments, measured.characters) != expected:
            wrong.append((vector.get("desc") or vector.get("id") or number, measured, expected))
    assert len(vectors) > 40
    assert wrong == []


def test_it_charges_a_curly_quote_as_a_second_part() -> None:
    straight = "You're not alone. If you might act on thoughts of suicide, call or text 988 now."
    assert (measure_segments(straight).encoding, measure_segments(straight).segments) == ("GSM-7", 1)
    curly = measure_segments(straight.replace("'", "\u2019"))
    assert (curly.encoding, curly.segments, curly.characters) == ("UCS-2", 2, 80)


def test_it_never_cuts_an_escaped_character_between_two_parts() -> None:
    # 152 letters and a euro sign: the sign needs two places and only one is left in the first part.
    assert measure_segments("a" * 152 + "€" + "a" * 150).segments == 2
    assert measure_segments("a" * 152 + "€" + "a" * 152).segments == 3


@pytest.mark.parametrize("character", ["\x1b", "ç", "`", "\x00", "á", "\u00a0"])
def test_it_knows_the_characters_that_gsm7_lacks(character: str) -> None:
    assert measure_segments(f"abc{character}").encoding == "UCS-2"


letters = st.characters(max_codepoint=0x2030, exclude_categories=("Mn", "Me", "Mc", "Cf", "Cs"))
alone = letters | st.sampled_from("🙂🐕🚗🤝🎄")


@given(st.text(alphabet=alone))
def test_it_counts_letters_that_never_combine_one_by_one(text: str) -> None:
    measured = measure_segments(f"á{text}")
    assert measured.characters == len(regex.findall(r"\r|\n|\X", f"á{text}"))


def test_it_never_cuts_an_emoji_between_two_parts() -> None:
    # 66 letters leave one place in the first part, and an emoji needs two.
    assert measure_segments("á" * 66 + "🙂" + "á" * 65).segments == 2
    assert measure_segments("á" * 66 + "🙂" + "á" * 66).segments == 3
    assert measure_segments("á" * 66 + "👍🏽" + "á" * 64).segments == 3


def test_it_counts_an_empty_text_as_one_part() -> None:
    assert (measure_segments("").encoding, measure_segments("").segments, measure_segments("").characters) == ("GSM-7", 1, 0)


def test_it_folds_spanish_so_that_it_travels_as_gsm7() -> None:
    folded = fold_for_sms("Si está en peligro llame al 911. ¿Está sólo? ÁÍÓÚ áíóú ñ é ü")
    assert folded == "Si esta en peligro llame al 911. ¿Esta solo? AIOU aiou ñ é ü"
    assert measure_segments(folded).encoding == "GSM-7"


def test_it_folds_an_accent_that_was_typed_as_a_mark_of_its_own() -> None:
    assert fold_for_sms("esta\u0301 aqui\u0301 man\u0303ana") == "esta aqui mañana"


def test_it_folds_quotes_dashes_ellipsis_and_hard_spaces() -> None:
    written = "\u201cI\u2019m here\u201d \u2013 wait\u2014\u2026\u00a0ok\u200b"
    assert fold_for_sms(written) == '"I\'m here" - wait-... ok'


@pytest.mark.parametrize("text", ["está \U0001f642", "Želite li “razgovarati”?", "không sao", "هل أنت بخير؟"])
def test_it_leaves_a_text_alone_that_cannot_become_gsm7(text: str) -> None:
    assert fold_for_sms(text) == text


@given(st.text(alphabet="aéáíóúÁ\u2019\u201d\u2026\u00a0š🙂 ."))
def test_it_folds_to_gsm7_or_not_at_all(text: str) -> None:
    folded = fold_for_sms(text)
    assert folded == text or measure_segments(folded).encoding == "GSM-7"
    assert fold_for_sms(folded) == folded


def test_it_joins_the_replies_of_a_turn_with_a_blank_line() -> None:
    assert join_replies(["Hello.", "  ", "What is most urgent?"]) == ["Hello.\n\nWhat is most urgent?"]
    assert join_replies([]) == []


def test_it_starts_another_message_when_the_next_reply_does_not_fit() -> None:
    assert join_replies(["a" * 1000, "b" * 598, "c"]) == ["a" * 1000 + "\n\n" + "b" * 598, "c"]
    assert join_replies(["a" * 1000, "b" * 599]) == ["a" * 1000, "b" * 599]


def test_it_cuts_an_overlong_text_after_a_sentence_or_else_at_a_space() -> None:
    assert join_replies(["One two three. Four five six."], limit=20) == ["One two three.", "Four five six."]
    assert join_replies(["one two three four"], limit=9) == ["one two", "three", "four"]
    assert join_replies(["abcdefghij"], limit=4) == ["abcd", "efgh", "ij"]


def test_it_leaves_space_for_an_ellipsis_that_folding_makes_longer() -> None:
    (first, second) = join_replies(["\u2026" * 600])
    assert len(fold_for_sms(first)) <= MAX_BODY_LENGTH
    assert fold_for_sms(first) + fold_for_sms(second) == "." * 1800


GRAPHEMES = st.sampled_from(["a", "é", " ", "\n", ". ", "🙂", "👨\u200d👩\u200d👧", "🇺🇸", "e\u0301", " \u0301", "ش", "\r\n"])


@given(st.lists(GRAPHEMES).map("".join), st.integers(min_value=10, max_value=40))
@example("x" * 9 + "\u0301" * 40, 10)
def test_it_loses_nothing_but_space_when_it_cuts(text: str, limit: int) -> None:
    messages = join_replies([text], limit)
    assert all(len(message.encode("utf-16-le")) // 2 <= limit for message in messages)
    assert "".join("".join(messages).split()) == "".join(text.split())


@given(st.lists(GRAPHEMES).map("".join), st.integers(min_value=10, max_value=40))
def test_it_never_cuts_inside_a_grapheme(text: str, limit: int) -> None:
    def visible(part: str) -> list[str]:
        return [mark for mark in regex.findall(r"\X", part) if not mark.isspace()]

    assert [mark for message in join_replies([text], limit) for mark in visible(message)] == visible(text.strip())
