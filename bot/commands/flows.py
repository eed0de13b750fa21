"""`warmline flows`: check and publish flow files, and move them between a repository and a running line."""

from __future__ import annotations

from pathlib import Path

import click

from bot.commands import flows_import, flows_sync
from bot.commands.common import (
    draft_library,
    load_attached_settings,
    load_flow_folder,
    load_settings,
    open_database,
)
from bot.domain.flows.language.yaml_source import FlowProblem, Severity
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.usecases.conversation.rehearsal import replay
from bot.usecases.flows.files import FlowFolder, check_folder
from bot.usecases.flows.publish_flows import publish_flows
from bot.usecases.system_texts import read_system_texts


@click.group()
def flows() -> None:
    """Check flow files, publish them, and move them between a repository and a running line."""


for command in (*flows_sync.COMMANDS, *flows_import.COMMANDS):
    flows.add_command(command)


@flows.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings refuse too.")
def check_command(path: Path | None, strict: bool) -> None:
    """Read every flow under PATH (flows/), check it, and play its transcripts."""
    found = load_flow_folder(path)
    problems = [*check_folder(found, load_settings().languages), *_play_transcripts(found)]
    for problem in problems:
        click.echo(f"{problem.severity.value}: {problem}")
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    counted = f"{len(found.flows)} flows, {len(found.transcripts)} transcripts"
    if errors or (strict and problems):
        raise Refused(f"{counted}: {errors} errors, {len(problems) - errors} warnings. Nothing was published.")
    click.echo(f"{counted}: no errors, {len(problems)} warnings.")


def _play_transcripts(found: FlowFolder) -> list[FlowProblem]:
    """Play the transcripts, if all flows can be read: a transcript may run through several flows."""
    if found.problems or not found.transcripts:
        return []
    here = load_settings()
    line = read_system_texts(here.languages)
    library = draft_library(found, here.timezone, here.line_name)
    problems = []
    for name, transcript in found.transcripts.items():
        problems += replay(transcript, name, line, library, here.timezone)
    return problems


@flows.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--if-changed", is_flag=True, help="Say nothing where all is published already.")
@click.option("--by", default="files", help="Who publishes, for the record.")
@click.option("--overwrite", is_flag=True, help="The files win over what was published in the console.")
def publish(path: Path | None, if_changed: bool, by: str, overwrite: bool) -> None:
    """Check the flows under PATH (flows/) and make them live; conversations stay on their version.

    A flow that was published in the console since is kept as it is there.
    """
    found = load_flow_folder(path)
    here = load_attached_settings()
    errors = [problem for problem in check_folder(found, here.languages) if problem.severity is Severity.ERROR]
    if errors:
        raise Refused("\n".join(str(problem) for problem in errors))
    with open_database(here) as opened, opened.transaction() as db:
        done = publish_flows(db, found, by, SystemClock().now(), overwrite=overwrite)
    for why in done.reasons:
        click.echo(f"Kept: {why}")
    if done.changed:
        click.echo(f"Published: {', '.join(done.changed)}.")
    elif not if_changed and not done.kept:
        click.echo("All of it is published already.")
