"""Makes the choices of a draft valid: at most nine, with labels and words that carriers accept."""

from __future__ import annotations

import re
from typing import Any

from bot.domain.flows.checks.checks import UNIVERSAL_WORDS
from bot.domain.flows.importing.drafting.draft import DraftBuilder, NameAllocator, StepDraft
from bot.domain.flows.importing.drafting.texts import clean_text
from bot.domain.flows.importing.report import ImportStatus
from bot.domain.flows.language.reader import CARRIER_WORDS, MAX_CHOICES
from bot.domain.listening.understanding import words_of

MAX_LABEL_LENGTH = 60
MAX_WORDS = 60
"""Per choice; a list of hundreds is a dictionary, not what people text."""

Choices = dict[str, dict[str, Any]]


def fix_choices(draft: DraftBuilder) -> None:
    """Fixes names, order, labels and words of every question's choices; more than nine are spread over further pages."""
    for step in list(draft.steps.values()):
        if "ask" in step.data and step.data.get("choices"):
            _fix_question(draft, step)
            _paginate(draft, step)


def _fix_question(draft: DraftBuilder, step: StepDraft) -> None:
    names = NameAllocator(fallback="choice")
    given: Choices = step.data["choices"]
    renamed = {key: names.name_for(key) for key in given}
    for old, new in renamed.items():
        if old != new:
            _move_translations(draft, step, old, new)
    choices = _in_source_order({renamed[key]: dict(choice) for key, choice in given.items()})
    step.data["choices"] = choices
    labels: set[str] = set()
    words: set[str] = set()
    for key, choice in choices.items():
        choice["label"] = _fixed_label(draft, step, key, choice, labels)
    for at, choice in enumerate(choices.values(), 1):
        choice["words"] = _fixed_words(draft, step, choice, at, len(choices), words, labels)
        if not choice["words"]:
            del choice["words"]


def _move_translations(draft: DraftBuilder, step: StepDraft, old: str, new: str) -> None:
    for texts in draft.translations.values():
        for field in ("label", "words"):
            notes = texts.pop(f"{step.name}.choices.{old}.{field}", None)
            if notes is not None:
                texts[f"{step.name}.choices.{new}.{field}"] = notes


def _digit(choice: dict[str, Any]) -> int:
    words = [str(word) for word in choice.get("words") or ()]
    return next((int(word) for word in words if re.fullmatch("[1-9][0-9]?", word)), 100)


def _in_source_order(choices: Choices) -> Choices:
    """Orders by the digits of the source menu, if it has any: its `1` is then our first too."""
    return dict(sorted(choices.items(), key=lambda row: _digit(row[1])))


def _fixed_label(draft: DraftBuilder, step: StepDraft, key: str, choice: dict[str, Any], labels: set[str]) -> str:
    label = " ".join(clean_text(choice.get("label") or "").split()) or key.replace("_", " ")

    def told(how: str) -> None:
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)

    if "{{" in label or "{%" in label:
        label = label.replace("{{", "[").replace("}}", "]").replace("{%", "[").replace("%}", "]")
        told("A label can't be filled in; what was in it stands in square brackets.")
    if len(label) > MAX_LABEL_LENGTH:
        label = label[: MAX_LABEL_LENGTH - 3].rstrip() + "..."
        told(f"A label of a choice is longer than {MAX_LABEL_LENGTH} characters and was cut to `{label}`.")
    if " ".join(words_of(label)) in CARRIER_WORDS:
        told(f"Telephone companies act on `{label}`, so the label says `Choose {label.lower()}`.")
        label = f"Choose {label.lower()}"
    if label.casefold() in labels:
        told(f"Two choices have the label `{label}`; the second has its name behind it.")
        label = f"{label[: MAX_LABEL_LENGTH - len(key) - 3]} ({key})"
    labels.add(label.casefold())
    return label


def _fixed_words(
    draft: DraftBuilder, step: StepDraft, choice: dict[str, Any], at: int, count: int, words: set[str], labels: set[str]
) -> list[str]:
    kept: list[str] = []
    for given in choice.get("words") or ():
        word = " ".join(clean_text(given).replace(",", " ").split())
        spoken = " ".join(words_of(word))
        why = _rejection_reason(word, spoken, at, count, words)
        if why:
            how = f"`{word[:60]}` is no word of the choice `{choice['label']}`: {why}."
            draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
        elif spoken and spoken not in words and word.casefold() != choice["label"].casefold() and word != str(at):
            kept.append(word)
        if not why and spoken:
            words.add(spoken)
    if len(kept) > MAX_WORDS:
        how = f"The choice `{choice['label']}` has {len(kept)} words; the first {MAX_WORDS} were kept."
        draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
    return kept[:MAX_WORDS]


def _rejection_reason(word: str, spoken: str, at: int, count: int, words: set[str]) -> str:
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


def _paginate(draft: DraftBuilder, step: StepDraft) -> None:
    """Puts eight choices and `Something else` on each page; further pages are steps of their own."""
    rows = list(step.data["choices"].items())
    if len(rows) <= MAX_CHOICES:
        return
    how = f"{len(rows)} choices are more than {MAX_CHOICES}; the rest is asked behind `Something else`."
    draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)
    save = step.data.setdefault("save", step.name)
    pages = [rows[start : start + MAX_CHOICES - 1] for start in range(0, len(rows), MAX_CHOICES - 1)]
    names = [step.name, *(draft.names.allocate(f"{step.name}_more") for _ in pages[1:])]
    whole = dict(step.data)
    previous = step.name
    for at, page in enumerate(pages):
        choices = dict(page)
        if at + 1 < len(pages):
            choices["something_else"] = {"label": "Something else", "go": names[at + 1]}
        if at == 0:
            step.data["choices"] = choices
            continue
        data = {**_copy_step_data(whole), "choices": choices, "save": save}
        draft.insert_after(previous, StepDraft(names[at], data, "", step.node, step.kind))
        _copy_translations(draft, step.name, names[at], choices)
        previous = names[at]


def _copy_step_data(data: dict[str, Any]) -> dict[str, Any]:
    """Copies the data with its inner mappings, so that each of two steps can be redirected separately."""
    made = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    if isinstance(made.get("next"), list):
        made["next"] = [dict(branch) for branch in made["next"]]
    return made


def _copy_translations(draft: DraftBuilder, old: str, new: str, choices: Choices) -> None:
    fields = [f"choices.{key}.{field}" for key in choices for field in ("label", "words")]
    for texts in draft.translations.values():
        for field in ("ask", "not_understood.say", *fields):
            if f"{old}.{field}" in texts:
                texts[f"{new}.{field}"] = texts[f"{old}.{field}"]
