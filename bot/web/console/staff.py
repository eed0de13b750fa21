"""Staff and teams: who works here, what each may do, and the forms by which admins keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.message import Lane
from bot.domain.permissions import Permission, Role, allowed
from bot.domain.staff_form import MOST_AT_ONCE, Typed, language_names
from bot.storage import staff_lists
from bot.storage.staff_lists import Listed
from bot.usecases import keep_staff
from bot.usecases.answering.calling import SKILLS
from bot.usecases.keep_staff import NotThere, Unfit
from bot.web import forms
from bot.web.console import layout, spoken, wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime

staff = Blueprint("staff", __name__, url_prefix="/console")

_ONE = "/staff/<int(max=9223372036854775807):staff_id>"
_GONE = "There is nobody of that number on the staff, or they have left meanwhile."


@staff.get("/staff")
@needs(Permission.SEE_STAFF)
def everybody() -> ResponseReturnValue:
    """All who work here, and those who did."""
    open_ = runtime()
    with open_.database.transaction() as db:
        listed = staff_lists.everybody(db, open_.desk.sealer)
        names = {team.slug: team.name for team in staff_lists.all_teams(db)}
    zone, now = open_.settings.timezone, open_.clock.now()
    return render_template(
        "console/staff.html",
        here="staff",
        present=[one for one in listed if one.left_at is None],
        left=[one for one in listed if one.left_at is not None],
        team_names=names,
        roles=spoken.ROLES,
        languages=language_names,
        skill=wording.plain,
        no_words={},
        is_locked=lambda one: one.locked_until is not None and one.locked_until > now,
        answers=lambda one: allowed([Role(role) for role in one.roles], Permission.ANSWER),
        moment=lambda at: spoken.moment(at, zone),
        may_edit=me().may(Permission.EDIT_STAFF),
    )


@staff.route("/staff/new", methods=["GET", "POST"])
@needs(Permission.EDIT_STAFF)
def new() -> ResponseReturnValue:
    """The form for somebody new."""
    if request.method == "GET":
        return _form(None, Typed(languages="English", roles=(Role.SOCIAL_WORKER.value,)), {})
    typed, open_ = _typed(), runtime()
    try:
        with open_.database.transaction() as db:
            number = keep_staff.add(db, open_.desk, me().id, typed, open_.clock.now())
    except Unfit as unfit:
        return _form(None, typed, unfit.problems)
    flash(f"{typed.name} was added. Now send them the link by which they choose a password.", "good")
    return redirect(url_for("staff.edit", staff_id=number), 303)


@staff.route(_ONE, methods=["GET", "POST"])
@needs(Permission.EDIT_STAFF)
def edit(staff_id: int) -> ResponseReturnValue:
    """The form of one member of staff."""
    stored = _stored(staff_id)
    if stored is None or stored.left_at is not None:
        return _gone()
    if request.method == "GET":
        return _form(stored, _as_typed(stored), {})
    typed = _typed()
    try:
        _act(lambda db: keep_staff.change(db, runtime().desk, me().id, staff_id, typed, runtime().clock.now()))
    except Unfit as unfit:
        return _form(stored, typed, unfit.problems)
    except NotThere:
        return _gone()
    flash(f"{typed.name} was saved.", "good")
    return redirect(url_for("staff.everybody", _anchor=f"staff-{staff_id}"), 303)


@staff.post(f"{_ONE}/invite")
@needs(Permission.EDIT_STAFF)
def invite(staff_id: int) -> ResponseReturnValue:
    """Make a link for choosing a password; shown on this answer only, or sent by e-mail."""
    open_ = runtime()
    by_mail = forms.field("how") == "mail" and _can_mail()
    try:
        with open_.database.transaction() as db:
            made = keep_staff.invite(
                db, open_.desk, me().id, staff_id, open_.settings.public_url, open_.settings.secret_key, open_.clock.now(),
                by_mail=by_mail,
            )  # fmt: skip
    except NotThere:
        return _gone()
    stored = _stored(staff_id)
    if stored is None:
        return _gone()
    if not by_mail:
        return _form(stored, _as_typed(stored), {}, link=made.link, good_for=wording.span(made.good_for))
    _wake(made.wake)
    if made.wake:
        flash(f"The link is on its way to {stored.email}.", "good")
    else:
        flash(f"No e-mail can be sent to {stored.email}. Make a link and hand it over.", "danger")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.post(f"{_ONE}/deactivate")
@needs(Permission.EDIT_STAFF)
def deactivate(staff_id: int) -> ResponseReturnValue:
    """They no longer work here."""
    stored = _stored(staff_id)
    if stored is None:
        return _gone()
    try:
        _act(lambda db: keep_staff.deactivate(db, runtime().desk, me().id, staff_id, runtime().clock.now()))
    except Unfit as unfit:
        return _form(stored, _as_typed(stored), unfit.problems)
    except NotThere:
        return _gone()
    flash(f"{stored.name} was deactivated. What they held was given back, and others are being called.", "good")
    return redirect(url_for("staff.everybody"), 303)


@staff.post(f"{_ONE}/second-factor")
@needs(Permission.EDIT_STAFF)
def forget_second_factor(staff_id: int) -> ResponseReturnValue:
    """They have lost their authenticator and its recovery codes."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            keep_staff.forget_second_factor(db, me().id, staff_id, open_.clock.now())
    except NotThere:
        return _gone()
    flash("Their second factor was forgotten and their sessions ended. They set up a new one when they sign in.", "good")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.post(f"{_ONE}/return")
