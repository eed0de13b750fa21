"""`warmline demo staff|night`: the demo's content. Refused on an installation with a carrier."""

from __future__ import annotations

import logging

import click

from bot.commands.common import load_attached_settings, open_database
from bot.domain.refused import Refused
from bot.operations.clock import DemoClock
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.usecases.demo.demo_staff import add_demo_staff
from bot.usecases.demo.night import read_night
from bot.usecases.demo.play_night import is_untouched, play_night

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
    with open_database(found) as opened:
        added = _fill_staff(found, opened)
    click.echo(f"{added} added to the staff." if added else "There is a staff already; nothing was added.")


@demo.command("night")
def night_command() -> None:
    """Add that staff where it is missing, and play a night, where nobody has texted the line yet."""
    click.echo(fill_demo(_only_in_a_demo()) or "Somebody has texted this line already; nothing was played.")


def fill_demo(found: Settings) -> str:
    """Add the demo's staff and night; returns what was done, "" if there was nothing to do."""
    with open_database(found) as opened:
        _fill_staff(found, opened)
        with opened.transaction() as db:
            untouched = is_untouched(db)
    return _play_night(found) if untouched else ""


def _play_night(found: Settings) -> str:
    runtime = Runtime.start(found)
    try:
        with runtime.database.transaction() as db:
            left_out = play_night(db, runtime.context, read_night(), runtime.clock.now())
        return "A night was played." + f" {left_out} of its acts had to be left out." * bool(left_out)
    except Exception as error:
        # A demo without its night is still useful; one that does not start is not.
        log.exception("the demo's night could not be played")
        return f"The night could not be played ({type(error).__name__}); nothing of it was kept."
    finally:
        runtime.close()


def _only_in_a_demo() -> Settings:
    found = load_attached_settings()
    if not found.is_demo:
        raise Refused(REFUSAL)
    return found


def _fill_staff(found: Settings, opened: Database) -> int:
    now = DemoClock(found.data_dir / "clock").now()
    sealer = Sealer(found.encryption_keys, found.secret_key)
    with opened.transaction() as db:
        return add_demo_staff(db, sealer, found.timezone, now)


COMMANDS = (demo,)
