"""The translations of a flow, and what a translator sends back: nothing is lost, nothing stale passes as current."""

from __future__ import annotations

from io import StringIO

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.translations import build_po, read_translations
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.flows.wording import po_file, translating
from bot.domain.flows.wording.po_file import PoEntry
from bot.domain.flows.wording.translating import (
    TranslationState,
    export_po,
    identify_po,
    list_translations,
    merge_po,
    new_po,
    translation_coverage,
    with_texts,
)
from tests.paths import ROOT

FLOW = """\
flow: need
title: Need
start: need
steps:
  need:
    ask: What is it?
    choices:
      rent: {label: Rent, words: [rent, lease], go: bye}
      food: {label: Food, go: bye}
  bye: {say: Take care., end: done}
"""
PO = """\
# Read by Rosa.
msgid ""
msgstr ""
"Language: es\\n"

# The first thing they read.
msgctxt "need.ask"
msgid "What is it?"
msgstr "¿Qué es?"

#, fuzzy
#| msgid "Bye."
msgctxt "bye.say"
msgid "Take care."
msgstr "Adiós."

#~ msgctxt "old.say"
#~ msgid "Old"
#~ msgstr "Viejo"
"""
SCRIPT = read_flow(FLOW, "need.yaml")
CHANGED = read_flow(FLOW.replace("What is it?", "What do you need?"), "need.yaml")
ORDER = ["title", "need.ask", "need.choices.rent.label", "need.choices.rent.words", "need.choices.food.label", "bye.say"]


def states(po: str, script: object = SCRIPT) -> dict[str, TranslationState]:
    return {one.context: one.state for one in list_translations(script, po, "es.po")}  # type: ignore[arg-type]


def one(po: str, context: str, script: object = SCRIPT) -> translating.TextTranslation:
    return next(each for each in list_translations(script, po, "es.po") if each.context == context)  # type: ignore[arg-type]


# -- progress --


def test_it_lists_translated_stale_and_missing_in_reading_order() -> None:
    found = list_translations(SCRIPT, PO, "es.po")
    assert [each.context for each in found] == ORDER
    counted = translation_coverage("es", found)
    assert counted.translated == ("need.ask",)
    assert counted.stale == ("bye.say",)
    assert (len(counted.missing), counted.total, counted.is_whole) == (4, 6, False)


def test_it_knows_the_source_from_which_a_stale_text_was_made() -> None:
    assert one(PO, "bye.say").made_from == "Bye."
    changed = one(PO, "need.ask", CHANGED)
    assert (changed.state, changed.made_from, changed.text) == (TranslationState.STALE, "What is it?", "¿Qué es?")


def test_it_takes_the_entry_of_this_very_source_where_there_are_two() -> None:
    two = PO + '\nmsgctxt "need.ask"\nmsgid "What do you need?"\nmsgstr "¿Qué necesita?"\n'
    assert one(two, "need.ask", CHANGED).text == "¿Qué necesita?"
    assert one(two, "need.ask").text == "¿Qué es?"


def test_it_never_counts_as_translated_what_would_not_be_sent() -> None:
    for path in sorted((ROOT / "flows").glob("*.yaml")):
        script = read_flow(path.read_bytes(), path.name)
        po = (ROOT / f"flows/translations/es/{path.stem}.po").read_text("utf-8")
        sent = read_translations(po, "es.po")
        said = {
            (each.context, each.source)
            for each in list_translations(script, po, "es.po")
            if each.state is TranslationState.TRANSLATED
        }
        assert said == {(each.context, each.source) for each in list_translations(script, po, "es.po")} & set(sent)


# -- changing single texts --


def test_it_changes_one_text_and_leaves_the_rest_to_the_letter() -> None:
    changed = with_texts(SCRIPT, PO, {"need.ask": "¿Qué pasa?"})
    assert changed == PO.replace("¿Qué es?", "¿Qué pasa?")
    assert with_texts(SCRIPT, changed, {"need.ask": "¿Qué es?"}) == PO


def test_it_makes_a_stale_text_good_and_a_new_one_stand_in_its_place() -> None:
    changed = with_texts(SCRIPT, PO, {"bye.say": "Adiós.", "need.choices.rent.label": "Renta"})
    assert states(changed)["bye.say"] is TranslationState.TRANSLATED and "#| msgid" not in changed
    assert [each.context for each in po_file.read_entries(changed)] == ["need.ask", "need.choices.rent.label", "bye.say"]
    assert '#~ msgctxt "old.say"' in changed and "# The first thing they read." in changed


def test_it_replaces_the_entry_of_an_older_source() -> None:
    changed = with_texts(CHANGED, PO, {"need.ask": "¿Qué necesita?"})
    assert read_translations(changed, "es.po") == {("need.ask", "What do you need?"): "¿Qué necesita?"}
    assert changed.count('msgctxt "need.ask"') == 1


def test_it_begins_a_language_with_all_texts_missing() -> None:
    fresh = new_po(SCRIPT, "vi")
    assert set(states(fresh).values()) == {TranslationState.MISSING}
    assert [each.context for each in po_file.read_entries(fresh)] == ORDER
    assert read_po(StringIO(fresh)).locale_identifier == "vi"


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=60)


