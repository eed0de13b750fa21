"""Canned replies: every reviewed reply with its languages side by side, and the form by which supervisors keep them."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from bot.domain.canned import HIGHEST_GRADE, LONGEST_TITLE, MOST_SEGMENTS, Weight, weigh
from bot.domain.permissions import Permission
from bot.domain.segments import LONGEST_BODY
from bot.storage import board
from bot.usecases import canned_replies
from bot.usecases.canned_replies import Reply, Unfit
from bot.web import forms
from bot.web.console import wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime

replies = Blueprint("replies", __name__, url_prefix="/console")

_READERS = (Permission.ANSWER, Permission.EDIT_REPLIES)


@replies.get("/replies")
@needs(*_READERS)
def everything() -> ResponseReturnValue:
    """All replies, side by side."""
    with runtime().database.transaction() as db:
        found = canned_replies.read_all(db)
        teams = board.teams(db)
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
        may_edit=me().may(Permission.EDIT_REPLIES),
        hardest=HIGHEST_GRADE,
        longest=MOST_SEGMENTS,
        language=wording.language,
    )


@replies.get("/replies/new")
@needs(Permission.EDIT_REPLIES)
def new() -> ResponseReturnValue:
    """The form for a new reply."""
    return _form(Reply("", "", "", {}), {})


@replies.get("/replies/<slug>/edit")
@needs(Permission.EDIT_REPLIES)
def edit(slug: str) -> ResponseReturnValue:
    """The form of one reply."""
    with runtime().database.transaction() as db:
        found = canned_replies.read_one(db, slug)
    return _form(found, {}) if found else _gone()


@replies.post("/replies/new")
@needs(Permission.EDIT_REPLIES)
def add() -> ResponseReturnValue:
    """Add what the form holds."""
    return _keep("")


@replies.post("/replies/<slug>/edit")
@needs(Permission.EDIT_REPLIES)
def change(slug: str) -> ResponseReturnValue:
    """Change one reply to what the form holds."""
    return _keep(slug)


@replies.post("/replies/<slug>/remove")
@needs(Permission.EDIT_REPLIES)
def remove(slug: str) -> ResponseReturnValue:
    """Remove one reply in all its languages."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if canned_replies.remove(db, me().id, slug, open_.clock.now()):
            flash("The reply was removed.", "good")
    return redirect(url_for("replies.everything"), 303)


def _keep(slug: str) -> ResponseReturnValue:
    open_ = runtime()
    with open_.database.transaction() as db:
        languages = _languages([found] if (found := canned_replies.read_one(db, slug)) else [])
        teams = board.teams(db)
    bodies = {code: forms.words(f"body_{code}") for code in languages}
    typed = Reply(slug, forms.words("title"), forms.field("team"), bodies)
    try:
        with open_.database.transaction() as db:
            kept = canned_replies.keep(db, me().id, typed, tuple(teams), open_.clock.now())
    except Unfit as unfit:
        return _form(typed, unfit.problems)
    flash(f"\u201c{typed.title}\u201d was saved.", "good")
    return redirect(url_for("replies.everything", _anchor=kept), 303)


def _form(reply: Reply, problems: dict[str, str]) -> Response:
    with runtime().database.transaction() as db:
        teams = board.teams(db)
    shown = render_template(
        "console/replies_form.html",
        here="replies",
        reply=reply,
        weights=_weights(reply.bodies),
        problems=problems,
        languages=_languages([reply]),
        teams=teams,
        language=wording.language,
        longest_title=LONGEST_TITLE,
        most=LONGEST_BODY,
        hardest=HIGHEST_GRADE,
        longest=MOST_SEGMENTS,
    )
    return make_response(shown, 422 if problems else 200)


def _gone() -> ResponseReturnValue:
    flash("There is no such reply any more.", "danger")
    return redirect(url_for("replies.everything"), 303)


def _languages(found: list[Reply]) -> list[str]:
    """Those that the line speaks, then any that a reply still has from an earlier time."""
    spoken_here = list(runtime().settings.languages)
    return [*spoken_here, *sorted({code for reply in found for code in reply.bodies} - set(spoken_here))]


def _weights(bodies: Mapping[str, str]) -> dict[str, Weight]:
    fold = runtime().settings.fold_accents
    return {code: weigh(body, code, fold) for code, body in bodies.items() if body}
