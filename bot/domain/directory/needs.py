"""Which of our needs a service meets, by rules that stand in directory/needs.yaml.

A need that is given wrongly sends somebody to a door that does not help, so words in a description count only as whole
phrases, without what is denied ("no housing available") and without what is only referred to elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_LISTS = ("terms", "names", "phrases")
TERM, NAME, PHRASE = 4, 2, 1
"""How much each is believed: a need by its term goes before one by the name, and that before one by a phrase."""

_NOT = frozenset(
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
_STILL = frozenset(
    {
        *("cost", "charge", "fee", "fees", "appointment", "appointments", "matter", "only", "one", "insurance", "income"),
        *("need", "wait", "necessarily", "longer", "required", "limited"),
    }
)
"""After a "no" or "not" these deny nothing that is offered: no cost, not only."""
_BUT = frozenset({"but", "however"})
_ELSEWHERE = frozenset({"referral", "referrals", "refer", "refers", "referred", "linkage", "linkages", "connects"})
_WHERE = frozenset({"to", "for"})
_BEHIND = frozenset({"funded", "sponsored", "located"})
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.;:!?,\n]")
_STOPS = frozenset(".;:!?,\n")
_ENDS = _STOPS - {",", ":"}
GAP = "\n"
"""Stands where words were taken out, so that those around them do not grow together."""


class RulesFault(Exception):
    """The file of rules cannot be used; the text says where and what to do."""


class Finder:
    """Finds many phrases in one pass over the words of a text: a directory has a hundred thousand descriptions."""

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        self._by_word: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._by_stem: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for phrase, code in phrases:
            words = tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*\*?", phrase))
            into = self._by_stem if words[0].endswith("*") else self._by_word
            into.setdefault(words[0].rstrip("*"), []).append((words, code))
        self._lengths = sorted({len(stem) for stem in self._by_stem})

    def spans(self, words: list[str]) -> Iterator[tuple[int, int, str]]:
        """Each phrase that occurs: from which word, up to which, and its code."""
        for at, word in enumerate(words):
            found = self._by_word.get(word, ())
            for length in self._lengths:
                if length <= len(word) and (more := self._by_stem.get(word[:length])):
                    found = [*found, *more]
            for phrase, code in found:
                if _fits(phrase, words[at : at + len(phrase)]):
                    yield at, at + len(phrase), code

    def codes(self, words: list[str]) -> set[str]:
        return {code for _, _, code in self.spans(words)}


def _fits(phrase: tuple[str, ...], words: list[str]) -> bool:
    if len(phrase) != len(words):
        return False
    return all(
        word == part if not part.endswith("*") else word.startswith(part[:-1])
        for part, word in zip(phrase, words, strict=True)
    )


@dataclass(frozen=True)
class Rules:
    """Rules as `load_rules` made them."""

    codes: tuple[str, ...]
    """Every need that a service may be given, in the order of the file."""
    terms: dict[str, frozenset[str]]
    """By the plain name of a taxonomy term: its needs."""
    names: Finder
    phrases: Finder
    ignore: Finder


def load_rules(words: str) -> Rules:
    """Read directory/needs.yaml. Raises RulesFault."""
    try:
        raw = yaml.safe_load(words)
    except yaml.YAMLError as fault:
        raise RulesFault("needs.yaml is no YAML; check the blanks before each line and the brackets") from fault
    if not isinstance(raw, dict) or not isinstance(raw.get("needs"), dict):
        raise RulesFault("needs.yaml has no `needs`; begin with `needs:` and a need on each line under it")
    needs = {str(code): _lists(str(code), part) for code, part in raw["needs"].items()}
    terms: dict[str, set[str]] = {}
    for code, lists in needs.items():
        for term in lists["terms"]:
            terms.setdefault(term, set()).add(code)
    return Rules(
        tuple(needs),
        {term: frozenset(codes) for term, codes in terms.items()},
        Finder((word, code) for code, lists in needs.items() for word in lists["names"]),
        Finder((word, code) for code, lists in needs.items() for word in lists["phrases"]),
        Finder((word, "") for word in _words(raw.get("ignore", []), "ignore")),
    )


def _lists(code: str, raw: Any) -> dict[str, list[str]]:
    if not isinstance(raw, dict) or (set(raw) - set(_LISTS)):
        raise RulesFault(f"needs.yaml, {code}: it has other parts than {', '.join(_LISTS)}; keep to these")
    return {name: _words(raw.get(name, []), f"{code}.{name}") for name in _LISTS}


def _words(raw: Any, where: str) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(word, str) for word in raw):
        raise RulesFault(f"needs.yaml, {where}: it is no list of words; write [one, two], and put numbers in quotes")
    return [_plain(word) for word in raw]


def needs_of(name: str, description: str, terms: Iterable[str], rules: Rules) -> tuple[str, ...]:
    """The needs that a service meets, surest first, by its own words and the names of its taxonomy terms; () for none."""
    weights: dict[str, int] = {}
    for term in map(_plain, terms):
        for code in rules.terms.get(term) or rules.names.codes(_without(rules.ignore, _tokens(term))):
            weights[code] = max(weights.get(code, 0), TERM if term in rules.terms else TERM - 1)
    for code in rules.names.codes(_without(rules.ignore, _tokens(name))):
        weights.setdefault(code, NAME)
    for code in rules.phrases.codes(_without(rules.ignore, list(_offered(_tokens(description))))):
        weights.setdefault(code, PHRASE)
    return tuple(sorted(weights, key=lambda code: (-weights[code], rules.codes.index(code))))


def _tokens(words: str) -> list[str]:
    return _TOKEN.findall(_plain(words, lines=True))


def _without(ignore: Finder, words: list[str]) -> list[str]:
    gone = [(start, end) for start, end, _ in ignore.spans(words)]
    for start, end in gone:
        words[start:end] = [GAP] * (end - start)
    return words


def _offered(words: list[str]) -> Iterator[str]:
    """The words without what is denied, and without what others give."""
    until: frozenset[str] | None = None
    for word, after in zip(words, [*words[1:], GAP], strict=False):
        if until is not None and word in until:
            until = None
        if until is None:
            until = _silence(word, after)
            yield word if until is None else GAP


def _silence(word: str, after: str) -> frozenset[str] | None:
    """The words that end a stretch which this word begins, and which says nothing of what is offered here."""
    if word in _NOT and after not in _STILL:
        return _STOPS | _BUT
    if word in _ELSEWHERE and after in _WHERE:
        return _ENDS
    if word in _BEHIND:
        return _STOPS
    return None


def _plain(words: str, lines: bool = False) -> str:
    words = words.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
    return words if lines else " ".join(words.split())
