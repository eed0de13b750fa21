"""`warmline talk`: text with the bot in a terminal, without servers; the conversation can be saved as a transcript."""

from __future__ import annotations

from pathlib import Path

import click

from bot.commands.common import draft_library, load_flow_folder, load_settings
from bot.domain.conversation.effects import Effect, Reply
from bot.domain.conversation.transcript import LineKind, Transcript, TranscriptLine, write_transcript
from bot.domain.flows.language.script import read_duration
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.segments import fold_for_sms, join_replies, measure_segments
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.usecases.conversation.rehearsal import PICTURE, Rehearsal, effects_as_lines
from bot.usecases.system_texts import read_system_texts

HELP = "Type as a person would text. /wait 2h moves the clock, /picture sends one, /where shows the place, /quit ends."


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--flow", help="Start in this flow, not at the menu.")
@click.option("--language", default=SOURCE_LANGUAGE, show_default=True)
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Keep the talk as a transcript in this file.")
@click.option("--title", default="A conversation", help="The transcript's title.")
def talk(path: Path | None, flow: str | None, language: str, save: Path | None, title: str) -> None:
    """Text the line in this terminal, with the flows under PATH (flows/)."""
    found = load_flow_folder(path)
    if found.problems:
        raise Refused("\n".join(str(problem) for problem in found.problems))
    if flow and flow not in found.flows:
        raise Refused(f"There is no flow {flow!r}. There are {', '.join(sorted(found.flows))}.")
    here = load_settings()
    library = draft_library(found, here.timezone, here.line_name)
    start = SystemClock().now()
    rehearsal = Rehearsal(read_system_texts(here.languages), library, start, language, flow)
    lines: list[TranscriptLine] = []
    click.echo(HELP)
    _print_effects(rehearsal.opening, lines)
    while (text := _prompt()) is not None:
        _handle_input(rehearsal, text, lines)
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


def _handle_input(rehearsal: Rehearsal, text: str, lines: list[TranscriptLine]) -> None:
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
        lines.append(TranscriptLine(LineKind.WAIT, rest.strip()))
        _print_effects(rehearsal.wait(length), lines)  # type: ignore[arg-type]
    elif command == "/picture":
        lines.append(TranscriptLine(LineKind.PERSON, PICTURE))
        _print_effects(rehearsal.say("", media=1), lines)
    else:
        lines.append(TranscriptLine(LineKind.PERSON, text))
        _print_effects(rehearsal.say(text), lines)


def _print_effects(effects: tuple[Effect, ...], lines: list[TranscriptLine]) -> None:
    lines += effects_as_lines(effects)
    for body in join_replies([effect.text for effect in effects if isinstance(effect, Reply)]):
        size = measure_segments(fold_for_sms(body))
        click.secho(body, fg="cyan")
        click.secho(f"  {size.encoding}, {size.segments} segments", dim=True)
    for line in effects_as_lines([effect for effect in effects if not isinstance(effect, Reply)]):
        click.secho(f"  {line.kind.value}: {line.text}", fg="yellow")
