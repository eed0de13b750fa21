"""How many SMS segments a text takes, and how to make it take fewer without changing what it says.

Every segment is paid for. One character outside the GSM-7 alphabet (GSM 03.38) turns the whole text into UCS-2, where a
segment holds 70 characters instead of 160.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import regex  # type: ignore[import-untyped]
from gsm0338 import Codec

MAX_BODY_LENGTH = 1600
"""The most characters the carrier accepts in one message (error 21617 above that)."""

_ESCAPE = 0x1B
_GSM7_ONE, _GSM7_MANY = 160, 153
_UCS2_ONE, _UCS2_MANY = 70, 67


def _alphabet(prefix: bytes) -> str:
    """The characters that GSM-7 writes as `prefix` and one more byte."""
    codec = Codec()
    found = []
    for code in range(128):
        if code == _ESCAPE:
            continue
        try:
            found.append(codec.decode(prefix + bytes([code]))[0])
        except UnicodeDecodeError:
            continue
    return "".join(character for character in found if len(character) == 1)


_BASIC = _alphabet(b"")
_EXTENDED = _alphabet(bytes([_ESCAPE]))

# A compiled pattern is about ten times faster than the codec character by character, and this runs for every text that
# comes in or goes out.
_is_basic = re.compile(f"[{re.escape(_BASIC)}]*").fullmatch
_is_gsm7 = re.compile(f"[{re.escape(_BASIC + _EXTENDED)}]*").fullmatch

# A character that takes two places is replaced by these two, so that the end of a segment is found by counting.
_PAIR = "\x1b."
_pair_extended = re.compile(f"[{re.escape(_EXTENDED)}]").sub
_pair_surrogates = re.compile("[\U00010000-\U0010ffff]").sub

# Latin, Cyrillic, Arabic and Vietnamese letters and plain emoji never combine: each character is a grapheme, and the slow
# pattern (about 100 us for a long text) is not needed.
_never_combines = re.compile(
    "[\n\r\x20-\x7e\xa0-\u02ff\u0400-\u0482\u060c\u061b\u061f\u0621-\u064a\u0660-\u066f\u0671-\u06d3"
    "\u06f0-\u06ff\u1e00-\u1eff\u2010-\u2027\u20ac"
    "\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff]*"
).fullmatch

_graphemes = regex.compile(r"\X").findall

# The carrier counts graphemes of Unicode 10 and splits line ends in two. It does not join newer emoji with a skin tone or
# with each other, so neither does this: the count must equal the bill.
_counted_characters = regex.compile(r"\r|\n|[\U0001FA70-\U0001FAFF]|[\U0001F3FB-\U0001F3FF][\u200d\ufe0f]*|\X").findall

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_FOLDED = str.maketrans(
    dict(zip("áíóúÁÍÓÚ", "aiouAIOU", strict=True))
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff", "")
    | {"\u2026": "..."}
)


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """What is charged for a text. `characters` are as the carrier counts them (septets in GSM-7)."""

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    characters: int


def measure_segments(text: str) -> SegmentCount:
    """The encoding of a text, its segments (at least one) and its characters.

    Source: GSM 03.38 and 3GPP TS 23.040 (160/153 septets, 70/67 code units; an escaped character or a grapheme is never
    split between segments), checked against the carrier's calculator.
    """
    if _is_basic(text):
        length = len(text)
        return SegmentCount("GSM-7", 1 if length <= _GSM7_ONE else -(-length // _GSM7_MANY), length)
    if _is_gsm7(text):
        places = _pair_extended(_PAIR, text)
        return SegmentCount("GSM-7", _parts_in_septets_or_units(places, _GSM7_ONE, _GSM7_MANY), len(places))
    if _never_combines(text):
        places = _pair_surrogates(_PAIR, text)
        return SegmentCount("UCS-2", _parts_in_septets_or_units(places, _UCS2_ONE, _UCS2_MANY), len(text))
    characters = _counted_characters(text)
    sizes = [_units(mark) for mark in characters]
    return SegmentCount("UCS-2", 1 if sum(sizes) <= _UCS2_ONE else _parts(sizes, _UCS2_MANY), len(characters))


def _parts_in_septets_or_units(places: str, one: int, many: int) -> int:
    if len(places) <= one:
        return 1
    parts = end = 0
    while end < len(places):
        end += many
        if end < len(places) and places[end - 1] == _PAIR[0]:
            end -= 1
        parts += 1
    return parts


def _units(text: str) -> int:
    """The UTF-16 code units of a text: an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _parts(sizes: Sequence[int], capacity: int) -> int:
    """How many segments of `capacity` hold these sizes in order, none of them split."""
    parts, left = 1, capacity
    for size in sizes:
        if size > left:
            parts, left = parts + 1, capacity
        left -= size
    return parts


