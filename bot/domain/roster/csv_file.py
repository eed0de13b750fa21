"""A roster as one CSV file for a spreadsheet: reading it, with complaints that name line and column, and writing it.

The columns: kind (shift, extra, time_off, holiday), team (slug), staff (e-mail), day (Mon..Sun, or a date), starts,
ends, place, since, until, name. `until` is the last day of a weekly shift, and the day on which an extra shift or time
off ends where the times alone do not say it. Pure: bytes come in, rows go out, and nothing is stored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from bot.domain.roster import cells
from bot.domain.roster.cells import BadCell, ClockTime, shorten
from bot.domain.roster.duty import local_instant
from bot.domain.roster.rows import WEEKDAYS, ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow

COLUMNS = ("kind", "team", "staff", "day", "starts", "ends", "place", "since", "until", "name")
MAX_BYTES = 5 * 1024 * 1024
MAX_NAME_LENGTH = 80
MAX_COMPLAINTS = 100
"""More than a supervisor corrects at one sitting; a wrong file has one in every line."""

_COLUMNS_OF_KIND = {
    "shift": {"team", "staff", "day", "starts", "ends", "place", "since", "until"},
    "extra": {"team", "staff", "day", "starts", "ends", "place", "until"},
    "time_off": {"staff", "day", "starts", "ends", "until"},
    "holiday": {"team", "day", "name"},
}
_MAX_EXTRA_SHIFT = timedelta(days=7)
_DAY = timedelta(days=1)
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
"""A spreadsheet runs a cell that begins like this as a formula, unless an apostrophe precedes it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RosterComplaint:
    """What is wrong and where. `line` is the file's, from 1; `column` is "" for the whole line."""

    line: int
    column: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.what}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class RosterNames:
    """What a file may name: slugs of teams and e-mail addresses of staff (lower case); and the city's time zone."""

    zone: ZoneInfo
    teams: Collection[str]
    emails: Collection[str]


