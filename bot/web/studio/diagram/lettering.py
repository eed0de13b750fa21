"""Estimates the width of text on a page whose font is not known here, and truncates and wraps text to fit."""

from __future__ import annotations

import unicodedata

_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 "
    "556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 "
    "722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 "
    "500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
"""Helvetica's character widths from space to tilde, in thousandths of the font size; Arial and Liberation Sans have the
same."""
_CHARACTER_WIDTHS = {chr(32 + at): int(width) / 1000 for at, width in enumerate(_WIDTHS.split())}
_DEFAULT_WIDTH, _EAST_ASIAN_WIDTH = 0.62, 1.02
_SLACK = 1.05
"""The page asks for a font of Arial's width; a browser without one uses a somewhat wider font."""
_BOLD_FACTOR = 1.08
ELLIPSIS = "…"


def text_width(words: str, size: float, *, is_bold: bool = False) -> float:
    """The estimated width in pixels; rather too much than too little."""
    return sum(map(_character_width, words)) * size * _SLACK * (_BOLD_FACTOR if is_bold else 1)


def clean(words: str) -> str:
    """The text on one line, without characters that are not allowed in XML."""
    return " ".join("".join(letter if _is_drawable(letter) else " " for letter in words).split())


def truncate(words: str, size: float, room: float, *, is_bold: bool = False) -> str:
    """The text truncated to `room` pixels, with an ellipsis if something was cut off."""
    if text_width(words, size, is_bold=is_bold) <= room:
        return words
    room -= text_width(ELLIPSIS, size, is_bold=is_bold)
    used, at = 0.0, 0
    for at, letter in enumerate(words):  # noqa: B007 - a sum that stops early
        used += text_width(letter, size, is_bold=is_bold)
        if used > room:
            break
    return words[:at].rstrip() + ELLIPSIS


def wrap(words: str, size: float, room: float, most: int) -> list[str]:
    """The text in at most `most` lines of `room` pixels, with an ellipsis if something was cut off."""
    lines: list[str] = []
    rest = clean(words).split(" ") if words.strip() else []
    while rest and len(lines) < most:
        line = rest.pop(0)
        while rest and text_width(f"{line} {rest[0]}", size) <= room:
            line += f" {rest.pop(0)}"
        lines.append(truncate(line, size, room))
    if rest and lines and not lines[-1].endswith(ELLIPSIS):
        lines[-1] = truncate(f"{lines[-1]} {' '.join(rest)[:40]}", size, room)
        if not lines[-1].endswith(ELLIPSIS):
            lines[-1] += ELLIPSIS
    return lines


def _character_width(letter: str) -> float:
    found = _CHARACTER_WIDTHS.get(letter)
    if found is not None:
        return found
    if unicodedata.combining(letter):
        return 0
    return (
        _EAST_ASIAN_WIDTH
        if unicodedata.east_asian_width(letter) in "WF"
        else _CHARACTER_WIDTHS.get(_base_letter(letter), _DEFAULT_WIDTH)
    )


def _base_letter(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0]


def _is_drawable(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs", "Cn", "Co")
