"""Rows put aside until their owner comes by: phones before the service that they belong to.

A package may be larger than memory, and its tables stand in any order. So they are put on a private temporary database of
SQLite: it stays in memory while it is small, spills to a nameless file when it is not, and is gone when it is closed.
Nothing of it outlives the reading, which is why it may live in the domain.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

BATCH = 5_000
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Shelf:
    """Rows by slot (any word) and owner (an id). Put everything first, then take: the first taking of a slot sorts it."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute("pragma journal_mode=off")
        self._base.execute("pragma synchronous=off")
        self._base.execute("pragma cache_size=-65536")  # 64 MB, then it spills
        self._slots: dict[str, int] = {}
        self._sorted: set[str] = set()
        self._waiting: dict[str, list[tuple[str, str, str]]] = {}
        self._base.execute("begin")

    def put(self, slot: str, owner: str, row: dict[str, Any], at: str = "") -> None:
        """Put a row of JSON values aside; `at` tells where it came from."""
        waiting = self._waiting.setdefault(slot, [])
        waiting.append((owner, at, _ENCODE(row)))
        if len(waiting) >= BATCH:
            self._flush(slot)

    def has(self, slot: str) -> bool:
        """Whether anything was put there. Cheap, so that an empty table costs nothing for each owner."""
        return slot in self._slots or slot in self._waiting

    def take(self, slot: str, owner: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Where from and what, in the order of putting; nothing is removed."""
        if not self.has(slot):
            return
        number = self._sort(slot)
        found = self._base.execute(f"select at, row from t{number} where owner = ? order by rowid", (owner,))  # noqa: S608
        for at, row in found.fetchall():
            yield at, json.loads(row)

    def owners(self, slot: str) -> Iterator[tuple[str, str]]:
        """Each owner once, with where its first row came from."""
        if not self.has(slot):
            return
        number = self._sort(slot)
        yield from self._base.execute(f"select owner, min(at) from t{number} group by owner")  # noqa: S608

    def rows(self, slot: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        """Every row of a slot in the order of putting, with its owner and where it came from."""
        if not self.has(slot):
            return
        number = self._flush(slot)
        for owner, at, row in self._base.execute(f"select owner, at, row from t{number} order by rowid"):  # noqa: S608
            yield (owner, at), json.loads(row)

    def counts(self, slot: str) -> Iterator[tuple[str, int]]:
        """Each owner once, with how many rows it has."""
        if self.has(slot):
            yield from self._base.execute(f"select owner, count(*) from t{self._sort(slot)} group by owner")  # noqa: S608

    def slots(self) -> Iterable[str]:
        """Every slot that holds something."""
        return tuple(dict.fromkeys([*self._slots, *self._waiting]))

    def close(self) -> None:
        """Give the memory and the file back."""
        self._base.close()

    def _flush(self, slot: str) -> int:
        number = self._slots.get(slot)
        if number is None:
            number = self._slots[slot] = len(self._slots)
            self._base.execute(f"create table t{number} (owner text, at text, row text)")
        if waiting := self._waiting.pop(slot, []):
            self._base.executemany(f"insert into t{number} values (?, ?, ?)", waiting)  # noqa: S608
        return number

    def _sort(self, slot: str) -> int:
        number = self._flush(slot)
        if slot not in self._sorted:
            self._base.execute(f"create index i{number} on t{number} (owner)")
            self._sorted.add(slot)
        return number
