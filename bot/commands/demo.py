"""`warmline demo staff|night`: what a visitor of a demo finds. A line with a carrier has neither."""

from __future__ import annotations

import click

from bot.clock import DemoClock
from bot.commands.common import Refused, attached, database
from bot.commands.stage import play
from bot.runtime import Runtime
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.usecases.demo_night import is_untouched, read_night, scenes
from bot.usecases.demo_staff import fill_staff

REFUSAL = (
    "This line has a carrier (Twilio is set up), so nothing of the demo is loaded. Add the first admin: "
    "warmline staff add EMAIL --name NAME --role admin"
)


@click.group()
def demo() -> None:
    """Fill a demo: an invented staff, and a night's conversations."""


@demo.command("staff")
def staff_command() -> None:
    """Add the invented staff and their roster, where there is no staff yet."""
    found = _only_in_a_demo()
    with database(found) as opened:
        added = _fill(found, opened)
    click.echo(f"{added} added to the staff." if added else "There is a staff already; nothing was added.")


@demo.command("night")
def night_command() -> None:
    """Add that staff where it is missing, and play a night, where nobody has texted the line yet."""
    found = _only_in_a_demo()
    with database(found) as opened:
        _fill(found, opened)
        with opened.transaction() as db:
            untouched = is_untouched(db)
    if not untouched:
        click.echo("Somebody has texted this line already; nothing was played.")
        return
    runtime = Runtime.start(found)
    try:
        now = runtime.clock.now()
        night = scenes(read_night(), now)
        left_out = play(runtime, night, now)
    finally:
        runtime.close()
    click.echo(f"A night was played: {len(night)} acts, {left_out} of them left out.")


def _only_in_a_demo() -> Settings:
    found = attached()
    if not found.is_demo:
        raise Refused(REFUSAL)
    return found


def _fill(found: Settings, opened: Database) -> int:
    now = DemoClock(found.data_dir / "clock").now()
    sealer = Sealer(found.encryption_keys, found.secret_key)
    with opened.transaction() as db:
        return fill_staff(db, sealer, found.timezone, found.languages, now)


COMMANDS = (demo,)
