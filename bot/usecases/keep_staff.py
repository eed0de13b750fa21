"""The staff and the teams are kept: added, changed, deactivated. What somebody holds never stays with one who has left."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from bot.domain.canned import slug_of
from bot.domain.flow import FlowFailed
from bot.domain.flow_yaml import FlowError
from bot.domain.message import Channel, Lane
from bot.domain.permissions import ANYONE, Permission, Role, allowed
from bot.domain.script import Handoff
from bot.domain.staff_form import LONGEST, Read, Typed, read
from bot.storage import audits, flows, handoffs, staff, staff_lists, staff_threads
from bot.storage.staff_tables import Staff
from bot.storage.staff_threads import Concerns
from bot.usecases import answering
from bot.usecases.desk import Desk
from bot.usecases.invite import GOOD_FOR, Purpose, make_link
from bot.usecases.library import StoredLibrary

_NO_ADMIN = "Nobody else is an admin. Make somebody else one first, or nobody could add staff any more."


@dataclass(frozen=True, slots=True)
class Invitation:
    """`link` is "" where it went by e-mail; `wake` are rows to be woken, none where no mail can be sent to them."""

    link: str
    good_for: timedelta
    wake: tuple[int, ...] = ()


class NotThere(Exception):
    """There is no such member of staff, or they have left; or no such team."""


class Unfit(Exception):
    """It cannot be done, and nothing is changed. `problems`: a sentence for each field ("" for the whole)."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("a change of the staff was refused")
        self.problems = problems


def add(db: Session, desk: Desk, by: int, typed: Typed, now: datetime) -> int:
    """Add a member of staff; returns their number. They cannot sign in before they are invited. Raises Unfit."""
    given = _read(db, typed, 0)
    row = staff.add(
        db, given.email, given.name, now,
        called=given.called, roles=given.roles, teams=given.teams, languages=given.languages,
    )  # fmt: skip
    _set_plain(row, typed, given)
    _set_phone(db, desk, row, typed)
    db.flush()
    audits.record(db, by, "staff_added", now, detail=f"staff {row.id}")
    return row.id


def change(db: Session, desk: Desk, by: int, staff_id: int, typed: Typed, now: datetime) -> tuple[int, ...]:
    """Change a member of staff; returns rows to be woken. The audit gets the names of the changed fields only.

    Who may no longer answer gives back what they hold. Raises Unfit; NotThere.
    """
    row = _present(db, staff_id)
    given = _read(db, typed, staff_id)
    before = _fields(db, row)
    if Role.ADMIN in staff.roles(row) and Role.ADMIN not in given.roles and not staff_lists.other_admins(db, staff_id):
        raise Unfit({"roles": _NO_ADMIN})
    stays = allowed(given.roles, Permission.ANSWER)
    wake = () if stays else _give_back(db, desk, row, now)
    row.email, row.name, row.called = given.email, given.name, given.called
    row.languages = given.languages
    _set_plain(row, typed, given)
    _set_phone(db, desk, row, typed)
    staff.set_roles(db, row, given.roles)
    staff.set_teams(db, staff_id, given.teams)
    after = _fields(db, row)
    if changed := sorted(name for name in after if after[name] != before[name]):
        audits.record(db, by, "staff_changed", now, detail=f"staff {staff_id}: {', '.join(changed)}")
    return wake


def deactivate(db: Session, desk: Desk, by: int | None, staff_id: int, now: datetime) -> tuple[int, ...]:
    """They no longer work here: what they hold goes back to the ladder, their sessions end. Returns rows to be woken.

    Raises Unfit (oneself, the last admin); NotThere.
    """
    row = _present(db, staff_id)
    if staff_id == by:
        raise Unfit({"": "You cannot deactivate your own account. Ask another admin."})
    if Role.ADMIN in staff.roles(row) and not staff_lists.other_admins(db, staff_id):
        raise Unfit({"": _NO_ADMIN})
    wake = _give_back(db, desk, row, now)
    staff.leave(db, desk.sealer, row, now)
    audits.record(db, by, "staff_left", now, detail=f"staff {staff_id}")
    return wake


