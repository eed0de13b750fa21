"""Lenient parsers for what a person types in answer to a question.

Every question is read in all languages, because bilingual people mix them. A parser that is not sure says so, and the
question is asked again: a wrong ZIP or court date would be believed. Numbers are in `counts.py`, dates in `dates.py`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cache

import phonenumbers
from babel import Locale
from babel.localedata import locale_identifiers

from bot.domain.conversation import counts, dates
from bot.domain.flows.language.script import AnswerKind
from bot.domain.listening.understanding import fold, split_phrases, split_words, words_of

MAX_LENGTH = 1600
"""Characters that are read; a text message is never longer, a message in the web chat could be."""

Value = str | int | bool | None
"""JSON-compatible: a date is its ISO string."""


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """`value` is None if the text was not understood, and if the answer is "none"."""

    understood: bool
    value: Value = None


EMPTY_ANSWER = ParsedAnswer(True)
UNREADABLE = ParsedAnswer(False)


def parse_answer(kind: AnswerKind, text: str, *, language: str, today: date, optional: bool = False) -> ParsedAnswer:
    """The text as an answer to a question of this kind. Never raises, whatever the text.

    `today` is the date in Warmline's time zone; `language` is the conversation's, used only for rare date formats.
    With `optional`, NO, NONE and SKIP mean no answer; for a yes_no question only SKIP does.
    """
    text = clean_text(text)
    if optional and _is_nothing(kind, text):
        return EMPTY_ANSWER
    match kind:
        case AnswerKind.YES_NO:
            value: Value = _yes_no(text)
        case AnswerKind.NUMBER:
            value = counts.parse_count(text)
        case AnswerKind.DATE:
            if dates.means_no_date(text):
                return EMPTY_ANSWER
            day = dates.parse_date(text, language=language, today=today)
            value = day.isoformat() if day else None
        case AnswerKind.ZIP:
            value = _zip(text)
        case AnswerKind.PHONE:
            value = _phone(text)
        case AnswerKind.NAME:
            value = _name(text)
        case AnswerKind.LANGUAGE:
            value = _language(text)
        case AnswerKind.TEXT:
            value = text or None
    return ParsedAnswer(value is not None, value)


def clean_text(text: str) -> str:
    """Trimmed and cut to MAX_LENGTH, without what can't be stored (NUL, lone surrogates) or seen (other controls)."""
    if text.isascii() and text.isprintable():
        return text.strip()[:MAX_LENGTH]
    kept = (char for char in text[:MAX_LENGTH] if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"})
    return unicodedata.normalize("NFC", "".join(kept)).strip()


_NO_ANSWER = split_phrases(
    "no, none, skip, na, n a, nothing, nope, nah, pass, no thanks, no thank you, not applicable, rather "
    "not say, id rather not say, prefer not to say, decline, nobody, no answer, dont have one, i dont "
    "have one, dont have any, i dont have any, nada, ninguno, ninguna, omitir, saltar, pasar, no "
    "gracias, no tengo, nadie, prefiero no decir"
)
_SKIP = split_phrases(
    "skip, na, n a, pass, rather not say, id rather not say, prefer not to say, decline, no answer, "
    "omitir, saltar, pasar, prefiero no decir"
)


def _is_nothing(kind: AnswerKind, text: str) -> bool:
    return " ".join(words_of(text)) in (_SKIP if kind is AnswerKind.YES_NO else _NO_ANSWER)


_ZIP = re.compile(r"(?<![\d$#])(?<!\d[-.,])(\d{5})(?:-\d{4})?(?![\d,]*\d)")
_ALMOST_ZIP = re.compile(r"(?<!\w)(?=(?:o*\d){3})[\do]{5}(?!\w)")
_ONLY_DIGITS = re.compile(r"\d(?:[\s.-]*\d){4}")
_LOWEST_ZIP = 501
"""00501 (Holtsville, New York) is the lowest in use."""


def _zip(text: str) -> str | None:
    """The only US ZIP code in the text, without the +4."""
    plain = fold(text)
    plain = _ALMOST_ZIP.sub(lambda found: found[0].replace("o", "0"), plain)
    found = set(_ZIP.findall(plain))
    bare = plain.strip(" .!,?")
    if not found and _ONLY_DIGITS.fullmatch(bare):
        found = {re.sub(r"\D", "", bare)}
    one = found.pop() if len(found) == 1 else ""
    return one if one.isdecimal() and int(one) >= _LOWEST_ZIP else None


_YES = split_words(
    "1 yes y ye ya yea yeah yeh yep yup yas yess ok okay okey k kk sure correct true absolutely "
    "definitely indeed affirmative agree fine si sip claro simon dale bueno correcto cierto exacto vale "
    "verdad oui da ndiyo haa sim wi vang نعم ايوه так да 是"
)
_NO = split_words(
    "2 no n nope nop nah na naw noo never not nay dont cant wont isnt didnt havent false incorrect "
    "wrong negative jamas nunca nel tampoco falso non ne hapana maya nao khong لا нет ні 不 不是"
)
_YES_PHRASES = split_phrases(
    "i do, i am, i have, i did, i can, i will, we do, we are, we have, it is, of course, why not, "
    "right, thats correct, por supuesto, como no, asi es, es verdad, de acuerdo, esta bien, thats "
    "right, uh huh"
)
_NO_PHRASES = split_phrases(
    "i do not, i am not, im not, not really, not yet, no way, of course not, claro que no, i have not, "
    "para nada, todavia no, aun no, que va, por supuesto que no, not at all, ahora no, uh uh, nuh uh"
)
_NO_IDEA = re.compile(r"\b(no se|no idea|no clue|not sure|dont know|no one|nobody|no problem|no lo se|no doubt)\b")
_YES_SIGNS, _NO_SIGNS = "👍✅✔☑👌🆗", "👎❌✖🚫"
_SMALL_WORDS = split_words("i we it please thanks thank you gracias por favor senor senora maam sir")
_LONGEST_YES_NO = 10
"""Words; in a longer text the first word may be no answer at all."""


def _yes_no(text: str) -> bool | None:
    signs = {sign in _YES_SIGNS for sign in text if sign in _YES_SIGNS + _NO_SIGNS}
    words = [re.sub(r"(.)\1{2,}", r"\1", word) for word in words_of(text)]
    whole = " ".join(words)
    if not words:
        return signs.pop() if len(signs) == 1 else None
    if whole in _NO_PHRASES or whole in _YES_PHRASES:
        return whole in _YES_PHRASES
    if _NO_IDEA.search(whole) or len(words) > _LONGEST_YES_NO:
        return None
    content_words = [word for word in words if word not in _SMALL_WORDS]
    if not content_words or content_words[0] not in _YES | _NO:
        return None
    answer = content_words[0] in _YES
    if content_words[0] in {"1", "2"} and len(content_words) > 1:
        return None
    # "Yes, I am not safe" and "ok no" say two things: asked again rather than guessed.
    against = (_NO if answer else _YES) - {"1", "2", "right", "na", "ne", "da", "true", "fine", "ok", "bueno"}
    return None if any(word in against for word in content_words[1:]) or signs - {answer} else answer


def _phone(text: str) -> str | None:
    """The only telephone number in the text as E.164; ten digits are a US number."""
    found = {
        phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        for match in phonenumbers.PhoneNumberMatcher(text, "US")
    }
    return found.pop() if len(found) == 1 else None


_BEFORE_NAME = re.compile(
    r"^(?:(?:hi|hello|hey|hola|oh|yes|si|sí|ok)\b[\s,.!]*)*"
    r"(?:(?:my (?:full |first )?name(?: is|'s|s)?|the name(?: is|'s|s)|name(?: is)?|i am|i'm|im|this is"
    r"|it is|it's|its|(?:you can )?call me|they call me"
    r"|(?:yo )?soy|(?:yo )?me llamo|mi nombre(?: completo)? es|ll[aá]m[ae]me|nombre)"
    r"(?:\s*:\s*|\s+))?",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(r"(?:[\s,.!]+(?:please|pls|thanks|thank you|gracias|por favor))+[\s.!]*$", re.IGNORECASE)
_NOT_NAMES = split_words(
    "yes no why who what how help idk none nobody anonymous not scared hungry cold homeless pregnant "
    "sick fine ok okay sorry tired alone lost here safe in at so a an the going being having trying "
    "just really very done si que quien por porque ayuda nadie muy una un i my me you your stop dont "
    "cant rather prefer nunya ninguno hello hi hola hey"
)
_PARTICLES = split_words("de del la las los van von der den bin al el y da dos")
_LONGEST_NAME, _MOST_NAMES = 60, 5


def _name(text: str) -> str | None:
    """A name without the words around it; text that is all lower or all upper case is capitalised."""
    name = text.replace("’", "'")
    if "?" in name:
        return None
    name = _AFTER_NAME.sub("", _BEFORE_NAME.sub("", name))
    name = "".join(char if unicodedata.category(char)[0] in "LM" or char in "'-." else " " for char in name)
    digits = any(char.isnumeric() for char in text)
    parts = [part.strip("-'") if part.strip("'-.") else "" for part in name.split()]
    parts = [part for part in parts if part]
    if parts and "." not in parts[-1].rstrip("."):
        parts[-1] = parts[-1].rstrip(".")
    whole = " ".join(parts)
    if digits or not parts or len(parts) > _MOST_NAMES or len(whole) > _LONGEST_NAME:
        return None
    first = fold(parts[0])
    return None if first in _NOT_NAMES or "@" in text or "/" in text else _name_case(parts)


def _name_case(parts: list[str]) -> str:
    whole = " ".join(parts)
    shouted = whole.isupper() and len(whole) > 2
    if not (whole.islower() or shouted):
        return whole
    lowered = [part.lower() for part in parts]
    return " ".join(
        part if at and part in _PARTICLES else re.sub(r"(^|['-])(\w)", lambda m: m[1] + m[2].upper(), part)
        for at, part in enumerate(lowered)
    )


_LANGUAGES = (
    "en es bs vi ar zh fr sw so prs ps fa ne uk ru pt ht sr hr de it pl tr ur hi bn my am ti rw ln ku sq ro "
    "ja ko tl km lo th om ha yo ig ff wo mn pa gu ta te ml"
)
_MORE_NAMES = {
    "es": "castellano espaniol spanich", "zh": "mandarin cantonese 中文 普通话", "fa": "farsi",
    "ht": "creole kreyol", "prs": "dari دری", "tl": "tagalog", "bs": "bosanski", "sw": "swahili",
    "pa": "punjabi", "en": "ingles englis",
}  # fmt: skip


@cache
def _language_names() -> dict[str, str]:
    """Folded name -> code; names in English, in Spanish and in the language itself."""
    names: dict[str, str] = {}
    tables = [Locale("en").languages, Locale("es").languages]
    for code in _LANGUAGES.split():
        own = Locale("fa", "AF").languages.get("fa") if code == "prs" else _own_name(code)
        listed = [table.get("fa-AF" if code == "prs" else code, "") for table in tables]
        for name in (*listed, own or "", *_MORE_NAMES.get(code, "").split()):
            if words := words_of(name):
                names.setdefault(words[0] if len(words) == 1 else "".join(words), code)
    return names


def _own_name(code: str) -> str | None:
    # Not every language has a locale in CLDR; its English name still works then.
    return Locale(code).languages.get(code) if code in _known_locales() else None


@cache
def _known_locales() -> frozenset[str]:
    return frozenset(locale_identifiers())


_DENIALS = frozenset(["no", "not", "dont", "cant"])


def _language(text: str) -> str | None:
    """The code of the only language named; a bare code (`es`) counts as a name."""
    words = words_of(text)
    names = _language_names()
    if len(words) == 1 and words[0] in _LANGUAGES.split():
        return words[0]
    found = {
        names[word] for at, word in enumerate(words) if word in names and not _DENIALS & set(words[max(0, at - 2) : at])
    } | ({names["".join(words)]} if "".join(words) in names else set())
    return found.pop() if len(found) == 1 else None
