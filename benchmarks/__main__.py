"""The command line of the benchmarks; `make bench ARGS="..."`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from benchmarks import (
    alerts,
    beside,
    crowd,
    directory,
    follow_up,
    growth,
    instance,
    pages,
    parts,
    publishing,
    studio,
    studio_check,
)


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure the work that people wait for. Without a command: parts, growth, and beside where it can be."""
    if context.invoked_subcommand is None:
        context.invoke(parts_command)
        context.invoke(growth_command)
        if beside.YARDSTICKS.is_dir():
            context.invoke(beside_command)


FOLDER = click.option("--folder", type=click.Path(path_type=Path), help="Where to work; a temporary folder if not given.")


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given:
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="warmline-bench-") as made:
        yield Path(made)


@main.command("parts")
@click.option("--dialogs", default=300, help="Dialogs of six texts.")
@FOLDER
def parts_command(dialogs: int = 300, folder: Path | None = None) -> None:
    """Where the processor time of a text goes, and what a process holds of memory."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(parts.measure(env, dialogs))


@main.command("growth")
@click.option("--few", default=1000, help="Messages stored in the small database.")
@click.option("--many", default=1_000_000, help="Messages stored in the large one.")
@FOLDER
def growth_command(few: int = 1000, many: int = 1_000_000, folder: Path | None = None) -> None:
    """Whether a text costs more where more people and messages are stored."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(growth.measure(env, few, many))


@main.command("beside")
@click.option("--only", default="echo-granian,durable-pg", help="The yardsticks' arms.")
@click.option("--rounds", default=5)
@click.option("--cores", default=2, type=click.IntRange(1, 2))
@click.option("--dialogs", default=500, help="Dialogs in each round, after the warm-up.")
@FOLDER
def beside_command(
    only: str = "echo-granian,durable-pg", rounds: int = 5, cores: int = 2, dialogs: int = 500, folder: Path | None = None
) -> None:
    """Warmline's web server in turn with other systems (../shared/bench), as ratios."""
    with _folder(folder) as place:
        try:
            beside.measure(place, only.split(","), rounds, cores, dialogs)
        except beside.NotThere as why:
            raise click.ClickException(str(why)) from why
        except subprocess.CalledProcessError as failure:
            raise click.ClickException(f"{Path(failure.cmd[0]).name} ended with status {failure.returncode}") from failure


QUICK = click.option("--quick", is_flag=True, help="Small sizes, to see that it runs; its figures say little.")


@main.command("alert")
@click.option("--seconds", default=60, help="For how many seconds fifty texts a second come in.")
@QUICK
@FOLDER
def alert_command(seconds: int, quick: bool, folder: Path | None) -> None:
    """How soon an alert is committed, and with the carrier, after a crisis text."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(alerts.measure(env, 6 if quick else seconds))


@main.command("console")
@click.option("--few", default=1000, help="Conversations stored in the small database.")
@click.option("--many", default=100_000, help="Conversations stored in the large one.")
@click.option("--rounds", default=5)
@QUICK
@FOLDER
def console_command(few: int, many: int, rounds: int, quick: bool, folder: Path | None) -> None:
    """The console's pages as multiples of a bare page, and whether they grow with what is stored."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(pages.measure(env, 300, 3000, 2, 5) if quick else pages.measure(env, few, many, rounds, 40))


@main.command("consoles")
@click.option("--many", default=200, help="Consoles that are open.")
@click.option("--rounds", default=5)
@click.option("--seconds", default=15, help="How long one round of one arm lasts.")
@QUICK
@FOLDER
def consoles_command(many: int, rounds: int, seconds: int, quick: bool, folder: Path | None) -> None:
    """What open consoles take from the throughput of residents' texts."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(crowd.measure(env, 40, 2, 3) if quick else crowd.measure(env, many, rounds, seconds))


@main.command("follow-up")
@click.option("--few", default=1000, help="Check-ins stored in the small database.")
@click.option("--many", default=1_000_000, help="Check-ins stored in the large one.")
@click.option("--due", default=10_000, help="Check-ins that fall due within one minute.")
@click.option("--rounds", default=5)
@click.option("--seconds", default=75, help="For how long crisis texts come in, before the flood and in it.")
@click.option("--jobs", default=500, help="Jobs of each kind in a round.")
@QUICK
@FOLDER
def follow_up_command(
    few: int, many: int, due: int, rounds: int, seconds: int, jobs: int, quick: bool, folder: Path | None
) -> None:
    """What a million promised check-ins cost, and whether ten thousand of them keep a person in danger waiting."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        sizes = (500, 5000, 2, 300, 8, 50) if quick else (few, many, rounds, due, seconds, jobs)
        for table in follow_up.measure(env, *sizes):
            click.echo(table)


@main.command("directory")
@click.option("--few", default=1000, help="Services in the small directory.")
@click.option("--many", default=100_000, help="Services in the large one.")
@click.option("--rounds", default=5)
@QUICK
@FOLDER
def directory_command(few: int, many: int, rounds: int, quick: bool, folder: Path | None) -> None:
    """What finding services for a person costs, and whether it grows with the directory."""
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(directory.measure(env, 300, 3000, 2) if quick else directory.measure(env, few, many, rounds))


@main.command("studio")
@click.option("--rounds", default=5)
@click.option("--each", default=20, help="Requests to every page in a round.")
@click.option("--tests", default=100, help="Conversation tests of the large flow.")
@click.option("--seconds", default=20, help="For how long texts come in, in a round without publications and in one with.")
@QUICK
@FOLDER
def studio_command(rounds: int, each: int, tests: int, seconds: int, quick: bool, folder: Path | None) -> None:
    """Checking and editing a flow of two hundred steps in five languages, and publishing while people text."""
    rounds, each, tests, seconds = (1, 2, 10, 5) if quick else (rounds, each, tests, seconds)
    with _folder(folder) as place, instance.opened(place / "data") as env:
        click.echo(studio_check.measure(place, rounds, tests))
        click.echo(studio.measure(env, rounds, each, tests))
        click.echo(publishing.measure(env, rounds, seconds))


@main.command()
@click.option("--servers-only", is_flag=True, help="Start the databases alone, and print how the web is started.")
@FOLDER
def serve(servers_only: bool, folder: Path | None) -> None:
    """Serve the measured flow on 127.0.0.1:8000 until Ctrl-C, for a load generator of your own."""
    # Ctrl-C also reaches the web process, which ends by itself; with --servers-only the command waits for it here.
    with _folder(folder) as place, instance.opened(place / "data") as env, suppress(KeyboardInterrupt):
        click.echo("\n".join(f"{name}={value}" for name, value in env.items()))
        click.echo(shlex.join(instance.web_command(env)))
        if servers_only:
            signal.pause()
        with subprocess.Popen(instance.web_command(env), cwd=instance.HERE.parent, env=os.environ | env) as web:
            web.wait()


@main.command()
def empty() -> None:
    """Empty the database that DATABASE_URL names, which must be one made for measuring."""
    beside.empty(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    sys.exit(main())
