"""`warmline roster import|export|check`: exchange the shifts with a spreadsheet, and check them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot.commands.common import load_attached_settings, open_database
from bot.domain.refused import Refused
from bot.domain.roster.csv_file import MAX_BYTES
from bot.domain.roster.duty import TimeSpan
from bot.domain.roster.rows import WEEKDAYS, ExtraRow, HolidayRow, RosterRow, ShiftRow, TimeOffRow
from bot.operations.clock import SystemClock
from bot.storage.staff import audits
from bot.usecases.roster import manage_roster
from bot.usecases.roster.check_roster import RosterWarning
from bot.usecases.roster.check_roster import check as look
from bot.usecases.roster.manage_roster import RosterChange, RosterEditor

_MAX_SPANS = 5
"""The most time spans shown per warning; a team without night shifts has fourteen."""


@click.group()
def roster() -> None:
    """Who is on duty when."""


@roster.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--add", "adds", is_flag=True, help="Only add the file's rows. Without it, the file is the whole plan.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Take rows out without asking.")
def import_command(file: Path, *, adds: bool, dry_run: bool, yes: bool) -> None:
    """Take in a roster (CSV), whole or not at all. The columns are those that `roster export` writes."""
    found = load_attached_settings()
    now = SystemClock().now()
    with file.open("rb") as opened_file:
        data = opened_file.read(MAX_BYTES + 1)
    given = (RosterEditor(), data, found.timezone, found.languages, now)
    with open_database(found) as opened:
        with opened.transaction() as db:
            change = manage_roster.plan_import(db, *given, whole=not adds)
        _raise_if_faulty(file, change)
        _print_change(change, found.timezone)
        if dry_run or not (change.added or change.removed):
            return
        if change.removed and not yes:
            click.confirm(f"Take {len(change.removed)} rows out and put {len(change.added)} in?", abort=True)
        with opened.transaction() as db:
            manage_roster.apply_import(db, *given, whole=not adds, mark=change.mark)
            audits.record(db, None, "roster_changed", now, detail="file, command line")
    click.echo("Done.")


def _raise_if_faulty(file: Path, change: RosterChange) -> None:
    if change.complaints:
        for one in change.complaints:
            click.echo(f"{file.name}, {one}")
        raise Refused(f"{len(change.complaints)} faults in {file.name}; nothing was changed.")


def _print_change(change: RosterChange, zone: ZoneInfo) -> None:
    for row in change.added:
        click.echo(f"+ {describe_row(row, zone)}")
    for entry in change.removed:
        click.echo(f"- {describe_row(entry.row, zone)}")
    click.echo(f"{len(change.added)} new, {len(change.removed)} taken out, {change.kept} as they were.")
    if change.new:
        click.echo("With it:")
        _print_warnings(change.new, zone)


@roster.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export(file: Path | None) -> None:
    """Write all that is not over yet to FILE (or to the screen), for a spreadsheet."""
    found = load_attached_settings()
    with open_database(found) as opened, opened.transaction() as db:
        text = manage_roster.export(db, found.timezone, SystemClock().now())
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        # With a byte order mark Excel recognises UTF-8; the import strips it.
        file.write_text(text, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}.") from error
    click.echo(f"{text.count(chr(10)) - 1} rows in {file}.")


@roster.command()
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 60), help="How far to look ahead.")
def check(days: int) -> None:
    """Say what is wrong with the coming days: holes, overlaps, people without a telephone. Status 1 if anything is."""
    found = load_attached_settings()
    with open_database(found) as opened, opened.transaction() as db:
        warned = look(db, found.timezone, found.languages, SystemClock().now(), timedelta(days=days))
    if not warned:
        click.echo(f"The roster of the next {days} days is whole.")
        return
    _print_warnings(warned, found.timezone)
    grave = sum(one.is_grave for one in warned)
    raise Refused(f"{len(warned)} things to look at, {grave} of them grave.")


def _print_warnings(warned: tuple[RosterWarning, ...], zone: ZoneInfo) -> None:
    for one in warned:
        click.echo(f"{'!!' if one.is_grave else ' !'} {one.text}")
        for span in one.spans[:_MAX_SPANS]:
            click.echo(f"     {describe_span(span, zone)}")
        if len(one.spans) > _MAX_SPANS:
            click.echo(f"     and {len(one.spans) - _MAX_SPANS} times more")


def describe_span(span: TimeSpan, zone: ZoneInfo) -> str:
    return f"{span.start.astimezone(zone):%a %Y-%m-%d %H:%M} to {span.end.astimezone(zone):%a %Y-%m-%d %H:%M}"


def describe_row(row: RosterRow, zone: ZoneInfo) -> str:
    """A roster row as one line of text, with times in `zone`."""
    match row:
        case ShiftRow():
            dates = f" from {row.since}" * bool(row.since) + f" until {row.until}" * bool(row.until)
            times = f"{WEEKDAYS[row.weekday]} {row.starts:%H:%M}-{row.ends:%H:%M}"
            return f"{row.team}: {row.email} {times}, place {row.place}{dates}"
        case ExtraRow():
            return f"{row.team}: {row.email} extra {describe_span(TimeSpan(row.starts, row.ends), zone)}, place {row.place}"
        case TimeOffRow():
            return f"{row.email} away {describe_span(TimeSpan(row.starts, row.ends), zone)}"
        case HolidayRow():
            return f"{row.day} {row.name}, {row.team or 'all teams'}"


COMMANDS = (roster,)
