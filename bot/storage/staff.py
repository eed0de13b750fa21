"""The people who answer: their rows, roles, teams and telephones."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

import phonenumbers
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.domain import permissions
from bot.domain.message import Address, Channel
from bot.storage import staff_threads
from bot.storage.sealing import Sealer
from bot.storage.staff_tables import Membership, Role, Staff, Team

_REGION = "US"


class BadPhone(ValueError):
    """What was given is no telephone number. The text never holds it."""


class Taken(ValueError):
    """Somebody else on the staff has this e-mail address or telephone."""


def add(
    db: Session,
    email: str,
    name: str,
    now: datetime,
    *,
    called: str | None = None,
    roles: Iterable[permissions.Role] = (permissions.Role.SOCIAL_WORKER,),
    teams: Iterable[str] = (),
    languages: Iterable[str] = ("en",),
) -> Staff:
    """A new member without password or telephone. `called` is the first name unless given; `teams` are slugs.

    Raises Taken for a known e-mail address, LookupError for an unknown team.
    """
    email = email.strip().lower()
    if find_by_email(db, email) is not None:
        raise Taken("Somebody on the staff has this e-mail address already.")
    row = Staff(
        email=email,
        name=name.strip(),
        called=(called or name.split()[0]).strip(),
        languages=list(dict.fromkeys(languages)) or ["en"],
        skills=[],
        communities=[],
        created_at=now,
        fs_uniquifier=uuid.uuid4().hex,
    )
    db.add(row)
    db.flush()
    set_roles(db, row, roles)
    set_teams(db, row.id, teams)
    # What PostgreSQL filled in (capacity, active) is read back now, not by a surprise SELECT in a closed session.
    db.refresh(row)
    return row


def get(db: Session, staff_id: int) -> Staff | None:
    return db.get(Staff, staff_id)


def find_by_email(db: Session, email: str) -> Staff | None:
    """Also those who have left: an address is never given twice."""
    return db.scalar(select(Staff).where(Staff.email == email.strip().lower()))


def find_by_phone(db: Session, sealer: Sealer, number: str) -> Staff | None:
    """Who of the present staff texts or calls from this E.164 number."""
    return find_by_address(db, sealer, Address(Channel.SMS, number))


def find_by_address(db: Session, sealer: Sealer, address: Address) -> Staff | None:
    """Who of the present staff has this telephone; in a demo it is an address of the simulator."""
    return db.scalar(select(Staff).where(Staff.phone_lookup == sealer.index(address), Staff.left_at.is_(None)))


def telephone(typed: str, channel: Channel = Channel.SMS) -> Address:
    """A telephone as somebody typed it, in E.164; ten digits are American. Raises BadPhone, without the number.

    `channel`: SIMULATOR in a demo, where nothing is sent to real telephones.
    """
    try:
        number = phonenumbers.parse(typed, _REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise BadPhone("This is no telephone number. Write it like 314-555-0142 or +13145550142.")
    return Address(channel, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def set_phone(db: Session, sealer: Sealer, staff: Staff, number: str | Address | None) -> Address | None:
    """Where this member is alerted: as typed, or an address (a demo's simulator); None or empty takes it away. The telephone
    that they had leads to nobody any more.

    Raises BadPhone, and Taken: an answer from a telephone must tell who answered.
    """
    if not number:
        staff_threads.move_phone(db, sealer, staff.id, None)
        staff.sealed_phone = staff.phone_lookup = None
        db.flush()
        return None
    address = number if isinstance(number, Address) else telephone(number)
    lookup = sealer.index(address)
    if db.scalar(select(Staff.id).where(Staff.phone_lookup == lookup, Staff.id != staff.id)) is not None:
        raise Taken("Somebody else on the staff has this telephone number. Each needs one of their own.")
    if staff.phone_lookup != lookup:
        # Before the row itself is locked: a claim locks the person first, and looks at this row after it.
        staff_threads.move_phone(db, sealer, staff.id, address)
    staff.sealed_phone, staff.phone_lookup = sealer.seal_address(address), lookup
    db.flush()
    return address


def phone(sealer: Sealer, staff: Staff) -> Address | None:
    """Where this member's alerts go by text or voice; None where nobody has told."""
    return sealer.open_address(staff.sealed_phone) if staff.sealed_phone else None


def roles(staff: Staff) -> frozenset[permissions.Role]:
    return frozenset(permissions.Role(role.name) for role in staff.roles)


def set_roles(db: Session, staff: Staff, names: Iterable[permissions.Role]) -> None:
    wanted = {name.value for name in names}
    staff.roles = list(db.scalars(select(Role).where(Role.name.in_(wanted)).order_by(Role.id)))
    db.flush()


def teams(db: Session) -> Sequence[Team]:
    """All teams by name."""
    return db.scalars(select(Team).order_by(Team.name, Team.id)).all()


def find_team(db: Session, slug: str) -> Team | None:
    return db.scalar(select(Team).where(Team.slug == slug))


def add_team(db: Session, slug: str, name: str) -> Team:
    """The team with this slug; it is made where there is none."""
    found = find_team(db, slug)
    if found is None:
        found = Team(slug=slug, name=name)
        db.add(found)
        db.flush()
    return found


def teams_of(db: Session, staff_id: int) -> frozenset[str]:
    """The slugs of this member's teams."""
    query = select(Team.slug).join(Membership, Membership.team_id == Team.id).where(Membership.staff_id == staff_id)
    return frozenset(db.scalars(query))


def set_teams(db: Session, staff_id: int, slugs: Iterable[str]) -> None:
    """This member belongs to these teams and no other. Raises LookupError for an unknown one."""
    ids = {team.slug: team.id for team in teams(db)}
    wanted = set(slugs)
    if unknown := sorted(wanted - ids.keys()):
        known = ", ".join(sorted(ids)) or "there are none yet"
        raise LookupError(f"There is no team {', '.join(unknown)}. The teams are: {known}.")
    db.execute(delete(Membership).where(Membership.staff_id == staff_id))
    db.add_all(Membership(team_id=ids[slug], staff_id=staff_id) for slug in sorted(wanted))
    db.flush()


def of_team(db: Session, slug: str, *, also_left: bool = False) -> Sequence[Staff]:
    """The present members of a team, by number; those who have left on demand."""
    query = select(Staff).join(Membership, Membership.staff_id == Staff.id).join(Team, Team.id == Membership.team_id)
    present = () if also_left else _PRESENT
    return db.scalars(query.where(Team.slug == slug, *present).order_by(Staff.id)).all()


def with_role(db: Session, role: permissions.Role) -> Sequence[Staff]:
    """The present staff who hold a role, by number."""
    return [member for member in all_active(db) if role in roles(member)]


def all_active(db: Session) -> Sequence[Staff]:
    """Everybody present, by number."""
    return db.scalars(select(Staff).where(*_PRESENT).order_by(Staff.id)).all()


def is_anybody_here(db: Session) -> bool:
    """Whether there is any staff at all."""
    return db.scalar(select(Staff.id).where(*_PRESENT).limit(1)) is not None


def leave(db: Session, sealer: Sealer, staff: Staff, now: datetime) -> None:
    """They no longer work here: no sign-in, no alerts, and their telephone is forgotten; what they did stays theirs."""
    staff.left_at, staff.active = now, False
    set_phone(db, sealer, staff, None)
    # Every open session of theirs ends with it.
    staff.fs_uniquifier = uuid.uuid4().hex
    db.flush()


_PRESENT = (Staff.left_at.is_(None), Staff.active)
