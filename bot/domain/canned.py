"""Replies that social workers send with one press: the file of the first ones, and what a new one must be."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bot.domain.readability import grade, long_sentences
from bot.domain.safety.lined_yaml import Place, check_review, read_yaml
from bot.domain.segments import Segments, fold_for_sms, measure

HIGHEST_GRADE = 6.0
"""In a bad hour people read two or three grades below what they can (domain.md 4.9)."""
MOST_SEGMENTS = 3
"""Longer ones are read badly on a telephone, and each part is paid for."""
LONGEST_TITLE = 60


@dataclass(frozen=True, slots=True)
class Seed:
    """One reviewed reply of the file, in every language of the file. `segments` is the most that it may cost."""

    slug: str
    title: str
    segments: int
    bodies: dict[str, str]


def read_seeds(yaml_text: str, file: str) -> tuple[Seed, ...]:
    """The replies of one YAML text. Raises SafetyRuleError naming the file, the line, what is wrong and the remedy."""
    top = read_yaml(yaml_text, file)
    fields = top.fields(("review", "languages", "replies"))
    check_review(top, fields)
    languages = [language for _, language in top.need(fields, "languages").texts()]
    return tuple(_seed(slug, place, languages) for slug, place in top.need(fields, "replies").fields().items())


def _seed(slug: str, place: Place, languages: list[str]) -> Seed:
    entry = place.fields((*languages, "title", "segments", "note"))
    budget = place.need(entry, "segments")
    if not budget.text().isdecimal() or int(budget.text()) < 1:
        raise budget.error(f"'{budget.text()}' is not a number of segments.", "Write 1 or more.")
    bodies = {language: place.need(entry, language).text() for language in languages}
    return Seed(slug, place.need(entry, "title").text(), int(budget.text()), bodies)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a reply costs and how hard it is to read; `grade` is None where that cannot be told: too few words, or not
    English. Sentences that are too long are told of in every language."""

    segments: Segments
    grade: float | None
    has_long_sentence: bool = False

    @property
    def is_hard(self) -> bool:
        return self.grade is not None and self.grade > HIGHEST_GRADE

    @property
    def is_long(self) -> bool:
        return self.segments.segments > MOST_SEGMENTS


def weigh(body: str, language: str, fold_accents: bool = True) -> Weight:
    """Weigh a reply as it will leave: with the accents folded that SMS lacks, where the line folds them."""
    sent = fold_for_sms(body) if fold_accents else body
    return Weight(measure(sent), grade([body]) if language == "en" else None, bool(long_sentences(body)))


def slug_of(title: str) -> str:
    """The lasting short name of a title: `Ask for the ZIP` becomes `ask_for_the_zip`; "" where no letter is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:40].strip("_")