def fold_for_sms(text: str) -> str:
    """The text in GSM-7, if plain quotes, dashes, spaces and unaccented á í ó ú are enough for that.

    A text that cannot become GSM-7 (another alphabet, an emoji, a letter such as š) is returned unchanged: it is charged as
    UCS-2 anyway, so it would lose its accents and quotes for nothing.
    """
    if _is_gsm7(text):
        return text
    folded = unicodedata.normalize("NFC", text).translate(_FOLDED)
    return folded if _is_gsm7(folded) else text


def join_replies(texts: Sequence[str], limit: int = MAX_BODY_LENGTH) -> list[str]:
    """The replies of one turn in as few messages as possible, a blank line between two replies.

    Blank texts are left out. A text over `limit` (UTF-16 code units) is split after a sentence, else at a space, else
    between graphemes; only white space at a split is dropped. Raises ValueError for a `limit` below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    messages: list[str] = []
    for text in texts:
        for piece in _cut(text.strip(), limit):
            joined = f"{messages[-1]}\n\n{piece}" if messages else piece
            if messages and _size(joined) <= limit:
                messages[-1] = joined
            else:
                messages.append(piece)
    return messages


def _size(text: str) -> int:
    # Folding writes an ellipsis as three full stops, after the texts were joined.
    return _units(text) + 2 * text.count("\u2026")


def _cut(text: str, limit: int) -> list[str]:
    if not text:
        return []
    if _size(text) <= limit:
        return [text]
    marks = _split_oversized(_graphemes(text), limit)
    pieces: list[str] = []
    while marks:
        end = _end_of_piece(marks, limit)
        pieces.append("".join(_strip_spaces(marks[:end])))
        marks = _strip_spaces(marks[end:])
    return [piece for piece in pieces if piece]


def _split_oversized(graphemes: Sequence[str], limit: int) -> list[str]:
    """The graphemes; one over the limit by itself (a letter with very many marks) is split into characters."""
    return [part for mark in graphemes for part in ([mark] if _size(mark) <= limit else list(mark))]


def _end_of_piece(marks: Sequence[str], limit: int) -> int:
    """How many graphemes go into the next piece: at least one."""
    size = fitting = 0
    while fitting < len(marks) and size + _size(marks[fitting]) <= limit:
        size += _size(marks[fitting])
        fitting += 1
    if fitting == len(marks):
        return fitting
    spaces = [at for at in range(1, fitting + 1) if marks[at].isspace()]
    # A sentence that ends in the first half would leave most of the message empty; a space is better then.
    late = [at for at in spaces if at > fitting // 2]
    sentences = [at for at in late if marks[at - 1] in ".!?\u2026" or "\n" in marks[at]]
    return (sentences or spaces or [max(fitting, 1)])[-1]


def _strip_spaces(marks: Sequence[str]) -> list[str]:
    # Not str.strip: a space with a combining mark is one grapheme, and stripping would split it.
    first, last = 0, len(marks)
    while first < last and marks[first].isspace():
        first += 1
    while last > first and marks[last - 1].isspace():
        last -= 1
    return list(marks[first:last])
