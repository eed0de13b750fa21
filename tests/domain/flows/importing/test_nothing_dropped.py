"""Every text of the real flows is in the draft, in its translations, or in a report item that says why it is missing."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from babel.messages.pofile import read_po

from bot.domain.flows.importing.detect import read_flows
from bot.domain.flows.importing.report import ImportedDraft, NotImportable
from tests.domain.flows.importing.rapidpro_flows import node, read, say, uid
from tests.paths import SHARED_DATA

FLOWS = SHARED_DATA / "flows"

_FILLED = re.compile(
    r"@\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)|@[A-Za-z][\w.]*|\{\{.*?\}\}|\{%.*?%\}|\$\{.*?\}", re.DOTALL
)
"""Placeholders of the other products: a draft has an answer of ours in their place, or square brackets."""
_MENU_MARK = re.compile(r"^(?:(?:press|reply|text|send|type) )?\d{1,2} (?:for )?")
_ANY_OF_THEIRS = ("text", "msg", "say", "body", "note", "subject", "message")


def normal(text: str) -> str:
    """The words of a text, without punctuation, case and zero-width characters."""
    shown = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    return " ".join(re.findall(r"\w+", shown.casefold()))


def of_actions(actions: Any) -> Iterator[Any]:
    """The texts of RapidPro actions; in its older format, in every language."""
    for action in actions or ():
        if not isinstance(action, dict) or action.get("type") in ("call_webhook", "api"):
            continue
        for given in (*(action.get(key) for key in _ANY_OF_THEIRS), *(action.get("quick_replies") or ())):
            inner = given.get("text") if isinstance(given, dict) and "text" in given else given
            yield from (inner.values() if isinstance(inner, dict) else [inner])


def of_rapidpro(flow: dict[str, Any]) -> Iterator[Any]:
    body = flow["definition"] if isinstance(flow.get("definition"), dict) else flow
    for holder in (*(body.get("nodes") or ()), *(body.get("action_sets") or ())):
        yield from of_actions(holder.get("actions"))
    for rule_set in body.get("rule_sets") or ():
        for rule in rule_set.get("rules") or ():
            names = rule.get("category")
            rest = {**names} if isinstance(names, dict) else {}
            rest.pop(body.get("base_language") or next(iter(rest), ""), None)
            yield from rest.values()
    for items in (body.get("localization") or {}).values():
        for fields in items.values():
            for key in ("text", "quick_replies", "name", "arguments", "test", "subject", "body"):
                yield from fields.get(key) or ()


def of_other_products(data: Any) -> Iterator[Any]:
    """The texts of Studio's widgets and of Flow Interop's resources, at any depth."""
    if isinstance(data, list):
        for inner in data:
            yield from of_other_products(inner)
    elif isinstance(data, dict):
        is_widget = isinstance(data.get("properties"), dict) and "transitions" in data
        if is_widget and re.sub("[^a-z]", "", str(data.get("type")).lower()) not in ("makehttprequest", "runfunction"):
            yield from (data["properties"].get(key) for key in ("body", "say"))
        if "content_type" in data and str(data["content_type"]).upper() == "TEXT":
            yield data.get("value")
        for field in ("sms_content", "social_content", "clipboard_content", "ussd_content"):
            yield from data[field].values() if isinstance(data.get(field), dict) else ()
        for inner in data.values():
            yield from of_other_products(inner)


def read_texts(made: ImportedDraft) -> Iterator[str]:
    """Every text of an imported draft: what is said, in order and in each language, then the rest and the report."""
    steps = yaml.safe_load(made.content.source)["steps"].values()
    said = [text for step in steps for text in (step.get("say"), step.get("ask")) if text]
    again = [step["not_understood"].get("say", "") for step in steps if isinstance(step.get("not_understood"), dict)]
    choices = [choice for step in steps for choice in (step.get("choices") or {}).values()]
    yield " ".join([*said, *again])
    for choice in choices:
        yield " ".join([choice["label"], *map(str, choice.get("words") or ())])
    yield from (step["handoff"].get("because", "") for step in steps if "handoff" in step)
    for po in made.content.translations.values():
        rows = [(str(message.context), str(message.string)) for message in read_po(StringIO(po)) if message.id]
        yield " ".join(text for context, text in rows if context.endswith((".say", ".ask")))
        yield from (text for _, text in rows)
    yield from (item.remark for item in made.items)


def lost_of(texts: Iterator[Any], imported: list[ImportedDraft]) -> list[str]:
    """The parts of these texts that do not occur anywhere in the imported drafts."""
    whole = " | ".join(f" {normal(text)} " for made in imported for text in read_texts(made))
    lost = []
    for text in {text for text in texts if isinstance(text, str)}:
        for part in (line for piece in _FILLED.split(text) for line in piece.splitlines()):
            words = normal(part)
            if f" {words} " not in whole and f" {_MENU_MARK.sub('', words)} " not in whole:
                lost.append(part)
    return lost


def lost_in(path: Path) -> list[str]:
    """The texts of one file that are lost, compared flow by flow where the format separates its flows."""
    raw = path.read_bytes()
    try:
        imported = read_flows(raw, path.name)
    except NotImportable:
        return []
    data = json.loads(raw)
    if path.parent.name != "rapidpro":
        return lost_of(of_other_products(data), imported)
    holder = data["assets"] if isinstance(data.get("assets"), dict) else data
    flows = holder.get("flows") or ([data] if "flows" not in holder else [])
    assert len(flows) == len(imported) or not flows
    return [part for flow, made in zip(flows, imported, strict=False) for part in lost_of(of_rapidpro(flow), [made])]


@pytest.mark.parametrize("folder", ["rapidpro", "twilio_studio", "floip"])
def test_it_drops_no_text_of_the_real_flows_without_saying_so(folder: str) -> None:
    found = sorted((FLOWS / folder).glob("*.json"))
    if not found:
        pytest.skip("the folder of real flows is not there")
    # Only counts and file names: the texts belong to real services.
    lost = {path.name: count for path in found if (count := len(lost_in(path)))}
    assert lost == {}


def test_it_names_a_text_that_nothing_leads_to_in_each_language() -> None:
    made = read(
        node("first", say("Hello.")),
        node("alone", say("Never said.", quick_replies=["Oh"])),
        localization={"spa": {uid("Never said."): {"text": ["Nunca."]}, uid("gone"): {"text": ["De nadie."]}}},
    )

    remarks = {item.node: "" for item in made.items}
    for item in made.items:
        remarks[item.node] += f"{item.remark} "

    assert "Never said." in remarks[uid("alone")] and "Nunca." in remarks[uid("alone")] and "Oh" in remarks[uid("alone")]
    assert "De nadie." in remarks[uid("gone")]
    assert "Hello." not in remarks[uid("first")]


def test_it_names_a_text_in_full_however_long() -> None:
    said = " ".join(f"word{number}" for number in range(3000))

    made = read(node("first", say("Hello.")), node("alone", say(said)))

    assert any(said in item.remark for item in made.items)


def test_it_names_what_was_cut_off() -> None:
    said = " ".join(f"word{number}" for number in range(3000))

    made = read(node("first", say(said)))

    assert "word2999" not in made.content.source
    assert any(item.node == uid("first") and "word2999" in item.remark for item in made.items)
