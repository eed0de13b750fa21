"""A flow's history: publications, draft revisions, comparison of any two, and rolling back."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue

from bot.domain.flows.editing.compare import list_changes
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.studio import read_history
from bot.usecases.studio.edit_draft import FlowNotFound
from bot.usecases.studio.move_conversations import MovePreview, preview_move
from bot.usecases.studio.open_flow import open_flow
from bot.usecases.studio.roll_back import roll_back, version_before
from bot.web import forms
from bot.web.access import require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.publish import version_not_found

history = Blueprint("history", __name__, url_prefix="/console")


@history.get("/flows/<string:flow>/history")
@require_permission(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """The publications and the draft's revisions, the newest first."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        found = read_history.read_history(db, flow, _read_number("publications"), _read_number("revisions"))
        before = version_before(db, flow)
    return frame.render_page(
        "studio/history.html", opened, "history", found=found, before=before, zone=runtime.settings.timezone,
        is_first=not request.args,
    )  # fmt: skip


@history.get("/flows/<string:flow>/history/compare")
@require_permission(Permission.SEE_FLOWS)
def compare(flow: str) -> ResponseReturnValue:
    """Compare two states, like `?a=v3&b=r12` (version 3 and revision 12)."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        a = read_history.find_state(db, flow, request.args.get("a", ""))
        b = read_history.find_state(db, flow, request.args.get("b", ""))
    if a is None or b is None:
        return version_not_found()
    return frame.render_page(
        "studio/history_compare.html",
        opened,
        "history",
        before=a[0],
        after=b[0],
        changes=list_changes(a[1], b[1]),
        parts=read_history.diff_parts(a[1], b[1]),
    )


@history.get("/flows/<string:flow>/history/roll-back")
@require_permission(Permission.PUBLISH_FLOWS)
def confirm(flow: str) -> ResponseReturnValue:
    """Show what rolling back to a version, like `?version=3`, would change."""
    return _confirm_page(flow, _read_number("version"))


@history.post("/flows/<string:flow>/history/roll-back")
@require_permission(Permission.PUBLISH_FLOWS)
def do(flow: str) -> ResponseReturnValue:
    """Roll back to the posted version."""
    runtime = current_runtime()
    typed = forms.field("version")
    number = int(typed) if typed.isdecimal() and len(typed) < 10 else 0
    moves, why = bool(forms.field("moves_live")), forms.clean_text("why")
    try:
        with runtime.database.transaction() as db:
            roll_back(db, flow, number, frame.current_author(), runtime.clock.now(), why=why, moves_live=moves)
    except Refused as refused:
        return _confirm_page(flow, number, str(refused), why)
    except FlowNotFound:
        return version_not_found()
    flash(f"Version {number} holds again. The draft was left as it is.", "good")
    return redirect(f"/console/flows/{flow}/history", 303)


def _confirm_page(flow: str, number: int | None, problem: str = "", why: str = "") -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        stored = read_history.read_version(db, flow, number) if number else None
        if stored is None or opened.live is None:
            return version_not_found()
        try:
            trial = preview_move(db, runtime.context, flow, stored.content, {}, runtime.clock.now())
        except FlowError:
            # Rolling back to it would be refused too, but what it would change can still be shown.
            trial, problem = MovePreview(), problem or f"Version {stored.number} cannot be read any more."
    shown = frame.render_page(
        "studio/history_roll_back.html",
        opened,
        "history",
        stored=stored,
        trial=trial,
        changes=list_changes(opened.live.content, stored.content),
        problem=problem,
        why=why,
    )
    return make_response(shown, 422 if problem else 200)


def _read_number(name: str) -> int | None:
    given = request.args.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 10 else None
