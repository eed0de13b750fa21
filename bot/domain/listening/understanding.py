"""Which of a question's choices a person means, from their own words, or that it is unclear.

Tried from certain to likely: the whole message, a number, words within free text, one typing mistake. A wrong guess sends
a person who needs a bed to the gas company, so in doubt the question is asked again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

MIN_LETTERS_FOR_TYPO = 5
"""Letters; in a shorter word one mistake makes another word (rent, cent, went), so it must be exact."""
WORD_SCORE, PHRASE_SCORE, LABEL_PART_SCORE, TYPO_SCORE = 1.0, 1.5, 0.5, 0.8
"""Scores of a word of the choice, of several in a row, of a part of its label, and of a mistyped word."""
MIN_LEAD = 0.5
"""How far the best score must be ahead of the next; otherwise the person is asked again."""


@dataclass(frozen=True, slots=True)
class Option:
    """One choice: the name that is saved, the label that is shown, and other words for it."""

    name: str
    label: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PickedOption:
    """The person means this one."""

    name: str


@dataclass(frozen=True, slots=True)
class UnclearChoice:
    """`candidates` are the names that fit equally well; empty where none fits."""

    candidates: tuple[str, ...] = ()


ChoiceReading = PickedOption | UnclearChoice


def split_words(text: str) -> frozenset[str]:
    """A set of words from one space-separated text."""
    return frozenset(text.split())


def split_phrases(text: str) -> frozenset[str]:
    """A set of phrases from one comma-separated text."""
    return frozenset(phrase.strip() for phrase in text.split(","))


_LETTERS = str.maketrans({"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})
_APOSTROPHES = re.compile("['’‘`´ʼ]")
_TOKEN = re.compile(r"[^\W_]+")
_CLAUSE_END = re.compile(r"[,.;:!?\n()]+")


def fold(text: str) -> str:
    """Lower case, without accents, apostrophes and keycaps; full-width and Arabic-Indic digits become 0-9."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
        text = "".join(_plain(char) for char in text if not unicodedata.combining(char))
    return _APOSTROPHES.sub("", text.lower())


