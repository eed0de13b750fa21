"""A step's form: posted back unchanged, it gives the same step."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.flows.language.translations import read_raw_entries
from bot.domain.flows.outline import read_outline
from bot.web.studio import step_form
from bot.web.studio.step_form import StepForm, TextField
from tests.paths import ROOT

STEPS = [
    (path.stem, name)
    for path in sorted((ROOT / "flows").glob("*.yaml"))
    for name in read_outline(path.read_text("utf-8"), path.name).steps
]


def posted(form: StepForm) -> dict[str, str]:
    """What a browser posts of a form in which nothing was typed."""
    fields = {f"plain.{key}": value for key, value in form.plain.items() if value}
    texts: list[TextField] = [*form.texts.values()]
    for choice in form.choices:
        at = f"choice.{choice.at}"
        fields |= {f"{at}.at": str(choice.at), f"{at}.name": choice.name, f"{at}.was": choice.name, f"{at}.go": choice.go}
        texts += [choice.label, choice.words]
    for text in texts:
        fields[text.key] = text.source
        fields |= {f"{text.key}.{one.language}": one.text for one in text.translations}
    for branch in form.branches:
        fields |= {f"next.{branch.at}.when": branch.when, f"next.{branch.at}.go": branch.go}
    return fields


@pytest.mark.parametrize(("flow", "name"), STEPS, ids=[f"{flow}-{name}" for flow, name in STEPS])
def test_it_gives_back_the_step_that_it_was_made_from(flow: str, name: str) -> None:
    step = read_outline((ROOT / f"flows/{flow}.yaml").read_text("utf-8"), flow).steps[name]
    entries = {"es": read_raw_entries((ROOT / f"flows/translations/es/{flow}.po").read_text("utf-8"), flow)}
    form = step_form.build_form(name, step, ["es"], entries)
    data, texts = step_form.parse_form(name, form.kind, step, posted(form), ["es"])
    assert short(data) == short(step)
    assert all(texts["es"][context] == entry.text for context, entry in entries["es"].items() if context in texts["es"])


def short(step: Any) -> Any:
    """The step in its short form: a single way on without a condition means the same in both forms."""
    way = step.get("next")
    is_long = isinstance(way, list) and len(way) == 1 and "when" not in way[0]
    text = " ".join(str(step["ask"]).split()) if "ask" in step else None
    return {**step, **({"next": way[0]["go"]} if is_long else {}), **({"ask": text} if text else {})}


def ask(**choices: dict[str, Any]) -> dict[str, Any]:
    return {"ask": "Which?", "choices": choices}


def test_it_makes_a_name_for_a_choice_that_has_only_a_label() -> None:
    fields = {"text.ask": "Which?", "choice.1.label": "A place to sleep", "choice.2.label": "A place, to sleep"}
    data, _ = step_form.parse_form("q", "ask", {}, fields, [])
    assert list(data["choices"]) == ["a_place_to_sleep", "a_place_to_sleep_2"]


def test_it_orders_choices_by_their_numbers_and_leaves_out_removed_ones() -> None:
    form = step_form.build_form("q", ask(a={"label": "A"}, b={"label": "B"}, c={"label": "C"}), [], {})
    fields = posted(form) | {"choice.3.at": "0", "choice.2.remove": "1"}
    data, _ = step_form.parse_form("q", "ask", ask(), fields, [])
    assert list(data["choices"]) == ["c", "a"]


def test_it_preserves_what_it_has_no_field_for() -> None:
    form = step_form.build_form("q", {"say": "Hi", "colour": "red"}, [], {})
    data, _ = step_form.parse_form("q", "say", {"say": "Hi", "colour": "red"}, posted(form), [])
    assert data == {"say": "Hi", "colour": "red"}


def test_it_marks_a_translation_that_was_made_from_another_text() -> None:
    po = 'msgid ""\nmsgstr ""\n\nmsgctxt "q.say"\nmsgid "Old"\nmsgstr "Viejo"\n'
    form = step_form.build_form("q", {"say": "New"}, ["es"], {"es": read_raw_entries(po, "x.po")})
    spanish = form.texts["say"].translations[0]
    assert (spanish.text, spanish.stale_source) == ("Viejo", "Old")


def test_it_takes_out_what_was_emptied() -> None:
    step = {"ask": "Which?", "answer": "zip", "save": "zip", "wait": {"after": "3d", "go": "bye"}, "next": "bye"}
    fields = posted(step_form.build_form("q", step, [], {})) | {"plain.wait_after": "", "plain.wait_go": "", "next.1.go": ""}
    data, _ = step_form.parse_form("q", "ask", step, fields, [])
    assert data == {"ask": "Which?", "answer": "zip", "save": "zip"}
