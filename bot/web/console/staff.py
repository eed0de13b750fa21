"""Staff and teams: who works here, what each may do, and the forms by which admins edit both."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.messages.message import OutboxLane
from bot.domain.refused import InvalidForm
from bot.domain.staff.form import MAX_CAPACITY, StaffForm, language_names
from bot.domain.staff.permissions import Permission, Role, is_allowed
from bot.usecases.handoff.escalation import SKILL_BY_DANGER
from bot.usecases.staff import manage_staff, read_staff
from bot.usecases.staff.manage_staff import StaffNotFound
from bot.usecases.staff.read_staff import StaffListRow
from bot.web import forms, layout
from bot.web.access import current_user, require_permission
from bot.web.console import moments, wording
from bot.web.forms import current_runtime

staff = Blueprint("staff", __name__, url_prefix="/console")

_MEMBER_PATH = "/staff/<int(max=9223372036854775807):staff_id>"
_NO_SUCH_MEMBER = "There is nobody of that number on the staff, or they have left meanwhile."


@staff.get("/staff")
@require_permission(Permission.SEE_STAFF)
def everybody() -> ResponseReturnValue:
    """The present and the former staff."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        listed = read_staff.list_staff(db, runtime.context.sealer)
        names = {team.slug: team.name for team in read_staff.list_teams(db)}
    zone, now = runtime.settings.timezone, runtime.clock.now()
    return render_template(
        "console/staff.html",
        here="staff",
        present=[one for one in listed if one.left_at is None],
        left=[one for one in listed if one.left_at is not None],
        team_names=names,
        roles=moments.ROLES,
        languages=language_names,
        skill=wording.plain,
        no_words={},
        is_locked=lambda one: one.locked_until is not None and one.locked_until > now,
        answers=lambda one: is_allowed([Role(role) for role in one.roles], Permission.ANSWER),
        moment=lambda at: moments.moment(at, zone),
        may_edit=current_user().may(Permission.EDIT_STAFF),
    )


@staff.route("/staff/new", methods=["GET", "POST"])
@require_permission(Permission.EDIT_STAFF)
def new() -> ResponseReturnValue:
    """The form for a new staff member."""
    if request.method == "GET":
        return _form_page(None, StaffForm(languages="English", roles=(Role.SOCIAL_WORKER.value,)), {})
    typed, runtime = _read_form(), current_runtime()
    try:
        with runtime.database.transaction() as db:
            number = manage_staff.add(db, runtime.context, current_user().id, typed, runtime.clock.now())
    except InvalidForm as invalid:
        return _form_page(None, typed, invalid.problems)
    flash(f"{typed.name} was added. Now send them the link by which they choose a password.", "good")
    return redirect(url_for("staff.edit", staff_id=number), 303)


@staff.route(_MEMBER_PATH, methods=["GET", "POST"])
@require_permission(Permission.EDIT_STAFF)
def edit(staff_id: int) -> ResponseReturnValue:
    """The form of one staff member."""
    stored = _load_member(staff_id)
    if stored is None or stored.left_at is not None:
        return _redirect_gone()
    if request.method == "GET":
        return _form_page(stored, _form_values(stored), {})
    typed = _read_form()
    try:
        _run(
            lambda db: manage_staff.change(
                db, current_runtime().context, current_user().id, staff_id, typed, current_runtime().clock.now()
            )
        )
    except InvalidForm as invalid:
        return _form_page(stored, typed, invalid.problems)
    except StaffNotFound:
        return _redirect_gone()
    flash(f"{typed.name} was saved.", "good")
    return redirect(url_for("staff.everybody", _anchor=f"staff-{staff_id}"), 303)


