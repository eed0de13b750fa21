"""Manage staff and teams: add, change, deactivate. Handoffs of a member who leaves are released."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from bot.domain.flows.language.flow import FlowFailed
from bot.domain.flows.language.script import Handoff
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.handoff.ready_replies import slug_of
from bot.domain.messages.message import Channel, OutboxLane
from bot.domain.refused import InvalidForm, Refused
from bot.domain.staff.form import MAX_LENGTH, StaffForm, StaffFormValues, read
from bot.domain.staff.permissions import ANYONE, Permission, Role, is_allowed
from bot.storage.flows import flows
from bot.storage.handoff import handoffs
from bot.storage.staff import audits, lists, staff, staff_threads
from bot.storage.staff.staff_threads import StaffMessageSubject
from bot.storage.tables.staff import Staff
from bot.usecases.context import Context
from bot.usecases.flows.library import PublishedLibrary
from bot.usecases.handoff import claiming, common, ending
from bot.usecases.staff.invite import LINK_LIFETIME, LinkPurpose, make_link

_LAST_ADMIN_TEXT = "Nobody else is an admin. Make somebody else one first, or nobody could add staff any more."


@dataclass(frozen=True, slots=True)
class Invitation:
    """`link` is "" where it goes by e-mail; `wake` are ids of outbox rows, empty where no e-mail can be sent."""

    link: str
    good_for: timedelta
    wake: tuple[int, ...] = ()


class StaffNotFound(Exception):
    """There is no such member of staff, or they have left; or no such team."""


def add(db: Session, context: Context, by: int, typed: StaffForm, now: datetime) -> int:
    """Add a member of staff; returns their id. They cannot sign in before they are invited. Raises InvalidForm."""
    given = _read_form(db, typed, 0)
    row = staff.add(
        db, given.email, given.name, now,
        called=given.called, roles=given.roles, teams=given.teams, languages=given.languages,
    )  # fmt: skip
    _set_simple_fields(row, typed, given)
    _set_phone(db, context, row, typed)
    db.flush()
    audits.record(db, by, "staff_added", now, detail=f"staff {row.id}")
    return row.id


def change(db: Session, context: Context, by: int, staff_id: int, typed: StaffForm, now: datetime) -> tuple[int, ...]:
    """Change a member of staff; returns ids of outbox rows to send. The audit holds only the names of changed fields.

    If they may no longer answer, their handoffs are released. Raises InvalidForm; StaffNotFound.
    """
    row = _require_current(db, staff_id)
    given = _read_form(db, typed, staff_id)
    before = _editable_fields(db, row)
    if Role.ADMIN in staff.roles_of(row) and Role.ADMIN not in given.roles and not lists.count_other_admins(db, staff_id):
        raise InvalidForm({"roles": _LAST_ADMIN_TEXT})
    stays = is_allowed(given.roles, Permission.ANSWER)
    wake = () if stays else _release_all(db, context, row, now)
    row.email, row.name, row.called = given.email, given.name, given.called
    row.languages = given.languages
    _set_simple_fields(row, typed, given)
    _set_phone(db, context, row, typed)
    staff.set_roles(db, row, given.roles)
    staff.set_teams(db, staff_id, given.teams)
    after = _editable_fields(db, row)
    if changed := sorted(name for name in after if after[name] != before[name]):
        audits.record(db, by, "staff_changed", now, detail=f"staff {staff_id}: {', '.join(changed)}")
    return wake


def deactivate(db: Session, context: Context, by: int | None, staff_id: int, now: datetime) -> tuple[int, ...]:
    """They no longer work here: their handoffs are released, their sessions end. Returns ids of outbox rows to send.

    Raises InvalidForm (own account, the last admin); StaffNotFound.
    """
    row = _require_current(db, staff_id)
    if staff_id == by:
        raise InvalidForm({"": "You cannot deactivate your own account. Ask another admin."})
    if Role.ADMIN in staff.roles_of(row) and not lists.count_other_admins(db, staff_id):
        raise InvalidForm({"": _LAST_ADMIN_TEXT})
    wake = _release_all(db, context, row, now)
    staff.mark_left(db, context.sealer, row, now)
    audits.record(db, by, "staff_left", now, detail=f"staff {staff_id}")
    return wake


def invite(
    db: Session, context: Context, by: int, staff_id: int, public_url: str, secret_key: str, now: datetime, *, by_mail: bool
) -> Invitation:
    """Make the link for choosing a password, to be shown once or sent by e-mail.

    It is stored nowhere but in the e-mail. Raises StaffNotFound.
    """
    row = _require_current(db, staff_id)
    purpose = LinkPurpose.FORGOTTEN if row.password else LinkPurpose.INVITATION
    link, good_for = make_link(public_url, secret_key, row, purpose), LINK_LIFETIME[purpose]
    audits.record(db, by, "staff_invited", now, detail=f"staff {staff_id} {'by e-mail' if by_mail else 'link shown'}")
    if not by_mail:
        return Invitation(link, good_for)
    key = "password_reset" if row.password else "invitation"
    body = context.staff_texts.text(key, name=row.called, link=link, wait=_format_hours(good_for))
    row_id = staff_threads.enqueue(
        db, context.sealer, row, Channel.EMAIL, "", body, OutboxLane.REPLY, now, StaffMessageSubject(key)
    )
    return Invitation("", good_for, () if row_id is None else (row_id,))


def reset_second_factor(db: Session, by: int | None, staff_id: int, now: datetime) -> None:
    """Remove a lost authenticator and its recovery codes, and end all sessions; a new one is set up at the next sign-in.

    The admin must recognise by sight or voice the member who asks for this. Raises StaffNotFound.
    """
    row = _require_current(db, staff_id)
    row.tf_primary_method = row.tf_totp_secret = row.mf_recovery_codes = None
    row.fs_uniquifier = uuid.uuid4().hex
    audits.record(db, by, "second_factor_reset", now, detail=f"staff {staff_id}")


def reactivate(db: Session, by: int, staff_id: int, now: datetime) -> None:
    """They work here again, with their former roles and teams but no telephone. Raises StaffNotFound."""
    row = staff.get(db, staff_id)
    if row is None:
        raise StaffNotFound(f"There is no member of staff {staff_id}.")
    row.left_at, row.active = None, True
    audits.record(db, by, "staff_returned", now, detail=f"staff {staff_id}")


def add_team(db: Session, by: int, name: str, now: datetime) -> str:
    """Add a team; returns its slug, which flows refer to. Raises InvalidForm."""
    _check_team_name(name)
    slug = slug_of(name)
    if slug == ANYONE or staff.find_team(db, slug) is not None:
        raise InvalidForm({"name": f"There is a team \u201c{slug}\u201d already. Choose another name."})
    staff.get_or_add_team(db, slug, name)
    audits.record(db, by, "team_added", now, detail=slug)
    return slug


def rename_team(db: Session, by: int, slug: str, name: str, now: datetime) -> None:
    """Rename a team; the slug stays, since flows refer to it. Raises InvalidForm, StaffNotFound."""
    team = staff.find_team(db, slug)
    if team is None:
        raise StaffNotFound("There is no such team.")
    _check_team_name(name)
    if team.name != name:
        team.name = name
        audits.record(db, by, "team_changed", now, detail=slug)


def set_second_review(db: Session, by: int, slug: str, wanted: bool, now: datetime) -> None:
    """Set whether a flow with handoffs to this team needs a second reviewer to be published. Raises StaffNotFound."""
    team = staff.find_team(db, slug)
    if team is None:
        raise StaffNotFound("There is no such team.")
    if team.second_look != wanted:
        team.second_look = wanted
        audits.record(db, by, "team_changed", now, detail=f"{slug}, second look {'on' if wanted else 'off'}")


def flows_by_team(db: Session, context: Context) -> dict[str, list[str]]:
    """Titles of the published flows with handoffs to a team, by the team's slug. Unreadable flows are left out: they
    cannot run either."""
    library, found = PublishedLibrary(db, context.flow_cache), dict[str, list[str]]()
    for version in flows.current_version_ids(db):
        try:
            script = library.flow(version).script
        except (FlowFailed, FlowError):
            continue
        for team in sorted({step.handoff.team for step in script.steps.values() if isinstance(step, Handoff)}):
            found.setdefault(team, []).append(script.title)
    return found


def _format_hours(time: timedelta) -> str:
    hours = int(time / timedelta(hours=1))
    return "1 hour" if hours == 1 else f"{hours} hours"


def _require_current(db: Session, staff_id: int) -> Staff:
    row = staff.get(db, staff_id)
    if row is None or row.left_at is not None:
        raise StaffNotFound(f"There is no member of staff {staff_id}, or they have left.")
    return row


def _read_form(db: Session, typed: StaffForm, staff_id: int) -> StaffFormValues:
    given, problems = read(typed, _team_slugs(db))
    known = staff.find_by_email(db, given.email)
    if known is not None and known.id != staff_id:
        left = " They have left; bring their account back instead." if known.left_at else ""
        problems["email"] = f"{known.name} has this e-mail address.{left}"
    if typed.phone and not typed.forget_phone:
        try:
            staff.parse_phone(typed.phone)
        except staff.InvalidPhone as error:
            problems["phone"] = str(error)
    if problems:
        raise InvalidForm(problems)
    return given


def _team_slugs(db: Session) -> Collection[str]:
    return [team.slug for team in staff.list_teams(db)]


def _set_simple_fields(row: Staff, typed: StaffForm, given: StaffFormValues) -> None:
    row.tells_name, row.capacity = typed.tells_name, given.capacity
    row.skills, row.communities = list(typed.skills), given.communities


def _set_phone(db: Session, context: Context, row: Staff, typed: StaffForm) -> None:
    if not typed.phone and not typed.forget_phone:
        return
    try:
        staff.set_phone(db, context.sealer, row, None if typed.forget_phone else typed.phone)
    except staff.DuplicateStaff as error:
        raise InvalidForm({"phone": str(error)}) from None


def _editable_fields(db: Session, row: Staff) -> dict[str, object]:
    """The fields that an admin can change."""
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
        "roles": staff.roles_of(row),
        "teams": staff.teams_of(db, row.id),
    }


def _release_all(db: Session, context: Context, row: Staff, now: datetime) -> tuple[int, ...]:
    """Release their handoffs, and decline offers and alerts. Returns ids of outbox rows to send."""
    if not is_allowed(staff.roles_of(row), Permission.ANSWER):
        return ()
    acts: list[tuple[int, Callable[[int], common.HandoffResult]]] = [
        *((number, partial(_decline_offer, db, context, row, now)) for number in lists.list_offered_to(db, row.id)),
        *((number, partial(_release, db, context, row, now)) for number in lists.list_held_by(db, row.id)),
    ]
    wake = _try_each(acts)
    # Read only now: declining and releasing has ended some of their alerts.
    called = dict.fromkeys(call_out.handoff_id for call_out in handoffs.list_open_call_outs(db, row.id))
    return (*wake, *_try_each([(number, partial(_decline_alert, db, context, row, now)) for number in called]))


def _try_each(acts: Iterable[tuple[int, Callable[[int], common.HandoffResult]]]) -> list[int]:
    """Do each act, skipping handoffs that were closed or claimed meanwhile."""
    wake: list[int] = []
    for number, act in acts:
        with suppress(Refused):
            wake += act(number).outbox_ids
    return wake


def _decline_offer(db: Session, context: Context, row: Staff, now: datetime, number: int) -> common.HandoffResult:
    return claiming.answer_offer(db, context, number, row.id, False, now)


def _release(db: Session, context: Context, row: Staff, now: datetime, number: int) -> common.HandoffResult:
    return ending.release(db, context, number, row.id, now)


def _decline_alert(db: Session, context: Context, row: Staff, now: datetime, number: int) -> common.HandoffResult:
    return claiming.decline(db, context, number, row.id, now)


def _check_team_name(name: str) -> None:
    if not slug_of(name):
        raise InvalidForm({"name": "Write the team's name."})
    if len(name) > MAX_LENGTH:
        raise InvalidForm({"name": f"This has {len(name)} characters. {MAX_LENGTH} is the most."})