def invite(
    db: Session, desk: Desk, by: int, staff_id: int, public_url: str, secret_key: str, now: datetime, *, by_mail: bool
) -> Invitation:
    """Make the link by which they choose a password: to be shown once, or sent to them by e-mail.

    It is kept nowhere but in the mail. Raises NotThere.
    """
    row = _present(db, staff_id)
    purpose = Purpose.FORGOTTEN if row.password else Purpose.INVITATION
    link, good_for = make_link(public_url, secret_key, row, purpose), GOOD_FOR[purpose]
    audits.record(db, by, "staff_invited", now, detail=f"staff {staff_id} {'by e-mail' if by_mail else 'link shown'}")
    if not by_mail:
        return Invitation(link, good_for)
    key = "password_reset" if row.password else "invitation"
    body = desk.staff_words.say(key, name=row.called, link=link, wait=_hours(good_for))
    row_id = staff_threads.write(db, desk.sealer, row, Channel.EMAIL, "", body, Lane.REPLY, now, Concerns(key))
    return Invitation("", good_for, () if row_id is None else (row_id,))


def forget_second_factor(db: Session, by: int | None, staff_id: int, now: datetime) -> None:
    """Their authenticator and its recovery codes are lost: both are forgotten, every session of theirs ends, and a new one
    is set up at the next sign-in. Whoever asks for this must be known by sight or voice. Raises NotThere."""
    row = _present(db, staff_id)
    row.tf_primary_method = row.tf_totp_secret = row.mf_recovery_codes = None
    row.fs_uniquifier = uuid.uuid4().hex
    audits.record(db, by, "second_factor_reset", now, detail=f"staff {staff_id}")


def bring_back(db: Session, by: int, staff_id: int, now: datetime) -> None:
    """They work here again, with their roles and teams; the telephone was forgotten. Raises NotThere."""
    row = staff.get(db, staff_id)
    if row is None:
        raise NotThere(f"There is no member of staff {staff_id}.")
    row.left_at, row.active = None, True
    audits.record(db, by, "staff_returned", now, detail=f"staff {staff_id}")


def add_team(db: Session, by: int, name: str, now: datetime) -> str:
    """Add a team; returns its slug, by which flows name it. Raises Unfit."""
    _refuse_name(name)
    slug = slug_of(name)
    if slug == ANYONE or staff.find_team(db, slug) is not None:
        raise Unfit({"name": f"There is a team \u201c{slug}\u201d already. Choose another name."})
    staff.add_team(db, slug, name)
    audits.record(db, by, "team_added", now, detail=slug)
    return slug


def rename_team(db: Session, by: int, slug: str, name: str, now: datetime) -> None:
    """Give a team another name; the slug stays, since flows name it. Raises Unfit, NotThere."""
    team = staff.find_team(db, slug)
    if team is None:
        raise NotThere("There is no such team.")
    _refuse_name(name)
    if team.name != name:
        team.name = name
        audits.record(db, by, "team_changed", now, detail=slug)


def set_second_look(db: Session, by: int, slug: str, wanted: bool, now: datetime) -> None:
    """Whether a second person looks before a flow that hands people to this team is published. Raises NotThere."""
    team = staff.find_team(db, slug)
    if team is None:
        raise NotThere("There is no such team.")
    if team.second_look != wanted:
        team.second_look = wanted
        audits.record(db, by, "team_changed", now, detail=f"{slug}, second look {'on' if wanted else 'off'}")


def flows_by_team(db: Session, desk: Desk) -> dict[str, list[str]]:
    """Which published flows name which team, by the team's slug. A flow that cannot be read any more is left out: it
    calls nobody either."""
    library, found = StoredLibrary(db, desk.cache), dict[str, list[str]]()
    for version in flows.all_published(db):
        try:
            script = library.flow(version).script
        except (FlowFailed, FlowError):
            continue
        for team in sorted({step.handoff.team for step in script.steps.values() if isinstance(step, Handoff)}):
            found.setdefault(team, []).append(script.title)
    return found


