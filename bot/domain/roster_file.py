"""A roster as one CSV file that a spreadsheet opens: reading it with complaints that name the place, and writing it.

The columns: kind (shift, extra, time_off, holiday), team (slug), staff (e-mail), day (Mon..Sun, or a date), starts,
ends, place, since, until, name. `until` is the last day of a weekly shift, and the day on which an extra shift or time
off ends where that is not the one that the times tell. Pure: the file's bytes come in, and no row goes anywhere.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from bot.domain import roster_cells as cells
from bot.domain.roster import instant
from bot.domain.roster_cells import BadCell, Clock, shown
from bot.domain.roster_rows import WEEKDAYS, ExtraRow, HolidayRow, Row, ShiftRow, TimeOffRow

COLUMNS = ("kind", "team", "staff", "day", "starts", "ends", "place", "since", "until", "name")
LARGEST = 5 * 1024 * 1024
LONGEST_NAME = 80
MOST_COMPLAINTS = 100
"""More than anybody mends at one sitting; a file of another kind has one in each line."""

_USED = {
    "shift": {"team", "staff", "day", "starts", "ends", "place", "since", "until"},
    "extra": {"team", "staff", "day", "starts", "ends", "place", "until"},
    "time_off": {"staff", "day", "starts", "ends", "until"},
    "holiday": {"team", "day", "name"},
}
_LONGEST_EXTRA = timedelta(days=7)
_DAY = timedelta(days=1)
_CODE = ("=", "+", "-", "@", "'")
"""A cell that begins so is run as a formula by a spreadsheet, unless an apostrophe stands before it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong and where. `line` is the file's, from 1; `column` is "" where the whole line is meant."""

    line: int
    column: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.what}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may name: slugs of teams, e-mail addresses of staff (lower case), and the city's zone."""

    zone: ZoneInfo
    teams: Collection[str]
    emails: Collection[str]


