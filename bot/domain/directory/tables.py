"""The tabular form: rows in tables that point to their owners, joined into rows that hold what belongs to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.domain.directory.checking import Place
from bot.domain.directory.fields import TABLES, table_named
from bot.domain.directory.older import Row, modern
from bot.domain.directory.records import Refusal, Remark
from bot.domain.directory.shelf import Shelf
from bot.domain.directory.values import key_of, text_of

Rows = Iterator[tuple[Place, Row] | Refusal]

_LINKED = {"attribute": ("link_id", "link_entity"), "metadata": ("resource_id", "resource_type")}
"""Tables that name their owner's table in a column."""
ANY = "any"


@dataclass
class Tables:
    """Puts the rows of child tables aside, then gives each main row its own."""

    shelf: Shelf
    files: dict[str, str] = field(default_factory=dict)
    """By slot: the file that its rows came from."""
    _filled: dict[str, list[tuple[str, str, list[str]]]] = field(default_factory=dict)

    def put(self, table: str, stem: str, rows: Rows) -> Iterator[Refusal | Remark]:
        """Put all rows of a child table aside; `stem` is its file's name, for what older versions say by it alone."""
        for found in rows:
            if isinstance(found, Refusal):
                yield found
                continue
            place, row = found
            if table == "address" and stem.startswith(("postal", "mail")):
                row.setdefault("address_type", "postal")
            owners = tuple(self._owners(table, stem, row))
            for slot, owner in owners:
                self.files.setdefault(slot, place.file)
                self.shelf.put(slot, owner, row, place.at)
            if not owners:
                key = key_of(row.get("id"))
                yield Remark(place.file, place.at, key, "the row belongs to nothing", "write whose it is, or take it out")

    def _owners(self, table: str, stem: str, row: Row) -> Iterator[tuple[str, str]]:
        if table == "eligibility":
            if owner := key_of(row.get("service_id")):
                yield "service/eligibilities", owner
            return
        if table in _LINKED:
            yield from self._linked(table, stem, row)
            return
        for column, owner_table in TABLES[table].owners.items():
            name = _LIST_OF.get((owner_table, table))
            if name and (owner := key_of(row.get(column))):
                yield f"{owner_table}/{name}", owner

    def _linked(self, table: str, stem: str, row: Row) -> Iterator[tuple[str, str]]:
        column, entity_column = _LINKED[table]
        owner = key_of(row.get(column)) or key_of(row.get("service_id"))
        entity = table_named(text_of(row.get(entity_column))) or ("service" if stem.startswith("service") else ANY)
        if owner:
            yield f"{entity}/{'metadata' if table == 'metadata' else 'attributes'}", owner

    def whole(self, table: str, row: Row) -> Row:
        """A row of a table with everything that belongs to it, down to the languages of its contacts' phones."""
        key = key_of(row.get("id"))
        if key is None:
            return row
        if table == "service" and (parts := [part for _, part in self.shelf.take("service/eligibilities", key)]):
            row = {**row, "eligibilities": parts}
        row = modern(table, row)
        for name, child, slots in self._slots(table):
            if found := [self.whole(child, part) for slot in slots for _, part in self.shelf.take(slot, key)]:
                given = row.get(name)
                row[name] = [*given, *found] if isinstance(given, list) else found
        return row

    def _slots(self, table: str) -> list[tuple[str, str, list[str]]]:
        """The lists of a table that hold something, each with its table and its slots. Asked for only when all is put."""
        if table not in self._filled:
            lists = TABLES[table].lists.items()
            all_slots = [(name, child, [f"{table}/{name}", f"{ANY}/{name}"]) for name, child in lists]
            found = [(name, child, [slot for slot in slots if self.shelf.has(slot)]) for name, child, slots in all_slots]
            self._filled[table] = [part for part in found if part[2]]
        return self._filled[table]

    def joined(self, table: str, rows: Rows) -> Rows:
        """The rows of a main table, each with what belongs to it."""
        for found in rows:
            yield found if isinstance(found, Refusal) else (found[0], self.whole(table, found[1]))

    def orphans(self, known: Callable[[str, str], bool]) -> Iterator[Remark]:
        """Rows whose owner was not taken; `known` is asked with the owner's table and key."""
        for slot in self.shelf.slots():
            table = slot.split("/")[0]
            if table not in ("organization", "location", "service", "service_at_location"):
                continue
            for owner, at in self.shelf.owners(slot):
                if not known(table, owner):
                    what = f"it belongs to {table} {owner}, which was not taken"
                    yield Remark(self.files[slot], at, owner, what, f"add the {table}, or take the row out")


_LIST_OF = {(owner, child): name for owner, table in TABLES.items() for name, child in table.lists.items()}
