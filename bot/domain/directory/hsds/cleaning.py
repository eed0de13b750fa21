"""Cleans one row of an imported directory, with the rows nested in it: values are typed, trimmed and checked.

What cannot be used is left out and reported. Whole organizations, services or locations are refused in checking.py only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.domain.directory.hsds import values
from bot.domain.directory.hsds.fields import LOCATION_TYPES, NUMBER_COLUMNS, STATUSES, TABLES
from bot.domain.directory.hsds.older_versions import CLOSED, HsdsRow, to_version_3
from bot.domain.directory.hsds.records import TermRecord
from bot.domain.directory.hsds.values import date_of, key_of, number_of, text_of, time_of

MAX_OPENING = timedelta(hours=16)
"""The longest opening over midnight: a shelter may be open from 17:00 to 08:00; longer is nearly always 5:00 for 17:00."""

_NESTED = frozenset(
    {
        *("organization", "location", "service", "locations", "services", "service_at_locations", "program"),
        *("taxonomy_term", "taxonomy_detail", "taxonomy_term_id", "link_id", "link_entity", "fees", "resource_id"),
        *("resource_type", "organization_id", "location_id", "service_id", "contact_id", "phone_id"),
        *("service_at_location_id", "parent_id"),
    }
)
"""Keys that are read elsewhere, or only point back to the owner."""

_COLUMNS = {name: frozenset(table.columns) for name, table in TABLES.items()}

ReportCallback = Callable[[bool, str, str], None]
"""Callback for a report item: whether data was lost (otherwise it is only doubtful), what is wrong, and the remedy."""


@dataclass
class RowCleaner:
    """Cleans rows; keeps the taxonomy terms seen so far, because rows of attributes refer to them."""

    terms: dict[str, HsdsRow] = field(default_factory=dict)
    new_terms: list[TermRecord] = field(default_factory=list)
    """New terms; the caller yields and clears them before the record that refers to them."""
    taxonomies: dict[str, HsdsRow] = field(default_factory=dict)
    unread_columns: set[str] = field(default_factory=set)
    """Columns (`table.column`) that we do not read."""

    def clean(self, table: str, raw: HsdsRow, owner: str, tell: ReportCallback) -> HsdsRow:
        """The row's own columns and lists; `owner` is its key, from which ids are made for nested rows that have none."""
        raw = to_version_3(table, raw)
        row = self._columns(table, raw, tell)
        for name, child in TABLES[table].lists.items():
            if (given := raw.get(name)) and (rows := self._list(child, given, f"{owner}-{child}", name, tell)):
                row[name] = rows
        return row

    def _columns(self, table: str, raw: HsdsRow, tell: ReportCallback) -> HsdsRow:
        spec, columns = TABLES[table], _COLUMNS[table]
        row: HsdsRow = {}
        for name, value in raw.items():
            if value is None or value == "":
                continue
            if name not in columns:
                if name not in spec.lists and name not in _NESTED and text_of(value):
                    self.unread_columns.add(f"{table}.{name}")
                continue
            if name in NUMBER_COLUMNS:
                found: Any = _number(table, name, value, tell)
            else:
                words = text_of(",".join(map(str, value)) if isinstance(value, list) else value)
                found = words if len(words) <= values.MAX_LENGTH else ""
                if words and not found:
                    tell(True, f"{table}.{name} is {len(words)} characters long", f"shorten it to {values.MAX_LENGTH}")
            if found not in (None, ""):
                row[name] = found
        return row

    def _list(self, child: str, rows: Any, stem: str, name: str, tell: ReportCallback) -> list[HsdsRow]:
        if not isinstance(rows, list):
            tell(True, f"{name} is not a list", f"make {name} a list of rows")
            return []
        found: dict[str, HsdsRow] = {}
        for count, raw in enumerate(rows, 1):
            if not isinstance(raw, dict):
                tell(True, f"{name} holds something that is no row", f"make each of {name} an object")
                continue
            row_id = key_of(raw.get("id")) or f"{stem}-{count}"
            row = self.clean(child, raw, row_id, tell)
            row.pop("id", None)
            if (row := _CHECKS.get(child, _unchanged)(self, raw, row, tell)) and row_id not in found:
                found[row_id] = {"id": row_id, **row}
        return list(found.values())

    def term(self, raw: HsdsRow, tell: ReportCallback) -> HsdsRow | None:
        """A taxonomy term; of several with one id the first one counts. None where it has no id or no name."""
        raw = to_version_3("taxonomy_term", raw)
        key, name = key_of(raw.get("id")), text_of(raw.get("name"))
        if key is None or not name:
            tell(True, "a taxonomy term has no id or no name", "give each term an id and a name")
            return None
        if key in self.terms:
            return self.terms[key]
        term = {**self._columns("taxonomy_term", raw, tell), "id": key, "name": name}
        term.update(self._taxonomy(raw, term, tell))
        self.terms[key] = term
        details = {column: value for column, value in term.items() if column not in ("id", "name", "parent_id")}
        self.new_terms.append(TermRecord(key, name, key_of(raw.get("parent_id")), details))
        return term

    def _taxonomy(self, raw: HsdsRow, term: HsdsRow, tell: ReportCallback) -> HsdsRow:
        given = raw.get("taxonomy_detail")
        key = key_of(given.get("id")) if isinstance(given, dict) else key_of(term.get("taxonomy_id"))
        if key is None:
            return {}
        if key not in self.taxonomies and isinstance(given, dict):
            self.taxonomies[key] = {**self._columns("taxonomy", given, tell), "id": key}
        known = self.taxonomies.get(key)
        return {"taxonomy_id": key, "taxonomy_detail": known} if known else {}

    def learn_taxonomy(self, raw: HsdsRow) -> None:
        """Remember a taxonomy for the terms that refer to it; one without an id is ignored."""
        if (key := key_of(raw.get("id"))) and key not in self.taxonomies:
            self.taxonomies[key] = {**self._columns("taxonomy", raw, lambda _lost, _what, _remedy: None), "id": key}

    def attribute(self, raw: HsdsRow, row: HsdsRow, tell: ReportCallback) -> HsdsRow:
        """An attribute row with its term filled in; {} where its term is not known."""
        raw = to_version_3("attribute", raw)
        given, key = raw.get("taxonomy_term"), key_of(raw.get("taxonomy_term_id"))
        if isinstance(given, dict):
            term = self.term(given, tell)
        else:
            term = self.terms.get(key) if key else None
            if key and term is None:
                tell(False, f"the taxonomy term {key} is not in the package", "add the term, or take the link out")
        if term is not None:
            return {**row, "taxonomy_term": term}
        return row if key is None else {}


