"""Ready replies, which social workers send with one click: the file of the initial ones, and the limits for new ones."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bot.domain.messages.readability import long_sentences, school_grade
from bot.domain.messages.segments import SegmentCount, fold_for_sms, measure_segments
from bot.domain.safety.lined_yaml import LinedNode, check_review, read_yaml

MAX_GRADE = 6.0
"""Under stress people read two or three grades below their ability."""
MAX_SEGMENTS = 3
"""Longer texts are hard to read on a telephone, and each segment costs money."""
MAX_TITLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class SeedReply:
    """One reviewed reply of the file, in every language of the file. `segments` is the most that it may use."""

    slug: str
    title: str
    segments: int
    bodies: dict[str, str]


def read_seeds(yaml_text: str, file: str) -> tuple[SeedReply, ...]:
    """The replies in one YAML text. Raises SafetyRuleError naming the file, the line, what is wrong and the remedy."""
    top = read_yaml(yaml_text, file)
    fields = top.fields(("review", "languages", "replies"))
    check_review(top, fields)
    languages = [language for _, language in top.required(fields, "languages").texts()]
    return tuple(_seed(slug, place, languages) for slug, place in top.required(fields, "replies").fields().items())


def _seed(slug: str, place: LinedNode, languages: list[str]) -> SeedReply:
    entry = place.fields((*languages, "title", "segments", "note"))
    budget = place.required(entry, "segments")
    if not budget.text().isdecimal() or int(budget.text()) < 1:
        raise budget.error(f"'{budget.text()}' is not a number of segments.", "Write 1 or more.")
    bodies = {language: place.required(entry, language).text() for language in languages}
    return SeedReply(slug, place.required(entry, "title").text(), int(budget.text()), bodies)


@dataclass(frozen=True, slots=True)
class ReplyCost:
    """What a reply costs and how hard it is to read. `grade` is None where it cannot be measured: too few words, or not
    English. `has_long_sentence` is known in every language."""

    segments: SegmentCount
    grade: float | None
    has_long_sentence: bool = False

    @property
    def is_hard(self) -> bool:
        return self.grade is not None and self.grade > MAX_GRADE

    @property
    def is_long(self) -> bool:
        return self.segments.segments > MAX_SEGMENTS


def measure_cost(body: str, language: str, fold_accents: bool = True) -> ReplyCost:
    """Measure a reply as it will be sent: with the accents folded that SMS lacks, where the line folds them."""
    sent = fold_for_sms(body) if fold_accents else body
    return ReplyCost(measure_segments(sent), school_grade([body]) if language == "en" else None, bool(long_sentences(body)))


def slug_of(title: str) -> str:
    """The permanent short name for a title: `Ask for the ZIP` becomes `ask_for_the_zip`; "" where no letter is left."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:40].strip("_")