@needs(Permission.EDIT_STAFF)
def bring_back(staff_id: int) -> ResponseReturnValue:
    """They work here again."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            keep_staff.bring_back(db, me().id, staff_id, open_.clock.now())
    except NotThere:
        return _gone()
    flash("The account is open again. Look at the roles and teams, and add the telephone, which was forgotten.", "good")
    return redirect(url_for("staff.edit", staff_id=staff_id), 303)


@staff.get("/teams")
@needs(Permission.SEE_STAFF)
def teams() -> ResponseReturnValue:
    """The teams, their members, and the flows that name them."""
    return _teams({})


@staff.post("/teams")
@needs(Permission.EDIT_STAFF)
def add_team() -> ResponseReturnValue:
    """Add a team."""
    open_, name = runtime(), forms.words("name")
    try:
        with open_.database.transaction() as db:
            slug = keep_staff.add_team(db, me().id, name, open_.clock.now())
    except Unfit as unfit:
        return _teams(unfit.problems, name)
    flash(f"The team {name} was added. Flows name it \u201c{slug}\u201d.", "good")
    return redirect(url_for("staff.teams"), 303)


@staff.post("/teams/<slug>")
@needs(Permission.EDIT_STAFF)
def rename_team(slug: str) -> ResponseReturnValue:
    """Give a team another name."""
    open_, name = runtime(), forms.words("name")
    try:
        with open_.database.transaction() as db:
            keep_staff.rename_team(db, me().id, slug, name, open_.clock.now())
    except Unfit as unfit:
        return _teams(unfit.problems, name, slug)
    except NotThere:
        return layout.refused("This team is not here", "There is no such team any more.", 404)
    flash(f"The team is called {name} now. Flows go on naming it \u201c{slug}\u201d.", "good")
    return redirect(url_for("staff.teams"), 303)


@staff.post("/teams/<slug>/second-look")
@needs(Permission.EDIT_STAFF)
def second_look(slug: str) -> ResponseReturnValue:
    """Whether a second person looks before flows for this team are published."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            keep_staff.set_second_look(db, me().id, slug, forms.field("second_look") == "1", open_.clock.now())
    except NotThere:
        return layout.refused("This team is not here", "There is no such team any more.", 404)
    flash("Saved.", "good")
    return redirect(url_for("staff.teams"), 303)


def _teams(problems: dict[str, str], typed: str = "", renamed: str = "") -> Response:
    """The page of the teams; `renamed` is the slug of the team whose new name was refused."""
    open_ = runtime()
    with open_.database.transaction() as db:
        found = staff_lists.all_teams(db)
        named = keep_staff.flows_by_team(db, open_.desk)
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
        may_edit=me().may(Permission.EDIT_STAFF),
        names=wording.names,
    )
    return make_response(shown, 422 if problems else 200)


def _form(stored: Listed | None, typed: Typed, problems: dict[str, str], **values: Any) -> Response:
    with runtime().database.transaction() as db:
        all_teams = staff_lists.all_teams(db)
    known_skills = sorted({*SKILLS.values(), *typed.skills})
    shown = render_template(
        "console/staff_form.html",
        here="staff",
        stored=stored,
        typed=typed,
        problems=problems,
        teams=all_teams,
        roles=spoken.ROLES,
        role_hints=spoken.ROLE_HINTS,
        skills={skill: wording.plain(skill, {}) for skill in known_skills},
        most=MOST_AT_ONCE,
        can_mail=_can_mail(),
        is_me=stored is not None and stored.id == me().id,
        **values,
    )
    return make_response(shown, 422 if problems else 200)


def _typed() -> Typed:
    return Typed(
        name=forms.words("name"),
        called=forms.words("called"),
        email=forms.words("email"),
        tells_name=bool(forms.field("tells_name")),
        languages=forms.words("languages"),
        skills=tuple(request.form.getlist("skills")),
        communities=forms.words("communities"),
        capacity=forms.words("capacity"),
        phone=forms.words("phone"),
        forget_phone=bool(forms.field("forget_phone")),
        roles=tuple(request.form.getlist("roles")),
        teams=tuple(request.form.getlist("teams")),
    )


def _as_typed(stored: Listed) -> Typed:
    return Typed(
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


def _stored(staff_id: int) -> Listed | None:
    with runtime().database.transaction() as db:
        return staff_lists.one(db, runtime().desk.sealer, staff_id)


def _act(act: Callable[[Session], Iterable[int]]) -> None:
    """Do it in one transaction, and wake after the commit what it promised."""
    with runtime().database.transaction() as db:
        rows = tuple(act(db))
    _wake(rows)


def _wake(rows: tuple[int, ...]) -> None:
    if rows:
        runtime().queue.wake_delivery(rows, Lane.CRISIS)


def _can_mail() -> bool:
    settings = runtime().settings
    return bool(settings.smtp_url) or settings.is_demo


def _gone() -> ResponseReturnValue:
    flash(_GONE, "danger")
    return redirect(url_for("staff.everybody"), 303)
