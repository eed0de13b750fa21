"""Texts of a draft made fit: readable by our templates, free of characters that a file can't hold, not too long to send."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from bot.domain.flow_import.drafting import Drafting, StepDraft, plain
from bot.domain.flow_import.report import Fate
from bot.domain.flow_reader import names_in, template_problems
from bot.domain.segments import fold_for_sms, measure

LONGEST_TEXT = 1600
LONGEST_OF_THEIRS = 12_000
"""What is longer than that is a document, not a text; the rest is cut off, with an item."""
MOST_SEGMENTS = 10
NO_TEXT = "[no text]"
FILLED = "a few words of the person here"
"""Stands for what will be filled in, where the length of a text is measured."""

_UNWRITABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")
# Each stops at the next opening: thousands of openings without an end would take minutes otherwise.
_TEMPLATE = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*+)\}\}", re.DOTALL)
_TAG = re.compile(r"\{%(?:(?!\{%|%\}).)*+%\}|\{#(?:(?!\{#|#\}).)*+#\}", re.DOTALL)

Place = tuple[str, dict[str, Any], str]
"""Where a text stands: its context within the step (`ask`), and the mapping and key that hold it."""


def spoken(step: StepDraft) -> Iterator[Place]:
    """The texts of a step that a person may be sent and that are templates."""
    for key in ("ask", "say"):
        if key in step.data:
            yield key, step.data, key
    again = step.data.get("not_understood")
    if isinstance(again, dict) and "say" in again:
        yield "not_understood.say", again, "say"


def templates(step: StepDraft) -> Iterator[Place]:
    """All texts of a step that are templates: the spoken ones, and those that only the staff reads."""
    yield from spoken(step)
    for holder, keys in (("handoff", ("because", "community")), ("refer", ("need", "near")), ("referral", ("which",)),
                         ("measure", ("value",))):  # fmt: skip
        inner = step.data.get(holder)
        if isinstance(inner, dict):
            yield from ((f"{holder}.{key}", inner, key) for key in keys if key in inner)


def clean(text: object) -> str:
    """The text without characters that a file can't hold, with plain line ends and no space around it."""
    whole = re.sub("[ \t]*(?:\r\n?|[\n\x85\u2028\u2029])", "\n", str(text))
    return _UNWRITABLE.sub("", whole).strip()


def readable(text: str, is_fine: Callable[[str], bool]) -> str:
    """The text with each `{{ x }}` that is not fine written as `[x]`, so that who edits the draft sees what was there."""

    def marked(found: re.Match[str]) -> str:
        return found[0] if is_fine(found[0]) else f"[{plain(found[1].strip())}]"

    made = _TEMPLATE.sub(marked, text)
    if is_fine(made):
        return made
    everything = _TEMPLATE.sub(lambda found: f"[{found[1].strip()}]", text)
    return plain(everything)


def mend_texts(draft: Drafting) -> None:
    """Characters, empty texts and broken templates; then what is too long for one message is told in several."""
    for step in draft.steps.values():
        for context, holder, key in templates(step):
            holder[key] = _mended(draft, step, context, holder[key])
        if step.data.get("say") == "":
            _without_text(draft, step)
    for texts in draft.translations.values():
        for context, text in texts.items():
            made = clean(text)
            is_plain = ".choices." in context
            texts[context] = made if is_plain else readable(made, lambda part: not template_problems(part))
    _split_long(draft)


def _mended(draft: Drafting, step: StepDraft, context: str, text: object) -> str:
    whole = clean(text)
    if len(whole) > LONGEST_OF_THEIRS:
        whole = whole[:LONGEST_OF_THEIRS]
        how = f"The text is cut off after {LONGEST_OF_THEIRS:,} characters."
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
    made = readable(whole, lambda part: not template_problems(part))
    if made != whole:
        draft.tell(step.node, step.kind, Fate.APPROXIMATED,
                   "What our texts can't fill in stands in square brackets; write it anew.", step.name)  # fmt: skip
    if not made and context != "say":
        how = "There is no text here, so it says [no text]; write one."
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
        return NO_TEXT
    unspoken = context.partition(".")[0] in ("handoff", "refer", "referral", "measure")
    return made[:LONGEST_TEXT] if unspoken and len(made) > LONGEST_TEXT else made


def _without_text(draft: Drafting, step: StepDraft) -> None:
    del step.data["say"]
    if "handoff" in step.data:
        return
    draft.tell(step.node, step.kind, Fate.APPROXIMATED, "It has no text, so nothing is said here.", step.name)
    if "end" not in step.data:
        step.data["decide"] = True


