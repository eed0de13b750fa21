"""`warmline roster import|export|check`: the shifts, from a spreadsheet and back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from bot.clock import SystemClock
from bot.commands.common import Refused, attached, database
from bot.domain.roster import Span
from bot.domain.roster_file import LARGEST
from bot.domain.roster_rows import WEEKDAYS, ExtraRow, HolidayRow, Row, ShiftRow, TimeOffRow
from bot.storage import audits
from bot.usecases import keep_roster
from bot.usecases.check_roster import Warned
from bot.usecases.check_roster import check as look
from bot.usecases.keep_roster import Change, Keeper

_SHOWN = 5
"""Spans told of one warning; a team without nights has fourteen of them."""


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
    found = attached()
    now = SystemClock().now()
    with file.open("rb") as opened_file:
        data = opened_file.read(LARGEST + 1)
    given = (Keeper(), data, found.timezone, found.languages, now)
    with database(found) as opened:
        with opened.transaction() as db:
            change = keep_roster.plan_import(db, *given, whole=not adds)
        _refuse_faulty(file, change)
        _show(change, found.timezone)
        if dry_run or not (change.added or change.removed):
            return
        if change.removed and not yes:
            click.confirm(f"Take {len(change.removed)} rows out and put {len(change.added)} in?", abort=True)
        try:
            with opened.transaction() as db:
                keep_roster.carry_out(db, *given, whole=not adds, mark=change.mark)
                audits.record(db, None, "roster_changed", now, detail="file, command line")
        except keep_roster.Refused as error:
            raise Refused(str(error)) from error
    click.echo("Done.")


def _refuse_faulty(file: Path, change: Change) -> None:
    if change.complaints:
        for one in change.complaints:
            click.echo(f"{file.name}, {one}")
        raise Refused(f"{len(change.complaints)} faults in {file.name}; nothing was changed.")


def _show(change: Change, zone: ZoneInfo) -> None:
    for row in change.added:
        click.echo(f"+ {row_words(row, zone)}")
    for entry in change.removed:
        click.echo(f"- {row_words(entry.row, zone)}")
    click.echo(f"{len(change.added)} new, {len(change.removed)} taken out, {change.kept} as they were.")
    if change.new:
        click.echo("With it:")
        _tell(change.new, zone)


@roster.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def export(file: Path | None) -> None:
    """Write all that is not over yet to FILE (or to the screen), for a spreadsheet."""
    found = attached()
    with database(found) as opened, opened.transaction() as db:
        text = keep_roster.export(db, found.timezone, SystemClock().now())
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        # With a mark in front Excel knows it for UTF-8; reading takes the mark away.
        file.write_text(text, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}.") from error
    click.echo(f"{text.count(chr(10)) - 1} rows in {file}.")


@roster.command()
@click.option("--days", default=14, show_default=True, type=click.IntRange(1, 60), help="How far to look ahead.")
def check(days: int) -> None:
    """Say what is wrong with the coming days: holes, overlaps, people without a telephone. Status 1 if anything is."""
    found = attached()
    with database(found) as opened, opened.transaction() as db:
        warned = look(db, found.timezone, found.languages, SystemClock().now(), timedelta(days=days))
    if not warned:
        click.echo(f"The roster of the next {days} days is whole.")
        return
    _tell(warned, found.timezone)
    grave = sum(one.is_grave for one in warned)
    raise Refused(f"{len(warned)} things to look at, {grave} of them grave.")


def _tell(warned: tuple[Warned, ...], zone: ZoneInfo) -> None:
    for one in warned:
        click.echo(f"{'!!' if one.is_grave else ' !'} {one.text}")
        for span in one.spans[:_SHOWN]:
            click.echo(f"     {_span_words(span, zone)}")
        if len(one.spans) > _SHOWN:
            click.echo(f"     and {len(one.spans) - _SHOWN} times more")


def _span_words(span: Span, zone: ZoneInfo) -> str:
    return f"{span.start.astimezone(zone):%a %Y-%m-%d %H:%M} to {span.end.astimezone(zone):%a %Y-%m-%d %H:%M}"


def row_words(row: Row, zone: ZoneInfo) -> str:
    """One row in a line."""
    match row:
        case ShiftRow():
            dates = f" from {row.since}" * bool(row.since) + f" until {row.until}" * bool(row.until)
            times = f"{WEEKDAYS[row.weekday]} {row.starts:%H:%M}-{row.ends:%H:%M}"
            return f"{row.team}: {row.email} {times}, place {row.place}{dates}"
        case ExtraRow():
            return f"{row.team}: {row.email} extra {_span_words(Span(row.starts, row.ends), zone)}, place {row.place}"
        case TimeOffRow():
            return f"{row.email} away {_span_words(Span(row.starts, row.ends), zone)}"
        case HolidayRow():
            return f"{row.day} {row.name}, {row.team or 'all teams'}"


COMMANDS = (roster,)
