"""Ready replies: every reviewed reply with its languages side by side, and the form by which supervisors edit them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from bot.domain.handoff.ready_replies import MAX_GRADE, MAX_SEGMENTS, MAX_TITLE_LENGTH, ReplyCost, measure_cost
from bot.domain.languages import english_name
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import InvalidForm
from bot.domain.staff.permissions import Permission
from bot.usecases.handoff import ready_replies
from bot.usecases.handoff.ready_replies import ReadyReply
from bot.usecases.staff.read_staff import team_names
from bot.web import forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime

replies = Blueprint("replies", __name__, url_prefix="/console")

_READ_PERMISSIONS = (Permission.ANSWER, Permission.EDIT_REPLIES)


@replies.get("/replies")
@require_permission(*_READ_PERMISSIONS)
def everything() -> ResponseReturnValue:
    """All ready replies with their languages side by side."""
    with current_runtime().database.transaction() as db:
        found = ready_replies.read_all(db)
        teams = team_names(db)
    languages = _languages(found)
    missing = {code: sum(code not in reply.bodies for reply in found) for code in languages}
    return render_template(
        "console/replies.html",
        here="replies",
        replies=found,
        weights={reply.slug: _weights(reply.bodies) for reply in found},
        languages=languages,
        teams=teams,
        missing={code: count for code, count in missing.items() if count},
        may_edit=current_user().may(Permission.EDIT_REPLIES),
        hardest=MAX_GRADE,
        longest=MAX_SEGMENTS,
        language=english_name,
    )


@replies.get("/replies/new")
@require_permission(Permission.EDIT_REPLIES)
def new() -> ResponseReturnValue:
    """The form for a new reply."""
    return _form_page(ReadyReply("", "", "", {}), {})


@replies.get("/replies/<slug>/edit")
@require_permission(Permission.EDIT_REPLIES)
def edit(slug: str) -> ResponseReturnValue:
    """The form of one reply."""
    with current_runtime().database.transaction() as db:
        found = ready_replies.read_one(db, slug)
    return _form_page(found, {}) if found else _redirect_gone()


@replies.post("/replies/new")
@require_permission(Permission.EDIT_REPLIES)
def add() -> ResponseReturnValue:
    """Add the posted reply."""
    return _save("")


@replies.post("/replies/<slug>/edit")
@require_permission(Permission.EDIT_REPLIES)
def change(slug: str) -> ResponseReturnValue:
    """Save the posted changes of one reply."""
    return _save(slug)


@replies.post("/replies/<slug>/remove")
@require_permission(Permission.EDIT_REPLIES)
def remove(slug: str) -> ResponseReturnValue:
    """Remove one reply in all its languages."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if ready_replies.remove(db, current_user().id, slug, runtime.clock.now()):
            flash("The reply was removed.", "good")
    return redirect(url_for("replies.everything"), 303)


def _save(slug: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        languages = _languages([found] if (found := ready_replies.read_one(db, slug)) else [])
        teams = team_names(db)
    bodies = {code: forms.clean_text(f"body_{code}") for code in languages}
    typed = ReadyReply(slug, forms.clean_text("title"), forms.field("team"), bodies)
    try:
        with runtime.database.transaction() as db:
            kept = ready_replies.save(db, current_user().id, typed, tuple(teams), runtime.clock.now())
    except InvalidForm as invalid:
        return _form_page(typed, invalid.problems)
    flash(f"\u201c{typed.title}\u201d was saved.", "good")
    return redirect(url_for("replies.everything", _anchor=kept), 303)


def _form_page(reply: ReadyReply, problems: dict[str, str]) -> Response:
    with current_runtime().database.transaction() as db:
        teams = team_names(db)
    shown = render_template(
        "console/replies_form.html",
        here="replies",
        reply=reply,
        weights=_weights(reply.bodies),
        problems=problems,
        languages=_languages([reply]),
        teams=teams,
        language=english_name,
        longest_title=MAX_TITLE_LENGTH,
        most=MAX_BODY_LENGTH,
        hardest=MAX_GRADE,
        longest=MAX_SEGMENTS,
    )
    return make_response(shown, 422 if problems else 200)


def _redirect_gone() -> ResponseReturnValue:
    flash("There is no such reply any more.", "danger")
    return redirect(url_for("replies.everything"), 303)


def _languages(found: list[ReadyReply]) -> list[str]:
    """The configured languages, then any others that a reply still has from earlier."""
    spoken_here = list(current_runtime().settings.languages)
    return [*spoken_here, *sorted({code for reply in found for code in reply.bodies} - set(spoken_here))]


def _weights(bodies: Mapping[str, str]) -> dict[str, ReplyCost]:
    fold = current_runtime().settings.fold_accents
    return {code: measure_cost(body, code, fold) for code, body in bodies.items() if body}
