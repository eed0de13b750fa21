"""Phrases as a clinician writes them, compiled to patterns that run in time linear in the text.

want to die               these words, in this order
(want|need) to die        one of several; an alternative may be several words
[really] want to die      a word that may be left out
took ... pills            up to three other words in between, no "not" among them, in the same sentence
suicid*                   any ending
<family>                  a named list of alternatives from the same file
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_PIECE = re.compile(r"\.\.\.|<\w+>|[()\[\]|]|[^\s()\[\]<>|]+|\S")
# Words so common that they make slow anchors for a phrase. These lists change the speed, never the result.
_COMMON_WORDS = """
a about after al all am an and any are as at back be been but by can como con could day de del did do does
down el ella en es esta este esto estoy for from get getting go going good got had has have he help her here
him his how hoy i in is it just know la las le like lo los make mas me mi money more muy my myself nada
necesito need no not now of off on one or our out over para people pero please por que quiero right say se see
she si sin so some someone something su take te tell tengo than that the them then there they this time to
today todo tomorrow tonight tu un una up us vida voy want was we were what when where who why will with work
would y ya year yo you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_MOST_COMMON_WORDS = (
    "i a and be can de do for get go have he in is it la me my no not of on que she so that the they to was we you"
)
_MOST_COMMON = frozenset(_MOST_COMMON_WORDS.split())
# `20`, `20mg`. Numbers are not used as anchors: too many texts contain digits.
_NUMBERS = {"number": " [0-9][^ .]{0,12}", "big_number": " [0-9]{2}[^ .]{0,12}"}
# A gap is bounded in words and each word in letters, so that matching takes time proportional to the text.
_MAX_GAP_WORDS = 3


class PhraseError(ValueError):
    """A phrase that cannot be parsed; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A compiled phrase: the pattern runs over canonical text, and only over texts in which one of `anchors` occurs.

    An anchor that ends in `*` is the beginning of a word. At least one word of each set in `required_words` must occur as
    well: looking that up is far faster than running a pattern.
    """

    pattern: re.Pattern[str]
    anchors: frozenset[str]
    words: frozenset[str]
    required_words: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class _PhrasePart:
    """A piece of a phrase: its pattern, and the rarest words, one of which must occur where it matches.

    `weight` says how rare they are; if negative, the piece may match nothing and gives no anchors.
    """

    pattern: str
    weight: int = -1
    anchors: frozenset[str] = frozenset()
    needs: tuple[frozenset[str], ...] = ()


