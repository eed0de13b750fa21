"""Acts on a whole flow: the YAML changes as in `document.py`, and the PO files follow.

A translation whose source changed is marked fuzzy and kept with the source that it was made from, so that it is not sent
until somebody has read it. Transcripts stay as they are: their heads name flows, never steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing import catalogs, document
from bot.domain.flow_editing.alike import Renames, renames
from bot.domain.flow_editing.mentions import kept_answer, with_answer_renamed, with_choice_renamed
from bot.domain.flow_editing.unfit import Unfit

__all__ = [
    "Unfit",
    "add_step",
    "delete_step",
    "move_step",
    "rename_choice",
    "rename_step",
    "with_conditions_following",
    "write_head",
    "write_source",
    "write_step",
]  # fmt: skip

Texts = Mapping[str, Mapping[str, str]]
"""Language -> context -> translation."""


def write_step(content: FlowContent, name: str, step: Mapping[str, object], texts: Texts | None = None) -> FlowContent:
    """The flow with another content of this step, and these translations of it. Raises Unfit, FlowError.

    A translation that stays as it was while its source changes becomes stale (fuzzy).
    """
    return _followed(content, document.set_step(content.source, name, step), texts or {}, [name])


def add_step(
    content: FlowContent, name: str, step: Mapping[str, object], after: str | None = None, texts: Texts | None = None
) -> FlowContent:
    """The flow with one more step, behind `after` or as the last one, and these translations. Raises Unfit, FlowError."""
    return _followed(content, document.add_step(content.source, name, step, after), texts or {}, [name])


def delete_step(content: FlowContent, name: str) -> FlowContent:
    """The flow without this step; its translations are set aside in the PO files. Raises Unfit, FlowError."""
    return _followed(content, document.delete_step(content.source, name), {}, [name])


def move_step(content: FlowContent, name: str, before: str | None = None) -> FlowContent:
    """The flow with this step in front of `before`, or as the last one. Raises Unfit, FlowError."""
    return replace(content, source=document.move_step(content.source, name, before))


def write_head(content: FlowContent, fields: Mapping[str, object], texts: Texts | None = None) -> FlowContent:
    """The flow with other words at its top, and translations of its title. Raises Unfit, FlowError."""
    return _followed(content, document.set_head(content.source, fields), texts or {}, [])


def write_source(content: FlowContent, source: str) -> FlowContent:
    """The flow with another YAML text, as it was typed. Translations follow, also steps and choices that have another name.
    Never raises: where one of the two texts, or a PO file, can't be read, the PO files stay as they are.
    """
    try:
        names = renames(document.steps_data(content.source), document.steps_data(source))
        placed = dict(content.translations)
        for language, po in placed.items():
            for old, new in names.steps.items():
                po = catalogs.with_place_renamed(po, old, new)
            for step, pairs in names.choices.items():
                for old, new in pairs.items():
                    po = catalogs.with_place_renamed(po, f"{step}.choices.{old}", f"{step}.choices.{new}")
            placed[language] = po
        return _followed(replace(content, translations=placed), source, {}, None, names)
    except ValueError:
        return replace(content, source=source)


def rename_step(content: FlowContent, old: str, new: str) -> FlowContent:
    """The flow in which a step has another name: ways, conditions and translations follow. Raises Unfit, FlowError."""
    source = document.rename_step(content.source, old, new)
    if old == new:
        return content
    was = kept_answer(old, document.step_data(content.source, old))
    is_answer_renamed = was == old and kept_answer(new, document.step_data(source, new)) == new
    rename = (lambda text: with_answer_renamed(text, old, new)) if is_answer_renamed else None
    return _renamed(content, source, old, new, rename)


def rename_choice(content: FlowContent, step: str, old: str, new: str) -> FlowContent:
    """The flow in which a choice has another name: conditions and translations follow. Raises Unfit, FlowError."""
    source = document.rename_choice(content.source, step, old, new)
    if old == new:
        return content
    answer = kept_answer(step, document.step_data(content.source, step)) or step
    at = f"{step}.choices."
    return _renamed(content, source, at + old, at + new, lambda text: with_choice_renamed(text, [answer], old, new))


def with_conditions_following(step: Mapping[str, object], name: str, old: str, new: str) -> dict[str, object]:
    """A step that was typed with another name of one of its choices: its own conditions still say the old name."""
    answer, ways = kept_answer(name, step) or name, step.get("next")
    if not isinstance(ways, list):
        return dict(step)
    followed = [
        {**way, "when": with_choice_renamed(str(way["when"]), [answer], old, new, is_condition=True)}
        if isinstance(way, Mapping) and way.get("when")
        else way
        for way in ways
    ]
    return {**step, "next": followed}


def _renamed(
    content: FlowContent, source: str, old: str, new: str, rename: Callable[[str], str] | None
) -> FlowContent:  # fmt: skip
    made: dict[str, str] = {}
    for language, po in content.translations.items():
        placed = catalogs.with_place_renamed(po, old, new)
        made[language] = catalogs.with_texts_renamed(placed, rename, _file(language)) if rename else placed
    return replace(content, source=source, translations=made)


def _followed(
    content: FlowContent, source: str, texts: Texts, steps: Sequence[str] | None, names: Renames | None = None
) -> FlowContent:
    """The content with this source; `steps` are those that may have changed, None for all. `names` were carried along."""
    before, order_before = _sources(content.source, steps)
    before = {names.place(context): text for context, text in before.items()} if names else before
    after, order = _sources(source, steps)
    made: dict[str, str] = dict(content.translations)
    for language in dict.fromkeys([*content.translations, *texts]):
        given = {context: text for context, text in texts.get(language, {}).items() if context in after}
        po = content.translations.get(language)
        if po is None:
            if not any(text.strip() for text in given.values()):
                continue
            flow = str(document.read_data(source).get("flow") or "")
            po = catalogs.new_catalog(flow, language)
        made[language] = catalogs.followed(po, before, after, given, order or order_before, _file(language))
    return replace(content, source=source, translations=made)


def _sources(source: str, steps: Sequence[str] | None) -> tuple[dict[str, str], list[str]]:
    """What is translated of these steps and of the head, and all contexts in reading order."""
    data = document.read_data(source)
    whole = catalogs.all_spoken(data, document.steps_data(source))
    if steps is None:
        return whole, list(whole)
    mine = {context: text for context, text in whole.items() if context.split(".")[0] in steps or context == "title"}
    return mine, list(whole)


def _file(language: str) -> str:
    return f"{language}.po"
