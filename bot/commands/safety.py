"""`warmline safety`: measure the safety net, and show what it reads in a text."""

from __future__ import annotations

from pathlib import Path

import click

from bot.commands.common import load_settings
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.refused import Refused
from bot.domain.safety import assess, reply_key
from bot.usecases.measure_safety import format_report
from bot.usecases.system_texts import read_system_texts


@click.group()
def safety() -> None:
    """The safety net."""


@safety.command("report")
@click.argument("data", type=click.Path(path_type=Path))
def report_command(data: Path) -> None:
    """Measure recall and false alarms on the labelled texts under DATA, and print the tables."""
    if not data.is_dir():
        raise Refused(f"{data} is no folder. Name the one that holds the labelled texts (crisis_short_gold.csv ...).")
    click.echo(format_report(read_system_texts(load_settings().languages).rules, data))


@safety.command()
@click.argument("text")
def read(text: str) -> None:
    """Show what the net reads in TEXT: level, dangers, rules, and whether it would ask."""
    line = read_system_texts(load_settings().languages)
    found = assess(line.rules, text)
    click.echo(f"level {int(found.level)} {found.level.name.lower()}; dangers {', '.join(found.dangers) or 'none'}")
    click.echo(f"rules {', '.join(found.rules) or 'none'}; asks {found.ask or 'nothing'}")
    key = reply_key(found)
    click.echo(line.text(key, SOURCE_LANGUAGE) if key else "No safety text: the conversation goes on.")
