"""`warmline demo staff|night`: what a visitor of a demo finds. A line with a carrier has neither."""

from __future__ import annotations

import logging

import click

from bot.clock import DemoClock
from bot.commands.common import Refused, attached, database
from bot.runtime import Runtime
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.usecases.demo_night import read_night
from bot.usecases.demo_staff import fill_staff
from bot.usecases.play_night import is_untouched, play

log = logging.getLogger(__name__)

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
    click.echo(fill(_only_in_a_demo()) or "Somebody has texted this line already; nothing was played.")


def fill(found: Settings) -> str:
    """The staff and the night, in a demo; returns what was done, "" where there was nothing to do."""
    with database(found) as opened:
        _fill(found, opened)
        with opened.transaction() as db:
            untouched = is_untouched(db)
    return _play(found) if untouched else ""


def _play(found: Settings) -> str:
    runtime = Runtime.start(found)
    try:
        with runtime.database.transaction() as db:
            left_out = play(db, runtime.desk, read_night(), runtime.clock.now())
        return "A night was played." + f" {left_out} of its acts had to be left out." * bool(left_out)
    except Exception as error:
        # A demo without its night is still a demo, and a house that does not start is none.
        log.exception("the demo's night could not be played")
        return f"The night could not be played ({type(error).__name__}); nothing of it was kept."
    finally:
        runtime.close()


def _only_in_a_demo() -> Settings:
    found = attached()
    if not found.is_demo:
        raise Refused(REFUSAL)
    return found


def _fill(found: Settings, opened: Database) -> int:
    now = DemoClock(found.data_dir / "clock").now()
    sealer = Sealer(found.encryption_keys, found.secret_key)
    with opened.transaction() as db:
        return fill_staff(db, sealer, found.timezone, now)


COMMANDS = (demo,)
