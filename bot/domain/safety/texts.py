"""The reviewed texts we answer with in danger, and which of them answers which assessment."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.safety.levels import Assessment, Danger, Level
from bot.domain.safety.lined_yaml import LinedNode, SafetyRuleError, check_review, read_yaml

_BRACED = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class ReviewedTexts:
    """Scripted replies by key and language, with the most segments that each may use."""

    languages: tuple[str, ...]
    words: Mapping[str, Mapping[str, str]]
    segments: Mapping[str, int]
    review: Mapping[str, str]

    def get(self, key: str, language: str, **fields: str | int) -> str:
        """The text for `key` in `language` (in English where it has no such language), with its `{braces}` filled in from
        `fields`. KeyError for an unknown key and for a field in the text that the caller does not give."""
        by_language = self.words[key]
        return fill_in(by_language.get(language) or by_language[SOURCE_LANGUAGE], fields)


def fill_in(words: str, fields: Mapping[str, str | int]) -> str:
    """`words` with each `{field}` filled in; KeyError for one that is not in `fields`.

    Not str.format: a name that a person typed must never be read as a format, nor may a text access attributes.
    """
    return _BRACED.sub(lambda found: str(fields[found[1]]), words)


def check_braces(place: LinedNode, words: str, known: Collection[str]) -> frozenset[str]:
    """The fields to fill in in `words`, which stand at `place`. SafetyRuleError for one that is not `known`, and for an
    unmatched brace."""
    found = frozenset(_BRACED.findall(words))
    remedy = f"Known here: {', '.join(f'{{{field}}}' for field in sorted(known)) or 'none'}."
    for field in sorted(found - set(known)):
        raise place.error(f"'{{{field}}}' cannot be filled in here.", remedy)
    if re.search(r"[{}]", _BRACED.sub("", words)):
        raise place.error("A brace stands alone.", remedy)
    return found


def read_texts(
    yaml_text: str,
    file: str,
    needed: frozenset[str] | None = None,
    fillable: Mapping[str, frozenset[str]] | None = None,
) -> ReviewedTexts:
    """The replies in one YAML text; every key of `needed` (None: the safety replies) must exist in every language.

    `fillable` says which `{fields}` may stand in the text of a key, the same in each language; other texts have none.
    Raises SafetyRuleError naming `file`, the line, what is wrong and the remedy.
    """
    top = read_yaml(yaml_text, file)
    fields = top.fields(("review", "languages", "texts"))
    check_review(top, fields)
    languages = tuple(language for _, language in top.required(fields, "languages").texts())
    if SOURCE_LANGUAGE not in languages:
        raise fields["languages"].error("English is missing.", "Add `en`: it is what any other language falls back to.")
    words: dict[str, dict[str, str]] = {}
    segments: dict[str, int] = {}
    for key, place in top.required(fields, "texts").fields().items():
        entry = place.fields((*languages, "segments", "note"))
        budget = place.required(entry, "segments")
        if not budget.text().isdecimal() or int(budget.text()) < 1:
            raise budget.error(f"'{budget.text()}' is not a number of segments.", "Write 1 or more.")
        segments[key] = int(budget.text())
        words[key] = {language: place.required(entry, language).text() for language in languages}
        _check_fields(entry, words[key], (fillable or {}).get(key, frozenset()))
    missing = sorted((REPLY_KEYS if needed is None else needed) - words.keys())
    if missing:
        raise SafetyRuleError(file, fields["texts"].line, f"Missing: {', '.join(missing)}.", "Add them in each language.")
    review = {who: place.text() for who, place in fields["review"].fields().items()}
    return ReviewedTexts(languages, words, segments, review)


def _check_fields(entry: Mapping[str, LinedNode], by_language: Mapping[str, str], known: frozenset[str]) -> None:
    held = {language: check_braces(entry[language], words, known) for language, words in by_language.items()}
    for language, fields in held.items():
        if fields != held[SOURCE_LANGUAGE]:
            raise entry[language].error("What is filled in here is not what is filled in in English.", "Make them the same.")


_QUESTION_KEYS = {
    Danger.SELF_HARM: "ask_self_harm",
    Danger.DOMESTIC_VIOLENCE: "ask_violence",
    Danger.VIOLENCE: "ask_violence",
    Danger.CHILD: "ask_child",
    Danger.OVERDOSE: "ask_medical",
    Danger.MEDICAL: "ask_medical",
    Danger.DISTRESS: "distress_offer",
}
# Questions to people about themselves; they make no sense to someone who writes about another person.
_OWN_QUESTIONS = (Danger.SELF_HARM, Danger.DOMESTIC_VIOLENCE, Danger.VIOLENCE)
_IN_PROGRESS = {
    Danger.SELF_HARM: "in_progress_self_harm",
    Danger.DOMESTIC_VIOLENCE: "in_progress_violence",
    Danger.VIOLENCE: "in_progress_violence",
    Danger.CHILD: "in_progress_violence",
    Danger.OVERDOSE: "in_progress_overdose",
    Danger.MEDICAL: "in_progress_medical",
    Danger.DISTRESS: "distress_offer",
}
_IMMINENT = {**_IN_PROGRESS, Danger.SELF_HARM: "imminent_self_harm"}
_ACTIVE = {
    Danger.SELF_HARM: "active_self_harm",
    Danger.DOMESTIC_VIOLENCE: "active_domestic_violence",
    Danger.VIOLENCE: "active_violence",
    Danger.CHILD: "active_child",
    Danger.OVERDOSE: "active_overdose",
    Danger.MEDICAL: "active_medical",
    Danger.DISTRESS: "distress_offer",
}
_BY_LEVEL = {Level.IN_PROGRESS: _IN_PROGRESS, Level.IMMINENT: _IMMINENT, Level.ACTIVE: _ACTIVE}
REPLY_KEYS = frozenset(
    {*_QUESTION_KEYS.values(), *_IMMINENT.values(), *_IN_PROGRESS.values(), *_ACTIVE.values(), "about_other_self_harm"}
    | {"in_progress_other", "about_other_danger", "distress_offer"}
)


def reply_key(assessment: Assessment) -> str | None:
    """The key of the text that answers `assessment`; None where the conversation just goes on (NONE and NEED)."""
    danger = assessment.dangers[0] if assessment.dangers else Danger.DISTRESS
    if danger is Danger.DOMESTIC_VIOLENCE and Danger.CHILD in assessment.dangers:
        # Violence at home with a child involved: the child hotline and the duty to report come first.
        danger = Danger.CHILD
    if assessment.level < Level.DISTRESS:
        return None
    if assessment.ask is not None and not (assessment.about_other and assessment.ask in _OWN_QUESTIONS):
        return _QUESTION_KEYS[assessment.ask]
    if assessment.about_other and danger is not Danger.CHILD:
        return _key_about_other(assessment.level, danger)
    return _BY_LEVEL.get(assessment.level, {}).get(danger, "distress_offer")


def _key_about_other(level: Level, danger: Danger) -> str:
    # Below ACTIVE no social worker is alerted, so no text may say that one is.
    if level < Level.ACTIVE or danger is Danger.DISTRESS:
        return "distress_offer"
    if level is Level.IN_PROGRESS or danger in (Danger.MEDICAL, Danger.OVERDOSE):
        return "in_progress_other"
    return "about_other_self_harm" if danger is Danger.SELF_HARM else "about_other_danger"
