"""Two states of a text side by side, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class SideBySideRow:
    """A row before and after; None if there is none on that side."""

    old: str | None
    new: str | None

    @property
    def differs(self) -> bool:
        return self.old != self.new


def side_by_side(old: str, new: str) -> Iterator[SideBySideRow]:
    """All rows of both texts, with unchanged rows opposite each other."""
    before, after = old.splitlines(), new.splitlines()
    for _, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for left, right in zip_longest(before[first:last], after[start:end]):
            yield SideBySideRow(left, right)
