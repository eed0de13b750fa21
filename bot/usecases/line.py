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
    {f"again_{kind}" for kind in AnswerKind} | {"again_choice", "nothing_before", "language_changed", "back_after_outage"}
)
ANSWERING = frozenset({
    "after_no", "waiting", "waiting_calm", "person_asked", "not_understood_person", "stop_ack", "start_ack",
    "opted_out_confirm_free_text", "help", "help_in_conversation", "closed_hello", "outage", "outage_crisis", "apology",
    "media_only", "too_many_messages",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """Read once at the start; frozen, and shared by all threads."""

    rules: Rules
    safety_texts: Texts
    standing_texts: Texts
    keywords: Keywords
    languages: tuple[str, ...]
    guess: LanguageGuess

    def text(self, key: str, language: str) -> str:
        """A reviewed text that belongs to no flow, in this language or in English."""
        texts = self.standing_texts if key in self.standing_texts.words else self.safety_texts
        return texts.get(key, language)


@cache
def read_line(languages: tuple[str, ...], root: Path = ROOT) -> Line:
    """Read `safety/` and `words/`; raises SafetyRuleError or KeywordsError, which stop the start: without its safety
    net the line must not open."""
    rules = {path.name: path.read_text("utf-8") for path in sorted((root / "safety").glob("rules*.yaml"))}
    keywords = read_keywords((root / "words/keywords.yaml").read_text("utf-8"))
    standing = root / "words/standing.yaml"
    safety = root / "safety/texts.yaml"
    safety_texts = read_texts(safety.read_text("utf-8"), "safety/texts.yaml")
    missing = ANSWERING - safety_texts.words.keys()
    if missing:
        raise ValueError(f"safety/texts.yaml: missing {', '.join(sorted(missing))}. Add them in each language.")
    return Line(
        rules=read_rules(rules),
        safety_texts=safety_texts,
        standing_texts=read_texts(standing.read_text("utf-8"), "words/standing.yaml", STANDING),
        keywords=keywords,
        languages=languages,
        guess=LanguageGuess(languages, keywords.telling),
    )
