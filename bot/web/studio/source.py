"""The YAML of a flow, for those who prefer it: what is typed is kept to the letter, also while it is not sound yet."""

from __future__ import annotations

from difflib import unified_diff

from flask import Blueprint, Response, flash, make_response, redirect
from flask.typing import ResponseReturnValue

from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing.content import write_source
from bot.domain.flow_yaml import LARGEST
from bot.domain.permissions import Permission
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere
from bot.web import forms
from bot.web.console import access
from bot.web.console.access import needs
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.steps import read_sheet

source = Blueprint("source", __name__, url_prefix="/console")


@source.get("/flows/<string:flow>/source")
@needs(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """The file, and what the checks say of it by line."""
    return _show(flow)


@source.post("/flows/<string:flow>/source")
@needs(Permission.EDIT_FLOWS)
def save(flow: str) -> ResponseReturnValue:
    """Keep what was typed. What cannot be read is kept too, and named: an evening's work must not hang on a comma."""
    open_ = runtime()
    now = open_.clock.now()
    typed = forms.field("source").replace("\r\n", "\n").replace("\r", "\n")
    typed = typed.encode("utf-8", "ignore").decode("utf-8").replace("\0", "")
    if not typed.strip():
        return _show(flow, typed=typed, problem="The file is empty. Nothing was saved.", status=422)
    if len(typed.encode()) > LARGEST:
        return _show(flow, typed=typed, problem=f"The file is larger than {LARGEST:,} bytes. Nothing was saved.", status=422)
    typed = typed if typed.endswith("\n") else f"{typed}\n"

    def act(content: FlowContent) -> FlowContent:
        return write_source(content, typed)

    try:
        with open_.database.transaction() as db:
            revision = edit_draft.change(
                db, flow, frame.seen(), "Changed the YAML", act, frame.author(), now,
                touches=lambda content: content.source,
            )  # fmt: skip
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
    except ChangedMeanwhile as meanwhile:
        return _show(flow, typed=typed, theirs=meanwhile, status=409)
    except NotThere:
        return frame.not_there()
    flash("Saved in the draft.", "good")
    return redirect(f"/console/flows/{flow}/source", 303)


def _show(
    flow: str, *, typed: str | None = None, problem: str = "", theirs: ChangedMeanwhile | None = None, status: int = 200
) -> Response:
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
    rows: list[str] = []
    if theirs is not None:
        before = theirs.seen.content.source if theirs.seen else ""
        rows = list(unified_diff(before.splitlines(), theirs.theirs.content.source.splitlines(), lineterm="", n=2))[2:]
    shown = frame.page(
        "studio/source.html",
        opened,
        "source",
        sheet=sheet,
        source=opened.content.source if typed is None else typed,
        problem=problem,
        theirs=theirs.theirs if theirs else None,
        their_rows=rows,
    )
    return make_response(shown, status)
