"""`warmline staff add|list|invite|leave|forget-second-factor|team`: manage staff and teams."""

from __future__ import annotations

import re

import click
from sqlalchemy.orm import Session

from bot.commands.common import load_attached_settings, open_database
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.message import Channel
from bot.domain.refused import InvalidForm, Refused
from bot.domain.staff.permissions import Role
from bot.operations.clock import SystemClock
from bot.runtime import Runtime
from bot.storage.sealing import Sealer
from bot.storage.staff import audits
from bot.storage.staff import staff as rows
from bot.storage.tables.staff import Staff
from bot.usecases.staff import manage_staff
from bot.usecases.staff.invite import LinkPurpose, make_link

_EMAIL = re.compile(r"[^@\s,;\"']+@[^@\s,;\"']+\.[^@\s,;\"']+")
_SLUG = re.compile(r"[a-z][a-z0-9_]*")


@click.group()
def staff() -> None:
    """The people who answer."""


@staff.command()
@click.argument("email")
@click.option("--name", required=True, help="First and last name.")
@click.option("--called", help="What a resident is told; the first name unless given.")
@click.option(
    "--role", "roles", multiple=True, default=("social_worker",), show_default=True,
    type=click.Choice([role.value for role in Role]), help="May be given several times.",
)  # fmt: skip
@click.option("--team", "teams", multiple=True, help="The slug of a team; may be given several times.")
@click.option("--language", "languages", multiple=True, default=(SOURCE_LANGUAGE,), show_default=True, help="Like en or es.")
@click.option("--phone/--no-phone", default=True, help="Ask for their telephone, to which alerts go.")
def add(
    email: str, *, name: str, called: str | None, roles: tuple[str, ...], teams: tuple[str, ...],
    languages: tuple[str, ...], phone: bool,
) -> None:  # fmt: skip
    """Add somebody. Their telephone is asked for, not typed as an argument: a shell remembers arguments."""
    if not _EMAIL.fullmatch(email) or not name.strip():
        raise Refused("An e-mail address like ana@city.example and a name are needed; nobody was added.")
    if wrong := [code for code in languages if not re.fullmatch(r"[a-z]{2,3}", code)]:
        raise Refused(f"{wrong[0]} is no language code. Write two letters, like en or es; nobody was added.")
    found = load_attached_settings()
    number = (
        click.prompt("Their telephone (Enter for none)", default="", hide_input=True, show_default=False) if phone else ""
    )
    now = SystemClock().now()
    try:
        with open_database(found) as opened, opened.transaction() as db:
            granted = [Role(role) for role in roles]
            row = rows.add(db, email, name, now, called=called, roles=granted, teams=teams, languages=languages)
            if number.strip():
                channel = Channel.SIMULATOR if found.is_demo else Channel.SMS
                sealer = Sealer(found.encryption_keys, found.secret_key)
                rows.set_phone(db, sealer, row, rows.parse_phone(number, channel))
            audits.record(db, None, "staff_added", now, detail=f"staff {row.id}, command line")
    except (rows.DuplicateStaff, rows.InvalidPhone, LookupError) as error:
        raise Refused(f"{error.args[0]} Nobody was added.") from error
    click.echo(f"{row.name} <{row.email}> is number {row.id}.")
    click.echo(f"The link by which they choose a password: warmline staff invite {row.email}")


@staff.command("list")
def list_command() -> None:
    """Who is here: number, e-mail, name, roles, teams, languages, and who has no telephone."""
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        members = [(row, sorted(rows.roles_of(row)), sorted(rows.teams_of(db, row.id))) for row in rows.list_active(db)]
    for row, roles, teams in members:
        reach = "" if row.sealed_phone else "  no telephone"
        click.echo(
            f"{row.id:>5}  {row.email:<30} {row.name:<24} {','.join(roles):<24} {','.join(teams):<20} "
            f"{','.join(row.languages)}{reach}"
        )
    click.echo(f"{len(members)} here.")


@staff.command()
@click.argument("email")
@click.confirmation_option(prompt="They can no longer sign in, and their telephone is forgotten. Go on?")
def leave(email: str) -> None:
    """Somebody no longer works here: no sign-in, no alerts. What they did stays theirs."""
    runtime = Runtime.start(load_attached_settings())
    try:
        with runtime.database.transaction() as db:
            row = _find_present(db, email)
            manage_staff.deactivate(db, runtime.context, None, row.id, runtime.clock.now())
    except InvalidForm as invalid:
        raise Refused(" ".join(invalid.problems.values())) from invalid
    finally:
        runtime.close()
    click.echo(f"{row.name} has left. Look at `warmline roster check`: their shifts hold no more.")


@staff.command()
@click.argument("email")
def invite(email: str) -> None:
    """Print the link by which EMAIL chooses a password. It works once, and whoever has it is in: hand it over safely."""
    found = load_attached_settings()
    with open_database(found) as opened, opened.transaction() as db:
        row = _find_present(db, email)
        purpose = LinkPurpose.FORGOTTEN if row.password else LinkPurpose.INVITATION
        link = make_link(found.public_url, found.secret_key, row, purpose)
        audits.record(db, None, "staff_invited", SystemClock().now(), detail=f"staff {row.id}, command line")
    click.echo(link)


@staff.command("forget-second-factor")
@click.argument("email")
@click.confirmation_option(prompt="Have you made sure by sight or voice that it is them?")
def forget_second_factor(email: str) -> None:
    """EMAIL has lost their authenticator and its recovery codes: a new one is set up at the next sign-in."""
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        row = _find_present(db, email)
        manage_staff.reset_second_factor(db, None, row.id, SystemClock().now())
    click.echo(f"The second factor of {row.name} is forgotten, and their sessions have ended.")


def _find_present(db: Session, email: str) -> Staff:
    row = rows.find_by_email(db, email)
    if row is None or row.left_at is not None:
        raise Refused("Nobody with that e-mail address works here; nothing was changed.")
    return row


@staff.command()
@click.argument("slug")
@click.option("--name", required=True, help="What pages call it.")
def team(slug: str, name: str) -> None:
    """Add a team. Flows and rosters name it by its slug, like housing."""
    if not _SLUG.fullmatch(slug) or slug == "anyone":
        raise Refused('A slug is small letters, digits and underlines, like night_team; "anyone" is every team.')
    now = SystemClock().now()
    with open_database(load_attached_settings()) as opened, opened.transaction() as db:
        if rows.find_team(db, slug) is not None:
            raise Refused(f"There is a team {slug} already.")
        row = rows.get_or_add_team(db, slug, name)
        audits.record(db, None, "team_added", now, detail=f"team {row.id}, command line")
    click.echo(f"The team {slug} is there.")


COMMANDS = (staff,)
