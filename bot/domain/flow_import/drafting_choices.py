"""The choices of a draft made fit: at most nine, with labels and words that a telephone company lets through."""

from __future__ import annotations

import re
from typing import Any

from bot.domain.flow_checks import UNIVERSAL_WORDS
from bot.domain.flow_import.drafting import Drafting, Names, StepDraft
from bot.domain.flow_import.drafting_texts import clean
from bot.domain.flow_import.report import Fate
from bot.domain.flow_reader import CARRIER_WORDS, MOST_CHOICES
from bot.domain.understanding import words_of

LONGEST_LABEL = 60
MOST_WORDS = 60
"""Of one choice; a list of hundreds is a dictionary, not what people say."""

Choices = dict[str, dict[str, Any]]


def mend_choices(draft: Drafting) -> None:
    """Names, order, labels and words of every question's choices; more than nine are asked on further pages."""
    for step in list(draft.steps.values()):
        if "ask" in step.data and step.data.get("choices"):
            _mend(draft, step)
            _page(draft, step)


def _mend(draft: Drafting, step: StepDraft) -> None:
    names = Names(otherwise="choice")
    given: Choices = step.data["choices"]
    renamed = {key: names.of(key) for key in given}
    for old, new in renamed.items():
        if old != new:
            _move_translations(draft, step, old, new)
    choices = _in_their_order({renamed[key]: dict(choice) for key, choice in given.items()})
    step.data["choices"] = choices
    labels: set[str] = set()
    words: set[str] = set()
    for key, choice in choices.items():
        choice["label"] = _label(draft, step, key, choice, labels)
    for at, choice in enumerate(choices.values(), 1):
        choice["words"] = _words(draft, step, choice, at, len(choices), words, labels)
        if not choice["words"]:
            del choice["words"]


def _move_translations(draft: Drafting, step: StepDraft, old: str, new: str) -> None:
    for texts in draft.translations.values():
        for field in ("label", "words"):
            told = texts.pop(f"{step.name}.choices.{old}.{field}", None)
            if told is not None:
                texts[f"{step.name}.choices.{new}.{field}"] = told


def _digit(choice: dict[str, Any]) -> int:
    words = [str(word) for word in choice.get("words") or ()]
    return next((int(word) for word in words if re.fullmatch("[1-9][0-9]?", word)), 100)


def _in_their_order(choices: Choices) -> Choices:
    """By the digits of their own menu where it has any: `1` is then the first of ours too."""
    return dict(sorted(choices.items(), key=lambda row: _digit(row[1])))


def _label(draft: Drafting, step: StepDraft, key: str, choice: dict[str, Any], labels: set[str]) -> str:
    label = " ".join(clean(choice.get("label") or "").split()) or key.replace("_", " ")

    def told(how: str) -> None:
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)

    if "{{" in label or "{%" in label:
        label = label.replace("{{", "[").replace("}}", "]").replace("{%", "[").replace("%}", "]")
        told("A label can't be filled in; what was in it stands in square brackets.")
    if len(label) > LONGEST_LABEL:
        label = label[: LONGEST_LABEL - 3].rstrip() + "..."
        told(f"A label of a choice is longer than {LONGEST_LABEL} characters and was cut to `{label}`.")
    if " ".join(words_of(label)) in CARRIER_WORDS:
        told(f"Telephone companies act on `{label}`, so the label says `Choose {label.lower()}`.")
        label = f"Choose {label.lower()}"
    if label.casefold() in labels:
        told(f"Two choices have the label `{label}`; the second has its name behind it.")
        label = f"{label[: LONGEST_LABEL - len(key) - 3]} ({key})"
    labels.add(label.casefold())
    return label


def _words(
    draft: Drafting, step: StepDraft, choice: dict[str, Any], at: int, count: int, words: set[str], labels: set[str]
) -> list[str]:
    kept: list[str] = []
    for given in choice.get("words") or ():
        word = " ".join(clean(given).replace(",", " ").split())
        spoken = " ".join(words_of(word))
        why = _why_not(word, spoken, at, count, words)
        if why:
            how = f"`{word[:60]}` is no word of the choice `{choice['label']}`: {why}."
            draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
        elif spoken and spoken not in words and word.casefold() != choice["label"].casefold() and word != str(at):
            kept.append(word)
        if not why and spoken:
            words.add(spoken)
    if len(kept) > MOST_WORDS:
        how = f"The choice `{choice['label']}` has {len(kept)} words; the first {MOST_WORDS} were kept."
        draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
    return kept[:MOST_WORDS]


def _why_not(word: str, spoken: str, at: int, count: int, words: set[str]) -> str:
    if not word:
        return ""
    if not spoken:
        return "only letters and numbers are read as words"
    if spoken in CARRIER_WORDS:
        return "telephone companies act on it"
    if spoken in UNIVERSAL_WORDS:
        return "it means the same at every step"
    if spoken in words:
        return "another choice has it"
    if spoken.isdecimal() and len(spoken) < 3 and 1 <= int(spoken) <= count and int(spoken) != at:
        return f"it is the number of another choice here, and this one is number {at}"
    return ""


# More than nine.


def _page(draft: Drafting, step: StepDraft) -> None:
    """Eight choices and `Something else` for each page; the further pages are steps of their own."""
    rows = list(step.data["choices"].items())
    if len(rows) <= MOST_CHOICES:
        return
    how = f"{len(rows)} choices are more than {MOST_CHOICES}; the rest is asked behind `Something else`."
    draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)
    save = step.data.setdefault("save", step.name)
    pages = [rows[start : start + MOST_CHOICES - 1] for start in range(0, len(rows), MOST_CHOICES - 1)]
    names = [step.name, *(draft.names.fresh(f"{step.name}_more") for _ in pages[1:])]
    whole = dict(step.data)
    previous = step.name
    for at, page in enumerate(pages):
        choices = dict(page)
        if at + 1 < len(pages):
            choices["something_else"] = {"label": "Something else", "go": names[at + 1]}
        if at == 0:
            step.data["choices"] = choices
            continue
        data = {**_copied(whole), "choices": choices, "save": save}
        draft.insert_after(previous, StepDraft(names[at], data, "", step.node, step.kind))
        _copy_translations(draft, step.name, names[at], choices)
        previous = names[at]


def _copied(data: dict[str, Any]) -> dict[str, Any]:
    """The data without the same inner mappings: two steps are led elsewhere each for itself."""
    made = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    if isinstance(made.get("next"), list):
        made["next"] = [dict(branch) for branch in made["next"]]
    return made


def _copy_translations(draft: Drafting, old: str, new: str, choices: Choices) -> None:
    fields = [f"choices.{key}.{field}" for key in choices for field in ("label", "words")]
    for texts in draft.translations.values():
        for field in ("ask", "not_understood.say", *fields):
            if f"{old}.{field}" in texts:
                texts[f"{new}.{field}"] = texts[f"{old}.{field}"]
