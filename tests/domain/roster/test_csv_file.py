from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.roster.csv_file import MAX_BYTES, RosterNames, read_file, read_roster, write_roster
from bot.domain.roster.rows import ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow

CHICAGO = ZoneInfo("America/Chicago")
KNOWN = RosterNames(CHICAGO, {"housing", "medical"}, {"maria@stl.example", "joe@stl.example"})
HEADER = "kind,team,staff,day,starts,ends,place,since,until,name\n"
ONE = "shift,housing,maria@stl.example,Mon,08:00,17:00,1,,,\n"
MARIA = ShiftRow("housing", "maria@stl.example", 0, time(8), time(17))


def only(line: str) -> RosterRow:
    rows, complaints = read_roster(HEADER + line, KNOWN)
    assert complaints == ()
    [row] = rows
    return row


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_it_reads_each_kind() -> None:
    assert only(ONE) == MARIA
    assert only("extra,medical,joe@stl.example,2026-10-05,22:00,06:00,2,,,\n") == ExtraRow(
        "medical", "joe@stl.example", utc(2026, 10, 6, 3), utc(2026, 10, 6, 11), 2
    )
    assert only("time_off,,joe@stl.example,2026-12-24,,,,,2026-12-26,\n") == TimeOffRow(
        "joe@stl.example", utc(2026, 12, 24, 6), utc(2026, 12, 27, 6)
    )
    assert only("holiday,,,2026-12-25,,,,,,Christmas Day\n") == HolidayRow(date(2026, 12, 25), "Christmas Day")


def test_it_takes_time_off_without_times_for_the_whole_day() -> None:
    assert only("time_off,,joe@stl.example,2026-12-24,,,,,,\n") == TimeOffRow(
        "joe@stl.example", utc(2026, 12, 24, 6), utc(2026, 12, 25, 6)
    )


def test_it_reads_a_range_of_days_as_one_shift_a_day() -> None:
    rows, complaints = read_roster(HEADER + ONE.replace("Mon", "Fri-Mon"), KNOWN)
    assert [row.weekday for row in rows if isinstance(row, ShiftRow)] == [4, 5, 6, 0] and not complaints


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ONE,
        (HEADER + ONE).replace(",", ";"),
        "sep=;\n" + (HEADER + ONE).replace(",", ";"),
        (HEADER + ONE).replace(",", "\t"),
        (HEADER + ONE).replace("\n", "\r\n") + ",,,,,,,,,\r\n",
        HEADER.title() + ONE.replace("08:00", "8:00:00 AM").replace("17:00", "5 pm"),
        HEADER + ONE.replace("08:00", "0.333333333").replace("Mon", "monday"),
        "kind,day,starts,ends,staff,team\nShift,MON,8:00,17:00, Maria@STL.example ,Housing\n",
    ],
)
def test_it_reads_what_spreadsheets_make_of_it(text: str) -> None:
    for data in (text.encode(), text.encode("utf-16")):
        assert read_file(data, KNOWN) == ((MARIA,), ())


@pytest.mark.parametrize(
    ("line", "column", "what", "remedy"),
    [
        (ONE.replace("housing", "hosuing"), "team", 'There is no team "hosuing"', "housing, medical"),
        (ONE.replace("maria@", "mary@"), "staff", "Nobody on the staff", "add them"),
        (ONE.replace("17:00", "25:00"), "ends", '"25:00" is no time', "00 to 23"),
        (ONE.replace("17:00", ""), "ends", "The cell is empty", "shift needs it"),
        (ONE.replace("17:00", "17"), "ends", '"17" is no time', "17:30"),
        (ONE.replace("Mon", "2026-10-05"), "day", "is no day of the week", "Mon-Fri"),
        (ONE.replace(",1,", ",first,"), "place", '"first" is no place', "called first"),
        (ONE.replace("shift", "shfit"), "kind", '"shfit" is no kind', "time_off"),
        (ONE.replace("1,,,", "1,2026-10-05,2026-10-01,"), "until", "before the first", "Exchange"),
        (ONE.replace("1,,,", "1,2026-02-30,,"), "since", "no day of any calendar", "2026-10-05"),
        ("holiday,,joe@stl.example,2026-12-25,,,,,,Christmas\n", "staff", "has no staff", "change the kind"),
        ("time_off,,joe@stl.example,2026-12-24,12:00,,,,2026-12-23,\n", "until", "ends before it starts", "Look at"),
        ("extra,housing,joe@stl.example,2026-10-05,08:00,17:00,1,,2027-10-05,\n", "until", "more than a week", "Look at"),
        (f"holiday,,,2026-12-25,,,,,,{'x' * 81}\n", "name", "more than 80", "shorter"),
        (ONE.strip() + ",,,x\n", "", "more cells", "comma"),
    ],
)
def test_it_names_line_column_fault_and_remedy(line: str, column: str, what: str, remedy: str) -> None:
    rows, [complaint] = read_roster(HEADER + "\n" + ONE.replace("Mon", "Tue") + line, KNOWN)
    assert (complaint.line, complaint.column) == (4, column)
    assert what in complaint.what and remedy in complaint.remedy
    assert len(rows) == 1