@given(TEXTS, TEXTS.filter(str.strip))
def test_it_writes_any_text_so_that_babel_reads_the_same(text: str, source: str) -> None:
    wanted = [PoEntry("need.ask", source, text, is_fuzzy=True, made_from=source[::-1]), PoEntry("bye.say", source, text)]
    po = po_file.write_entries(PO, wanted, ORDER)
    assert sorted(po_file.read_entries(po), key=lambda each: each.context) == sorted(wanted, key=lambda each: each.context)
    babel = {message.context: (message.id, message.string) for message in read_po(StringIO(po)) if message.id}
    assert babel == {each.context: (each.source, each.text) for each in wanted}
    assert po_file.write_entries(po, [], []) == po


def test_it_keeps_the_old_source_in_the_template_as_well() -> None:
    assert build_po(SCRIPT, build_po(SCRIPT, PO, "es"), "es").count("| msgid") <= 1


# -- exchange with a translator --


def test_it_marks_stale_texts_for_the_translator_with_their_old_source() -> None:
    sent = export_po(CHANGED, PO, "es", 7, "es.po")
    catalog = {message.context: message for message in read_po(StringIO(sent)) if message.id}
    assert {context for context, message in catalog.items() if message.fuzzy} == {"need.ask", "bye.say"}
    assert '#| msgid "What is it?"' in sent and '"Project-Id-Version: Warmline need 7\\n"' in sent
    assert list(catalog) == ORDER
    assert identify_po(sent, "whatever.po") == ("need", "es")


def test_it_takes_in_what_is_new_and_says_what_was_there() -> None:
    back = with_texts(SCRIPT, export_po(SCRIPT, PO, "es", 7, "es.po"), {"title": "Necesidad", "bye.say": "Adiós."})
    merged = merge_po(SCRIPT, PO, back, "es", "need.es.po")
    assert (merged.taken, merged.same, merged.empty, merged.skipped) == (("title", "bye.say"), 1, 3, ())
    assert states(merged.po)["bye.say"] is TranslationState.TRANSLATED
    assert merge_po(SCRIPT, merged.po, back, "es", "need.es.po").po == merged.po


def test_it_does_not_take_what_was_made_from_another_source() -> None:
    back = with_texts(SCRIPT, new_po(SCRIPT, "es"), {"need.ask": "¿Qué quiere?", "title": "Necesidad"})
    merged = merge_po(CHANGED, with_texts(CHANGED, PO, {"need.ask": "¿Qué necesita?"}), back, "es", "need.es.po")
    assert merged.taken == ("title",)
    (left,) = merged.skipped
    assert (left.context, left.text, "another source" in left.why) == ("need.ask", "¿Qué quiere?", True)
    assert one(merged.po, "need.ask", CHANGED).text == "¿Qué necesita?"


def test_it_keeps_as_stale_what_it_cannot_be_sure_of_where_there_is_nothing_better() -> None:
    back = with_texts(SCRIPT, new_po(SCRIPT, "es"), {"need.ask": "¿Qué quiere?"})
    merged = merge_po(CHANGED, "", back, "es", "need.es.po")
    kept = one(merged.po, "need.ask", CHANGED)
    assert (kept.state, kept.text, kept.made_from) == (TranslationState.STALE, "¿Qué quiere?", "What is it?")
    assert len(merged.skipped) == 1 and not merged.taken


def test_it_returns_what_is_no_longer_in_the_flow() -> None:
    back = PO + '\nmsgctxt "gone.say"\nmsgid "Gone"\nmsgstr "Ido"\n'
    (left,) = merge_po(SCRIPT, PO, back, "es", "es.po").skipped
    assert (left.context, left.source, left.text) == ("gone.say", "Gone", "Ido")


@pytest.mark.parametrize(
    ("incoming", "line", "words"),
    [
        (PO.replace("Language: es", "Language: vi"), 4, "it is `vi`"),
        (PO.replace("Language: es", "Project-Id-Version: Warmline food 3"), 4, "of the flow `food`"),
        (PO.replace("need.ask", "x.ask").replace("bye.say", "x.say"), 1, "No entry of this file"),
        ('msgid ""\nmsgstr ""\n"Language: es\\n"\n', 1, "There is no text"),
        (PO.replace('"¿Qué es?"', "oops"), 9, "not a PO entry"),
    ],
)
def test_it_refuses_the_file_of_another_with_line_and_remedy(incoming: str, line: int, words: str) -> None:
    with pytest.raises(FlowError) as refused:
        merge_po(SCRIPT, PO, incoming, "es", "need.es.po")
    (problem,) = refused.value.problems
    assert (problem.line, words in problem.what, bool(problem.remedy)) == (line, True, True)


def test_it_takes_a_regional_head_for_its_language() -> None:
    assert merge_po(SCRIPT, PO, PO.replace("Language: es", "Language: es_MX"), "es", "es.po").same == 1


@pytest.mark.parametrize(
    ("po", "file", "meant"),
    [
        ("", "need.es.po", ("need", "es")),
        ("", "C:\\files\\need.vi.po", ("need", "vi")),
        ("", "need.po", ("", "")),
        (PO, "need.po", ("", "es")),
    ],
)
def test_it_knows_a_file_by_its_head_or_its_name(po: str, file: str, meant: tuple[str, str]) -> None:
    assert identify_po(po, file) == meant
