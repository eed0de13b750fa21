"""How wide words will be on a page whose font is not known here, and how they are cut to fit a box."""

from __future__ import annotations

import unicodedata

_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 "
    "556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 "
    "722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 "
    "500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
"""Helvetica's advances from the space to the tilde, in thousandths of the size; Arial and Liberation Sans have the same."""
_ADVANCE = {chr(32 + at): int(width) / 1000 for at, width in enumerate(_WIDTHS.split())}
_USUAL, _WIDE = 0.62, 1.02
_SLACK = 1.05
"""The page asks for Arial's width; a browser without such a font takes a somewhat wider one."""
_BOLD = 1.08
ELLIPSIS = "…"


def width_of(words: str, size: float, *, is_bold: bool = False) -> float:
    """How wide these words will be, in pixels; rather too much than too little."""
    return sum(map(_advance, words)) * size * _SLACK * (_BOLD if is_bold else 1)


def clean(words: str) -> str:
    """In one line, and without what cannot stand in XML."""
    return " ".join("".join(letter if _is_drawable(letter) else " " for letter in words).split())


def cut(words: str, size: float, room: float, *, is_bold: bool = False) -> str:
    """The first letters that fit into so many pixels, with a mark where something was left out."""
    if width_of(words, size, is_bold=is_bold) <= room:
        return words
    room -= width_of(ELLIPSIS, size, is_bold=is_bold)
    used, at = 0.0, 0
    for at, letter in enumerate(words):  # noqa: B007 - a sum that stops early
        used += width_of(letter, size, is_bold=is_bold)
        if used > room:
            break
    return words[:at].rstrip() + ELLIPSIS


def wrap(words: str, size: float, room: float, most: int) -> list[str]:
    """The words in at most so many lines of so many pixels; what is over is left out, with a mark."""
    lines: list[str] = []
    rest = clean(words).split(" ") if words.strip() else []
    while rest and len(lines) < most:
        line = rest.pop(0)
        while rest and width_of(f"{line} {rest[0]}", size) <= room:
            line += f" {rest.pop(0)}"
        lines.append(cut(line, size, room))
    if rest and lines and not lines[-1].endswith(ELLIPSIS):
        lines[-1] = cut(f"{lines[-1]} {' '.join(rest)[:40]}", size, room)
        if not lines[-1].endswith(ELLIPSIS):
            lines[-1] += ELLIPSIS
    return lines


def _advance(letter: str) -> float:
    found = _ADVANCE.get(letter)
    if found is not None:
        return found
    if unicodedata.combining(letter):
        return 0
    return _WIDE if unicodedata.east_asian_width(letter) in "WF" else _ADVANCE.get(_plain(letter), _USUAL)


def _plain(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


def _is_drawable(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs", "Cn", "Co")