def test_it_reports_every_wrong_cell_at_once() -> None:
    _, complaints = read_roster(HEADER + "shift,x,y,z,1,2,0,3,4,5\n", KNOWN)
    assert [one.column for one in complaints] == [
        "name",
        "team",
        "staff",
        "day",
        "starts",
        "ends",
        "place",
        "since",
        "until",
    ]


def test_it_reports_a_duplicate_line() -> None:
    _, [complaint] = read_roster(HEADER + ONE + ONE.replace("Mon", "Sun-Mon"), KNOWN)
    assert complaint.line == 3 and "line 2" in complaint.what


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "does not name the columns"),
        (ONE.encode(), "does not name the columns"),
        (HEADER.replace("place", "rank").encode(), "no such column"),
        (HEADER.replace("place", "team").encode(), "there twice"),
        (b"PK\x03\x04 and so on", "workbook"),
        (b"x" * (MAX_BYTES + 1), "more than 5 MB"),
        (HEADER.encode() + b'"' + b"x" * 200_000, "not a CSV file"),
    ],
)
def test_it_refuses_what_is_no_roster(data: bytes, what: str) -> None:
    rows, [complaint] = read_file(data, KNOWN)
    assert what in complaint.what and complaint.remedy and not rows


def test_it_writes_a_moment_of_the_repeated_hour_exactly() -> None:
    late = ExtraRow("housing", "joe@stl.example", utc(2026, 11, 1, 7, 30), utc(2026, 11, 1, 13))
    text = write_roster([late], CHICAGO)
    assert "01:30-06:00" in text and read_roster(text, KNOWN) == ((late,), ())


def test_it_lets_no_spreadsheet_run_a_name_as_a_formula() -> None:
    row = HolidayRow(date(2026, 12, 25), "=cmd|' /C calc'!A0")
    text = write_roster([row], CHICAGO)
    assert ",'=cmd" in text and read_roster(text, KNOWN) == ((row,), ())


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEADER + text).encode()))
def test_it_never_breaks(data: bytes) -> None:
    rows, complaints = read_file(data, KNOWN)
    assert isinstance(rows, tuple) and all(one.line >= 1 and one.what and one.remedy for one in complaints)


TEAMS, EMAILS = st.sampled_from(sorted(KNOWN.teams)), st.sampled_from(sorted(KNOWN.emails))
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
DATES = st.dates(date(2020, 1, 1), date(2098, 12, 31))
STARTS = st.builds(
    lambda first, minutes: first + timedelta(minutes=minutes),
    st.sampled_from([utc(2026, 11, 1, 4), utc(2027, 3, 14, 6), utc(2026, 7, 1)]),
    st.integers(0, 600),
)
LENGTHS = st.integers(1, 7 * 24 * 60 - 60).map(lambda minutes: timedelta(minutes=minutes))
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(
    lambda t: " ".join(t.split())[:80].strip()
)
ROWS: st.SearchStrategy[RosterRow] = st.one_of(
    st.builds(ShiftRow, TEAMS, EMAILS, st.integers(0, 6), CLOCKS, CLOCKS, st.integers(1, 99), st.none() | DATES),
    st.builds(lambda t, e, start, long, p: ExtraRow(t, e, start, start + long, p), TEAMS, EMAILS, STARTS, LENGTHS,
              st.integers(1, 9)),
    st.builds(lambda e, start, long: TimeOffRow(e, start, start + long), EMAILS, STARTS, LENGTHS),
    st.builds(HolidayRow, DATES, NAMES.filter(bool), st.none() | TEAMS),
)  # fmt: skip


@given(st.lists(ROWS, unique=True))
def test_it_gives_back_what_was_written(rows: list[RosterRow]) -> None:
    text = write_roster(rows, CHICAGO)
    assert read_roster(text, KNOWN) == (tuple(rows), ())
    assert read_file(text.encode(), KNOWN) == (tuple(rows), ())
