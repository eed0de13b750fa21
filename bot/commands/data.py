"""`warmline keys`, `spool`: encryption keys and the spool, for the operator."""

from __future__ import annotations

import click
from cryptography.fernet import Fernet

from bot.commands.common import load_attached_settings, open_database
from bot.domain.refused import Refused
from bot.storage import keys as stored_keys
from bot.storage.sealing import Sealer, UnsealError
from bot.storage.spool import Spool


@click.group()
def keys() -> None:
    """Make and change the keys under which words and numbers are stored."""


@keys.command()
def new() -> None:
    """Print a new key, to be put in front of ENCRYPTION_KEYS."""
    click.echo(Fernet.generate_key().decode())


@keys.command()
def rotate() -> None:
    """Seal everything anew under the first of ENCRYPTION_KEYS; afterwards the old ones can go."""
    found = load_attached_settings()
    sealer = Sealer(found.encryption_keys, found.secret_key)
    with (
        open_database(found) as opened,
        click.progressbar(range(len(stored_keys.SEALED_COLUMNS)), label="Sealing anew") as columns,
    ):
        for number in columns:
            last: int | None = 0
            while last is not None:
                try:
                    with opened.transaction() as db:
                        last = stored_keys.reseal_batch(db, sealer, number, last)
                except UnsealError as error:
                    raise Refused(f"{error}. Put the older keys at the end of ENCRYPTION_KEYS; nothing was lost.") from error
    with open_database(found) as opened, opened.transaction() as db:
        stored_keys.verify(db, sealer)
        stored_keys.reindex(db, sealer)
    click.echo("Everything is sealed under the first key. The others can be taken out of ENCRYPTION_KEYS.")


@keys.command()
def reindex() -> None:
    """After SECRET_KEY was changed on purpose: make people findable by their numbers again."""
    found = load_attached_settings()
    with open_database(found) as opened, opened.transaction() as db:
        click.echo(f"{stored_keys.reindex(db, Sealer(found.encryption_keys, found.secret_key))} conversations indexed anew.")


@click.command()
@click.option("--again", is_flag=True, help="Put what was laid aside back in line.")
def spool(again: bool) -> None:
    """Show the texts that wait for the database, and those that failed for good."""
    found = load_attached_settings()
    kept = Spool(found.spool_dir, Sealer(found.encryption_keys, found.secret_key))
    if again:
        click.echo(f"{kept.requeue_failed()} texts are in line again; the worker takes them within a minute.")
    click.echo(f"{len(kept.list_entries())} texts wait, {kept.count_failed()} were laid aside.")


COMMANDS = (keys, spool)
