"""`warmline talk`: the line in a terminal, without servers; what was said can be kept as a transcript."""

from __future__ import annotations

from pathlib import Path

import click

from bot.clock import SystemClock
from bot.commands.common import Refused, draft_library, folder, settings
from bot.domain.effects import Effect, Reply
from bot.domain.script import read_duration
from bot.domain.segments import fold_for_sms, join, measure
from bot.domain.transcript import Kind, Line, Transcript, write_transcript
from bot.usecases.line import read_line
from bot.usecases.rehearse import PICTURE, Rehearsal, as_lines

HELP = "Type as a person would text. /wait 2h moves the clock, /picture sends one, /where shows the place, /quit ends."


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--flow", help="Start in this flow, not at the menu.")
@click.option("--language", default="en", show_default=True)
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Keep the talk as a transcript in this file.")
@click.option("--title", default="A conversation", help="The transcript's title.")
def talk(path: Path | None, flow: str | None, language: str, save: Path | None, title: str) -> None:
    """Text the line in this terminal, with the flows under PATH (flows/)."""
    found = folder(path)
    if found.problems:
        raise Refused("\n".join(str(problem) for problem in found.problems))
    if flow and flow not in found.flows:
        raise Refused(f"There is no flow {flow!r}. There are {', '.join(sorted(found.flows))}.")
    here = settings()
    library = draft_library(found, here.timezone, here.line_name)
    start = SystemClock().now()
    rehearsal = Rehearsal(read_line(here.languages), library, start, language, flow)
    lines: list[Line] = []
    click.echo(HELP)
    _show(rehearsal.opening, lines)
    while (text := _prompt()) is not None:
        _take(rehearsal, text, lines)
    if save:
        now = start.astimezone(here.timezone).replace(tzinfo=None, second=0, microsecond=0)
        save.write_text(write_transcript(Transcript(title, flow, language, now, tuple(lines))), "utf-8")
        click.echo(f"Kept as {save}.")


def _prompt() -> str | None:
    try:
        text = input("> ")
    except EOFError:
        return None
    return None if text.strip() == "/quit" else text


def _take(rehearsal: Rehearsal, text: str, lines: list[Line]) -> None:
    command, _, rest = text.strip().partition(" ")
    if command == "/where":
        conversation = rehearsal.conversation
        frame = conversation.frame
        click.secho(f"  {frame.flow}/{frame.step}" if frame else "  nowhere", dim=True)
        click.secho(f"  held by {conversation.holder.value}; answers {conversation.answers}", dim=True)
    elif command == "/wait":
        try:
            length = read_duration(rest)
        except ValueError as error:
            click.echo(f"  {error}")
            return
        lines.append(Line(Kind.WAIT, rest.strip()))
        _show(rehearsal.wait(length), lines)  # type: ignore[arg-type]
    elif command == "/picture":
        lines.append(Line(Kind.PERSON, PICTURE))
        _show(rehearsal.say("", media=1), lines)
    else:
        lines.append(Line(Kind.PERSON, text))
        _show(rehearsal.say(text), lines)


def _show(effects: tuple[Effect, ...], lines: list[Line]) -> None:
    lines += as_lines(effects)
    for body in join([effect.text for effect in effects if isinstance(effect, Reply)]):
        size = measure(fold_for_sms(body))
        click.secho(body, fg="cyan")
        click.secho(f"  {size.encoding}, {size.segments} segments", dim=True)
    for line in as_lines([effect for effect in effects if not isinstance(effect, Reply)]):
        click.secho(f"  {line.kind.value}: {line.text}", fg="yellow")
