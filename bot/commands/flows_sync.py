"""`warmline flows pull`, `push` and `diff`: exchange flows between a folder and a running Warmline; refused if that would
overwrite changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy.orm import Session

from bot.commands.common import load_attached_settings, open_database
from bot.domain.flows.language.content import FlowContent
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.operations.settings.settings import Settings
from bot.paths import ROOT
from bot.storage.flows import flows as stored_flows
from bot.storage.handoff import board
from bot.usecases.flows.files import FlowFolder, read_folder
from bot.usecases.studio import check_draft, flow_sets, publish_drafts, sync_files
from bot.usecases.studio.sync_files import Conflict, FlowDifference
from bot.usecases.system_texts import read_system_texts

_PATH = click.argument("path", required=False, type=click.Path(path_type=Path))
T = TypeVar("T")
_COLOURS: tuple[tuple[str, str | None], ...] = (("+++", None), ("---", None), ("@@", "cyan"), ("+", "green"), ("-", "red"))


@click.command()
@_PATH
@click.option("--overwrite", is_flag=True, help="The line wins where both sides have changed.")
def pull(path: Path | None, overwrite: bool) -> None:
    """Write what was published on the line since into the folder PATH (flows/).

    Files that are alike stay as they are. A flow whose files were changed too is refused, and then nothing is written.
    """
    root = _root(path)
    root.mkdir(parents=True, exist_ok=True)
    found = _read_valid_folder(root)
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        pulled = _or_refuse(lambda: sync_files.pull(db, found, sync_files.read_sync_records(root), overwrite=overwrite))
        there = set(sync_files.published_flows(db))
    try:
        sync_files.write_files(root, pulled.files, pulled.records)
    except OSError as error:
        raise Refused(f"{root.name}: nothing was written: {error.strerror}.") from error
    click.echo(f"Pulled: {', '.join(pulled.changed)}." if pulled.changed else "Nothing new on the line.")
    if deleted := sorted(there - {*found.flows, *pulled.changed}):
        click.echo(f"Deleted here, still on the line: {', '.join(deleted)}.")


@click.command()
@_PATH
@click.option("--publish", is_flag=True, help="Check and publish, in place of making drafts.")
@click.option("--why", default="", help="Why it is published all the same where the checks warn.")
@click.option("--overwrite", is_flag=True, help="The files win where both sides have changed.")
def push(path: Path | None, publish: bool, why: str, overwrite: bool) -> None:
    """Bring the flows of the folder PATH (flows/) onto the line, as drafts that are published in the console.

    A flow that has changed on the line since is refused, and then nothing is pushed.
    """
    root = _root(path)
    if not root.is_dir():
        raise Refused(f"{root.name} is no folder. Name the folder that holds the flows' .yaml files.")
    found = _read_valid_folder(root)
    memory, now, here = _or_refuse(lambda: sync_files.read_sync_records(root)), SystemClock().now(), load_attached_settings()
    with open_database(here) as opened, opened.transaction() as db:
        # Locked, so that no other publication happens between the comparison, the check and the push.
        stored_flows.lock_publishing(db)
        contents = _or_refuse(lambda: sync_files.flows_to_push(db, found, memory, overwrite=overwrite))
        if publish:
            reasons = _check_for_push(db, contents, here, why.strip())
            done = sync_files.push_published(db, contents, now, why=why.strip(), reasons=reasons)
        else:
            done = sync_files.push_drafts(db, contents, now)
        after = sync_files.records_after_push(db, found, memory, set(contents))
    sync_files.write_files(root, {}, after)
    if not done:
        click.echo("Nothing to push: the line has all of it.")
    elif publish:
        click.echo(f"Published: {', '.join(done)}.")
    else:
        click.echo(f"Pushed as drafts: {', '.join(done)}. Publish them at {here.public_url}/console/flows.")


def _check_for_push(db: Session, contents: Mapping[str, FlowContent], here: Settings, why: str) -> dict[str, dict[str, str]]:
    """Check the flows; returns warning key -> warning and reason, as the console stores them.

    Raises Refused for errors, for warnings without a reason, and for flows that need a second reviewer.
    """
    if not contents:
        return {}
    if careful := publish_drafts.review_teams(db, contents):
        said = f"A second person looks at what these flows do for {', '.join(sorted(careful))}."
        raise Refused(f"{said} Push them without --publish, and ask for it in the console. Nothing was pushed.")
    among, teams = flow_sets.flow_set_with(db, contents), frozenset(board.team_names(db)) or None
    line = read_system_texts(here.languages)
    report = check_draft.check_drafts(among, list(contents), line, here.timezone, here.line_name, teams=teams)
    if report.errors:
        raise Refused("\n".join([*map(str, report.errors), "Nothing was pushed."]))
    if report.warnings and len(why) < publish_drafts.MIN_REASON_LETTERS:
        said = "Nothing was pushed. Correct it, or say why it is right: --why TEXT."
        raise Refused("\n".join([*map(str, report.warnings), said]))
    return {check_draft.warning_key(problem): {"warning": problem.what, "why": why} for problem in report.warnings}


@click.command()
@_PATH
def diff(path: Path | None) -> None:
    """Show how the folder PATH (flows/) differs from what is published: - is on the line, + is here.

    Exit status 0 where nothing differs, 1 where something does.
    """
    root = _root(path)
    if not root.is_dir():
        raise Refused(f"{root.name} is no folder. Name the folder that holds the flows' .yaml files.")
    found = _read_valid_folder(root)
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        different = sync_files.list_differences(db, found)
    for difference in different:
        for line in _diff_lines(difference, root.name):
            click.echo(line)
    if different:
        count = f"{len(different)} {'flow differs' if len(different) == 1 else 'flows differ'}"
        raise Refused(f"{count}: {', '.join(one.flow for one in different)}.")
    click.echo("The folder and the line are the same.")


def _diff_lines(difference: FlowDifference, root: str) -> Iterator[str]:
    """The lines that show a flow's differences, with terminal colours."""
    where = {"here": "only here", "there": "only on the line", "": "changed"}[difference.only_on]
    yield click.style(f"{difference.flow}: {where}", bold=True)
    for path, (there, here) in difference.files.items():
        if difference.only_on:
            yield f"  {root}/{path}"
            continue
        named = ("/dev/null" if there is None else f"line/{path}", "/dev/null" if here is None else f"{root}/{path}")
        for row in unified_diff((there or "").splitlines(), (here or "").splitlines(), *named, lineterm=""):
            yield click.style(row, fg=next((colour for sign, colour in _COLOURS if row.startswith(sign)), None))


def _root(path: Path | None) -> Path:
    return (path or ROOT / "flows").resolve()


def _read_valid_folder(root: Path) -> FlowFolder:
    """The folder's flows, which may be empty. Raises Refused if a file cannot be read: it could not be compared."""
    if not any(root.glob("*.yaml")) and not any((root / "transcripts").rglob("*.txt")):
        return FlowFolder({}, {}, ())
    found = read_folder(root)
    if found.problems:
        raise Refused("\n".join(map(str, found.problems)))
    return found


def _or_refuse(act: Callable[[], T]) -> T:
    try:
        return act()
    except Conflict as conflict:
        raise Refused("\n".join([*conflict.sentences, "Nothing was changed."])) from conflict


COMMANDS = (pull, push, diff)
