"""Makes the texts of a draft valid: readable by our templates, no unwritable characters, not too long to send."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from bot.domain.flows.importing.drafting.draft import DraftBuilder, StepDraft, escape_template_marks
from bot.domain.flows.importing.report import ImportStatus
from bot.domain.flows.language.reader import names_in, template_problems
from bot.domain.messages.segments import fold_for_sms, measure_segments

MAX_TEXT_LENGTH = 1600
MAX_SOURCE_LENGTH = 12_000
"""Anything longer is a document, not a message; the rest is cut off, with an item."""
MAX_SEGMENTS = 10
NO_TEXT = "[no text]"
FILL_SAMPLE = "a few words of the person here"
"""Stands in for filled-in values when the length of a text is measured."""

_UNWRITABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
# Each stops at the next opening: thousands of openings without an end would take minutes otherwise.
_TEMPLATE = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*+)\}\}", re.DOTALL)
_TAG = re.compile(r"\{%(?:(?!\{%|%\}).)*+%\}|\{#(?:(?!\{#|#\}).)*+#\}", re.DOTALL)

TextPlace = tuple[str, dict[str, Any], str]
"""Where a text stands: its context within the step (`ask`), and the mapping and key that hold it."""


def sent_texts(step: StepDraft) -> Iterator[TextPlace]:
    """The texts of a step that a person may receive and that are templates."""
    for key in ("ask", "say"):
        if key in step.data:
            yield key, step.data, key
    again = step.data.get("not_understood")
    if isinstance(again, dict) and "say" in again:
        yield "not_understood.say", again, "say"


def template_texts(step: StepDraft) -> Iterator[TextPlace]:
    """All texts of a step that are templates: those sent to the person and those that only staff read."""
    yield from sent_texts(step)
    for holder, keys in (("handoff", ("because", "community")), ("refer", ("need", "near")), ("referral", ("which",)),
                         ("measure", ("value",))):  # fmt: skip
        inner = step.data.get(holder)
        if isinstance(inner, dict):
            yield from ((f"{holder}.{key}", inner, key) for key in keys if key in inner)


def clean_text(text: object) -> str:
    """The text without characters that a file can't hold, with normalised line ends and no surrounding space."""
    whole = re.sub("[ \t]*(?:\r\n?|[\n\x85\u2028\u2029])", "\n", str(text))
    return _UNWRITABLE.sub("", whole).strip()


def mark_bad_templates(text: str, is_valid: Callable[[str], bool]) -> str:
    """Writes each `{{ x }}` that is not valid as `[x]`, so that the person editing the draft sees what was there."""

    def marked(found: re.Match[str]) -> str:
        return found[0] if is_valid(found[0]) else f"[{escape_template_marks(found[1].strip())}]"

    made = _TEMPLATE.sub(marked, text)
    if is_valid(made):
        return made
    everything = _TEMPLATE.sub(lambda found: f"[{found[1].strip()}]", text)
    return escape_template_marks(everything)


def fix_texts(draft: DraftBuilder) -> None:
    """Fixes characters, empty texts and broken templates; then splits texts that are too long for one message."""
    for step in draft.steps.values():
        for context, holder, key in template_texts(step):
            holder[key] = _fixed_text(draft, step, context, holder[key])
        if step.data.get("say") == "":
            _fix_missing_text(draft, step)
    for texts in draft.translations.values():
        for context, text in texts.items():
            made = clean_text(text)
            is_plain = ".choices." in context
            texts[context] = made if is_plain else mark_bad_templates(made, lambda part: not template_problems(part))
    _split_long(draft)


def _fixed_text(draft: DraftBuilder, step: StepDraft, context: str, text: object) -> str:
    whole = clean_text(text)
    if len(whole) > MAX_SOURCE_LENGTH:
        whole = whole[:MAX_SOURCE_LENGTH]
        how = f"The text is cut off after {MAX_SOURCE_LENGTH:,} characters."
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
    made = mark_bad_templates(whole, lambda part: not template_problems(part))
    if made != whole:
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED,
                   "What our texts can't fill in stands in square brackets; write it anew.", step.name)  # fmt: skip
    if not made and context != "say":
        how = "There is no text here, so it says [no text]; write one."
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
        return NO_TEXT
    unspoken = context.partition(".")[0] in ("handoff", "refer", "referral", "measure")
    return made[:MAX_TEXT_LENGTH] if unspoken and len(made) > MAX_TEXT_LENGTH else made


def _fix_missing_text(draft: DraftBuilder, step: StepDraft) -> None:
    del step.data["say"]
    if "handoff" in step.data:
        return
    draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, "It has no text, so nothing is said here.", step.name)
    if "end" not in step.data:
        step.data["decide"] = True