@staff.post(f"{_MEMBER_PATH}/invite")
@require_permission(Permission.EDIT_STAFF)
def invite(staff_id: int) -> ResponseReturnValue:
    """Make a link for choosing a password; it is shown in this response only, or sent by e-mail."""
    runtime = current_runtime()
    settings, now = runtime.settings, runtime.clock.now()
    by_mail = forms.field("how") == "mail" and _can_mail()
    try:
        with runtime.database.transaction() as db:
            made = manage_staff.invite(
                db,
                runtime.context,
                current_user().id,
                staff_id,
                settings.public_url,
                settings.secret_key,
                now,
                by_mail=by_mail,
            )
    except StaffNotFound:
        return _redirect_gone()
    stored = _load_member(staff_id)
    if stored is None:
        return _redirect_gone()
    if not by_mail:
        return _form_page(stored, _form_values(stored), {}, link=made.link, good_for=wording.span(made.good_for))
    _wake(made.wake)
    if made.wake:
        flash(f"The link is on its way to {stored.email}.", "good")
    else:
        flash(f"No e-mail can be sent to {stored.email}. Make a link and hand it over.", "danger")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.post(f"{_MEMBER_PATH}/deactivate")
@require_permission(Permission.EDIT_STAFF)
def deactivate(staff_id: int) -> ResponseReturnValue:
    """Deactivate the account of a staff member who has left."""
    stored = _load_member(staff_id)
    if stored is None:
        return _redirect_gone()
    try:
        _run(
            lambda db: manage_staff.deactivate(
                db, current_runtime().context, current_user().id, staff_id, current_runtime().clock.now()
            )
        )
    except InvalidForm as invalid:
        return _form_page(stored, _form_values(stored), invalid.problems)
    except StaffNotFound:
        return _redirect_gone()
    flash(f"{stored.name} was deactivated. What they held was given back, and others are being called.", "good")
    return redirect(url_for("staff.everybody"), 303)


@staff.post(f"{_MEMBER_PATH}/second-factor")
@require_permission(Permission.EDIT_STAFF)
def forget_second_factor(staff_id: int) -> ResponseReturnValue:
    """Remove the second factor of a staff member who has lost their authenticator and the recovery codes."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            manage_staff.reset_second_factor(db, current_user().id, staff_id, runtime.clock.now())
    except StaffNotFound:
        return _redirect_gone()
    flash("Their second factor was forgotten and their sessions ended. They set up a new one when they sign in.", "good")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.post(f"{_MEMBER_PATH}/return")
@require_permission(Permission.EDIT_STAFF)
def bring_back(staff_id: int) -> ResponseReturnValue:
    """Reactivate the account of a staff member who works here again."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            manage_staff.reactivate(db, current_user().id, staff_id, runtime.clock.now())
    except StaffNotFound:
        return _redirect_gone()
    flash("The account is open again. Look at the roles and teams, and add the telephone, which was forgotten.", "good")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.get("/teams")
@require_permission(Permission.SEE_STAFF)
def teams() -> ResponseReturnValue:
    """The teams, their members, and the flows that name them."""
    return _teams_page({})


@staff.post("/teams")
@require_permission(Permission.EDIT_STAFF)
def add_team() -> ResponseReturnValue:
    """Add a team."""
    runtime, name = current_runtime(), forms.clean_text("name")
    try:
        with runtime.database.transaction() as db:
            slug = manage_staff.add_team(db, current_user().id, name, runtime.clock.now())
    except InvalidForm as invalid:
        return _teams_page(invalid.problems, name)
    flash(f"The team {name} was added. Flows name it \u201c{slug}\u201d.", "good")
    return redirect(url_for("staff.teams"), 303)


@staff.post("/teams/<slug>")
@require_permission(Permission.EDIT_STAFF)
def rename_team(slug: str) -> ResponseReturnValue:
    """Rename a team; its slug stays."""
    runtime, name = current_runtime(), forms.clean_text("name")
    try:
        with runtime.database.transaction() as db:
            manage_staff.rename_team(db, current_user().id, slug, name, runtime.clock.now())
    except InvalidForm as invalid:
        return _teams_page(invalid.problems, name, slug)
    except StaffNotFound:
        return layout.refusal_page("This team is not here", "There is no such team any more.", 404)
    flash(f"The team is called {name} now. Flows go on naming it \u201c{slug}\u201d.", "good")
    return redirect(url_for("staff.teams"), 303)