@dataclass(slots=True)
class _PhraseParser:
    """Parses one phrase into a pattern."""

    text: str
    families: Mapping[str, Sequence[str]]
    spell: Callable[[str], list[str]]
    gap: str
    short_forms: Mapping[str, Sequence[str]]
    words: set[str] = field(default_factory=set)
    _pieces: list[str] = field(default_factory=list)

    def parse(self) -> _PhrasePart:
        """Parse the whole phrase. Raises PhraseError."""
        self._pieces = _PIECE.findall(self.text)[::-1]
        part = self._sequence("")
        if self._pieces:
            raise PhraseError(f"'{self._pieces[-1]}' has no beginning in '{self.text}'.")
        return part

    def _sequence(self, ends: str) -> _PhrasePart:
        parts: list[_PhrasePart] = []
        while self._pieces and self._pieces[-1] not in (")", "]", "|"):
            parts.append(self._piece(self._pieces.pop()))
        if not parts:
            raise PhraseError(f"There is no word where one is expected in '{self.text}'.")
        if ends and not self._pieces:
            raise PhraseError(f"'{ends}' is missing in '{self.text}'.")
        return _concatenate(parts)

    def _piece(self, piece: str) -> _PhrasePart:
        if piece == "...":
            return _PhrasePart(self.gap)
        if piece in "([":
            return self._choice(")" if piece == "(" else "]")
        if piece.startswith("<") and piece.endswith(">"):
            return self._family(piece[1:-1])
        if piece in "<>" or piece == "?":
            raise PhraseError(f"'{piece}' stands alone in '{self.text}'.")
        return self._word(piece)

    def _choice(self, closing: str) -> _PhrasePart:
        options = [self._sequence(closing)]
        while self._pieces and self._pieces[-1] == "|":
            self._pieces.pop()
            options.append(self._sequence(closing))
        if not self._pieces or self._pieces.pop() != closing:
            raise PhraseError(f"'{closing}' is missing in '{self.text}'.")
        part = _alternatives(options)
        return part if closing == ")" else _PhrasePart(f"(?:{part.pattern})?")

    def _family(self, name: str) -> _PhrasePart:
        if name in _NUMBERS:
            return _PhrasePart(_NUMBERS[name])
        if name not in self.families:
            raise PhraseError(f"There is no family '{name}' in this file.")
        options = []
        for text in self.families[name]:
            inner = _PhraseParser(text, self.families, self.spell, self.gap, self.short_forms, self.words)
            options.append(inner.parse())
        return _alternatives(options)

    def _word(self, typed: str) -> _PhrasePart:
        if typed.endswith("*"):
            beginning = "".join(self.spell(typed[:-1]))
            return _PhrasePart(f" {re.escape(beginning)}[^ .]{{0,20}}", len(beginning), frozenset({beginning + "*"}))
        parts = [self._spelled_word(word) for word in self.spell(typed)]
        if not parts:
            raise PhraseError(f"'{typed}' is not a word in '{self.text}'.")
        return _concatenate(parts)

    def _spelled_word(self, word: str) -> _PhrasePart:
        self.words.add(word)
        twins = (word, *self.short_forms.get(word, ()))
        pattern = "|".join(map(re.escape, twins))
        anchors = frozenset(twins)
        return _PhrasePart(f" (?:{pattern})" if len(twins) > 1 else f" {pattern}", _weight(word), anchors, (anchors,))


def _concatenate(parts: list[_PhrasePart]) -> _PhrasePart:
    best = max(parts, key=lambda part: part.weight)
    needs = tuple(need for part in parts for need in part.needs)
    return _PhrasePart("".join(part.pattern for part in parts), best.weight, best.anchors, needs)


def _alternatives(options: list[_PhrasePart]) -> _PhrasePart:
    """One of several alternatives; the longest first, so that a match covers as much as possible."""
    patterns = sorted(dict.fromkeys(option.pattern for option in options), key=len, reverse=True)
    anchors = frozenset(anchor for option in options for anchor in option.anchors)
    weight = min(option.weight for option in options)
    # One option's rarest word must occur. Not certain if an option has no anchor, or an anchor is only a word's beginning.
    sure = weight >= 0 and not any(anchor.endswith("*") for anchor in anchors)
    pattern = patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"
    return _PhrasePart(pattern, weight, anchors, (anchors,) if sure else ())


def _weight(word: str) -> int:
    return 0 if word in _MOST_COMMON else 1 if word in _COMMON else 1 + len(word)


def compile_phrase(
    text: str,
    families: Mapping[str, Sequence[str]],
    spell: Callable[[str], list[str]],
    negations: Sequence[str] = (),
    short_forms: Mapping[str, Sequence[str]] | None = None,
) -> Phrase:
    """Compile the phrase `text`, with `families` for `<names>`. Raises PhraseError with what is wrong.

    `spell` gives the canonical spelling of a word; `negations` are words that a gap must not contain; `short_forms` are
    other ways to write a word (`2` for `to`).
    """
    refuse = "".join(f"(?! {re.escape(word)} )" for word in negations)
    parser = _PhraseParser(text, families, spell, f"(?:{refuse} [^ .]{{1,40}}){{0,{_MAX_GAP_WORDS}}}?", short_forms or {})
    part = parser.parse()
    if part.weight < 0:
        raise PhraseError(f"'{text}' needs at least one word that may not be left out.")
    needs = tuple(need for need in dict.fromkeys(part.needs) if need != part.anchors)
    return Phrase(re.compile(part.pattern + "(?= )"), part.anchors, frozenset(parser.words), needs)