def _plain(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


def words_of(text: str) -> list[str]:
    """The folded words and numbers of a text in order; `Can't pay` gives `cant`, `pay`."""
    return _TOKEN.findall(fold(text))


def _clauses(text: str) -> list[list[str]]:
    """The words of a text by clause; a negation ends with its clause."""
    return [_TOKEN.findall(clause) for clause in _CLAUSE_END.split(fold(text))]


_SUFFIXES = split_words(
    "s es ed ing ings ion ions er ers or ors al als ly ity ment ments e y ies o a os as ar ir an en ado "
    "ada ados adas ido ida idos idas ando iendo aron ieron aba aban aste aran idad cion ciones amos imos "
    "emos arme arnos arlo arla"
)
_LONGEST_SUFFIX = max(map(len, _SUFFIXES))
_KEPT_DOUBLE = "lsfz"


def stem(word: str) -> str:
    """A folded word without its ending: evicted and eviction are the same, desalojo and desalojar too."""
    for size in range(_LONGEST_SUFFIX, 0, -1):
        ending = word[-size:]
        if ending in _SUFFIXES and len(word) - size >= (3 if ending == "s" else 4):
            rest = word[:-size]
            doubled = rest[-1] == rest[-2] and rest[-1] not in _KEPT_DOUBLE
            return rest[:-1] if doubled and len(rest) > 4 else rest
    return word


_NUMBERS = {
    word: number
    for number, words in enumerate(
        ("one uno una first primero primera", "two dos second segundo segunda",
         "three tres third tercero tercera", "four cuatro fourth cuarto cuarta",
         "five cinco fifth quinto quinta", "six seis sixth sexto sexta",
         "seven siete seventh septimo septima", "eight ocho eighth octavo octava",
         "nine nueve ninth noveno novena"),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
_NUMBER_FILLERS = split_words(
    "option number num no nr choice answer the i pick choose want press please pls thanks thank you "
    "gracias por favor opcion numero la el quiero and or y o th st nd rd its"
)
_STOP_WORDS = split_words(
    "a an the my me i we our you your is am are was be to of in on at for from with and or but it its "
    "this that do does have has had need needs want get got find help please some any other others else "
    "something someone somebody person people more about not no yes now right today day week thing el la "
    "los las un una unos unas mi mis yo tu su sus de del en con por para y o u que es son si se lo le "
    "necesito necesita quiero ayuda tengo otra otro otros otras cosa algo alguien persona mas ahora hoy"
)
_NOT_TYPOS = split_words(
    "means count counts later lately horse there these those three think thing things where which while "
    "whole would could should since still start state phone house mother brother matter letter better "
    "after other costs comes cases chance change close closed parts point porque ahora donde desde tener "
    "tengo puedo"
)
"""Everyday words one letter away from words of choices (means and meals); they are not typing mistakes."""

_MEANT = _NOT_TYPOS | _STOP_WORDS

_NEGATORS = split_words(
    "not isnt aint arent wasnt werent dont doesnt didnt never nowhere nobody hardly except unlike jamas nunca nadie"
)
_NEGATING_PAIRS = frozenset(
    {("no", "longer"), ("no", "need"), ("instead", "of"), ("rather", "than"), ("other", "than"), ("cant", "feel"),
     ("no", "es"), ("no", "esta"), ("no", "estoy"), ("no", "estamos"), ("no", "soy"), ("no", "me"), ("no", "nos"),
     ("no", "quiero"), ("no", "necesito"), ("no", "busco"), ("no", "creo"), ("no", "la"), ("no", "el"),
     ("en", "vez"), ("menos", "de")}
)  # fmt: skip
"""`no` alone is left out on purpose: "no food", "no heat" and "no tengo luz" name exactly what is needed."""
_NEGATION_ENDS = split_words(
    # What a person lacks is what they need: "don't have food", "not able to pay rent", "no me alcanza para la renta".
    "have has had having got get getting gets pay paying paid afford find finding able enough keep make making cover "
    "fix fixed fixing work works working give gives giving where how lose send sending help helping "
    "tengo tiene tenemos tener hay puedo puede podemos pagar pago alcanza alcanzo dan dieron da se sirve funciona "
    # And a contrast: "not rent but food", "it's not food it's rent".
    "but because since so instead just only its need needs pero sino porque es necesito quiero"
)


_WANT_WORDS = split_words("need needs want quiero necesito")


@dataclass(frozen=True, slots=True)
class _OptionWords:
    """A word or a sequence of words (as stems) that counts for an option."""

    stems: tuple[str, ...]
    option: int
    score: float


_Buckets = dict[str, list[str]]


def _by_first_letter(spellings: Iterable[str]) -> _Buckets:
    """Spellings long enough to be matched with a mistake, by first letter: that one is rarely wrong."""
    buckets: _Buckets = {}
    for spelling in spellings:
        if len(spelling) >= MIN_LETTERS_FOR_TYPO:
            buckets.setdefault(spelling[0], []).append(spelling)
    return buckets


def choose(text: str, options: Sequence[Option]) -> ChoiceReading:
    """Which option the text means. For repeated use of the same options, keep a `ChoiceMatcher`."""
    return ChoiceMatcher(options).read(text)


class ChoiceMatcher:
    """The options of one question, prepared once; reading a text then takes microseconds. Never raises."""

    def __init__(self, options: Sequence[Option]) -> None:
        self._names = tuple(option.name for option in options)
        self._whole: dict[str, frozenset[int]] = {}
        self._entries: dict[str, list[_OptionWords]] = {}
        self._spellings: dict[str, frozenset[int]] = {}
        for index, option in enumerate(options):
            for words in (option.label, *option.words):
                self._add_words(index, words_of(words), WORD_SCORE)
            parts = words_of(option.label)
            if len(parts) > 1 and not _NEGATORS & set(parts):
                for part in parts:
                    if part not in _STOP_WORDS and len(part) > 2:
                        self._add_entry(_OptionWords((stem(part),), index, LABEL_PART_SCORE))
                        self._add_spelling(index, part)
        self._near_words = _by_first_letter(self._spellings)
        self._near_wholes = _by_first_letter(self._whole)

    def _add_words(self, index: int, words: list[str], worth: float) -> None:
        if not words:
            return
        whole = "".join(words)
        self._whole[whole] = self._whole.get(whole, frozenset()) | {index}
        self._add_entry(_OptionWords((stem(whole),), index, worth))
        if len(words) > 1:
            self._add_entry(_OptionWords(tuple(map(stem, words)), index, PHRASE_SCORE))
        else:
            self._add_spelling(index, whole)

    def _add_spelling(self, index: int, word: str) -> None:
        self._spellings[word] = self._spellings.get(word, frozenset()) | {index}

    def _add_entry(self, entry: _OptionWords) -> None:
        entries = self._entries.setdefault(entry.stems[0], [])
        if not any(known.stems == entry.stems and known.option == entry.option for known in entries):
            entries.append(entry)

    def read(self, text: str) -> ChoiceReading:
        """Which option the text means, or that it is unclear."""
        clauses = _clauses(text)
        words = [word for clause in clauses for word in clause]
        if not words:
            return UnclearChoice()
        whole = "".join(words)
        if found := self._whole.get(whole):
            return self._picked_or_unclear(found)
        if numbers := self._numbers(words):
            return self._picked_or_unclear(numbers)
        if found := self._mistyped(whole, self._near_wholes, self._whole):
            return self._picked_or_unclear(found)
        scores = self._score(clauses) or self._score_mistyped(clauses)
        if len(words) == 2 and (number := self._number(words[0])) is not None and number not in scores:
            # "2 rent": the number and the word name different options.
            return self._picked_or_unclear((number, *scores)) if scores else UnclearChoice()
        return self._best(scores)

    def mentions(self, text: str) -> tuple[str, ...]:
        """Every option that a free text names, the most certain first; a text may name several needs."""
        clauses = _clauses(text)
        scores = self._score(clauses) or self._score_mistyped(clauses)
        return tuple(self._names[index] for index in sorted(scores, key=lambda index: (-scores[index], index)))

    def _picked_or_unclear(self, found: Iterable[int]) -> ChoiceReading:
        names = tuple(self._names[index] for index in sorted(set(found)))
        return PickedOption(names[0]) if len(names) == 1 else UnclearChoice(names)

    def _best(self, scores: dict[int, float]) -> ChoiceReading:
        if not scores:
            return UnclearChoice()
        best = max(scores.values())
        return self._picked_or_unclear(index for index, score in scores.items() if best - score < MIN_LEAD)

    def _number(self, word: str) -> int | None:
        digits = word.removesuffix("st").removesuffix("nd").removesuffix("rd").removesuffix("th")
        number = int(digits) if digits.isdecimal() and len(digits) <= 2 else _NUMBERS.get(word, 0)
        return number - 1 if 1 <= number <= len(self._names) else None

    def _numbers(self, words: list[str]) -> set[int]:
        """The options named by a message of nothing but numbers and filler words."""
        if len(words) > 6:
            return set()
        number_words = [word for word in words if word not in _NUMBER_FILLERS]
        if len(number_words) > 1 and number_words[-1] == "one":
            number_words.pop()
        numbers = [self._number(word) for word in number_words]
        return set() if None in numbers else {number for number in numbers if number is not None}

    def _mistyped(self, word: str, near: _Buckets, options: dict[str, frozenset[int]]) -> frozenset[int]:
        """The options of known spellings that are one mistake away."""
        known = near.get(word[0])
        if known is None or not MIN_LETTERS_FOR_TYPO - 1 <= len(word) <= 40 or word in _MEANT:
            return frozenset()
        found = process.extract(word, known, scorer=OSA.distance, score_cutoff=1, limit=4)
        return frozenset().union(*(options[spelling] for spelling, _, _ in found))

    def _score(self, clauses: list[list[str]]) -> dict[int, float]:
        """Option -> score of its distinct words in the text, without those that are negated."""
        seen: set[tuple[tuple[str, ...], int]] = set()
        scores: dict[int, float] = {}
        for clause in clauses:
            stems = [stem(word) for word in clause]
            negated = _negated(clause, [bool(self._entries.get(one)) for one in stems])
            for at in range(len(stems)):
                if negated[at]:
                    continue
                for entry in self._entries_at(stems, at):
                    if (entry.stems, entry.option) not in seen:
                        seen.add((entry.stems, entry.option))
                        scores[entry.option] = scores.get(entry.option, 0.0) + entry.score
        return scores

    def _entries_at(self, stems: list[str], at: int) -> list[_OptionWords]:
        """The entries that match from this word on; `shut off` also finds `shutoff`."""
        found = [
            entry
            for entry in self._entries.get(stems[at], ())
            if len(entry.stems) == 1 or tuple(stems[at : at + len(entry.stems)]) == entry.stems
        ]
        if at + 1 < len(stems):
            found += [e for e in self._entries.get(stems[at] + stems[at + 1], ()) if len(e.stems) == 1]
        return found

    def _score_mistyped(self, clauses: list[list[str]]) -> dict[int, float]:
        scores: dict[int, float] = {}
        for clause in clauses:
            found = [self._mistyped(word, self._near_words, self._spellings) for word in clause]
            negated = _negated(clause, [bool(options) for options in found])
            for options, is_negated in zip(found, negated, strict=True):
                for option in options if not is_negated else ():
                    scores[option] = scores.get(option, 0.0) + TYPO_SCORE
        return scores


def _negated(words: list[str], meant: list[bool]) -> list[bool]:
    """For each word of a clause whether it is negated: `not food or rent`, `I don't feel safe`.

    A negation lasts to the end of the clause unless something ends it. That means asking again more often; taking "not
    really all that safe" for safe would be worse.
    """
    result = [False] * len(words)
    active = False
    for at, word in enumerate(words):
        if word in _NEGATORS or (at and (words[at - 1], word) in _NEGATING_PAIRS):
            active = True
        elif meant[at]:
            result[at] = active
        elif word in _NEGATION_ENDS and not (word in _WANT_WORDS and words[at - 1] in _NEGATORS):
            active = False
        elif word == "to" and words[at - 1] == "want":
            # "I don't want to lose my home" is about the home.
            active = False
    return result