def decode(data: bytes) -> str:
    """The text of a file as spreadsheets save it (UTF-8, UTF-16, Windows-1252). Raises BadCell for one too big."""
    if len(data) > MAX_BYTES:
        raise BadCell(f"The file has more than {MAX_BYTES // 1024 // 1024} MB", "Is it the roster? Save the sheet as CSV.")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadCell("This is a workbook, not a CSV file", "In the spreadsheet choose Save as, then CSV UTF-8.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_file(data: bytes, known: RosterNames) -> tuple[tuple[RosterRow, ...], tuple[RosterComplaint, ...]]:
    """`read_roster` for a file's bytes."""
    try:
        return read_roster(decode(data), known)
    except BadCell as error:
        return (), (RosterComplaint(1, "", str(error), error.remedy),)


def read_roster(text: str, known: RosterNames) -> tuple[tuple[RosterRow, ...], tuple[RosterComplaint, ...]]:
    """The rows of a file in order, and all complaints about it. If there is any complaint, no row may be used."""
    complaints: list[RosterComplaint] = []
    rows: dict[RosterRow, int] = {}
    try:
        for line in _lines(text, complaints):
            for row in _rows_of_line(line, known):
                if row in rows:
                    line.complain("", f"This says the same as line {rows[row]}", "Take one of the two out.")
                rows.setdefault(row, line.number)
            complaints += line.complaints
            if len(complaints) >= MAX_COMPLAINTS:
                break
    except csv.Error:
        complaints.append(
            RosterComplaint(1, "", "This is not a CSV file", "In the spreadsheet choose Save as, then CSV UTF-8.")
        )
    return tuple(rows), tuple(complaints[:MAX_COMPLAINTS])


def read_cells(values: dict[str, str], known: RosterNames) -> tuple[tuple[RosterRow, ...], tuple[RosterComplaint, ...]]:
    """A posted form with the columns' names, read like one line of a file."""
    tidy = {column: " ".join(values.get(column, "").split()) for column in COLUMNS}
    line = _RosterLine(1, tidy)
    return tuple(_rows_of_line(line, known)), tuple(line.complaints)


@dataclass(slots=True)
class _RosterLine:
    """The cells of one line by column, and the complaints about them."""

    number: int
    cells: dict[str, str]
    complaints: list[RosterComplaint] = field(default_factory=list)

    def complain(self, column: str, what: str, remedy: str) -> None:
        self.complaints.append(RosterComplaint(self.number, column, what, remedy))

    def read(self, column: str, reader: Callable[[str], T], absent: T | None = None, *, needed: bool = True) -> T | None:
        """The cell as read by `reader`; None and a complaint where it cannot be read, `absent` for an empty one that is not
        needed."""
        text = self.cells.get(column, "")
        if not text and not needed:
            return absent
        try:
            if not text:
                raise BadCell("The cell is empty", f"A line of the kind {self.cells['kind']} needs it.")
            return reader(text)
        except BadCell as error:
            self.complain(column, str(error), error.remedy)
            return None


def _lines(text: str, complaints: list[RosterComplaint]) -> Iterator[_RosterLine]:
    """The lines that are not empty, after a first line with the names of the columns."""
    text = text.removeprefix("\ufeff").replace("\x00", "")
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().strip('"').lower().startswith("sep="):
        text, skipped = rest, 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    header = [name.strip().lower().replace(" ", "_") for name in next(reader, [])]
    if wrong := _header_complaint(header, skipped + 1):
        complaints.append(wrong)
        return
    before = reader.line_num
    for values in reader:
        # A cell with line breaks makes a row span several lines of the file; its number is that of the first.
        number, before = skipped + before + 1, reader.line_num
        values = [" ".join(value.replace("\u00a0", " ").split()) for value in values]
        if not any(values):
            continue
        line = _RosterLine(
            number, {name: _unescape_formula(value) for name, value in zip(header, values, strict=False) if name}
        )
        if any(values[len(header) :]):
            line.complain("", "The line has more cells than the first line names", "Is there a comma too many?")
        yield line


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _header_complaint(header: list[str], line: int) -> RosterComplaint | None:
    columns = ", ".join(COLUMNS)
    if "kind" not in header or "day" not in header:
        return RosterComplaint(line, "", "The first line does not name the columns", f"It should be: {columns}.")
    for name in header:
        if name and name not in COLUMNS:
            return RosterComplaint(
                line, shorten(name), "There is no such column", f"Take it out. The columns are: {columns}."
            )
        if name and header.count(name) > 1:
            return RosterComplaint(line, name, "The column is there twice", "Take one of the two out.")
    return None


def _rows_of_line(line: _RosterLine, known: RosterNames) -> list[RosterRow]:
    """The rows of one line; none where there is a complaint."""
    kind = line.cells["kind"].lower().replace(" ", "_").replace("-", "_")
    line.cells["kind"] = kind
    makers = {"shift": _shifts, "extra": _extra, "time_off": _time_off, "holiday": _holiday}
    if kind not in makers:
        what = f'"{shorten(kind)}" is no kind' if kind else "The cell is empty"
        line.complain("kind", what, "Write shift, extra, time_off or holiday.")
        return []
    for column, text in line.cells.items():
        if text and column != "kind" and column not in _COLUMNS_OF_KIND[kind]:
            line.complain(column, f"A line of the kind {kind} has no {column}", "Empty the cell, or change the kind.")
    rows = makers[kind](line, known)
    return [] if line.complaints else rows


def _shifts(line: _RosterLine, known: RosterNames) -> list[RosterRow]:
    team, email = _team(line, known), _email(line, known)
    days = line.read("day", cells.read_weekdays)
    starts, ends = line.read("starts", cells.read_clock), line.read("ends", cells.read_clock)
    place = line.read("place", cells.read_place, 1, needed=False)
    since = line.read("since", cells.read_day, needed=False)
    until = line.read("until", cells.read_day, needed=False)
    if since and until and until < since:
        line.complain("until", "The last day is before the first", "Exchange since and until.")
    for column, read in (("starts", starts), ("ends", ends)):
        if read and read.offset is not None:
            line.complain(column, "A weekly shift has no offset from UTC", "Write the time alone, like 08:00.")
    if not (team and email and days and starts and ends and place):
        return []
    return [ShiftRow(team, email, weekday, starts.at, ends.at, place, since, until) for weekday in days]


def _extra(line: _RosterLine, known: RosterNames) -> list[RosterRow]:
    team, email = _team(line, known), _email(line, known)
    place = line.read("place", cells.read_place, 1, needed=False)
    span = _span(line, known.zone, line.read("starts", cells.read_clock), line.read("ends", cells.read_clock))
    if span and span[1] - span[0] > _MAX_EXTRA_SHIFT:
        line.complain("until", "An extra shift of more than a week cannot be right", "Look at the day and until.")
    return [ExtraRow(team, email, *span, place)] if team and email and place and span else []


def _time_off(line: _RosterLine, known: RosterNames) -> list[RosterRow]:
    email = _email(line, known)
    starts = line.read("starts", cells.read_clock, ClockTime(time(0)), needed=False)
    ends = line.read("ends", cells.read_clock, ClockTime(time(0), ends_day=True), needed=False)
    span = _span(line, known.zone, starts, ends)
    return [TimeOffRow(email, *span)] if email and span else []


def _holiday(line: _RosterLine, known: RosterNames) -> list[RosterRow]:
    day = line.read("day", cells.read_day)
    name = line.read("name", str)
    if name and len(name) > MAX_NAME_LENGTH:
        line.complain("name", f"The name has more than {MAX_NAME_LENGTH} characters", "Write a shorter one.")
    team = _team(line, known) if line.cells.get("team") else None
    return [HolidayRow(day, name, team)] if day and name else []


def _span(
    line: _RosterLine, zone: ZoneInfo, starts: ClockTime | None, ends: ClockTime | None
) -> tuple[datetime, datetime] | None:
    """From `starts` on `day` to `ends` on `until`; without `until`, to the next time that it is `ends`."""
    first = line.read("day", cells.read_day)
    last = line.read("until", cells.read_day, needed=False)
    if not (first and starts and ends) or (line.cells.get("until") and not last):
        return None
    start = starts.on(first, zone)
    if last is None:
        last = first if ends.at > starts.at or ends.ends_day else first + _DAY
    end = ends.on(last + _DAY if ends.ends_day else last, zone, is_end=True)
    if end <= start:
        column = "until" if line.cells.get("until") else "ends"
        line.complain(column, "It ends before it starts", "Look at day, starts, ends and until.")
        return None
    return start, end


def _team(line: _RosterLine, known: RosterNames) -> str | None:
    def known_slug(text: str) -> str:
        slug = text.lower()
        if slug not in known.teams:
            teams = ", ".join(sorted(known.teams)) or "there are none yet"
            raise BadCell(f'There is no team "{shorten(text)}"', f"The teams are: {teams}.")
        return slug

    return line.read("team", known_slug)


def _email(line: _RosterLine, known: RosterNames) -> str | None:
    def known_email(text: str) -> str:
        email = text.lower().removeprefix("mailto:")
        if email not in known.emails:
            raise BadCell(f'Nobody on the staff has the e-mail "{shorten(text)}"', "Correct it, or add them to the staff.")
        return email

    return line.read("staff", known_email)


def write_roster(rows: Iterable[RosterRow], zone: ZoneInfo) -> str:
    """The rows as a CSV file; `read_roster` reads the same rows from it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: _escape_formula(value) for column, value in _cells_of(row, zone).items()})
    return out.getvalue()


def _cells_of(row: RosterRow, zone: ZoneInfo) -> dict[str, str]:
    match row:
        case ShiftRow():
            return {
                "kind": "shift", "team": row.team, "staff": row.email, "day": WEEKDAYS[row.weekday],
                "starts": f"{row.starts:%H:%M}", "ends": f"{row.ends:%H:%M}", "place": str(row.place),
                "since": _iso(row.since), "until": _iso(row.until),
            }  # fmt: skip
        case ExtraRow():
            head = {"kind": "extra", "team": row.team, "staff": row.email, "place": str(row.place)}
            return head | _span_cells(row.starts, row.ends, zone)
        case TimeOffRow():
            return {"kind": "time_off", "staff": row.email} | _span_cells(row.starts, row.ends, zone)
        case HolidayRow():
            return {"kind": "holiday", "team": row.team or "", "day": _iso(row.day), "name": row.name}


def _span_cells(starts: datetime, ends: datetime, zone: ZoneInfo) -> dict[str, str]:
    return {
        "day": _iso(starts.astimezone(zone).date()),
        "starts": _clock_cell(starts, zone, fold=0),
        "ends": _clock_cell(ends, zone, fold=1),
        "until": _iso(ends.astimezone(zone).date()),
    }


def _clock_cell(at: datetime, zone: ZoneInfo, fold: int) -> str:
    """The local time; with its offset from UTC in the hour that the clock shows twice, where it would be ambiguous."""
    local = at.astimezone(zone)
    if local_instant(local.date(), local.time(), zone, fold) == at.astimezone(UTC):
        return f"{local:%H:%M}"
    offset = f"{local:%z}"
    return f"{local:%H:%M}{offset[:3]}:{offset[3:5]}"


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


def _escape_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _unescape_formula(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text
