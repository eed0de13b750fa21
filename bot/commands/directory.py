"""`warmline directory`: load, import, search and export the services that people are referred to."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path

import click

from bot.commands.common import load_attached_settings, load_settings, open_database
from bot.domain.directory import cards
from bot.domain.directory.hsds.mapping import DirectoryMapping
from bot.domain.directory.hsds.mapping import read_mapping as load_mapping
from bot.domain.directory.hsds.mapping_values import MappingError
from bot.domain.directory.hsds.writing import VERSION, write_csv, write_json
from bot.domain.directory.needs import NeedRulesError, load_rules
from bot.domain.directory.ranking import RankedHit
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.paths import ROOT
from bot.storage.directory import imports as stored
from bot.storage.directory import reviewed_services
from bot.usecases.directory import search_services
from bot.usecases.directory.export_services import exported_records
from bot.usecases.directory.files import DirectoryFilesError, open_files, open_sink
from bot.usecases.directory.import_services import (
    ROW_KINDS,
    ImportOptions,
    ImportRefused,
    ImportReport,
    import_directory,
    source_name,
)
from bot.usecases.flows.files import read_directory_files

_MAX_SHOWN = 20
_COLUMN_WIDTHS = (38, 22, 9, 8, 14, 10)


@click.group()
def directory() -> None:
    """The services that people are referred to."""


@directory.command()
def load() -> None:
    """Read directory/*.yaml into the database; what is gone from the files is gone from the directory."""
    try:
        rows = read_directory_files(ROOT / "directory", load_settings().timezone)
    except FlowError as error:
        raise Refused(str(error)) from error
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        reviewed_services.replace_all(db, rows)
    click.echo(f"{len(rows)} services, {sum(row['verified'] for row in rows)} of them checked and offered.")


class _DryRunRollback(Exception):
    """Raised to roll back the transaction of a dry run."""


@directory.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="How columns of their own stand for those of HSDS; see directory/mappings.",
)
@click.option("--source", help="The name under which it is kept and imported again; without it, the name of PATH.")
@click.option(
    "--checked-on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which you have checked all of it: you vouch for every number.",
)
@click.option("--checked-by", default="", help="Who has checked it. Needed with --checked-on.")
@click.option("--report", "report_as", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def import_command(
    path: Path,
    *,
    mapping_file: Path | None,
    source: str | None,
    checked_on: datetime | None,
    checked_by: str,
    report_as: str,
    dry_run: bool,
) -> None:
    """Take in a directory in HSDS (a folder, a .zip, a .json or .csv), whole or not at all.

    What the staff have changed stays. What the directory no longer has is hidden, and kept for the referrals that name it.
    """  # fmt: skip
    found, now = load_attached_settings(), SystemClock().now()
    today = now.astimezone(found.timezone).date()
    day = _check_date(checked_on, checked_by, today)
    mapping = _mapping(mapping_file) if mapping_file else None
    try:
        name = source_name(source if source is not None else path.resolve().stem)
        files = open_files(path)
        wish = ImportOptions(name, "command line", found.directory_fresh_days, found.timezone, day, checked_by)
        rules = load_rules((ROOT / "directory/needs.yaml").read_text("utf-8"))
        with open_database(found) as opened, opened.transaction() as db:
            report = import_directory(db, files, wish, mapping, rules, now, _show_progress)
            if dry_run:
                raise _DryRunRollback
    except _DryRunRollback:
        pass
    except (DirectoryFilesError, NeedRulesError) as error:
        raise Refused(str(error)) from error
    except ImportRefused as error:
        _end_of_progress()
        if error.report is not None:
            _print_report(error.report, report_as)
        raise Refused(str(error)) from error
    _end_of_progress()
    _print_report(report, report_as)
    if dry_run and report_as == "text":
        click.echo("Nothing was changed: this was a dry run.")


def _check_date(checked_on: datetime | None, checked_by: str, today: date) -> date | None:
    if checked_on is None:
        if checked_by:
            raise click.UsageError("--checked-by needs --checked-on, the day of the check.")
        return None
    if not checked_by.strip():
        raise click.UsageError("--checked-on needs --checked-by: who vouches for the numbers?")
    if checked_on.date() > today:
        raise click.UsageError("--checked-on is in the future.")
    return checked_on.date()


def _mapping(file: Path) -> DirectoryMapping:
    try:
        return load_mapping(file.read_text("utf-8"))
    except MappingError as error:
        raise Refused(f"{file.name}, {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file.name} cannot be read as text in UTF-8. Save it anew.") from error


def _show_progress(what: str, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{count} {what}\x1b[K", err=True, nl=False)


def _end_of_progress() -> None:
    if sys.stderr.isatty():
        click.echo("", err=True)


def _print_report(report: ImportReport, report_as: str) -> None:
    if report_as == "json":
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
        return
    word = "could be read" if any(one.fatal for one in report.refused) else "taken"
    for kind, label in ROW_KINDS.items():
        counts = report.counts[kind]
        if counts["taken"] or counts["gone"]:
            gone = f", {counts['gone']} gone" if counts["gone"] else ""
            parts = f"{counts['new']} new, {counts['updated']} changed, {counts['same']} as they were"
            click.echo(f"{label}: {counts['taken']} {word} ({parts}){gone}")
    for title, rows, count in (
        ("refused", report.refused, report.refused_count),
        ("taken with a warning", report.remarks, report.remark_count),
    ):
        if count:
            click.echo(f"{count} {title}:")
        for one in rows[:_MAX_SHOWN]:
            where = ", ".join(part for part in (one.file, one.at, one.key and f"id {one.key}") if part)
            click.echo(f"  {where}{': ' if where else ''}{one.what}; {one.remedy}")
        if count > _MAX_SHOWN:
            click.echo(f"  and {count - _MAX_SHOWN} more, see --report json")
    for note in report.notes:
        click.echo(note)
    click.echo(f"{report.offered} services of {report.source} are checked and offered to people now.")


@directory.command()
@click.option("--need", help="A need as the flows call it: rent, food, shelter, counseling and so on.")
@click.option("--near", help="A ZIP code.")
@click.option("--words", default="", help="Words of its name or description.")
@click.option("--language", default=SOURCE_LANGUAGE, show_default=True, help="A language that should be spoken there.")
@click.option("--open-now", is_flag=True, help="Only what is known to be open.")
@click.option("--offered", is_flag=True, help="Only what people may be told of now.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 200))
def search(
    *, need: str | None, near: str | None, words: str, language: str, open_now: bool, offered: bool, most: int
) -> None:
    """Look for services, the nearest and most fitting first."""
    if not (need or near or words):
        raise click.UsageError("Say what to look for: --need, --near or --words.")
    found = load_attached_settings()
    asked = search_services.DirectorySearch(need, words, near, language, open_now, offered, most)
    try:
        with open_database(found) as opened, opened.transaction() as db:
            answer = search_services.search_for_staff(db, asked, found.timezone, SystemClock().now())
    except search_services.UnknownZip as error:
        raise Refused(str(error)) from error
    if not answer.found:
        raise Refused("Nothing was found. Ask for less at once, or see with `warmline directory import` what there is.")
    _print_row("name", "telephone", "miles", "open", "languages", "offered")
    for one in answer.found:
        _print_row(*_cells(one))


def _cells(one: RankedHit) -> tuple[str, ...]:
    hit = one.hit
    return (
        str(hit.shown["name"]),
        cards.phone_of(hit.shown),
        "" if one.miles is None else f"{one.miles:.1f}",
        {True: "yes", False: "no", None: "?"}[one.is_open],
        ",".join(hit.languages) or "?",
        "yes" if hit.offered and hit.accepting is not False else "no",
    )


def _print_row(*cells: str) -> None:
    click.echo(
        "  ".join(cards.shorten(cell, wide).ljust(wide) for cell, wide in zip(cells, _COLUMN_WIDTHS, strict=True)).rstrip()
    )


@directory.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "as_format", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--source", help="Which directory; may be left out where there is one.")
def export(path: Path, *, as_format: str, source: str | None) -> None:
    """Write a directory as HSDS 3 into the folder PATH, with what the staff have changed in it."""
    found = load_attached_settings()
    with open_database(found) as opened, opened.transaction() as db:
        known = stored.sources(db)
        if source is None and len(known) != 1:
            raise Refused(f"There is more than one directory: name one with --source ({', '.join(known)})." if known
                          else "No directory was imported yet, so there is nothing to export.")  # fmt: skip
        name = source or known[0]
        if name not in known:
            raise Refused(f"No directory {name} was ever imported. There are: {', '.join(known) or 'none'}.")
        write = write_json if as_format == "json" else write_csv
        try:
            write(exported_records(db, name), open_sink(path))
        except DirectoryFilesError as error:
            raise Refused(str(error)) from error
        except OSError as error:
            raise Refused(f"{path.name} cannot be written: {error.strerror}.") from error
    click.echo(f"{name} is in {path.name}, as HSDS {VERSION} in {as_format.upper()}.")


COMMANDS = (directory,)