@staff.post("/teams/<slug>/second-look")
@require_permission(Permission.EDIT_STAFF)
def second_look(slug: str) -> ResponseReturnValue:
    """Set whether a second person must approve before flows for this team are published."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            manage_staff.set_second_review(
                db, current_user().id, slug, forms.field("second_look") == "1", runtime.clock.now()
            )
    except StaffNotFound:
        return layout.refusal_page("This team is not here", "There is no such team any more.", 404)
    flash("Saved.", "good")
    return redirect(url_for("staff.teams"), 303)


def _teams_page(problems: dict[str, str], typed: str = "", renamed: str = "") -> Response:
    """The teams page; `renamed` is the slug of the team whose new name was refused."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        found = read_staff.list_teams(db)
        named = manage_staff.flows_by_team(db, runtime.context)
    known = {team.slug for team in found}
    shown = render_template(
        "console/staff_teams.html",
        here="staff",
        teams=found,
        flows=named,
        unknown={slug: titles for slug, titles in named.items() if slug not in known and slug != "anyone"},
        problems=problems,
        typed=typed,
        renamed=renamed,
        may_edit=current_user().may(Permission.EDIT_STAFF),
        names=wording.names,
    )
    return make_response(shown, 422 if problems else 200)


def _form_page(stored: StaffListRow | None, typed: StaffForm, problems: dict[str, str], **values: Any) -> Response:
    with current_runtime().database.transaction() as db:
        all_teams = read_staff.list_teams(db)
    known_skills = sorted({*SKILL_BY_DANGER.values(), *typed.skills})
    shown = render_template(
        "console/staff_form.html",
        here="staff",
        stored=stored,
        typed=typed,
        problems=problems,
        teams=all_teams,
        roles=moments.ROLES,
        role_hints=moments.ROLE_HINTS,
        skills={skill: wording.plain(skill, {}) for skill in known_skills},
        most=MAX_CAPACITY,
        can_mail=_can_mail(),
        is_me=stored is not None and stored.id == current_user().id,
        **values,
    )
    return make_response(shown, 422 if problems else 200)


def _read_form() -> StaffForm:
    return StaffForm(
        name=forms.clean_text("name"),
        called=forms.clean_text("called"),
        email=forms.clean_text("email"),
        tells_name=bool(forms.field("tells_name")),
        languages=forms.clean_text("languages"),
        skills=tuple(request.form.getlist("skills")),
        communities=forms.clean_text("communities"),
        capacity=forms.clean_text("capacity"),
        phone=forms.clean_text("phone"),
        forget_phone=bool(forms.field("forget_phone")),
        roles=tuple(request.form.getlist("roles")),
        teams=tuple(request.form.getlist("teams")),
    )


def _form_values(stored: StaffListRow) -> StaffForm:
    return StaffForm(
        name=stored.name,
        called=stored.called,
        email=stored.email,
        tells_name=stored.tells_name,
        languages=language_names(stored.languages),
        skills=stored.skills,
        communities=", ".join(stored.communities),
        capacity=str(stored.capacity),
        roles=stored.roles,
        teams=stored.teams,
    )


def _load_member(staff_id: int) -> StaffListRow | None:
    with current_runtime().database.transaction() as db:
        return read_staff.read_member(db, current_runtime().context.sealer, staff_id)


def _run(act: Callable[[Session], Iterable[int]]) -> None:
    """Run `act` in one transaction, and after the commit wake the delivery of the messages whose ids it returns."""
    with current_runtime().database.transaction() as db:
        rows = tuple(act(db))
    _wake(rows)


def _wake(rows: tuple[int, ...]) -> None:
    if rows:
        current_runtime().queue.wake_delivery(rows, OutboxLane.CRISIS)


def _can_mail() -> bool:
    settings = current_runtime().settings
    return bool(settings.smtp_url) or settings.is_demo


def _redirect_gone() -> ResponseReturnValue:
    flash(_NO_SUCH_MEMBER, "danger")
    return redirect(url_for("staff.everybody"), 303)
