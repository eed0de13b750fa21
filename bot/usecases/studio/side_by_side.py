"""Two states of a text beside each other, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Row:
    """A row before and after; None where there is none on that side."""

    old: str | None
    new: str | None

    @property
    def differs(self) -> bool:
        return self.old != self.new


def side_by_side(old: str, new: str) -> Iterator[Row]:
    """All rows of both texts, what stayed facing itself."""
    before, after = old.splitlines(), new.splitlines()
    for _, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for left, right in zip_longest(before[first:last], after[start:end]):
            yield Row(left, right)