def _number(table: str, name: str, value: Any, tell: ReportCallback) -> int | float | None:
    number = number_of(value)
    if number is None:
        tell(table == "phone", f"{table}.{name} is not a number", "write it in digits")
    elif (name == "latitude" and abs(number) > 90) or (name == "longitude" and abs(number) > 180):
        tell(False, f"{name} is not on the globe", "write it in degrees, between -90 and 90 north, -180 and 180 east")
        return None
    return number


def _unchanged(_cleaner: RowCleaner, _raw: HsdsRow, row: HsdsRow, _tell: ReportCallback) -> HsdsRow:
    return row


def _phone(_cleaner: RowCleaner, raw: HsdsRow, row: HsdsRow, tell: ReportCallback) -> HsdsRow:
    if not row.get("number"):
        tell(False, "a phone has no number", "add the number, or take the row out")
        return {}
    row["number"] = row["number"].strip('" ')
    extension = text_of(raw.get("extension"))
    if extension and "extension" not in row:
        # The specification requires digits. Without the extension people would reach the wrong desk, so it goes into the
        # description.
        row["description"] = ", ".join(filter(None, (row.get("description"), f"ext. {extension}")))
    return row


def _address(_cleaner: RowCleaner, _raw: HsdsRow, row: HsdsRow, tell: ReportCallback) -> HsdsRow:
    if not row or set(row) <= {"address_type", "country"}:
        return {}
    kind = str(row.get("address_type", "physical")).lower()
    if kind not in LOCATION_TYPES:
        tell(False, f"address_type {kind[:20]} is not one of {', '.join(LOCATION_TYPES)}", "taken as physical")
    row["address_type"] = kind if kind in LOCATION_TYPES else "physical"
    return row


def _attribute(cleaner: RowCleaner, raw: HsdsRow, row: HsdsRow, tell: ReportCallback) -> HsdsRow:
    return cleaner.attribute(raw, row, tell)


def _schedule(_cleaner: RowCleaner, _raw: HsdsRow, row: HsdsRow, tell: ReportCallback) -> HsdsRow:
    """A schedule that is plausible, or {}. Wrong hours send people to a locked door, so nothing is guessed."""
    if not row:
        return {}
    for check in (_dates, _recurrence, _hours):
        if complaint := check(row, tell):
            tell(True, f"a schedule was left out: {complaint}", "correct it; the rest of the record was taken")
            return {}
    return row


