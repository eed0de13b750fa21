"""The line's own words and rules, as they are shared by every turn: what danger sounds like, and what is said to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.domain.keywords import Keywords, read_keywords
from bot.domain.languages import LanguageGuess
from bot.domain.safety import Rules, Texts, read_rules, read_texts
from bot.domain.script import AnswerKind

ROOT = Path(__file__).parent.parent.parent
STANDING = frozenset(
    {f"again_{kind}" for kind in AnswerKind}
    | {"again_choice", "nothing_before", "language_changed", "back_after_outage"}
    | {"more_services", "no_more_services", "check_in_neutral", "check_in_closing"}
)
ANSWERING = frozenset({
    "after_no", "waiting", "waiting_calm", "person_asked", "not_understood_person", "stop_ack", "start_ack",
    "opted_out_confirm_free_text", "help", "help_in_conversation", "closed_hello", "outage", "outage_crisis", "apology",
    "media_only", "too_many_messages",
})  # fmt: skip
# What can be filled into the texts of words/handoff.yaml by those who send them, and so may stand in them.
_NAMED = frozenset({"name"})
HANDOFF: dict[str, frozenset[str]] = {
    "nobody_on_calm": frozenset({"when"}),
    **dict.fromkeys(("taken", "transfer", "reached_out", "texts_by_human_delayed"), _NAMED),
    **dict.fromkeys((
        "nobody_on", "nobody_on_calm_open", "still_trying", "still_trying_calm", "taken_unnamed", "transfer_unnamed",
        "stepped_away", "texts_by_human_delayed_unnamed", "handed_back", "handed_back_idle", "goodbye",
        "reached_out_unnamed", "neutral_waiting", "neutral_taken", "neutral_ended", "neutral_reached_out", "neutral_word",
        "exit_ack",
    ), frozenset()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """Read once at the start; frozen, and shared by all threads."""

    rules: Rules
    safety_texts: Texts
    standing_texts: Texts
    handoff_texts: Texts
    keywords: Keywords
    languages: tuple[str, ...]
    guess: LanguageGuess

    def text(self, key: str, language: str, **fields: str | int) -> str:
        """A reviewed text that belongs to no flow, in this language or in English, with what it wants filled in.

        KeyError for an unknown key, and for a field of HANDOFF[key] that is not given, whatever the text holds just now:
        its words may be changed by others, and what a caller forgets must not wait for that to fail.
        """
        for field in HANDOFF.get(key, ()):
            if field not in fields:
                raise KeyError(f"{key} needs {field}")
        for texts in (self.standing_texts, self.handoff_texts):
            if key in texts.words:
                return texts.get(key, language, **fields)
        return self.safety_texts.get(key, language)


@cache
def read_line(languages: tuple[str, ...], root: Path = ROOT) -> Line:
    """Read `safety/` and `words/`; raises SafetyRuleError or KeywordsError, which stop the start: without its safety
    net the line must not open."""
    rules = {path.name: path.read_text("utf-8") for path in sorted((root / "safety").glob("rules*.yaml"))}
    keywords = read_keywords((root / "words/keywords.yaml").read_text("utf-8"))
    standing = root / "words/standing.yaml"
    handoff = root / "words/handoff.yaml"
    safety = root / "safety/texts.yaml"
    safety_texts = read_texts(safety.read_text("utf-8"), "safety/texts.yaml")
    missing = ANSWERING - safety_texts.words.keys()
    if missing:
        raise ValueError(f"safety/texts.yaml: missing {', '.join(sorted(missing))}. Add them in each language.")
    return Line(
        rules=read_rules(rules),
        safety_texts=safety_texts,
        standing_texts=read_texts(standing.read_text("utf-8"), "words/standing.yaml", STANDING),
        handoff_texts=read_texts(handoff.read_text("utf-8"), "words/handoff.yaml", frozenset(HANDOFF), HANDOFF),
        keywords=keywords,
        languages=languages,
        guess=LanguageGuess(languages, keywords.telling),
    )
