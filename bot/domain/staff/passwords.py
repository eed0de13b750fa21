"""Which passwords are refused: short ones, and those that attackers try first (NIST SP 800-63B, 5.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

MIN_LENGTH = 12
MAX_LENGTH = 256
"""Hashing is slow on purpose; megabyte-long passwords could be used to overload us."""

_WORDS = """
password passwort contrasena letmein welcome bienvenido qwerty qwertyuiop qwertz azerty asdfgh asdfghjkl zxcvbn
zxcvbnm iloveyou teamo monkey dragon sunshine princess football baseball basketball superman batman trustno
master shadow michael jesus jesuschrist admin administrator changeme default secret login hello helloworld
whatever freedom starwars summer winter spring autumn january february march april june july august september
october november december monday tuesday wednesday thursday friday saturday sunday
warmline stlhelp helpline hotline socialworker saintlouis stlouis cardinals blues missouri gateway arch city county
"""
_COMMON = frozenset(_WORDS.split())
_LEET = str.maketrans("01345789@$!", "oleastbgasi")
_SEQUENCES = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiopasdfghjklzxcvbnm")


def refusal_reason(password: str, about: Iterable[str] = ()) -> str | None:
    """Why this password is refused, as a sentence; None where it is accepted. `about`: the owner's name, e-mail address."""
    if len(password) < MIN_LENGTH:
        return f"Use at least {MIN_LENGTH} characters. A few words with spaces between are easy to remember."
    if len(password) > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    if len(set(password.casefold())) < 5:
        return "This repeats the same few characters. Use a few words with spaces between."
    if _is_guessed_first(password, about):
        return "This is one of the passwords that are guessed first. Use a few words that nobody would put together."
    return None


def _is_guessed_first(password: str, about: Iterable[str]) -> bool:
    plain = password.casefold()
    known = _COMMON | {part for text in about for part in re.split(r"[\W_]+", text.casefold()) if len(part) > 2}
    for spelled in (plain, plain.translate(_LEET)):
        letters = re.sub(r"[\W\d_]+", "", spelled)
        if _remaining_letters(letters, known) < 4 and (letters or _is_sequence(plain)):
            return True
    return _is_sequence(re.sub(r"[\W_]+", "", plain))


def _remaining_letters(letters: str, known: Iterable[str]) -> int:
    """How many letters remain when the known words are removed, the longest first."""
    for word in sorted(known, key=len, reverse=True):
        letters = letters.replace(word, "")
    return len(letters)


def _is_sequence(text: str) -> bool:
    """Whether it is a sequence of keys or of the alphabet, forwards or backwards."""
    long_rows = [row * 12 for row in (*_SEQUENCES, *(row[::-1] for row in _SEQUENCES))]
    return len(text) > 3 and any(text in row for row in long_rows)
