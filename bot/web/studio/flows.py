"""The list of flows; a flow begun, imported, undone, thrown away."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flow_content import FlowContent
from bot.domain.flow_import.report import NotImportable
from bot.domain.permissions import Permission
from bot.domain.suggestion import fit_name
from bot.storage import publish_requests
from bot.usecases.studio import edit_draft, import_flows
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere, Unfit
from bot.usecases.studio.list_flows import read_list
from bot.web import forms
from bot.web.console import access, wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime
from bot.web.studio import frame

flows = Blueprint("flows", __name__, url_prefix="/console")

LARGEST_IMPORT = 5 * 1024 * 1024
_NEW = """\
flow: {name}
title: {title}
purpose: {purpose}
start: hello
steps:
  hello:
    say: "Hi, this is {{{{ line_name }}}}."
    next: person
  person:
    note: Somebody answers. Change this to what the flow is for.
    handoff: {{team: anyone, urgency: this_shift, because: {title}}}
"""
MOVED_ON = "Somebody changed this flow a moment ago. Look at it as it is now, then do it again."


@flows.get("/flows")
@needs(Permission.SEE_FLOWS)
def everything() -> ResponseReturnValue:
    """All flows, and what waits."""
    open_ = runtime()
    with open_.database.transaction() as db:
        entries = read_list(db, open_.desk)
        waiting = publish_requests.waiting(db)
    states = {flow: request.state for request in waiting for flow in request.revisions}
    return _list(entries, len(waiting), states=states)


def _list(entries: list[Any], waiting: int, status: int = 200, **values: Any) -> Response:
    shown = render_template(
        "studio/flows.html",
        here="flows",
        entries=entries,
        waiting=waiting,
        language=wording.language,
        may_edit=me().may(Permission.EDIT_FLOWS),
        **{"problem": "", "typed": {}, **values},
    )
    return make_response(shown, status)


@flows.get("/flows/new")
@needs(Permission.EDIT_FLOWS)
def new() -> ResponseReturnValue:
    """The form for a new flow."""
    return _new_form()


@flows.post("/flows/new")
@needs(Permission.EDIT_FLOWS)
def add() -> ResponseReturnValue:
    """Begin a flow with two steps that a newcomer can read: it says who writes, and calls a human."""
    open_ = runtime()
    title = " ".join(forms.words("title").split())[:80]
    if not title:
        return _new_form("Give the flow a title.")
    name = fit_name(forms.field("name") or title, ())
    purpose = " ".join(forms.words("purpose").split())
    source = _NEW.format(name=name, title=_quoted(title), purpose=_quoted(purpose or "Say here what this flow is for."))
    now = open_.clock.now()
    try:
        with open_.database.transaction() as db:
            edit_draft.new_flow(db, name, FlowContent(source), "Began a new flow", frame.author(), now)
            access.record(db, "flow_added", now, detail=name)
    except Unfit as unfit:
        return _new_form(str(unfit))
    flash("The flow was begun. Nobody meets it before it is published.", "good")
    return redirect(f"/console/flows/{name}", 303)


def _quoted(text: str) -> str:
    """A text as it can stand in the file, whatever it holds. The templates' marks are taken out."""
    plain = text.replace("{", "(").replace("}", ")").replace("\\", "/").replace('"', "'")
    return plain if plain.replace(" ", "").isalnum() else f'"{plain}"'


def _new_form(problem: str = "") -> Response:
    typed = {name: forms.field(name) for name in ("title", "name", "purpose")}
    shown = render_template("studio/new.html", here="flows", problem=problem, typed=typed)
    return make_response(shown, 422 if problem else 200)


@flows.get("/flows/import")
@needs(Permission.EDIT_FLOWS)
def import_form() -> ResponseReturnValue:
    """The form to import a file of another product."""
    return render_template("studio/import.html", here="flows", problem="", results=None)


@flows.post("/flows/import")
@needs(Permission.EDIT_FLOWS)
def import_file() -> ResponseReturnValue:
    """Read one file; each flow in it becomes a draft, with a report of what was carried over."""
    open_ = runtime()
    given = request.files.get("file")
    raw = given.stream.read(LARGEST_IMPORT + 1) if given else b""
    name = (given.filename or "file")[-120:] if given else "file"
    now = open_.clock.now()
    try:
        if not raw:
            raise NotImportable("Choose a file first.")
        result = import_flows.import_file(raw, name)
        with open_.database.transaction() as db:
            placed = import_flows.put_drafts(db, open_.desk, result, frame.author(), now)
            access.record(db, "flow_imported", now, detail=", ".join(placed)[:200])
    except NotImportable as refusal:
        shown = render_template("studio/import.html", here="flows", problem=str(refusal), results=None)
        return make_response(shown, 422)
    return render_template("studio/import.html", here="flows", problem="", results=result, placed=placed, file=name)


@flows.post("/flows/<string:flow>/undo")
@needs(Permission.EDIT_FLOWS)
def undo(flow: str) -> ResponseReturnValue:
    """Back to the state before."""
    return _go(flow, back=True)


@flows.post("/flows/<string:flow>/redo")
@needs(Permission.EDIT_FLOWS)
def redo(flow: str) -> ResponseReturnValue:
    """Forth again."""
    return _go(flow, back=False)


def _go(flow: str, *, back: bool) -> ResponseReturnValue:
    open_ = runtime()
    now = open_.clock.now()
    try:
        with open_.database.transaction() as db:
            act = edit_draft.undo if back else edit_draft.redo
            revision = act(db, flow, frame.seen(), frame.author(), now)
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
        flash(f"{revision.what}.", "good")
    except ChangedMeanwhile:
        flash(MOVED_ON, "danger")
    except Unfit as unfit:
        flash(str(unfit), "danger")
    except NotThere:
        return frame.not_there()
    return redirect(_tab(flow), 303)


def _tab(flow: str) -> str:
    path = next((path for key, _, path in frame.TABS if key == forms.field("tab")), "")
    return f"/console/flows/{flow}{path}"


@flows.post("/flows/<string:flow>/discard")
@needs(Permission.EDIT_FLOWS)
def discard(flow: str) -> ResponseReturnValue:
    """Throw the draft away; it stays in the history."""
    open_ = runtime()
    now = open_.clock.now()
    try:
        with open_.database.transaction() as db:
            edit_draft.discard(db, flow, frame.seen())
            access.record(db, "flow_dropped", now, detail=flow)
            still_there = frame.opened(db, flow) is not None
    except ChangedMeanwhile:
        flash(MOVED_ON, "danger")
        return redirect(f"/console/flows/{flow}/history", 303)
    except NotThere:
        return frame.not_there()
    flash("The draft was thrown away. Its states are kept in the history.", "good")
    return redirect(f"/console/flows/{flow}" if still_there else "/console/flows", 303)
