"""Which of our needs a service meets, by the rules in directory/needs.yaml.

A wrongly assigned need sends a person to a service that cannot help. So words in a description count only as whole phrases,
and not where they are negated ("no housing available") or where the service only refers people elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_LISTS = ("terms", "names", "phrases")
TERM_WEIGHT, NAME_WEIGHT, PHRASE_WEIGHT = 4, 2, 1
"""Weights: a need found by a taxonomy term comes before one found by the name, and that before one found by a phrase."""

_NEGATIONS = frozenset(
    {
        "no",
        "not",
        "without",
        "never",
        "cannot",
        "can't",
        "don't",
        "doesn't",
        "unable",
        "exclude",
        "excludes",
        "excluding",
        "except",
    }
)
_NOT_NEGATING = frozenset(
    {
        *("cost", "charge", "fee", "fees", "appointment", "appointments", "matter", "only", "one", "insurance", "income"),
        *("need", "wait", "necessarily", "longer", "required", "limited"),
    }
)
"""After a "no" or "not" these words do not negate an offer: no cost, not only."""
_BUT = frozenset({"but", "however"})
_REFERRAL_WORDS = frozenset({"referral", "referrals", "refer", "refers", "referred", "linkage", "linkages", "connects"})
_REFERRAL_PREPOSITIONS = frozenset({"to", "for"})
_BACKGROUND_WORDS = frozenset({"funded", "sponsored", "located"})
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.;:!?,\n]")
_STOPS = frozenset(".;:!?,\n")
_ENDS = _STOPS - {",", ":"}
GAP = "\n"
"""Placeholder for removed words, so that the words around them do not form a phrase."""


class NeedRulesError(Exception):
    """The rules file cannot be used; the text says where and what to do."""


class PhraseFinder:
    """Finds many phrases in one pass over the words of a text, as a directory has a hundred thousand descriptions."""

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        self._by_word: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._by_stem: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for phrase, code in phrases:
            words = tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*\*?", phrase))
            into = self._by_stem if words[0].endswith("*") else self._by_word
            into.setdefault(words[0].rstrip("*"), []).append((words, code))
        self._lengths = sorted({len(stem) for stem in self._by_stem})

    def spans(self, words: list[str]) -> Iterator[tuple[int, int, str]]:
        """Each phrase that occurs: index of its first word, index after its last word, and its code."""
        for at, word in enumerate(words):
            found = self._by_word.get(word, ())
            for length in self._lengths:
                if length <= len(word) and (more := self._by_stem.get(word[:length])):
                    found = [*found, *more]
            for phrase, code in found:
                if _matches(phrase, words[at : at + len(phrase)]):
                    yield at, at + len(phrase), code

    def codes(self, words: list[str]) -> set[str]:
        return {code for _, _, code in self.spans(words)}


def _matches(phrase: tuple[str, ...], words: list[str]) -> bool:
    if len(phrase) != len(words):
        return False
    return all(
        word == part if not part.endswith("*") else word.startswith(part[:-1])
        for part, word in zip(phrase, words, strict=True)
    )


@dataclass(frozen=True)
class NeedRules:
    """The rules of needs.yaml. Build with `load_rules`."""

    codes: tuple[str, ...]
    """Every need that may be assigned to a service, in the order of the file."""
    terms: dict[str, frozenset[str]]
    """Normalized name of a taxonomy term -> its needs."""
    names: PhraseFinder
    phrases: PhraseFinder
    ignore: PhraseFinder


def load_rules(words: str) -> NeedRules:
    """Read directory/needs.yaml. Raises NeedRulesError."""
    try:
        raw = yaml.safe_load(words)
    except yaml.YAMLError as fault:
        raise NeedRulesError("needs.yaml is no YAML; check the blanks before each line and the brackets") from fault
    if not isinstance(raw, dict) or not isinstance(raw.get("needs"), dict):
        raise NeedRulesError("needs.yaml has no `needs`; begin with `needs:` and a need on each line under it")
    needs = {str(code): _lists(str(code), part) for code, part in raw["needs"].items()}
    terms: dict[str, set[str]] = {}
    for code, lists in needs.items():
        for term in lists["terms"]:
            terms.setdefault(term, set()).add(code)
    return NeedRules(
        tuple(needs),
        {term: frozenset(codes) for term, codes in terms.items()},
        PhraseFinder((word, code) for code, lists in needs.items() for word in lists["names"]),
        PhraseFinder((word, code) for code, lists in needs.items() for word in lists["phrases"]),
        PhraseFinder((word, "") for word in _words(raw.get("ignore", []), "ignore")),
    )


def _lists(code: str, raw: Any) -> dict[str, list[str]]:
    if not isinstance(raw, dict) or (set(raw) - set(_LISTS)):
        raise NeedRulesError(f"needs.yaml, {code}: it has other parts than {', '.join(_LISTS)}; keep to these")
    return {name: _words(raw.get(name, []), f"{code}.{name}") for name in _LISTS}


def _words(raw: Any, where: str) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(word, str) for word in raw):
        raise NeedRulesError(f"needs.yaml, {where}: it is no list of words; write [one, two], and put numbers in quotes")
    return [_normalize(word) for word in raw]


def needs_of(name: str, description: str, terms: Iterable[str], rules: NeedRules) -> tuple[str, ...]:
    """The needs that a service meets, the most certain first, by its texts and the names of its taxonomy terms."""
    weights: dict[str, int] = {}
    for term in map(_normalize, terms):
        for code in rules.terms.get(term) or rules.names.codes(_remove(rules.ignore, _tokens(term))):
            weights[code] = max(weights.get(code, 0), TERM_WEIGHT if term in rules.terms else TERM_WEIGHT - 1)
    for code in rules.names.codes(_remove(rules.ignore, _tokens(name))):
        weights.setdefault(code, NAME_WEIGHT)
    for code in rules.phrases.codes(_remove(rules.ignore, list(_without_negated(_tokens(description))))):
        weights.setdefault(code, PHRASE_WEIGHT)
    return tuple(sorted(weights, key=lambda code: (-weights[code], rules.codes.index(code))))


def _tokens(words: str) -> list[str]:
    return _TOKEN.findall(_normalize(words, lines=True))


def _remove(ignore: PhraseFinder, words: list[str]) -> list[str]:
    gone = [(start, end) for start, end, _ in ignore.spans(words)]
    for start, end in gone:
        words[start:end] = [GAP] * (end - start)
    return words


def _without_negated(words: list[str]) -> Iterator[str]:
    """The words without what is negated and what others provide, each such part replaced by GAP."""
    until: frozenset[str] | None = None
    for word, after in zip(words, [*words[1:], GAP], strict=False):
        if until is not None and word in until:
            until = None
        if until is None:
            until = _skip_until(word, after)
            yield word if until is None else GAP


def _skip_until(word: str, after: str) -> frozenset[str] | None:
    """If this word begins a passage that does not describe an offer of this service: the words that end it. Else None."""
    if word in _NEGATIONS and after not in _NOT_NEGATING:
        return _STOPS | _BUT
    if word in _REFERRAL_WORDS and after in _REFERRAL_PREPOSITIONS:
        return _ENDS
    if word in _BACKGROUND_WORDS:
        return _STOPS
    return None


def _normalize(words: str, lines: bool = False) -> str:
    words = words.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
    return words if lines else " ".join(words.split())
