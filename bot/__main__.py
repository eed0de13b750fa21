"""The command line: `warmline --help`. Exit status 0 done, 1 refused with the reason, 2 misused."""

from __future__ import annotations

import sys

import click

from bot.commands import data, demo, directory, flows, house, people, roster, safety, staff, talk
from bot.domain.refused import Refused


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def warmline() -> None:
    """Warmline: a help line by text that a city runs."""


for command in (
    *house.COMMANDS, *data.COMMANDS, *directory.COMMANDS, *demo.COMMANDS, *people.COMMANDS, *roster.COMMANDS,
    *staff.COMMANDS, flows.flows, safety.safety, talk.talk,
):  # fmt: skip
    warmline.add_command(command)


def main() -> None:
    """Run a command; a refusal is one line on standard error and status 1, never a traceback."""
    try:
        warmline(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Refused as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
