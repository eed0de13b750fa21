"""What is typed about a member of staff, read: the values that can be stored, or a sentence for each field that cannot."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from babel import Locale

from bot.domain.permissions import Role

LONGEST = 80
MOST_AT_ONCE = 50
"""The largest capacity: more people at once than anybody can talk with is a typing mistake."""

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_BETWEEN = re.compile(r"[,;\n]+")


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was sent. `phone` empty leaves what is stored, unless `forget_phone`."""

    name: str = ""
    called: str = ""
    email: str = ""
    tells_name: bool = True
    languages: str = ""
    skills: tuple[str, ...] = ()
    communities: str = ""
    capacity: str = "4"
    phone: str = ""
    forget_phone: bool = False
    roles: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """The same as values. `languages` are codes."""

    name: str
    called: str
    email: str
    languages: list[str]
    communities: list[str]
    capacity: int
    roles: frozenset[Role]
    teams: tuple[str, ...]


def read(typed: Typed, teams: Collection[str]) -> tuple[Read, dict[str, str]]:
    """The values, and what is wrong with each field (empty: they can be stored). `teams` are the slugs that there are.

    What cannot be told here: whether the e-mail address or the telephone is somebody else's.
    """
    problems: dict[str, str] = {}
    languages, unknown = read_languages(typed.languages)
    if unknown:
        problems["languages"] = (
            f"Not known as a language: {', '.join(unknown)}. Write them in English, like Spanish, Bosnian."
        )
    elif not languages:
        problems["languages"] = "Write at least one language, like English."
    capacity = int(typed.capacity) if typed.capacity.isascii() and typed.capacity.isdecimal() else 0
    if not 1 <= capacity <= MOST_AT_ONCE:
        problems["capacity"] = f"Write a number from 1 to {MOST_AT_ONCE}: how many people they talk with at once."
    problems |= _of_words(typed)
    known_roles = frozenset(Role(role) for role in typed.roles if role in set(Role))
    if not known_roles:
        problems["roles"] = "Choose at least one role. Without one they could not open any page."
    if gone := [team for team in typed.teams if team not in teams]:
        problems["teams"] = f"There is no team {', '.join(gone)} any more. Look at the teams and save again."
    communities = _listed(typed.communities)
    called = typed.called or typed.name.partition(" ")[0]
    return Read(
        typed.name, called, typed.email.lower(), languages, communities, capacity, known_roles, typed.teams
    ), problems


def _of_words(typed: Typed) -> dict[str, str]:
    problems = {}
    for field, value in (("name", typed.name), ("called", typed.called), ("email", typed.email)):
        if len(value) > LONGEST:
            problems[field] = f"This has {len(value)} characters. {LONGEST} is the most."
    if not typed.name:
        problems["name"] = "Write their name, as colleagues know it."
    if "email" not in problems and not _ADDRESS.fullmatch(typed.email):
        problems["email"] = "Write their work e-mail address, like rosa@example.org. They sign in with it."
    return problems


def read_languages(typed: str) -> tuple[list[str], list[str]]:
    """Codes of the languages that are named in English (or by code), and those words that name none."""
    names = _codes()
    codes, unknown = [], []
    for word in _listed(typed):
        code = names.get(word.casefold())
        if code:
            codes.append(code)
        else:
            unknown.append(word)
    return list(dict.fromkeys(codes)), unknown


def language_names(codes: Iterable[str]) -> str:
    """The other way: what stands in the form for these codes."""
    names = Locale("en").languages
    return ", ".join(names.get(code, code) for code in codes)


@cache
def _codes() -> dict[str, str]:
    # Two letters or three: the variants of one language ("en_GB") are one language to a person.
    plain = {code: str(name) for code, name in Locale("en").languages.items() if code.isalpha() and len(code) < 4}
    return {name.casefold(): code for code, name in plain.items()} | {code: code for code in plain}


def _listed(typed: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in _BETWEEN.split(typed) if part.strip()))
