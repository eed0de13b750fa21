"""Languages by their codes: the one in which every text is written, their names, and how they write dates and times."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError

SOURCE_LANGUAGE: Final = "en"
"""The language in which flows and words are written. A text that lacks a person's language is sent in this one."""

_STAFF_LANGUAGE = "en"
_COUNTRY = "US"


def english_names() -> Mapping[str, str]:
    """The English name of every language that Babel knows, by its code. Staff work in English."""
    names: Mapping[str, str] = Locale(_STAFF_LANGUAGE).languages
    return names


@lru_cache(maxsize=1_000)
def english_name(code: str) -> str:
    """The English name of a language (`es`, `pt_BR`, `pt-BR`); the code itself where Babel knows none."""
    if code.isalpha() and code in english_names():
        return english_names()[code]
    locale = _find_locale(code)
    return (locale.get_display_name(_STAFF_LANGUAGE) if locale else None) or code


@lru_cache(maxsize=1_000)
def own_name(code: str) -> str:
    """The name of a language in that language, with a capital (`Español`); the code itself where Babel knows none."""
    locale = _find_locale(code)
    name = locale.get_display_name(code) if locale else None
    return name[:1].upper() + name[1:] if name else code


@lru_cache(maxsize=1_000)
def locale_of(language: str) -> str:
    """Babel's locale for dates and times in this language: as it is used in the United States (`es_US`) where Babel knows
    that, else the language's own; for a language that Babel does not know, that of English."""
    found = _find_locale(f"{language}_{_COUNTRY}") or _find_locale(language)
    return str(found) if found else f"{SOURCE_LANGUAGE}_{_COUNTRY}"


def _find_locale(code: str) -> Locale | None:
    try:
        return Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
