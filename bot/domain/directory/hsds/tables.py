"""The tabular form: joins rows of child tables into the rows that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.domain.directory.hsds.checking import RowPosition
from bot.domain.directory.hsds.fields import TABLES, table_named
from bot.domain.directory.hsds.older_versions import HsdsRow, to_version_3
from bot.domain.directory.hsds.records import ImportRefusal, ImportRemark
from bot.domain.directory.hsds.row_buffer import RowBuffer
from bot.domain.directory.hsds.values import key_of, text_of

RowStream = Iterator[tuple[RowPosition, HsdsRow] | ImportRefusal]

_LINKED = {"attribute": ("link_id", "link_entity"), "metadata": ("resource_id", "resource_type")}
"""Tables with a column that names the owner's table."""
ANY_TABLE = "any"


@dataclass
class TableJoiner:
    """Buffers the rows of child tables, then attaches them to the main rows."""

    buffer: RowBuffer
    files: dict[str, str] = field(default_factory=dict)
    """Slot -> the file that its rows came from."""
    _filled: dict[str, list[tuple[str, str, list[str]]]] = field(default_factory=dict)

    def put(self, table: str, stem: str, rows: RowStream) -> Iterator[ImportRefusal | ImportRemark]:
        """Buffer all rows of a child table; `stem` is its file's name, which in older versions says more than the table."""
        for found in rows:
            if isinstance(found, ImportRefusal):
                yield found
                continue
            place, row = found
            if table == "address" and stem.startswith(("postal", "mail")):
                row.setdefault("address_type", "postal")
            owners = tuple(self._owners(table, stem, row))
            for slot, owner in owners:
                self.files.setdefault(slot, place.file)
                self.buffer.put(slot, owner, row, place.at)
            if not owners:
                key = key_of(row.get("id"))
                yield ImportRemark(
                    place.file, place.at, key, "the row belongs to nothing", "write whose it is, or take it out"
                )

    def _owners(self, table: str, stem: str, row: HsdsRow) -> Iterator[tuple[str, str]]:
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

    def _linked(self, table: str, stem: str, row: HsdsRow) -> Iterator[tuple[str, str]]:
        column, entity_column = _LINKED[table]
        owner = key_of(row.get(column)) or key_of(row.get("service_id"))
        entity = table_named(text_of(row.get(entity_column))) or ("service" if stem.startswith("service") else ANY_TABLE)
        if owner:
            yield f"{entity}/{'metadata' if table == 'metadata' else 'attributes'}", owner

    def with_children(self, table: str, row: HsdsRow) -> HsdsRow:
        """A row with everything that belongs to it, down to the languages of its contacts' phones."""
        key = key_of(row.get("id"))
        if key is None:
            return row
        if table == "service" and (parts := [part for _, part in self.buffer.rows_of("service/eligibilities", key)]):
            row = {**row, "eligibilities": parts}
        row = to_version_3(table, row)
        for name, child, slots in self._slots(table):
            if found := [self.with_children(child, part) for slot in slots for _, part in self.buffer.rows_of(slot, key)]:
                given = row.get(name)
                row[name] = [*given, *found] if isinstance(given, list) else found
        return row

    def _slots(self, table: str) -> list[tuple[str, str, list[str]]]:
        """The lists of a table that have rows, each with its table and its slots. Call it only after every `put`."""
        if table not in self._filled:
            lists = TABLES[table].lists.items()
            all_slots = [(name, child, [f"{table}/{name}", f"{ANY_TABLE}/{name}"]) for name, child in lists]
            found = [
                (name, child, [slot for slot in slots if self.buffer.has_rows(slot)]) for name, child, slots in all_slots
            ]
            self._filled[table] = [part for part in found if part[2]]
        return self._filled[table]

    def join_rows(self, table: str, rows: RowStream) -> RowStream:
        """The rows of a main table, each with everything that belongs to it."""
        for found in rows:
            yield found if isinstance(found, ImportRefusal) else (found[0], self.with_children(table, found[1]))

    def orphans(self, known: Callable[[str, str], bool]) -> Iterator[ImportRemark]:
        """Remarks about rows whose owner was not accepted; `known` is called with the owner's table and key."""
        for slot in self.buffer.slots():
            table = slot.split("/")[0]
            if table not in ("organization", "location", "service", "service_at_location"):
                continue
            for owner, at in self.buffer.owners(slot):
                if not known(table, owner):
                    what = f"it belongs to {table} {owner}, which was not taken"
                    yield ImportRemark(self.files[slot], at, owner, what, f"add the {table}, or take the row out")


_LIST_OF = {(owner, child): name for owner, table in TABLES.items() for name, child in table.lists.items()}
