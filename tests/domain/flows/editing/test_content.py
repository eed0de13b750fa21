from __future__ import annotations

import pytest

from bot.domain.flows.editing import catalogs, content, document
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import read_flow, read_translations, translatable_texts
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.flows.wording import po_file
from tests.domain.flows.editing.test_document import SMALL, SOURCES
from tests.paths import ROOT

FLOWS = ROOT / "flows"
SHIPPED = {
    name: FlowContent(source, {"es": (FLOWS / "translations" / "es" / f"{name}.po").read_text("utf-8")})
    for name, source in SOURCES.items()
}
PO = """\
# Words of the small flow.
# Reviewed by: Ana
msgid ""
msgstr ""
"Project-Id-Version: Warmline\\n"
"Language: es\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

# Ana: not too formal.
msgctxt "need.ask"
msgid "What is it?"
msgstr "¿Qué es?"

msgctxt "need.choices.rent.label"
msgid "Rent"
msgstr "Renta"

msgctxt "bye.say"
msgid "Thank you, {{ need }}"
msgstr "Gracias, {{ need }}"
"""
FLOW = FlowContent(SMALL, {"es": PO}, {"en/a": "title: A\nflow: small\n\nperson: hi\n"})


def entry(made: FlowContent, context: str, language: str = "es") -> po_file.PoEntry | None:
    return next((one for one in po_file.read_entries(made.translations[language]) if one.context == context), None)


def set_ask(flow: FlowContent, ask: str, texts: dict[str, dict[str, str]] | None = None) -> FlowContent:
    return content.write_step(flow, "need", {**document.step_data(flow.source, "need"), "ask": ask}, texts)


@pytest.mark.parametrize("name", SOURCES)
def test_it_finds_the_same_texts_as_the_reader_does(name: str) -> None:
    data = document.read_data(SOURCES[name])
    found = catalogs.all_translatable_texts(data, document.steps_data(SOURCES[name]))
    script = read_flow(SOURCES[name], "a.yaml")
    assert list(found.items()) == [(context, source) for context, source, _ in translatable_texts(script)]


@pytest.mark.parametrize("name", SOURCES)
def test_it_renames_each_step_and_back_without_changing_a_letter(name: str) -> None:
    for step in document.steps_data(SOURCES[name]):
        there = content.rename_step(SHIPPED[name], step, "quite_new")
        assert content.rename_step(there, "quite_new", step) == SHIPPED[name]


@pytest.mark.parametrize("name", SOURCES)
def test_it_loses_no_translation_when_steps_are_renamed(name: str) -> None:
    for step in document.steps_data(SOURCES[name]):
        there = content.rename_step(SHIPPED[name], step, "quite_new")
        script = read_flow(there.source, "a.yaml")
        read = read_translations(there.translations["es"], "es.po")
        before = read_translations(SHIPPED[name].translations["es"], "es.po")
        known = {(context, source) for context, source, _ in translatable_texts(script)}
        assert len(read) == len(before)
        assert len(known & set(read)) == len(read)


def test_it_marks_a_translation_whose_source_changed() -> None:
    made = set_ask(FLOW, "What now?")
    assert entry(made, "need.ask") == po_file.PoEntry("need.ask", "What now?", "¿Qué es?", True, "What is it?")
    assert ("need.ask", "What now?") not in read_translations(made.translations["es"], "es.po")


def test_it_changes_no_other_line_of_the_po_file() -> None:
    made = set_ask(FLOW, "What now?").translations["es"]
    assert made == PO.replace('msgctxt "need.ask"', '#, fuzzy\n#| msgid "What is it?"\nmsgctxt "need.ask"').replace(
        'msgid "What is it?"\nmsgstr', 'msgid "What now?"\nmsgstr'
    )


def test_it_takes_a_new_translation_with_a_new_source() -> None:
    made = set_ask(FLOW, "What now?", {"es": {"need.ask": "¿Y ahora?"}})
    assert entry(made, "need.ask") == po_file.PoEntry("need.ask", "What now?", "¿Y ahora?")


def test_it_marks_a_translation_that_was_sent_along_unchanged() -> None:
    made = set_ask(FLOW, "What now?", {"es": {"need.ask": "¿Qué es?"}})
    stale = entry(made, "need.ask")
    assert stale is not None and stale.is_fuzzy


def test_it_trusts_a_translation_again_when_its_source_comes_back() -> None:
    assert set_ask(set_ask(set_ask(FLOW, "What now?"), "Or this?"), "What is it?").translations["es"] == PO