def _dates(row: HsdsRow, _tell: ReportCallback) -> str:
    for name in ("valid_from", "valid_to", "dtstart", "until"):
        if name in row:
            day = date_of(row[name])
            if day is None:
                return f"{name} is no date"
            row[name] = day
    if row.get("valid_from", "") > row.get("valid_to", "9999"):
        return "it ends before it begins"
    return ""


_FREQUENCIES = {
    "WEEKLY": "WEEKLY",
    "MONTHLY": "MONTHLY",
    "DAILY": "DAILY",
    "WEEK": "WEEKLY",
    "MONTH": "MONTHLY",
    "DAY": "DAILY",
}
_RANGES = {"byweekno": (1, 53), "bymonthday": (1, 31), "byyearday": (1, 366)}


def _recurrence(row: HsdsRow, _tell: ReportCallback) -> str:
    if "freq" in row:
        freq = _FREQUENCIES.get(str(row["freq"]).upper())
        if freq is None or (freq == "DAILY" and row.get("interval", 1) != 1):
            return "freq is not WEEKLY or MONTHLY"
        if freq == "DAILY":
            freq = "WEEKLY"
            row.setdefault("byday", ",".join(values.WEEKDAYS))
        row["freq"] = freq
    for name, (lowest, highest) in _RANGES.items():
        if name in row and (row.update({name: values.numbers_of(row[name], lowest, highest)}) or row[name] is None):
            return f"{name} is not a list of numbers from {lowest} to {highest}"
    for name in ("interval", "count"):
        if name in row and (not isinstance(row[name], int) or row[name] < 1):
            return f"{name} is not a whole number above 0"
    if row.get("count", 0) > values.MAX_RECURRENCES:
        return f"count is above {values.MAX_RECURRENCES}; leave it out, or write the last day into `until`"
    if "wkst" in row and str(row["wkst"]).upper() not in values.WEEKDAYS:
        return "wkst is no weekday"
    if "byday" in row:
        days = values.days_of(row["byday"])
        if days is None:
            return "byday holds something that is no weekday"
        row["byday"] = days
    return ""


def _hours(row: HsdsRow, tell: ReportCallback) -> str:
    if row.get("description") == CLOSED and not {"opens_at", "closes_at"} & set(row):
        return "" if "valid_from" in row else "it is closed, and nothing says when"
    for name in ("opens_at", "closes_at"):
        if name in row:
            moment = time_of(row[name])
            if moment is None:
                return f"{name} is {str(row[name])[:12]}, which is no time of day"
            row[name] = moment
    if "opens_at" not in row or "closes_at" not in row:
        return ""
    opens, closes = values.to_time(row["opens_at"]), values.to_time(row["closes_at"])
    if (opens.tzinfo is None) != (closes.tzinfo is None):
        return "one of its times has an offset and the other has none"
    if opens.utcoffset() != closes.utcoffset():
        return "its two times have different offsets; write one time into each of opens_at and closes_at"
    if opens.replace(tzinfo=None) < closes.replace(tzinfo=None):
        return ""
    if row["opens_at"] == row["closes_at"]:
        return "" if (opens.hour, opens.minute) == (0, 0) else f"it opens and closes at {row['opens_at']}"
    if values.opening_length(row["opens_at"], row["closes_at"]) > MAX_OPENING:
        if (closes.hour, closes.minute) == (0, 0):
            return ""
        return f"it opens at {row['opens_at']} and closes at {row['closes_at']}"
    if (closes.hour, closes.minute) != (0, 0):
        tell(False, f"open over midnight, from {row['opens_at']} to {row['closes_at']}", "make sure that this is meant")
    return ""


_CHECKS: dict[str, Callable[[RowCleaner, HsdsRow, HsdsRow, ReportCallback], HsdsRow]] = {
    "phone": _phone,
    "address": _address,
    "attribute": _attribute,
    "schedule": _schedule,
}


def status_of(raw: Any, tell: ReportCallback) -> str:
    """One of `STATUSES`. An unknown status counts as inactive: the service is not offered until staff have checked it."""
    words = text_of(raw).lower().replace("_", " ")
    if not words or words in STATUSES:
        return words or "active"
    tell(False, f"status {words[:20]} is not one of {', '.join(STATUSES)}", "taken as inactive; write one of these")
    return "inactive"
