"""The YAML editor of a flow: the text is saved exactly as typed, even while it cannot be parsed."""

from __future__ import annotations

from difflib import unified_diff

from flask import Blueprint, Response, flash, make_response, redirect
from flask.typing import ResponseReturnValue

from bot.domain.flows.editing.content import write_source
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import MAX_BYTES
from bot.domain.staff.permissions import Permission
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.open_flow import open_flow
from bot.web import access, forms
from bot.web.access import require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.steps import read_editor

source = Blueprint("source", __name__, url_prefix="/console")


@source.get("/flows/<string:flow>/source")
@require_permission(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """The file, with the checks' problems by line."""
    return _show(flow)


@source.post("/flows/<string:flow>/source")
@require_permission(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Save the typed text, even if it cannot be parsed: a typo must not prevent saving. The page then shows the problem."""
    runtime = current_runtime()
    now = runtime.clock.now()
    typed = forms.field("source").replace("\r\n", "\n").replace("\r", "\n")
    typed = typed.encode("utf-8", "ignore").decode("utf-8").replace("\0", "")
    if not typed.strip():
        return _show(flow, typed=typed, problem="The file is empty. Nothing was saved.", status=422)
    if len(typed.encode()) > MAX_BYTES:
        return _show(
            flow, typed=typed, problem=f"The file is larger than {MAX_BYTES:,} bytes. Nothing was saved.", status=422
        )
    typed = typed if typed.endswith("\n") else f"{typed}\n"

    def act(content: FlowContent) -> FlowContent:
        return write_source(content, typed)

    try:
        with runtime.database.transaction() as db:
            revision = edit_draft.change(
                db, flow, frame.posted_version_token(), "Changed the YAML", act, frame.current_author(), now,
                touches=lambda content: content.source,
            )  # fmt: skip
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except DraftChangedMeanwhile as meanwhile:
        return _show(flow, typed=typed, theirs=meanwhile, status=409)
    except FlowNotFound:
        return frame.not_found()
    flash("Saved in the draft.", "good")
    return redirect(f"/console/flows/{flow}/source", 303)


def _show(
    flow: str, *, typed: str | None = None, problem: str = "", theirs: DraftChangedMeanwhile | None = None, status: int = 200
) -> Response:
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
    rows: list[str] = []
    if theirs is not None:
        before = theirs.seen.content.source if theirs.seen else ""
        rows = list(unified_diff(before.splitlines(), theirs.current.content.source.splitlines(), lineterm="", n=2))[2:]
    shown = frame.render_page(
        "studio/source.html",
        opened,
        "source",
        sheet=sheet,
        source=opened.content.source if typed is None else typed,
        problem=problem,
        theirs=theirs.current if theirs else None,
        their_rows=rows,
    )
    return make_response(shown, status)
