"""What a flow ever was: every publication, every revision of its draft, any two side by side, and the way back."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue

from bot.domain.flow_editing.compare import changes
from bot.domain.flow_yaml import FlowError
from bot.domain.permissions import Permission
from bot.storage import flows
from bot.usecases.studio import read_history
from bot.usecases.studio.edit_draft import NotThere, Unfit
from bot.usecases.studio.move_conversations import Trial, try_on_real
from bot.usecases.studio.roll_back import roll_back, version_before
from bot.web import forms
from bot.web.console.access import needs
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.publish import gone

history = Blueprint("history", __name__, url_prefix="/console")


@history.get("/flows/<string:flow>/history")
@needs(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """Both logs, the newest first."""
    open_ = runtime()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        found = read_history.read_history(db, flow, _number("publications"), _number("revisions"))
        before = version_before(db, flow)
    return frame.page(
        "studio/history.html", opened, "history", found=found, before=before, zone=open_.settings.timezone,
        is_first=not request.args,
    )  # fmt: skip


@history.get("/flows/<string:flow>/history/compare")
@needs(Permission.SEE_FLOWS)
def compare(flow: str) -> ResponseReturnValue:
    """Two states side by side: `?a=v3&b=r12`."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        a = read_history.state(db, flow, request.args.get("a", ""))
        b = read_history.state(db, flow, request.args.get("b", ""))
    if a is None or b is None:
        return gone()
    return frame.page(
        "studio/history_compare.html",
        opened,
        "history",
        before=a[0],
        after=b[0],
        changes=changes(a[1], b[1]),
        parts=read_history.lines_that_differ(a[1], b[1]),
    )


@history.get("/flows/<string:flow>/history/roll-back")
@needs(Permission.PUBLISH_FLOWS)
def confirm(flow: str) -> ResponseReturnValue:
    """What rolling back to `?version=3` would change."""
    return _confirm(flow, _number("version"))


@history.post("/flows/<string:flow>/history/roll-back")
@needs(Permission.PUBLISH_FLOWS)
def do(flow: str) -> ResponseReturnValue:
    """Let that version hold again."""
    open_ = runtime()
    typed = forms.field("version")
    number = int(typed) if typed.isdecimal() and len(typed) < 10 else 0
    moves, why = bool(forms.field("moves_live")), forms.words("why")
    try:
        with open_.database.transaction() as db:
            roll_back(db, flow, number, frame.author(), open_.clock.now(), why=why, moves_live=moves)
    except Unfit as unfit:
        return _confirm(flow, number, str(unfit), why)
    except NotThere:
        return gone()
    flash(f"Version {number} holds again. The draft was left as it is.", "good")
    return redirect(f"/console/flows/{flow}/history", 303)


def _confirm(flow: str, number: int | None, problem: str = "", why: str = "") -> ResponseReturnValue:
    open_ = runtime()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        stored = flows.load_number(db, flow, number) if number else None
        if stored is None or opened.live is None:
            return gone()
        try:
            trial = try_on_real(db, open_.desk, flow, stored.content, {}, open_.clock.now())
        except FlowError:
            # Rolling back to it is refused as well; what it changes can be looked at all the same.
            trial, problem = Trial(), problem or f"Version {stored.number} cannot be read any more."
    shown = frame.page(
        "studio/history_roll_back.html",
        opened,
        "history",
        stored=stored,
        trial=trial,
        changes=changes(opened.live.content, stored.content),
        problem=problem,
        why=why,
    )
    return make_response(shown, 422 if problem else 200)


def _number(name: str) -> int | None:
    given = request.args.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 10 else None
