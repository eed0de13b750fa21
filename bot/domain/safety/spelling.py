"""One canonical spelling for all the ways in which people type the same words.

`Spelling.canonical` turns a text into lower-case words without accents, separated by single blanks, with a blank at both
ends and `.` where a sentence ends. The rules' phrases are spelled with the same tables, so both sides always agree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_TOKEN = re.compile(r"[^\W_](?:[^\W_]|['*!@$]{1,6}(?=[^\W_]))*|[.!?;]+(?=\s|$)")
# `d i e`: a word spelled out to get past a filter. Initials stay as they are, since known words must cover all letters.
_SPELLED_OUT = re.compile(r"(?<= )[^\W_](?: [^\W_]){2,}(?= )")
# Some telephones send a blank where the apostrophe was: `don t`, `i m`.
_LOST_APOSTROPHE = re.compile(
    r" (?:(\w{1,8}n) (t)|(i) (m|ve|d|ll)|(he|she|it|that) (s|d|ll)|(you|they|we) (re|ve|ll|d))(?= )"
)
_LONE_ENDING = re.compile(r" (?:t|m|s|d|ve|ll|re) ")
_MASKS = re.compile(r"[!@$]+")
_ODD = re.compile(r"['*]|\d+[^\W\d_]|[^\W\d_]\d|([^\W\d_])\1\1")
_RUN = re.compile(r"([^\W\d_])\1{2,}")
_LEET = str.maketrans("013457!@$", "oieastias")
_QUOTES = str.maketrans("\u2018\u2019\u201b\u00b4\u02bc\u0060\uff07\u2032", "''''''''")
_LETTERS = "abcdefghijklmnopqrstuvwxyz*"


def fold_text(text: str) -> str:
    """Lower case, without accents, zero-width characters and smart quotes. `text` may be any Unicode."""
    text = text.lower()
    if text.isascii():
        return text.replace("`", "'")
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES)).lower()
    return "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf", "Me"))


def _one_edit_away(word: str) -> Iterable[str]:
    for i in range(1, len(word) + 1):
        head, tail = word[:i], word[i:]
        for letter in _LETTERS:
            yield head + letter + tail
        if tail:
            yield head + tail[1:]
            for letter in _LETTERS:
                yield head + letter + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]


@dataclass(frozen=True, slots=True)
class Spelling:
    """The spelling tables of all languages together.

    `replacements` maps a spelling to the words meant (`wanna` to `want to`), `emoji_words` an emoji to a word, `known`
    contains every word that a rule uses, and `typos` maps a misspelling by one edit to the strong word meant.
    """

    replacements: Mapping[str, str] = field(default_factory=dict)
    emoji_words: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    typos: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, text: str) -> str:
        """The words of `text` in canonical spelling, e.g. `I'm  FINE. Thx` to ` i am fine . thanks `."""
        if not text.isascii():
            for sign, word in self.emoji_words.items():
                if sign in text:
                    text = text.replace(sign, f" {word} ")
        tokens = _TOKEN.findall(fold_text(text))
        joined = f" {' '.join(tokens)} "
        if _SPELLED_OUT.search(joined):
            joined = _SPELLED_OUT.sub(self._spelled_out, joined)
        if _LONE_ENDING.search(joined):
            joined = _LOST_APOSTROPHE.sub(lambda match: " " + "'".join(filter(None, match.groups())), joined)
        written, known = self.replacements, self.known
        read: dict[str, str] = {}
        words: list[str] = []
        for token in joined.split():
            if token in written:
                words.append(written[token])
            elif token in known:
                words.append(token)
            else:
                if token not in read:
                    read[token] = self._unknown(token)
                words.append(read[token])
        return f" {' '.join(filter(None, words))} "

    def phrase(self, text: str) -> list[str]:
        """The words of a rule's phrase, spelled as in `canonical` but without guessing at misspellings."""
        tokens = _TOKEN.findall(fold_text(text))
        return " ".join(self.replacements.get(token, token.replace("'", "")) for token in tokens).split()

    def _unknown(self, token: str) -> str:
        if token[0] in ".!?;":
            # Dots in a row are a pause inside a sentence, not its end.
            return "" if token.startswith("..") else "."
        if token in self.typos:
            return self.typos[token]
        if _MASKS.search(token):
            return self._masked(token)
        if len(token) > 40 or not _ODD.search(token):
            return token
        return self._odd(token)

    def _masked(self, token: str) -> str:
        """`k!ll` is a masked word; `hey!what` is two words without a blank."""
        whole = token.translate(_LEET)
        found = self.replacements.get(whole) or (whole if whole in self.known else self.typos.get(whole))
        if found:
            return found
        parts = [part for part in _MASKS.split(token) if part]
        return " . ".join(
            self.replacements.get(part) or (part if part in self.known else self._unknown(part)) for part in parts
        )

    def _odd(self, token: str) -> str:
        """Repeated letters, digits for letters, an apostrophe: the first variant that is a known word."""
        plain = token.replace("'", "")
        readings = [plain, _RUN.sub(r"\1\1", plain), _RUN.sub(r"\1", plain)]
        readings += [reading.translate(_LEET) for reading in readings]
        readings += [_RUN.sub(r"\1", reading) for reading in readings]
        for reading in readings:
            found = self.replacements.get(reading) or (reading if reading in self.known else self.typos.get(reading))
            if found:
                return found
        return plain

    def _spelled_out(self, match: re.Match[str]) -> str:
        """`k i l l m y s e l f` to `kill myself` where known words cover all letters; otherwise unchanged."""
        letters = match.group().replace(" ", "").translate(_LEET)
        if letters in self.typos:
            return self.typos[letters]
        # best[i] is the split of the first i letters into the fewest known words.
        best: list[tuple[int, str] | None] = [(0, "")] + [None] * len(letters)
        for end in range(1, len(letters) + 1):
            for start in range(max(0, end - 12), end):
                before, word = best[start], letters[start:end]
                if before is None or word not in self.known or (len(word) == 1 and word not in "ia"):
                    continue
                now = best[end]
                if now is None or before[0] + 1 < now[0]:
                    best[end] = (before[0] + 1, f"{before[1]} {word}".strip())
        whole = best[-1]
        return whole[1] if whole else match.group()


def misspellings(strong: Iterable[str], real_words: Iterable[str]) -> dict[str, str]:
    """Each spelling one edit away from a strong word, to that word; `real_words` (and strong words) are left alone.

    The first letter is assumed to be right: people rarely mistype it, and it keeps `billing` apart from `killing`.
    """
    words = list(strong)
    keep = {*words, *real_words}
    found: dict[str, str] = {}
    # A wrong or swapped letter is more likely than a missing one: `suicidel` is suicidal, not suicide.
    for same_length in (True, False):
        for word in words:
            for typo in _one_edit_away(word):
                if typo not in keep and (len(typo) == len(word)) is same_length:
                    found.setdefault(typo, word)
    return found


def masked_spellings(words: Iterable[str]) -> dict[str, str]:
    """Each way to hide letters of a word behind stars, one letter or all inner letters (`k*ll`, `k**l`), to the word."""
    found: dict[str, str] = {}
    for word in words:
        for place in range(1, len(word)):
            found[f"{word[:place]}*{word[place + 1 :]}"] = word
        found[f"{word[0]}{'*' * (len(word) - 2)}{word[-1]}"] = word
    return found