def mark_unknown_answers(draft: DraftBuilder, known: Collection[str]) -> None:
    """Marks the places in texts, translations included, that fill in an answer which no step saves."""

    def is_fine(part: str) -> bool:
        return not template_problems(part) and names_in(part) <= set(known)

    for step in draft.steps.values():
        for _, holder, key in template_texts(step):
            if not is_fine(holder[key]):
                unknown = ", ".join(f"`{name}`" for name in sorted(names_in(holder[key]) - set(known)))
                holder[key] = mark_bad_templates(holder[key], is_fine)
                how = f"No answer is kept as {unknown} here; it stands in square brackets."
                draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
    for texts in draft.translations.values():
        for context, text in texts.items():
            if ".choices." not in context and not is_fine(text):
                texts[context] = mark_bad_templates(text, is_fine)


# Lengths.


def count_filled_segments(text: str, rows: tuple[str, ...] = ()) -> int:
    """How many SMS segments a text takes as sent, with the choices below it."""
    filled = _TAG.sub("", _TEMPLATE.sub(FILL_SAMPLE, text))
    return measure_segments(fold_for_sms("\n".join([filled, *rows]))).segments


def choice_rows(step: StepDraft, texts: dict[str, str]) -> tuple[str, ...]:
    """The numbered choices below a question, in the language of `texts` (context -> text)."""
    choices = step.data.get("choices") or {}
    return tuple(
        f"{number} {texts.get(f'{step.name}.choices.{key}.label') or choice['label']}"
        for number, (key, choice) in enumerate(choices.items(), 1)
    )


def _split_long(draft: DraftBuilder) -> None:
    for step in list(draft.steps.values()):
        key = "ask" if "ask" in step.data else "say"
        if key in step.data and (pieces := _split_translations(draft, step, key)):
            _insert_pieces_before(draft, step, key, pieces)
        _shorten_apology(draft, step)


def _split_translations(draft: DraftBuilder, step: StepDraft, key: str) -> dict[str, list[str]]:
    """Language ("" is the source) -> the text in as many pieces as the longest language needs; empty if one is enough."""
    context = f"{step.name}.{key}"
    texts = {
        "": step.data[key],
        **{code: found[context] for code, found in draft.translations.items() if found.get(context)},
    }
    count = 1
    while count < 40 and not all(_pieces_fit(draft, step, code, split_evenly(text, count)) for code, text in texts.items()):
        count += 1
    if count == 1:
        return {}
    return {
        code: [mark_bad_templates(piece, lambda part: not template_problems(part)) for piece in split_evenly(text, count)]
        for code, text in texts.items()
    }


def _pieces_fit(draft: DraftBuilder, step: StepDraft, code: str, pieces: list[str]) -> bool:
    rows = choice_rows(step, draft.translations.get(code, {}))
    last = len(pieces) - 1
    return all(
        len(piece) <= MAX_TEXT_LENGTH and count_filled_segments(piece, rows if at == last else ()) <= MAX_SEGMENTS
        for at, piece in enumerate(pieces)
    )


def split_evenly(text: str, count: int) -> list[str]:
    """Cuts the text into this many pieces of about equal length, at spaces if there are any."""
    pieces: list[str] = []
    rest = text
    for left in range(count, 1, -1):
        middle = len(rest) // left
        space = rest.rfind(" ", middle // 2, middle + 1)
        end = next((at for at in (rest.rfind("\n", middle // 2, middle + 1), space) if at > 0), middle)
        pieces.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*pieces, rest]


def _insert_pieces_before(draft: DraftBuilder, step: StepDraft, key: str, pieces: dict[str, list[str]]) -> None:
    """Sends all pieces but the last in steps of their own, placed in front of this one."""
    count = len(pieces[""])
    made = [draft.names.allocate(f"{step.name}_part") for _ in range(count - 1)]
    draft.redirect(step.name, made[0])
    for at, name in enumerate(made):
        data = {"say": pieces[""][at] or NO_TEXT, "next": (*made, step.name)[at + 1]}
        draft.insert_before(step.name, StepDraft(name, data, "", step.node, step.kind))
    for code, texts in draft.translations.items():
        for name, piece in zip((*made, step.name), pieces.get(code, ()), strict=False):
            texts[f"{name}.say" if name != step.name else f"{step.name}.{key}"] = piece
    step.data[key] = pieces[""][-1]
    how = f"The text is too long for one message and is said in {count}."
    draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)


def _shorten_apology(draft: DraftBuilder, step: StepDraft) -> None:
    again = step.data.get("not_understood")
    said = (again.get("say") or "") if isinstance(again, dict) else ""
    if again and (len(said) > MAX_TEXT_LENGTH or count_filled_segments(said) > MAX_SEGMENTS):
        del again["say"]
        how = "The text behind a wrong answer is too long for one message; the standing words are said."
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