def _hours(time: timedelta) -> str:
    hours = int(time / timedelta(hours=1))
    return "1 hour" if hours == 1 else f"{hours} hours"


def _present(db: Session, staff_id: int) -> Staff:
    row = staff.get(db, staff_id)
    if row is None or row.left_at is not None:
        raise NotThere(f"There is no member of staff {staff_id}, or they have left.")
    return row


def _read(db: Session, typed: Typed, staff_id: int) -> Read:
    given, problems = read(typed, _slugs(db))
    known = staff.find_by_email(db, given.email)
    if known is not None and known.id != staff_id:
        left = " They have left; bring their account back instead." if known.left_at else ""
        problems["email"] = f"{known.name} has this e-mail address.{left}"
    if typed.phone and not typed.forget_phone:
        try:
            staff.telephone(typed.phone)
        except staff.BadPhone as error:
            problems["phone"] = str(error)
    if problems:
        raise Unfit(problems)
    return given


def _slugs(db: Session) -> Collection[str]:
    return [team.slug for team in staff.teams(db)]


def _set_plain(row: Staff, typed: Typed, given: Read) -> None:
    row.tells_name, row.capacity = typed.tells_name, given.capacity
    row.skills, row.communities = list(typed.skills), given.communities


def _set_phone(db: Session, desk: Desk, row: Staff, typed: Typed) -> None:
    if not typed.phone and not typed.forget_phone:
        return
    try:
        staff.set_phone(db, desk.sealer, row, None if typed.forget_phone else typed.phone)
    except staff.Taken as error:
        raise Unfit({"phone": str(error)}) from None


def _fields(db: Session, row: Staff) -> dict[str, object]:
    """What an admin can change, as it is now."""
    return {
        "name": row.name,
        "called": row.called,
        "email": row.email,
        "tells_name": row.tells_name,
        "languages": tuple(row.languages),
        "skills": tuple(row.skills),
        "communities": tuple(row.communities),
        "capacity": row.capacity,
        "phone": row.phone_lookup,
        "roles": staff.roles(row),
        "teams": staff.teams_of(db, row.id),
    }


def _give_back(db: Session, desk: Desk, row: Staff, now: datetime) -> tuple[int, ...]:
    """All that they hold, or are asked for, is somebody else's to answer."""
    if not allowed(staff.roles(row), Permission.ANSWER):
        return ()
    acts: list[tuple[int, Callable[[int], answering.Done]]] = [
        *((number, partial(_decline, db, desk, row, now)) for number in staff_lists.offered_to(db, row.id)),
        *((number, partial(_release, db, desk, row, now)) for number in staff_lists.held_by(db, row.id)),
    ]
    wake = _try_each(acts)
    # Only now: what was declined and released is not a call to them any more.
    called = dict.fromkeys(call_out.handoff_id for call_out in handoffs.open_call_outs(db, row.id))
    return (*wake, *_try_each([(number, partial(_pass_on, db, desk, row, now)) for number in called]))


def _try_each(acts: Iterable[tuple[int, Callable[[int], answering.Done]]]) -> list[int]:
    """Those that somebody has closed or taken meanwhile are no longer theirs to give back."""
    wake: list[int] = []
    for number, act in acts:
        with suppress(answering.Refused):
            wake += act(number).wake
    return wake


def _decline(db: Session, desk: Desk, row: Staff, now: datetime, number: int) -> answering.Done:
    return answering.answer_offer(db, desk, number, row.id, False, now)


def _release(db: Session, desk: Desk, row: Staff, now: datetime, number: int) -> answering.Done:
    return answering.release(db, desk, number, row.id, now)


def _pass_on(db: Session, desk: Desk, row: Staff, now: datetime, number: int) -> answering.Done:
    return answering.pass_on(db, desk, number, row.id, now)


def _refuse_name(name: str) -> None:
    if not slug_of(name):
        raise Unfit({"name": "Write the team's name."})
    if len(name) > LONGEST:
        raise Unfit({"name": f"This has {len(name)} characters. {LONGEST} is the most."})
