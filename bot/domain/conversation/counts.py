"""Numbers in answers: `3`, `three`, `tres`, `just me`, `me and my 2 kids`, `2 adults 3 kids`.

People who are asked how many they are often list each other; these are added up. A total that does not match its parts,
two different numbers, and plurals without a number ("me and my kids") are not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.domain.listening.understanding import fold, split_words

MAX_COUNT = 9_999_999

_UNITS = {
    word: number
    for number, words in enumerate(
        ("zero cero none ninguno ninguna nobody nadie", "one uno una un single", "two dos", "three tres",
         "four cuatro", "five cinco", "six seis", "seven siete",
         "eight ocho", "nine nueve", "ten diez", "eleven once",
         "twelve doce", "thirteen trece", "fourteen catorce", "fifteen quince", "sixteen dieciseis",
         "seventeen diecisiete", "eighteen dieciocho", "nineteen diecinueve")
    )
    for word in words.split()
}  # fmt: skip
_UNITS |= {
    f"veinti{word}": 20 + number
    for number, word in enumerate("uno dos tres cuatro cinco seis siete ocho nueve".split(), start=1)  # noqa: SIM905
}
_TENS = {
    word: 10 * number
    for number, words in enumerate(
        ("twenty veinte", "thirty treinta", "forty cuarenta", "fifty cincuenta", "sixty sesenta",
         "seventy setenta", "eighty ochenta", "ninety noventa"), start=2,
    )
    for word in words.split()
}  # fmt: skip
_SELF = frozenset(["me", "myself", "i", "yo", "moi"])
_ONE_PERSON = split_words(
    "wife husband spouse partner boyfriend girlfriend fiance fiancee son daughter kid child baby mom "
    "mother mama dad father papa brother sister grandma grandpa grandmother grandfather aunt uncle "
    "nephew niece cousin friend roommate adult toddler grandson granddaughter esposa esposo marido "
    "pareja novio novia hijo hija nino nina bebe madre padre hermano hermana abuela abuelo tia tio "
    "amigo amiga adulto teen teenager newborn infant son-in-law other otro otra man woman hombre mujer "
    "sobrino sobrina primo prima nieto nieta suegra suegro boy girl"
)
_PLURALS = frozenset(word + "s" for word in _ONE_PERSON) | split_words(
    "children babies wives men women mujeres hombres twins ninos ninas adultos"
)
_ALL = split_words("people persons person us personas persona total all altogether everyone")
_SPEAKER_INCLUDED = re.compile(r"\b(including|counting|incl|incluyendome|incluyendo|contando|conmigo)\b.*$")
_AGES = re.compile(
    r"\b(ages?|aged|edades|de edad)\b.*$"
    r"|\b\d{1,2}\s*(?:-\s*)?(?:(?:years?|yrs?|yr|yo|months?|mos?)\b[- ]*(?:olds?)?|anos|meses)\b"
)
_NO_ONE = re.compile(r"\bno one\b")
_ALONE = frozenset(["alone", "solo", "sola", "myself"])
_AND = split_words("and y plus with con n")
_TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?|[^\W\d_]+")
_FILLERS = split_words(
    "just only its it is for we are my the of there about around living here in have our house home "
    "household family yes so a an mis somos hay solo nomas solamente tengo en casa little small young "
    "old older yeah ok live vivo his her their dos lives que de como"
)


@dataclass(slots=True)
class _Tally:
    """The count while reading from left to right."""

    total: int | None = None
    parts: int = 0
    numbers: list[int] = field(default_factory=list)
    counted: int = 0
    self_named: bool = False
    doubtful: bool = False


def parse_count(text: str) -> int | None:
    """The whole number (0 or more) that the text gives, or None where it gives none or more than one."""
    plain = _NO_ONE.sub("nobody", fold(text))
    plain = _AGES.sub(" ", _SPEAKER_INCLUDED.sub(" ", plain))
    if re.search(r"\d\s*(?:-|/|or|o|to|a)\s*\d", plain) or re.search(r"(?<!\w)-\s*\d", plain):
        return None
    words = _TOKEN.findall(plain.replace("half", ".5 "))
    if not words or len(words) > 30:
        return None
    tally = _count(words)
    value = _result(tally, words)
    return value if value is not None and 0 <= value <= MAX_COUNT else None


def _count(words: list[str]) -> _Tally:
    tally = _Tally()
    pending: int | None = None
    at = 0
    while at < len(words):
        word = words[at]
        number, used = _number(words, at)
        if number is not None:
            if pending is not None:
                tally.numbers.append(pending)
            pending = number
        elif word in _ALL and pending is not None:
            tally.doubtful |= tally.total is not None
            tally.total, pending = pending, None
        elif word in _PLURALS or word in _ONE_PERSON:
            if pending is None and word in _PLURALS:
                tally.doubtful = True
            tally.parts += 1 if pending is None else pending
            tally.counted += 1
            pending = None
        elif word in _SELF and _counts_speaker(words, at):
            tally.self_named = True
        elif word[0].isdigit():
            tally.doubtful = True
        at += used
    if pending is not None:
        tally.numbers.append(pending)
    return tally


def _counts_speaker(words: list[str], at: int) -> bool:
    """`I have 3 kids` counts only the kids; `me and 3 kids` and `3 kids and I` count the speaker too."""
    around = {words[at - 1] if at else "", words[at + 1] if at + 1 < len(words) else ""}
    return bool(around & _AND) or words[at] in {"me", "myself", "yo"}


def _result(tally: _Tally, words: list[str]) -> int | None:
    if tally.doubtful or len(set(tally.numbers)) > 1 or len(tally.numbers) > 1:
        return None
    if tally.numbers and tally.counted:
        # "4, 2 adults and 2 kids": a total and its parts.
        tally.total = tally.total if tally.total is not None else tally.numbers[0]
        tally.numbers = []
    parts = tally.parts + tally.self_named
    if tally.total is not None:
        return tally.total if not tally.counted or tally.total in (parts, tally.parts) else None
    if tally.numbers:
        with_self = tally.self_named and bool(_AND & set(words))
        return tally.numbers[0] + with_self
    if tally.counted:
        return parts
    alone = tally.self_named or bool(_ALONE & set(words))
    return 1 if alone and set(words) <= _SELF | _ALONE | _FILLERS else None


def _number(words: list[str], at: int) -> tuple[int | None, int]:
    """The number that starts at this word, and how many words it takes."""
    word = words[at]
    if word[0].isdigit():
        whole, _, rest = word.replace(",", "").partition(".")
        return (int(whole) if len(whole) <= 9 and not rest.strip("0") else None), 1
    if word in _TENS:
        following = words[at + 1 : at + 3]
        if following[:1] == ["y"]:
            following = following[1:]
        unit = _UNITS.get(following[0], 0) if following else 0
        if 1 <= unit <= 9:
            return _TENS[word] + unit, words.index(following[0], at) - at + 1
        return _TENS[word], 1
    if word in {"un", "una", "uno", "one", "single"} and at and words[at - 1] in {"just", "the"}:
        return _UNITS[word], 1
    return _UNITS.get(word), 1
