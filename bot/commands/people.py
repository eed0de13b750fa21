"""`warmline handoffs`, `erase`, `catch-up`: operator tasks that have no page in the console."""

from __future__ import annotations

from datetime import timedelta

import click
from sqlalchemy import select

from bot import reception
from bot.carriers.twilio.texts import TwilioCarrier
from bot.commands.common import load_attached_settings, open_database
from bot.domain.flows.language.script import read_duration
from bot.domain.messages.message import Address, Channel
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.runtime import Runtime
from bot.storage import erasures
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Conversation, Handoff
from bot.usecases.handoff.ending import close_by_operator


@click.group()
def handoffs() -> None:
    """The people who wait for a human."""


@handoffs.command("list")
def list_command() -> None:
    """Open handoffs, the most urgent first: number, urgency, team, reason, since when. No names, no words."""
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        rows = db.scalars(select(Handoff).where(Handoff.state != "closed").order_by(Handoff.opened_at)).all()
    order = ["now", "minutes", "quarter_hour", "this_shift", "routine"]
    for row in sorted(rows, key=lambda row: order.index(row.urgency)):
        reach = "" if row.reachable else "  texts are blocked: phone"
        since = f"{row.opened_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{row.id:>6}  {row.urgency:<12} {row.team:<12} {row.reason:<15} {since}{reach}")
    click.echo(f"{len(rows)} open.")


@handoffs.command()
@click.argument("number", type=int)
def close(number: int) -> None:
    """A human is done with handoff NUMBER: the bot may speak again, and the person counts as out of danger."""
    runtime = Runtime.start(load_attached_settings())
    try:
        with runtime.database.transaction() as db:
            close_by_operator(db, runtime.context, number, runtime.clock.now())
    except Refused as error:
        raise Refused(f"There is no open handoff {number}.") from error
    finally:
        runtime.close()
    click.echo(f"Handoff {number} is closed.")


_PERSON_CHANNELS = [channel.value for channel in Channel if channel not in (Channel.EMAIL, Channel.VOICE)]


@click.command()
@click.option("--channel", type=click.Choice(_PERSON_CHANNELS), default="sms", show_default=True)
def erase(channel: str) -> None:
    """Delete what is kept of a person who asked by letter or telephone. The number is asked for, not typed as an argument:
    a shell remembers arguments."""
    number = click.prompt("Their number, like +13145550142", hide_input=True)
    found = load_attached_settings()
    sealer = Sealer(found.encryption_keys, found.secret_key)
    lookup = sealer.blind_index(Address(Channel(channel), str(number).strip()))
    with open_database(found) as opened, opened.transaction() as db:
        row = db.scalar(select(Conversation.id).where(Conversation.lookup == lookup))
        if row is None:
            raise Refused("Nobody with that number is known on that channel; nothing was changed.")
        erasures.add_request(db, row, SystemClock().now())
    click.echo("It is deleted within the hour, or once their open handoff is closed.")


@click.command("catch-up")
@click.option("--since", default="24h", show_default=True, help="How far back, like 6h or 3d.")
def catch_up(since: str) -> None:
    """Fetch from Twilio the texts that came while Warmline was away, and take those that are not here yet."""
    try:
        back = read_duration(since)
    except ValueError as error:
        raise Refused(f"--since: {error}") from error
    runtime = Runtime.start(load_attached_settings())
    carrier = runtime.carriers.get(Channel.SMS)
    if not isinstance(carrier, TwilioCarrier) or not isinstance(back, timedelta):
        raise Refused("There is no Twilio to ask: the Twilio settings are not set.")
    seen = taken = 0
    for inbound in carrier.received_since(runtime.clock.now() - back):
        seen += 1
        taken += reception.receive(runtime, inbound, answered=False).is_new
    runtime.close()
    click.echo(f"Twilio has {seen} texts of that time; {taken} of them were not here and are taken and answered now.")


COMMANDS = (handoffs, erase, catch_up)
