"""`warmline run`, `prepare`, `migrate`, `settings`: the house itself."""

from __future__ import annotations

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from bot import settings_page, supervisor
from bot.clock import SystemClock
from bot.commands.common import ROOT, Refused, attached, database, settings
from bot.commands.demo import fill
from bot.commands.flows import publish
from bot.domain.flow_yaml import FlowError
from bot.domain.safety.lined_yaml import SafetyRuleError
from bot.storage import keys, schema, services
from bot.storage.sealing import CannotOpen, Sealer
from bot.usecases import canned_replies
from bot.usecases.flow_files import read_directory


@click.command()
def run() -> None:
    """Run everything in the foreground until Ctrl-C: servers where none are named, web, worker."""
    sys.exit(supervisor.run(settings()))


@click.command()
def migrate() -> None:
    """Bring the database up to date, see that the keys fit it, load the directory, and fill the empty canned replies."""
    found = attached()
    try:
        schema.migrate(found.database_url or "")
        rows = read_directory(ROOT / "directory", found.timezone)
        with database(found) as opened, opened.transaction() as db:
            keys.check(db, Sealer(found.encryption_keys, found.secret_key))
            services.replace_all(db, rows)
            canned_replies.seed(db, SystemClock().now())
    except CannotOpen as error:
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
    # One process for all of it: to start each of them by itself takes longer than what they do.
    context.invoke(migrate)
    context.invoke(publish, if_changed=True, by="files")
    found = attached()
    if found.is_demo and (done := fill(found)):
        click.echo(done)


@click.command("settings")
@click.option("--page", is_flag=True, help="Print the operators' page instead.")
def settings_command(page: bool) -> None:
    """Print the settings in force, without the secrets."""
    click.echo(settings_page.page() if page else settings_page.describe(settings()))


COMMANDS = (run, prepare, migrate, settings_command)