def forget_unknown(draft: Drafting, known: Collection[str]) -> None:
    """Answers that nobody keeps: their place in a text is marked, in the translations too."""

    def is_fine(part: str) -> bool:
        return not template_problems(part) and names_in(part) <= set(known)

    for step in draft.steps.values():
        for _, holder, key in templates(step):
            if not is_fine(holder[key]):
                gone = ", ".join(f"`{name}`" for name in sorted(names_in(holder[key]) - set(known)))
                holder[key] = readable(holder[key], is_fine)
                how = f"No answer is kept as {gone} here; it stands in square brackets."
                draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
    for texts in draft.translations.values():
        for context, text in texts.items():
            if ".choices." not in context and not is_fine(text):
                texts[context] = readable(text, is_fine)


# Lengths.


def segments_of(text: str, rows: tuple[str, ...] = ()) -> int:
    """How many SMS segments a text takes with the choices below it, as it leaves."""
    filled = _TAG.sub("", _TEMPLATE.sub(FILLED, text))
    return measure(fold_for_sms("\n".join([filled, *rows]))).segments


def rows_of(step: StepDraft, texts: dict[str, str]) -> tuple[str, ...]:
    """The numbered choices below a question, in the language of `texts` (context -> text)."""
    choices = step.data.get("choices") or {}
    return tuple(
        f"{number} {texts.get(f'{step.name}.choices.{key}.label') or choice['label']}"
        for number, (key, choice) in enumerate(choices.items(), 1)
    )


def _split_long(draft: Drafting) -> None:
    for step in list(draft.steps.values()):
        key = "ask" if "ask" in step.data else "say"
        if key in step.data and (pieces := _pieces(draft, step, key)):
            _tell_before(draft, step, key, pieces)
        _cut_apology(draft, step)


def _pieces(draft: Drafting, step: StepDraft, key: str) -> dict[str, list[str]]:
    """Language ("" is the source) -> the text in as many pieces as all languages need; empty where one is enough."""
    context = f"{step.name}.{key}"
    texts = {
        "": step.data[key],
        **{code: found[context] for code, found in draft.translations.items() if found.get(context)},
    }
    count = 1
    while count < 40 and not all(_fits(draft, step, code, cut(text, count)) for code, text in texts.items()):
        count += 1
    if count == 1:
        return {}
    return {code: [readable(piece, lambda part: not template_problems(part)) for piece in cut(text, count)]
            for code, text in texts.items()}  # fmt: skip


def _fits(draft: Drafting, step: StepDraft, code: str, pieces: list[str]) -> bool:
    rows = rows_of(step, draft.translations.get(code, {}))
    last = len(pieces) - 1
    return all(
        len(piece) <= LONGEST_TEXT and segments_of(piece, rows if at == last else ()) <= MOST_SEGMENTS
        for at, piece in enumerate(pieces)
    )


def cut(text: str, count: int) -> list[str]:
    """The text in this many pieces of about the same length, cut at spaces where there are any."""
    pieces: list[str] = []
    rest = text
    for left in range(count, 1, -1):
        middle = len(rest) // left
        space = rest.rfind(" ", middle // 2, middle + 1)
        end = next((at for at in (rest.rfind("\n", middle // 2, middle + 1), space) if at > 0), middle)
        pieces.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*pieces, rest]


def _tell_before(draft: Drafting, step: StepDraft, key: str, pieces: dict[str, list[str]]) -> None:
    """Says all pieces but the last in steps of their own, to which leads what led to this one."""
    count = len(pieces[""])
    made = [draft.names.fresh(f"{step.name}_part") for _ in range(count - 1)]
    draft.redirect(step.name, made[0])
    for at, name in enumerate(made):
        data = {"say": pieces[""][at] or NO_TEXT, "next": (*made, step.name)[at + 1]}
        draft.insert_before(step.name, StepDraft(name, data, "", step.node, step.kind))
    for code, texts in draft.translations.items():
        for name, piece in zip((*made, step.name), pieces.get(code, ()), strict=False):
            texts[f"{name}.say" if name != step.name else f"{step.name}.{key}"] = piece
    step.data[key] = pieces[""][-1]
    how = f"The text is too long for one message and is said in {count}."
    draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)


def _cut_apology(draft: Drafting, step: StepDraft) -> None:
    again = step.data.get("not_understood")
    said = (again.get("say") or "") if isinstance(again, dict) else ""
    if again and (len(said) > LONGEST_TEXT or segments_of(said) > MOST_SEGMENTS):
        del again["say"]
        how = "The text behind a wrong answer is too long for one message; the standing words are said."
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
