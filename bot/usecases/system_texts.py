"""System texts and rules that belong to no flow: safety rules, keywords, languages, and the reviewed texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.domain.conversation.keywords import Keywords, read_keywords
from bot.domain.flows.language.script import AnswerKind
from bot.domain.listening.languages import LanguageGuesser
from bot.domain.safety import ReviewedTexts, SafetyRules, read_rules, read_texts
from bot.paths import ROOT

STANDING_KEYS = frozenset(
    {f"again_{kind}" for kind in AnswerKind}
    | {"again_choice", "nothing_before", "language_changed", "back_after_outage"}
    | {"more_services", "no_more_services", "check_in_neutral", "check_in_closing"}
)
SAFETY_KEYS = frozenset({
    "after_no", "waiting", "waiting_calm", "person_asked", "not_understood_person", "stop_ack", "start_ack",
    "opted_out_confirm_free_text", "help", "help_in_conversation", "closed_hello", "outage", "outage_crisis", "apology",
    "media_only", "too_many_messages",
})  # fmt: skip
# The fields that the senders of the texts of words/handoff.yaml fill in.
_NAME_FIELD = frozenset({"name"})
HANDOFF_FIELDS: dict[str, frozenset[str]] = {
    "nobody_on_calm": frozenset({"when"}),
    **dict.fromkeys(("taken", "transfer", "reached_out", "texts_by_human_delayed"), _NAME_FIELD),
    **dict.fromkeys((
        "nobody_on", "nobody_on_calm_open", "still_trying", "still_trying_calm", "taken_unnamed", "transfer_unnamed",
        "stepped_away", "texts_by_human_delayed_unnamed", "handed_back", "handed_back_idle", "goodbye",
        "reached_out_unnamed", "neutral_waiting", "neutral_taken", "neutral_ended", "neutral_reached_out", "neutral_word",
        "exit_ack",
    ), frozenset()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SystemTexts:
    """Read once at the start; frozen, and shared by all threads."""

    rules: SafetyRules
    safety_texts: ReviewedTexts
    standing_texts: ReviewedTexts
    handoff_texts: ReviewedTexts
    keywords: Keywords
    languages: tuple[str, ...]
    language_guess: LanguageGuesser

    def text(self, key: str, language: str, **fields: str | int) -> str:
        """A reviewed text in this language, else in English, with its fields filled in.

        Raises KeyError for an unknown key, and for a missing field of HANDOFF[key] even if the text does not use it now:
        a later edit of the text must not reveal that a caller forgot the field.
        """
        for field in HANDOFF_FIELDS.get(key, ()):
            if field not in fields:
                raise KeyError(f"{key} needs {field}")
        for texts in (self.standing_texts, self.handoff_texts):
            if key in texts.words:
                return texts.get(key, language, **fields)
        return self.safety_texts.get(key, language)


@cache
def read_system_texts(languages: tuple[str, ...], root: Path = ROOT) -> SystemTexts:
    """Read `safety/` and `words/`. Raises SafetyRuleError or KeywordsError, which prevent the start: Warmline must not run
    without its safety net."""
    rules = {path.name: path.read_text("utf-8") for path in sorted((root / "safety").glob("rules*.yaml"))}
    keywords = read_keywords((root / "words/keywords.yaml").read_text("utf-8"))
    standing = root / "words/standing.yaml"
    handoff = root / "words/handoff.yaml"
    safety = root / "safety/texts.yaml"
    safety_texts = read_texts(safety.read_text("utf-8"), "safety/texts.yaml")
    missing = SAFETY_KEYS - safety_texts.words.keys()
    if missing:
        raise ValueError(f"safety/texts.yaml: missing {', '.join(sorted(missing))}. Add them in each language.")
    return SystemTexts(
        rules=read_rules(rules),
        safety_texts=safety_texts,
        standing_texts=read_texts(standing.read_text("utf-8"), "words/standing.yaml", STANDING_KEYS),
        handoff_texts=read_texts(
            handoff.read_text("utf-8"), "words/handoff.yaml", frozenset(HANDOFF_FIELDS), HANDOFF_FIELDS
        ),
        keywords=keywords,
        languages=languages,
        language_guess=LanguageGuesser(languages, keywords.language_words),
    )
