"""Staff: their rows, roles, teams and telephones."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

import phonenumbers
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages.message import Address, Channel
from bot.domain.staff import permissions
from bot.storage.sealing import Sealer
from bot.storage.staff import staff_threads
from bot.storage.tables.staff import Membership, Role, Staff, Team

_DEFAULT_REGION = "US"


class InvalidPhone(ValueError):
    """The input is not a telephone number. The message never contains it."""


class DuplicateStaff(ValueError):
    """Another staff member has this e-mail address or telephone."""


def add(
    db: Session,
    email: str,
    name: str,
    now: datetime,
    *,
    called: str | None = None,
    roles: Iterable[permissions.Role] = (permissions.Role.SOCIAL_WORKER,),
    teams: Iterable[str] = (),
    languages: Iterable[str] = (SOURCE_LANGUAGE,),
) -> Staff:
    """Add a staff member without password or telephone. `called` defaults to the first name; `teams` are slugs.

    Raises DuplicateStaff for a known e-mail address, LookupError for an unknown team.
    """
    email = email.strip().lower()
    if find_by_email(db, email) is not None:
        raise DuplicateStaff("Somebody on the staff has this e-mail address already.")
    row = Staff(
        email=email,
        name=name.strip(),
        called=(called or name.split()[0]).strip(),
        languages=list(dict.fromkeys(languages)) or [SOURCE_LANGUAGE],
        skills=[],
        communities=[],
        created_at=now,
        fs_uniquifier=uuid.uuid4().hex,
    )
    db.add(row)
    db.flush()
    set_roles(db, row, roles)
    set_teams(db, row.id, teams)
    # Load the server defaults (capacity, active) now, not by a lazy SELECT in a closed session.
    db.refresh(row)
    return row


def get(db: Session, staff_id: int) -> Staff | None:
    return db.get(Staff, staff_id)


def find_by_email(db: Session, email: str) -> Staff | None:
    """The staff member with this e-mail address, even if they have left: an address is never reused."""
    return db.scalar(select(Staff).where(Staff.email == email.strip().lower()))


def find_by_phone(db: Session, sealer: Sealer, number: str) -> Staff | None:
    """The current staff member with this E.164 number, or None."""
    return find_by_address(db, sealer, Address(Channel.SMS, number))


def find_by_address(db: Session, sealer: Sealer, address: Address) -> Staff | None:
    """The current staff member with this telephone, or None; in a demo it is a simulator address."""
    return db.scalar(select(Staff).where(Staff.phone_lookup == sealer.blind_index(address), Staff.left_at.is_(None)))


def parse_phone(typed: str, channel: Channel = Channel.SMS) -> Address:
    """Parse a telephone number as typed into E.164; ten digits are a US number. Raises InvalidPhone, without the number.

    `channel`: SIMULATOR in a demo, where nothing is sent to real telephones.
    """
    try:
        number = phonenumbers.parse(typed, _DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidPhone("This is no telephone number. Write it like 314-555-0142 or +13145550142.")
    return Address(channel, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def set_phone(db: Session, sealer: Sealer, staff: Staff, number: str | Address | None) -> Address | None:
    """Set the staff member's telephone: a number as typed, or an address (a demo's simulator); None or "" removes it. The
    previous telephone is disconnected from all conversations.

    Raises InvalidPhone, and DuplicateStaff: an answer from a telephone must identify one staff member.
    """
    if not number:
        staff_threads.change_phone(db, sealer, staff.id, None)
        staff.sealed_phone = staff.phone_lookup = None
        db.flush()
        return None
    address = number if isinstance(number, Address) else parse_phone(number)
    lookup = sealer.blind_index(address)
    if db.scalar(select(Staff.id).where(Staff.phone_lookup == lookup, Staff.id != staff.id)) is not None:
        raise DuplicateStaff("Somebody else on the staff has this telephone number. Each needs one of their own.")
    if staff.phone_lookup != lookup:
        # Before the staff row is locked: a claim locks the conversation first, and then reads this row.
        staff_threads.change_phone(db, sealer, staff.id, address)
    staff.sealed_phone, staff.phone_lookup = sealer.seal_address(address), lookup
    db.flush()
    return address


def phone_of(sealer: Sealer, staff: Staff) -> Address | None:
    """The staff member's telephone for alerts by text or voice, or None."""
    return sealer.open_address(staff.sealed_phone) if staff.sealed_phone else None


