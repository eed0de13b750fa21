"""`warmline run`, `prepare`, `migrate`, `settings`: running and setting up Warmline itself."""

from __future__ import annotations

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from bot.commands.common import load_attached_settings, load_settings, open_database
from bot.commands.demo import fill_demo
from bot.commands.flows import publish
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.refused import Refused
from bot.domain.safety.lined_yaml import SafetyRuleError
from bot.operations import supervisor
from bot.operations.clock import SystemClock
from bot.operations.settings import manual
from bot.paths import ROOT
from bot.storage import keys, schema
from bot.storage.directory import reviewed_services
from bot.storage.sealing import Sealer, UnsealError
from bot.usecases.flows.files import read_directory_files
from bot.usecases.handoff import ready_replies


@click.command()
def run() -> None:
    """Run everything in the foreground until Ctrl-C: servers where none are named, web, worker."""
    sys.exit(supervisor.run(load_settings()))


@click.command()
def migrate() -> None:
    """Bring the database up to date, see that the keys fit it, load the directory, and fill the empty ready replies."""
    found = load_attached_settings()
    try:
        schema.migrate(found.database_url or "")
        rows = read_directory_files(ROOT / "directory", found.timezone)
        with open_database(found) as opened, opened.transaction() as db:
            keys.verify(db, Sealer(found.encryption_keys, found.secret_key))
            reviewed_services.replace_all(db, rows)
            ready_replies.seed_if_empty(db, SystemClock().now())
    except UnsealError as error:
        raise Refused(str(error)) from error
    except (FlowError, SafetyRuleError) as error:
        raise Refused(str(error)) from error
    except SQLAlchemyError as error:
        raise Refused(
            f"The database refused ({type(error).__name__}). Is DATABASE_URL right, and may it create tables?"
        ) from error


@click.command()
@click.pass_context
def prepare(context: click.Context) -> None:
    """What `run` does before the web and the worker: migrate, publish what has changed, in a demo fill it."""
    # All in one process: starting a separate one for each takes longer than the work itself.
    context.invoke(migrate)
    context.invoke(publish, if_changed=True, by="files")
    found = load_attached_settings()
    if found.is_demo and (done := fill_demo(found)):
        click.echo(done)


@click.command("settings")
@click.option("--page", is_flag=True, help="Print the operators' page instead.")
def settings_command(page: bool) -> None:
    """Print the settings in force, without the secrets."""
    click.echo(manual.operators_page() if page else manual.describe(load_settings()))


COMMANDS = (run, prepare, migrate, settings_command)
