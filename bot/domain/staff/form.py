"""Reads the form about a member of staff: the values to store, or a sentence for each field that cannot be stored."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from bot.domain.languages import english_name, english_names
from bot.domain.staff.permissions import Role

MAX_LENGTH = 80
MAX_CAPACITY = 50
"""The largest capacity: more people at once than anyone could talk with is a typing mistake."""

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_BETWEEN = re.compile(r"[,;\n]+")


@dataclass(frozen=True, slots=True)
class StaffForm:
    """The form as submitted. An empty `phone` leaves the stored one, unless `forget_phone`."""

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
class StaffFormValues:
    """The form's values. `languages` are codes."""

    name: str
    called: str
    email: str
    languages: list[str]
    communities: list[str]
    capacity: int
    roles: frozenset[Role]
    teams: tuple[str, ...]


def read(typed: StaffForm, teams: Collection[str]) -> tuple[StaffFormValues, dict[str, str]]:
    """The values, and what is wrong with each field (empty: they can be stored). `teams` are the existing slugs.

    Not checked here: whether the e-mail address or the telephone belongs to another member of staff.
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
    if not 1 <= capacity <= MAX_CAPACITY:
        problems["capacity"] = f"Write a number from 1 to {MAX_CAPACITY}: how many people they talk with at once."
    problems |= _text_problems(typed)
    known_roles = frozenset(Role(role) for role in typed.roles if role in set(Role))
    if not known_roles:
        problems["roles"] = "Choose at least one role. Without one they could not open any page."
    if gone := [team for team in typed.teams if team not in teams]:
        problems["teams"] = f"There is no team {', '.join(gone)} any more. Look at the teams and save again."
    communities = _split_list(typed.communities)
    called = typed.called or typed.name.partition(" ")[0]
    return StaffFormValues(
        typed.name, called, typed.email.lower(), languages, communities, capacity, known_roles, typed.teams
    ), problems


def _text_problems(typed: StaffForm) -> dict[str, str]:
    problems = {}
    for field, value in (("name", typed.name), ("called", typed.called), ("email", typed.email)):
        if len(value) > MAX_LENGTH:
            problems[field] = f"This has {len(value)} characters. {MAX_LENGTH} is the most."
    if not typed.name:
        problems["name"] = "Write their name, as colleagues know it."
    if "email" not in problems and not _ADDRESS.fullmatch(typed.email):
        problems["email"] = "Write their work e-mail address, like rosa@example.org. They sign in with it."
    return problems


def read_languages(typed: str) -> tuple[list[str], list[str]]:
    """The codes of languages named in English (or by code), and the words that name no language."""
    names = _codes()
    codes, unknown = [], []
    for word in _split_list(typed):
        code = names.get(word.casefold())
        if code:
            codes.append(code)
        else:
            unknown.append(word)
    return list(dict.fromkeys(codes)), unknown


def language_names(codes: Iterable[str]) -> str:
    """The inverse of `read_languages`: what the form shows for these codes."""
    return ", ".join(english_name(code) for code in codes)


@cache
def _codes() -> dict[str, str]:
    # Two letters or three: variants such as "en_GB" are not languages of their own here.
    plain = {code: str(name) for code, name in english_names().items() if code.isalpha() and len(code) < 4}
    return {name.casefold(): code for code, name in plain.items()} | {code: code for code in plain}


def _split_list(typed: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in _BETWEEN.split(typed) if part.strip()))
