"""The list of flows, and beginning, importing, undoing and discarding a draft."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flows.importing.report import NotImportable
from bot.domain.flows.language.content import FlowContent
from bot.domain.languages import english_name
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.domain.suggestion import name_from_text
from bot.usecases.studio import edit_draft, import_flows
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.list_flows import read_list
from bot.usecases.studio.open_flow import open_flow
from bot.usecases.studio.read_publishing import list_waiting
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame

flows = Blueprint("flows", __name__, url_prefix="/console")

MAX_IMPORT_BYTES = 5 * 1024 * 1024
_NEW_FLOW = """\
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
CHANGED_MEANWHILE = "Somebody changed this flow a moment ago. Look at it as it is now, then do it again."


@flows.get("/flows")
@require_permission(Permission.SEE_FLOWS)
def everything() -> ResponseReturnValue:
    """All flows, with the number of waiting publish requests."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        entries = read_list(db, runtime.context)
        waiting = list_waiting(db)
    states = {flow: request.state for request in waiting for flow in request.revisions}
    return _list_page(entries, len(waiting), states=states)


def _list_page(entries: list[Any], waiting: int, status: int = 200, **values: Any) -> Response:
    shown = render_template(
        "studio/flows.html",
        here="flows",
        entries=entries,
        waiting=waiting,
        language=english_name,
        may_edit=current_user().may(Permission.EDIT_FLOWS),
        **{"problem": "", "typed": {}, **values},
    )
    return make_response(shown, status)


@flows.get("/flows/new")
@require_permission(Permission.EDIT_FLOWS)
def new() -> ResponseReturnValue:
    """The form for a new flow."""
    return _new_form()


@flows.post("/flows/new")
@require_permission(Permission.EDIT_FLOWS)
def add() -> ResponseReturnValue:
    """Begin a flow with two simple steps: a greeting and a handoff."""
    runtime = current_runtime()
    title = " ".join(forms.clean_text("title").split())[:80]
    if not title:
        return _new_form("Give the flow a title.")
    name = name_from_text(forms.field("name") or title, ())
    purpose = " ".join(forms.clean_text("purpose").split())
    source = _NEW_FLOW.format(
        name=name, title=_yaml_scalar(title), purpose=_yaml_scalar(purpose or "Say here what this flow is for.")
    )
    now = runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            edit_draft.new_flow(db, name, FlowContent(source), "Began a new flow", frame.current_author(), now)
            access.record_audit(db, "flow_added", now, detail=name)
    except Refused as refused:
        return _new_form(str(refused))
    flash("The flow was begun. Nobody meets it before it is published.", "good")
    return redirect(f"/console/flows/{name}", 303)


def _yaml_scalar(text: str) -> str:
    """A text as a YAML scalar, whatever it contains. Braces are replaced, because they would be template syntax."""
    plain = text.replace("{", "(").replace("}", ")").replace("\\", "/").replace('"', "'")
    return plain if plain.replace(" ", "").isalnum() else f'"{plain}"'


def _new_form(problem: str = "") -> Response:
    typed = {name: forms.field(name) for name in ("title", "name", "purpose")}
    shown = render_template("studio/new.html", here="flows", problem=problem, typed=typed)
    return make_response(shown, 422 if problem else 200)


@flows.get("/flows/import")
@require_permission(Permission.EDIT_FLOWS)
def import_form() -> ResponseReturnValue:
    """The form to import a file from another product."""
    return render_template("studio/import.html", here="flows", problem="", results=None)


@flows.post("/flows/import")
@require_permission(Permission.EDIT_FLOWS)
def import_file() -> ResponseReturnValue:
    """Import one file; each flow in it becomes a draft, with a report of what was carried over."""
    runtime = current_runtime()
    given = request.files.get("file")
    raw = given.stream.read(MAX_IMPORT_BYTES + 1) if given else b""
    name = (given.filename or "file")[-120:] if given else "file"
    now = runtime.clock.now()
    try:
        if not raw:
            raise NotImportable("Choose a file first.")
        result = import_flows.import_file(raw, name)
        with runtime.database.transaction() as db:
            placed = import_flows.create_drafts(db, runtime.context, result, frame.current_author(), now)
            access.record_audit(db, "flow_imported", now, detail=", ".join(placed)[:200])
    except NotImportable as refusal:
        shown = render_template("studio/import.html", here="flows", problem=str(refusal), results=None)
        return make_response(shown, 422)
    return render_template("studio/import.html", here="flows", problem="", results=result, placed=placed, file=name)


@flows.post("/flows/<string:flow>/undo")
@require_permission(Permission.EDIT_FLOWS)
def undo(flow: str) -> ResponseReturnValue:
    """Go back to the previous revision of the draft."""
    return _undo_or_redo(flow, back=True)


@flows.post("/flows/<string:flow>/redo")
@require_permission(Permission.EDIT_FLOWS)
def redo(flow: str) -> ResponseReturnValue:
    """Go forward to the revision that was undone."""
    return _undo_or_redo(flow, back=False)


def _undo_or_redo(flow: str, *, back: bool) -> ResponseReturnValue:
    runtime = current_runtime()
    now = runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            act = edit_draft.undo if back else edit_draft.redo
            revision = act(db, flow, frame.posted_version_token(), frame.current_author(), now)
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
        flash(f"{revision.what}.", "good")
    except DraftChangedMeanwhile:
        flash(CHANGED_MEANWHILE, "danger")
    except Refused as refused:
        flash(str(refused), "danger")
    except FlowNotFound:
        return frame.not_found()
    return redirect(_tab_path(flow), 303)


def _tab_path(flow: str) -> str:
    path = next((path for key, _, path in frame.TABS if key == forms.field("tab")), "")
    return f"/console/flows/{flow}{path}"


@flows.post("/flows/<string:flow>/discard")
@require_permission(Permission.EDIT_FLOWS)
def discard(flow: str) -> ResponseReturnValue:
    """Discard the draft; its revisions stay in the history."""
    runtime = current_runtime()
    now = runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            edit_draft.discard(db, flow, frame.posted_version_token())
            access.record_audit(db, "flow_dropped", now, detail=flow)
            still_there = open_flow(db, flow) is not None
    except DraftChangedMeanwhile:
        flash(CHANGED_MEANWHILE, "danger")
        return redirect(f"/console/flows/{flow}/history", 303)
    except FlowNotFound:
        return frame.not_found()
    flash("The draft was thrown away. Its states are kept in the history.", "good")
    return redirect(f"/console/flows/{flow}" if still_there else "/console/flows", 303)