def decode(data: bytes) -> str:
    """The text of a file as spreadsheets save it (UTF-8, UTF-16, Windows-1252). Raises BadCell for one too big."""
    if len(data) > LARGEST:
        raise BadCell(f"The file has more than {LARGEST // 1024 // 1024} MB", "Is it the roster? Save the sheet as CSV.")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadCell("This is a workbook, not a CSV file", "In the spreadsheet choose Save as, then CSV UTF-8.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_file(data: bytes, known: Known) -> tuple[tuple[Row, ...], tuple[Complaint, ...]]:
    """`read_roster` for a file's bytes."""
    try:
        return read_roster(decode(data), known)
    except BadCell as error:
        return (), (Complaint(1, "", str(error), error.remedy),)


def read_roster(text: str, known: Known) -> tuple[tuple[Row, ...], tuple[Complaint, ...]]:
    """The rows of a file, in its order, and all that is wrong with it. With any complaint no row is to be used."""
    complaints: list[Complaint] = []
    rows: dict[Row, int] = {}
    try:
        for line in _lines(text, complaints):
            for row in _rows(line, known):
                if row in rows:
                    line.complain("", f"This says the same as line {rows[row]}", "Take one of the two out.")
                rows.setdefault(row, line.number)
            complaints += line.complaints
            if len(complaints) >= MOST_COMPLAINTS:
                break
    except csv.Error:
        complaints.append(Complaint(1, "", "This is not a CSV file", "In the spreadsheet choose Save as, then CSV UTF-8."))
    return tuple(rows), tuple(complaints[:MOST_COMPLAINTS])


def read_cells(values: dict[str, str], known: Known) -> tuple[tuple[Row, ...], tuple[Complaint, ...]]:
    """What a form posts under the names of the columns, read like a line of a file."""
    tidy = {column: " ".join(values.get(column, "").split()) for column in COLUMNS}
    line = _Line(1, tidy)
    return tuple(_rows(line, known)), tuple(line.complaints)


@dataclass(slots=True)
class _Line:
    """One line's cells by column, and what is wrong with them."""

    number: int
    cells: dict[str, str]
    complaints: list[Complaint] = field(default_factory=list)

    def complain(self, column: str, what: str, remedy: str) -> None:
        self.complaints.append(Complaint(self.number, column, what, remedy))

    def read(self, column: str, reader: Callable[[str], T], absent: T | None = None, *, needed: bool = True) -> T | None:
        """The cell as `reader` reads it; None and a complaint where it cannot, `absent` where an empty one is allowed."""
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


def _lines(text: str, complaints: list[Complaint]) -> Iterator[_Line]:
    """The lines that hold something, after a first line that names the columns."""
    text = text.removeprefix("\ufeff").replace("\x00", "")
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().strip('"').lower().startswith("sep="):
        text, skipped = rest, 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    header = [name.strip().lower().replace(" ", "_") for name in next(reader, [])]
    if wrong := _header_is_wrong(header, skipped + 1):
        complaints.append(wrong)
        return
    before = reader.line_num
    for values in reader:
        # A cell that holds line breaks makes a line of the file longer than one; the first is where it is looked for.
        number, before = skipped + before + 1, reader.line_num
        values = [" ".join(value.replace("\u00a0", " ").split()) for value in values]
        if not any(values):
            continue
        line = _Line(number, {name: _plain(value) for name, value in zip(header, values, strict=False) if name})
        if any(values[len(header) :]):
            line.complain("", "The line has more cells than the first line names", "Is there a comma too many?")
        yield line


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max((",", ";", "\t"), key=first.count)


def _header_is_wrong(header: list[str], line: int) -> Complaint | None:
    columns = ", ".join(COLUMNS)
    if "kind" not in header or "day" not in header:
        return Complaint(line, "", "The first line does not name the columns", f"It should be: {columns}.")
    for name in header:
        if name and name not in COLUMNS:
            return Complaint(line, shown(name), "There is no such column", f"Take it out. The columns are: {columns}.")
        if name and header.count(name) > 1:
            return Complaint(line, name, "The column is there twice", "Take one of the two out.")
    return None


def _rows(line: _Line, known: Known) -> list[Row]:
    """What one line says; nothing where it has a complaint."""
    kind = line.cells["kind"].lower().replace(" ", "_").replace("-", "_")
    line.cells["kind"] = kind
    makers = {"shift": _shifts, "extra": _extra, "time_off": _time_off, "holiday": _holiday}
    if kind not in makers:
        what = f'"{shown(kind)}" is no kind' if kind else "The cell is empty"
        line.complain("kind", what, "Write shift, extra, time_off or holiday.")
        return []
    for column, text in line.cells.items():
        if text and column != "kind" and column not in _USED[kind]:
            line.complain(column, f"A line of the kind {kind} has no {column}", "Empty the cell, or change the kind.")
    rows = makers[kind](line, known)
    return [] if line.complaints else rows


def _shifts(line: _Line, known: Known) -> list[Row]:
    team, email = _team(line, known), _email(line, known)
    days = line.read("day", cells.weekdays)
    starts, ends = line.read("starts", cells.clock), line.read("ends", cells.clock)
    place = line.read("place", cells.place, 1, needed=False)
    since = line.read("since", cells.day, needed=False)
    until = line.read("until", cells.day, needed=False)
    if since and until and until < since:
        line.complain("until", "The last day is before the first", "Exchange since and until.")
    for column, read in (("starts", starts), ("ends", ends)):
        if read and read.offset is not None:
            line.complain(column, "A weekly shift has no offset from UTC", "Write the time alone, like 08:00.")
    if not (team and email and days and starts and ends and place):
        return []
    return [ShiftRow(team, email, weekday, starts.at, ends.at, place, since, until) for weekday in days]


def _extra(line: _Line, known: Known) -> list[Row]:
    team, email = _team(line, known), _email(line, known)
    place = line.read("place", cells.place, 1, needed=False)
    span = _span(line, known.zone, line.read("starts", cells.clock), line.read("ends", cells.clock))
    if span and span[1] - span[0] > _LONGEST_EXTRA:
        line.complain("until", "An extra shift of more than a week cannot be right", "Look at the day and until.")
    return [ExtraRow(team, email, *span, place)] if team and email and place and span else []


def _time_off(line: _Line, known: Known) -> list[Row]:
    email = _email(line, known)
    starts = line.read("starts", cells.clock, Clock(time(0)), needed=False)
    ends = line.read("ends", cells.clock, Clock(time(0), ends_day=True), needed=False)
    span = _span(line, known.zone, starts, ends)
    return [TimeOffRow(email, *span)] if email and span else []


def _holiday(line: _Line, known: Known) -> list[Row]:
    day = line.read("day", cells.day)
    name = line.read("name", str)
    if name and len(name) > LONGEST_NAME:
        line.complain("name", f"The name has more than {LONGEST_NAME} characters", "Write a shorter one.")
    team = _team(line, known) if line.cells.get("team") else None
    return [HolidayRow(day, name, team)] if day and name else []


def _span(line: _Line, zone: ZoneInfo, starts: Clock | None, ends: Clock | None) -> tuple[datetime, datetime] | None:
    """From `starts` on `day` to `ends` on `until`, or else on the day on which that time comes next."""
    first = line.read("day", cells.day)
    last = line.read("until", cells.day, needed=False)
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


def _team(line: _Line, known: Known) -> str | None:
    def look(text: str) -> str:
        slug = text.lower()
        if slug not in known.teams:
            teams = ", ".join(sorted(known.teams)) or "there are none yet"
            raise BadCell(f'There is no team "{shown(text)}"', f"The teams are: {teams}.")
        return slug

    return line.read("team", look)


def _email(line: _Line, known: Known) -> str | None:
    def look(text: str) -> str:
        email = text.lower().removeprefix("mailto:")
        if email not in known.emails:
            raise BadCell(f'Nobody on the staff has the e-mail "{shown(text)}"', "Correct it, or add them to the staff.")
        return email

    return line.read("staff", look)


def write_roster(rows: Iterable[Row], zone: ZoneInfo) -> str:
    """The rows as a file that `read_roster` gives back the same."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: _safe(value) for column, value in _cells_of(row, zone).items()})
    return out.getvalue()


def _cells_of(row: Row, zone: ZoneInfo) -> dict[str, str]:
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
    """The time alone, and with its offset from UTC in the one hour in which the time alone would mean another moment."""
    local = at.astimezone(zone)
    if instant(local.date(), local.time(), zone, fold) == at.astimezone(UTC):
        return f"{local:%H:%M}"
    offset = f"{local:%z}"
    return f"{local:%H:%M}{offset[:3]}:{offset[3:5]}"


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_CODE) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(_CODE) else text
