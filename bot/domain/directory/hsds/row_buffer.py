"""A buffer for rows that are read before the row that they belong to, such as phones before their service.

A package may be larger than memory, and its tables may come in any order. So the rows go into a private temporary SQLite
database: it stays in memory while it is small, spills to an unnamed file when it is not, and disappears when it is closed.
It does not outlive the reading, which is why it is allowed in the domain.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

BATCH = 5_000
_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RowBuffer:
    """Rows by slot (any string) and owner (an id). Put all rows before the first `rows_of`, which indexes the slot."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode=off")
        self._database.execute("pragma synchronous=off")
        self._database.execute("pragma cache_size=-65536")  # 64 MB, then it spills
        self._slots: dict[str, int] = {}
        self._sorted: set[str] = set()
        self._pending: dict[str, list[tuple[str, str, str]]] = {}
        self._database.execute("begin")

    def put(self, slot: str, owner: str, row: dict[str, Any], at: str = "") -> None:
        """Store a row of JSON values; `at` is its position in its file."""
        waiting = self._pending.setdefault(slot, [])
        waiting.append((owner, at, _encode_json(row)))
        if len(waiting) >= BATCH:
            self._flush(slot)

    def has_rows(self, slot: str) -> bool:
        """Whether the slot has rows. Cheap, so that empty tables cost nothing per owner."""
        return slot in self._slots or slot in self._pending

    def rows_of(self, slot: str, owner: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The owner's rows with their positions, in insertion order; nothing is removed."""
        if not self.has_rows(slot):
            return
        number = self._sort(slot)
        found = self._database.execute(f"select at, row from t{number} where owner = ? order by rowid", (owner,))  # noqa: S608
        for at, row in found.fetchall():
            yield at, json.loads(row)

    def owners(self, slot: str) -> Iterator[tuple[str, str]]:
        """Each owner once, with the position of its first row."""
        if not self.has_rows(slot):
            return
        number = self._sort(slot)
        yield from self._database.execute(f"select owner, min(at) from t{number} group by owner")  # noqa: S608

    def all_rows(self, slot: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        """Every row of a slot in insertion order, with its owner and position."""
        if not self.has_rows(slot):
            return
        number = self._flush(slot)
        for owner, at, row in self._database.execute(f"select owner, at, row from t{number} order by rowid"):  # noqa: S608
            yield (owner, at), json.loads(row)

    def counts(self, slot: str) -> Iterator[tuple[str, int]]:
        """Each owner once, with its number of rows."""
        if self.has_rows(slot):
            yield from self._database.execute(f"select owner, count(*) from t{self._sort(slot)} group by owner")  # noqa: S608

    def slots(self) -> Iterable[str]:
        """Every slot that has rows."""
        return tuple(dict.fromkeys([*self._slots, *self._pending]))

    def close(self) -> None:
        """Free the memory and the file."""
        self._database.close()

    def _flush(self, slot: str) -> int:
        number = self._slots.get(slot)
        if number is None:
            number = self._slots[slot] = len(self._slots)
            self._database.execute(f"create table t{number} (owner text, at text, row text)")
        if waiting := self._pending.pop(slot, []):
            self._database.executemany(f"insert into t{number} values (?, ?, ?)", waiting)  # noqa: S608
        return number

    def _sort(self, slot: str) -> int:
        number = self._flush(slot)
        if slot not in self._sorted:
            self._database.execute(f"create index i{number} on t{number} (owner)")
            self._sorted.add(slot)
        return number
