"""Phrases as a clinician writes them, compiled to something quick that cannot run away.

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
# Words so common that looking for a phrase because of them would be slow. They change the speed, never the result.
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
# `20`, `20mg`. A number anchors nothing: figures are in every other text.
_NUMBERS = {"number": " [0-9][^ .]{0,12}", "big_number": " [0-9]{2}[^ .]{0,12}"}
# A gap is bounded in words and each word in letters, so that matching takes time in proportion to the text.
_GAP = 3


class PhraseError(ValueError):
    """A phrase that cannot be read; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A compiled phrase: the pattern runs over canonical text, and only where one of `anchors` occurs in it.

    An anchor that ends in `*` is the beginning of a word. Of each set in `needs` at least one word must occur, too:
    looking that up is far quicker than running a pattern.
    """

    pattern: re.Pattern[str]
    anchors: frozenset[str]
    words: frozenset[str]
    needs: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a phrase: its pattern, and the rarest words of which one must occur where it matches.

    `weight` says how rare; below nought, the piece may match nothing and anchors nothing.
    """

    pattern: str
    weight: int = -1
    anchors: frozenset[str] = frozenset()
    needs: tuple[frozenset[str], ...] = ()


@dataclass(slots=True)
class _Parser:
    """One phrase on its way from what a clinician wrote to a pattern."""

    text: str
    families: Mapping[str, Sequence[str]]
    spell: Callable[[str], list[str]]
    gap: str
    same: Mapping[str, Sequence[str]]
    words: set[str] = field(default_factory=set)
    _pieces: list[str] = field(default_factory=list)

    def parse(self) -> _Part:
        """The whole phrase."""
        self._pieces = _PIECE.findall(self.text)[::-1]
        part = self._sequence("")
        if self._pieces:
            raise PhraseError(f"'{self._pieces[-1]}' has no beginning in '{self.text}'.")
        return part

    def _sequence(self, ends: str) -> _Part:
        parts: list[_Part] = []
        while self._pieces and self._pieces[-1] not in (")", "]", "|"):
            parts.append(self._piece(self._pieces.pop()))
        if not parts:
            raise PhraseError(f"There is no word where one is expected in '{self.text}'.")
        if ends and not self._pieces:
            raise PhraseError(f"'{ends}' is missing in '{self.text}'.")
        return _in_order(parts)

    def _piece(self, piece: str) -> _Part:
        if piece == "...":
            return _Part(self.gap)
        if piece in "([":
            return self._choice(")" if piece == "(" else "]")
        if piece.startswith("<") and piece.endswith(">"):
            return self._family(piece[1:-1])
        if piece in "<>" or piece == "?":
            raise PhraseError(f"'{piece}' stands alone in '{self.text}'.")
        return self._word(piece)

    def _choice(self, closing: str) -> _Part:
        options = [self._sequence(closing)]
        while self._pieces and self._pieces[-1] == "|":
            self._pieces.pop()
            options.append(self._sequence(closing))
        if not self._pieces or self._pieces.pop() != closing:
            raise PhraseError(f"'{closing}' is missing in '{self.text}'.")
        part = _either(options)
        return part if closing == ")" else _Part(f"(?:{part.pattern})?")

    def _family(self, name: str) -> _Part:
        if name in _NUMBERS:
            return _Part(_NUMBERS[name])
        if name not in self.families:
            raise PhraseError(f"There is no family '{name}' in this file.")
        options = []
        for text in self.families[name]:
            inner = _Parser(text, self.families, self.spell, self.gap, self.same, self.words)
            options.append(inner.parse())
        return _either(options)

    def _word(self, typed: str) -> _Part:
        if typed.endswith("*"):
            beginning = "".join(self.spell(typed[:-1]))
            return _Part(f" {re.escape(beginning)}[^ .]{{0,20}}", len(beginning), frozenset({beginning + "*"}))
        parts = [self._one(word) for word in self.spell(typed)]
        if not parts:
            raise PhraseError(f"'{typed}' is not a word in '{self.text}'.")
        return _in_order(parts)

    def _one(self, word: str) -> _Part:
        self.words.add(word)
        twins = (word, *self.same.get(word, ()))
        pattern = "|".join(map(re.escape, twins))
        anchors = frozenset(twins)
        return _Part(f" (?:{pattern})" if len(twins) > 1 else f" {pattern}", _weight(word), anchors, (anchors,))


def _in_order(parts: list[_Part]) -> _Part:
    best = max(parts, key=lambda part: part.weight)
    needs = tuple(need for part in parts for need in part.needs)
    return _Part("".join(part.pattern for part in parts), best.weight, best.anchors, needs)


def _either(options: list[_Part]) -> _Part:
    """One of several; longest first, so that a match covers all of what was said."""
    patterns = sorted(dict.fromkeys(option.pattern for option in options), key=len, reverse=True)
    anchors = frozenset(anchor for option in options for anchor in option.anchors)
    weight = min(option.weight for option in options)
    # Of a choice, one option's rarest word must occur; an option without one, or known by its beginning, needs nothing.
    sure = weight >= 0 and not any(anchor.endswith("*") for anchor in anchors)
    pattern = patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})"
    return _Part(pattern, weight, anchors, (anchors,) if sure else ())


def _weight(word: str) -> int:
    return 0 if word in _MOST_COMMON else 1 if word in _COMMON else 1 + len(word)


def compile_phrase(
    text: str,
    families: Mapping[str, Sequence[str]],
    spell: Callable[[str], list[str]],
    negations: Sequence[str] = (),
    same: Mapping[str, Sequence[str]] | None = None,
) -> Phrase:
    """The phrase `text`, with `families` for `<names>`; raises PhraseError with what is wrong.

    `spell` gives a word in its one spelling; `negations` are words that a gap must not hold; `same` are short forms
    that stand for a word (`2` for `to`).
    """
    refuse = "".join(f"(?! {re.escape(word)} )" for word in negations)
    parser = _Parser(text, families, spell, f"(?:{refuse} [^ .]{{1,40}}){{0,{_GAP}}}?", same or {})
    part = parser.parse()
    if part.weight < 0:
        raise PhraseError(f"'{text}' needs at least one word that may not be left out.")
    needs = tuple(need for need in dict.fromkeys(part.needs) if need != part.anchors)
    return Phrase(re.compile(part.pattern + "(?= )"), part.anchors, frozenset(parser.words), needs)