def roles_of(staff: Staff) -> frozenset[permissions.Role]:
    return frozenset(permissions.Role(role.name) for role in staff.roles)


def set_roles(db: Session, staff: Staff, names: Iterable[permissions.Role]) -> None:
    wanted = {name.value for name in names}
    staff.roles = list(db.scalars(select(Role).where(Role.name.in_(wanted)).order_by(Role.id)))
    db.flush()


def list_teams(db: Session) -> Sequence[Team]:
    """All teams by name."""
    return db.scalars(select(Team).order_by(Team.name, Team.id)).all()


def find_team(db: Session, slug: str) -> Team | None:
    return db.scalar(select(Team).where(Team.slug == slug))


def get_or_add_team(db: Session, slug: str, name: str) -> Team:
    """The team with this slug, created if there is none."""
    found = find_team(db, slug)
    if found is None:
        found = Team(slug=slug, name=name)
        db.add(found)
        db.flush()
    return found


def teams_of(db: Session, staff_id: int) -> frozenset[str]:
    """The slugs of this staff member's teams."""
    query = select(Team.slug).join(Membership, Membership.team_id == Team.id).where(Membership.staff_id == staff_id)
    return frozenset(db.scalars(query))


def set_teams(db: Session, staff_id: int, slugs: Iterable[str]) -> None:
    """Replace the staff member's teams. Raises LookupError for an unknown one."""
    ids = {team.slug: team.id for team in list_teams(db)}
    wanted = set(slugs)
    if unknown := sorted(wanted - ids.keys()):
        known = ", ".join(sorted(ids)) or "there are none yet"
        raise LookupError(f"There is no team {', '.join(unknown)}. The teams are: {known}.")
    db.execute(delete(Membership).where(Membership.staff_id == staff_id))
    db.add_all(Membership(team_id=ids[slug], staff_id=staff_id) for slug in sorted(wanted))
    db.flush()


def list_members(db: Session, slug: str, *, include_left: bool = False) -> Sequence[Staff]:
    """The active members of a team, by id; with `include_left`, inactive ones too."""
    query = select(Staff).join(Membership, Membership.staff_id == Staff.id).join(Team, Team.id == Membership.team_id)
    present = () if include_left else _PRESENT
    return db.scalars(query.where(Team.slug == slug, *present).order_by(Staff.id)).all()


def list_with_role(db: Session, role: permissions.Role) -> Sequence[Staff]:
    """The active staff with this role, by id."""
    return [member for member in list_active(db) if role in roles_of(member)]


def list_active(db: Session) -> Sequence[Staff]:
    """All active staff, by id."""
    return db.scalars(select(Staff).where(*_PRESENT).order_by(Staff.id)).all()


def is_empty(db: Session) -> bool:
    """Whether there is no staff member, present or former."""
    return db.scalar(select(Staff.id).limit(1)) is None


def has_active_staff(db: Session) -> bool:
    """Whether there is any active staff member."""
    return db.scalar(select(Staff.id).where(*_PRESENT).limit(1)) is not None


def mark_left(db: Session, sealer: Sealer, staff: Staff, now: datetime) -> None:
    """Deactivate a staff member who leaves: no sign-in, no alerts, telephone deleted; their past work keeps their name."""
    staff.left_at, staff.active = now, False
    set_phone(db, sealer, staff, None)
    # Ends all of their open sessions.
    staff.fs_uniquifier = uuid.uuid4().hex
    db.flush()


_PRESENT = (Staff.left_at.is_(None), Staff.active)