def test_it_confirms_a_stale_translation_by_a_new_text_only() -> None:
    stale = set_ask(FLOW, "What now?")
    assert set_ask(stale, "What now?", {"es": {"need.ask": "¿Qué es?"}}) == stale
    confirmed = entry(set_ask(stale, "What now?", {"es": {"need.ask": "¿Qué pasa?"}}), "need.ask")
    assert confirmed is not None and not confirmed.is_fuzzy


def test_it_begins_a_language_with_a_head_that_can_be_read() -> None:
    made = set_ask(FLOW, "What is it?", {"bs": {"need.ask": "Šta je?"}, "vi": {"need.ask": " "}})
    assert read_translations(made.translations["bs"], "bs.po") == {("need.ask", "What is it?"): "Šta je?"}
    assert po_file.read_head(made.translations["bs"])["language"] == "bs"
    assert set(made.translations) == {"es", "bs"}


def test_it_sets_translations_of_a_deleted_step_aside_and_finds_them_again() -> None:
    step = document.step_data(SMALL, "need")
    gone = content.delete_step(FLOW, "need")
    assert entry(gone, "need.ask") is None
    assert '#~ msgctxt "need.ask"\n#~ msgid "What is it?"\n#~ msgstr "¿Qué es?"\n' in gone.translations["es"]
    assert "# Ana: not too formal." in gone.translations["es"] and "# Reviewed by: Ana" in gone.translations["es"]
    assert list(read_translations(gone.translations["es"], "es.po")) == [("bye.say", "Thank you, {{ need }}")]
    back = content.add_step(gone, "need", step)
    found = entry(back, "need.ask")
    assert found is not None and (found.text, found.is_fuzzy) == ("¿Qué es?", True)
    assert '#~ msgctxt "need.ask"' not in back.translations["es"]


def test_it_carries_what_is_set_aside_along_when_its_step_is_renamed() -> None:
    step = document.step_data(SMALL, "need")
    choices = step["choices"]
    assert isinstance(choices, dict)
    less = content.write_step(FLOW, "need", {**step, "choices": {"food": choices["food"]}})
    assert '#~ msgctxt "topic.choices.rent.label"' in content.rename_step(less, "need", "topic").translations["es"]


def test_it_renames_an_answer_within_translated_texts() -> None:
    made = content.rename_step(FLOW, "need", "topic")
    said = entry(made, "bye.say")
    assert said == po_file.PoEntry("bye.say", "Thank you, {{ topic }}", "Gracias, {{ topic }}")


def test_it_carries_translations_along_when_a_choice_is_renamed() -> None:
    made = content.rename_choice(FLOW, "need", "rent", "home")
    label = entry(made, "need.choices.home.label")
    assert label is not None and (label.text, label.is_fuzzy) == ("Renta", False)
    assert content.rename_choice(made, "need", "home", "rent") == FLOW


def test_it_follows_a_rename_that_was_typed_into_the_yaml_view() -> None:
    typed = SMALL.replace("  need:", "  topic:").replace("start: need", "start: topic").replace("rent:", "home:")
    made = content.write_source(FLOW, typed)
    label = entry(made, "topic.choices.home.label")
    assert label is not None and label.text == "Renta"


def test_it_keeps_what_was_typed_also_where_it_is_no_yaml() -> None:
    assert content.write_source(FLOW, "flow: {") == FlowContent("flow: {", FLOW.translations, FLOW.transcripts)
    assert content.write_source(FlowContent("flow: {", FLOW.translations), SMALL).source == SMALL


def test_it_names_the_line_of_a_po_file_that_is_broken() -> None:
    with pytest.raises(FlowError) as refused:
        set_ask(FlowContent(SMALL, {"es": PO + "\nmsgctxt nothing\n"}), "What now?")
    assert refused.value.problems[0].line == PO.count("\n") + 2


def test_it_leaves_transcripts_alone() -> None:
    assert content.rename_step(FLOW, "need", "topic").transcripts == FLOW.transcripts


def test_it_makes_the_translated_title_stale_with_the_title() -> None:
    titled = FlowContent(
        SMALL.replace("'Small'", "Small"), {"es": PO + '\nmsgctxt "title"\nmsgid "Small"\nmsgstr "Pequeño"\n'}
    )
    made = entry(content.write_head(titled, {"title": "Big"}), "title")
    assert made == po_file.PoEntry("title", "Big", "Pequeño", True, "Small")
