"""Edits a whole flow: the YAML as in `document.py`, and the PO files accordingly.

A translation whose source changed is marked fuzzy and kept with its old source, so that it is not sent until it has been
reviewed. Transcripts are not changed: their headers name flows, never steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.domain.flows.editing import catalogs, document
from bot.domain.flows.editing.matching import Renames, find_renames
from bot.domain.flows.editing.mentions import rename_answer_in, rename_choice_in, saved_answer
from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused

__all__ = [
    "add_step",
    "delete_step",
    "move_step",
    "rename_choice",
    "rename_choice_in_step",
    "rename_step",
    "write_head",
    "write_source",
    "write_step",
]  # fmt: skip

TextsByLanguage = Mapping[str, Mapping[str, str]]
"""Language -> context -> translation."""


def write_step(
    content: FlowContent, name: str, step: Mapping[str, object], texts: TextsByLanguage | None = None
) -> FlowContent:
    """Changes a step, and these translations of it. Raises Refused, FlowError.

    A translation that is unchanged although its source changed becomes stale (fuzzy).
    """
    return _with_source(content, document.set_step(content.source, name, step), texts or {}, [name])


def add_step(
    content: FlowContent,
    name: str,
    step: Mapping[str, object],
    after: str | None = None,
    texts: TextsByLanguage | None = None,
) -> FlowContent:
    """Adds a step after `after` or at the end, with translations. Raises Refused, FlowError."""
    return _with_source(content, document.add_step(content.source, name, step, after), texts or {}, [name])


def delete_step(content: FlowContent, name: str) -> FlowContent:
    """Deletes a step; its translations become obsolete in the PO files. Raises Refused, FlowError."""
    return _with_source(content, document.delete_step(content.source, name), {}, [name])


def move_step(content: FlowContent, name: str, before: str | None = None) -> FlowContent:
    """Moves a step in front of `before`, or to the end. Raises Refused, FlowError."""
    return replace(content, source=document.move_step(content.source, name, before))


def write_head(content: FlowContent, fields: Mapping[str, object], texts: TextsByLanguage | None = None) -> FlowContent:
    """Changes the head of the flow, and translations of its title. Raises Refused, FlowError."""
    return _with_source(content, document.set_head(content.source, fields), texts or {}, [])


def write_source(content: FlowContent, source: str) -> FlowContent:
    """Replaces the YAML with text as typed. Translations follow, also for renamed steps and choices. Never raises: if either
    text or a PO file can't be read, the PO files are left as they are.
    """
    try:
        names = find_renames(document.steps_data(content.source), document.steps_data(source))
        placed = dict(content.translations)
        for language, po in placed.items():
            for old, new in names.steps.items():
                po = catalogs.rename_context_prefix(po, old, new)
            for step, pairs in names.choices.items():
                for old, new in pairs.items():
                    po = catalogs.rename_context_prefix(po, f"{step}.choices.{old}", f"{step}.choices.{new}")
            placed[language] = po
        return _with_source(replace(content, translations=placed), source, {}, None, names)
    except (ValueError, Refused):
        return replace(content, source=source)


def rename_step(content: FlowContent, old: str, new: str) -> FlowContent:
    """Renames a step; transitions, conditions and translations follow. Raises Refused, FlowError."""
    source = document.rename_step(content.source, old, new)
    if old == new:
        return content
    was = saved_answer(old, document.step_data(content.source, old))
    is_answer_renamed = was == old and saved_answer(new, document.step_data(source, new)) == new
    rename = (lambda text: rename_answer_in(text, old, new)) if is_answer_renamed else None
    return _with_rename(content, source, old, new, rename)


def rename_choice(content: FlowContent, step: str, old: str, new: str) -> FlowContent:
    """Renames a choice; conditions and translations follow. Raises Refused, FlowError."""
    source = document.rename_choice(content.source, step, old, new)
    if old == new:
        return content
    answer = saved_answer(step, document.step_data(content.source, step)) or step
    at = f"{step}.choices."
    return _with_rename(content, source, at + old, at + new, lambda text: rename_choice_in(text, [answer], old, new))


def rename_choice_in_step(step: Mapping[str, object], name: str, old: str, new: str) -> dict[str, object]:
    """Adapts a step submitted with one choice renamed: its own conditions still use the old name."""
    answer, ways = saved_answer(name, step) or name, step.get("next")
    if not isinstance(ways, list):
        return dict(step)
    followed = [
        {**way, "when": rename_choice_in(str(way["when"]), [answer], old, new, is_condition=True)}
        if isinstance(way, Mapping) and way.get("when")
        else way
        for way in ways
    ]
    return {**step, "next": followed}


def _with_rename(
    content: FlowContent, source: str, old: str, new: str, rename: Callable[[str], str] | None
) -> FlowContent:  # fmt: skip
    made: dict[str, str] = {}
    for language, po in content.translations.items():
        placed = catalogs.rename_context_prefix(po, old, new)
        made[language] = catalogs.rename_in_texts(placed, rename, _po_name(language)) if rename else placed
    return replace(content, source=source, translations=made)


def _with_source(
    content: FlowContent, source: str, texts: TextsByLanguage, steps: Sequence[str] | None, names: Renames | None = None
) -> FlowContent:
    """The content with this source; `steps` are those that may have changed, None for all. `names`: renames done."""
    before, order_before = _sources(content.source, steps)
    before = {names.translation_context(context): text for context, text in before.items()} if names else before
    after, order = _sources(source, steps)
    made: dict[str, str] = dict(content.translations)
    for language in dict.fromkeys([*content.translations, *texts]):
        given = {context: text for context, text in texts.get(language, {}).items() if context in after}
        po = content.translations.get(language)
        if po is None:
            if not any(text.strip() for text in given.values()):
                continue
            flow = str(document.read_data(source).get("flow") or "")
            po = catalogs.catalog_header(flow, language)
        made[language] = catalogs.update_catalog(po, before, after, given, order or order_before, _po_name(language))
    return replace(content, source=source, translations=made)


def _sources(source: str, steps: Sequence[str] | None) -> tuple[dict[str, str], list[str]]:
    """The translatable texts of these steps and of the head, and all contexts in reading order."""
    data = document.read_data(source)
    whole = catalogs.all_translatable_texts(data, document.steps_data(source))
    if steps is None:
        return whole, list(whole)
    mine = {context: text for context, text in whole.items() if context.split(".")[0] in steps or context == "title"}
    return mine, list(whole)


def _po_name(language: str) -> str:
    return f"{language}.po"
