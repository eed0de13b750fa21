"""Renaming, moving and deleting a step, and editing the head of the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue

from bot.domain.flows.editing import breakage, content
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.yaml_source import FlowError
from bot.domain.flows.outline import read_outline
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.domain.suggestion import name_from_text
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.open_flow import open_flow
from bot.web import access, forms
from bot.web.access import require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.steps import read_editor

step_acts = Blueprint("step_acts", __name__, url_prefix="/console")


@step_acts.post("/flows/<string:flow>/rename-step")
@require_permission(Permission.EDIT_FLOWS)
def rename(flow: str) -> ResponseReturnValue:
    """Rename a step; everything that leads to it is changed along."""
    old, typed = forms.field("step"), forms.field("name").strip()
    new = name_from_text(typed, ()) if typed else ""
    if not new:
        flash("Give the step a name.", "danger")
        return redirect(_step_path(flow, old), 303)
    return _change(flow, f"Renamed step {old} to {new}", lambda now: content.rename_step(now, old, new), new)


@step_acts.post("/flows/<string:flow>/move-step")
@require_permission(Permission.EDIT_FLOWS)
def move(flow: str) -> ResponseReturnValue:
    """Move a step up or down in the file. This does not change what the flow does."""
    name, is_up = forms.field("step"), forms.field("to") == "up"

    def act(now: FlowContent) -> FlowContent:
        names = [row.name for row in read_outline(now.source, f"{flow}.yaml").rows]
        if name not in names:
            raise Refused(f"There is no step `{name}` any more.")
        at = names.index(name)
        if is_up:
            return now if at == 0 else content.move_step(now, name, names[at - 1])
        if at >= len(names) - 1:
            return now
        return content.move_step(now, name, names[at + 2] if at + 2 < len(names) else None)

    return _change(flow, f"Moved step {name} {'up' if is_up else 'down'}", act, name)


@step_acts.get("/flows/<string:flow>/delete-step")
@require_permission(Permission.EDIT_FLOWS)
def ask_delete(flow: str) -> ResponseReturnValue:
    """Ask for confirmation, showing what deleting the step would break."""
    name = request.args.get("step", "")
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = read_editor(db, opened)
        if sheet.outline is None or name not in sheet.outline.steps:
            return frame.not_found()
        script = sheet.look.script
        broken = breakage.deletion_problems(script, name) if script else []
        others = breakage.uses_in_other_flows(
            str(sheet.outline.steps[name].get("save") or name),
            {**sheet.look.flow_set.scripts, **({flow: script} if script else {})},
        )
    return frame.render_page(
        "studio/delete_step.html", opened, "steps", name=name, broken=broken, others=others, readable=script is not None,
    )  # fmt: skip


@step_acts.post("/flows/<string:flow>/delete-step")
@require_permission(Permission.EDIT_FLOWS)
def delete(flow: str) -> ResponseReturnValue:
    """Delete a step from the draft."""
    name = forms.field("step")
    return _change(
        flow, f"Deleted step {name}", lambda now: content.delete_step(now, name), "",
        # Deleting must conflict with a colleague's simultaneous change of this step, which would be lost.
        touches=lambda now: read_outline(now.source, "").steps.get(name),
    )  # fmt: skip


@step_acts.post("/flows/<string:flow>/head")
@require_permission(Permission.EDIT_FLOWS)
def head(flow: str) -> ResponseReturnValue:
    """Save the head: title, purpose, first step, length of texts, menu and safety."""
    fields: dict[str, Any] = {
        "title": " ".join(forms.clean_text("title").split())[:80],
        "purpose": " ".join(forms.clean_text("purpose").split()) or None,
        "start": forms.field("start").strip(),
        "segments": forms.field("segments").strip() or None,
        "menu": True if forms.field("menu") else None,
        "safety": True if forms.field("safety") else None,
    }

    def act(now: FlowContent) -> FlowContent:
        return content.write_head(now, fields)

    return _change(flow, "Changed the head of the flow", act, "", touches=lambda now: read_outline(now.source, "").head)


def _change(
    flow: str,
    description: str,
    act: edit_draft.DraftEdit,
    next_step: str,
    touches: Callable[[FlowContent], object] | None = None,
) -> ResponseReturnValue:
    """Make one change that has no form of its own, flash what was done or why not, and go to the next step to show."""
    runtime = current_runtime()
    now = runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            revision = edit_draft.change(
                db, flow, frame.posted_version_token(), description, act, frame.current_author(), now,
                # `act` looks its step up again in the newest state, so changes of other steps are no conflict.
                touches=touches or (lambda content: None),
            )  # fmt: skip
            access.record_audit(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
        flash(f"{description}.", "good")
    except DraftChangedMeanwhile as meanwhile:
        flash(f"{meanwhile.current.by} changed this a moment ago. Look at it as it is now, then do it again.", "danger")
    except (Refused, FlowError) as refusal:
        flash(str(refusal), "danger")
    except FlowNotFound:
        return frame.not_found()
    return redirect(_step_path(flow, next_step), 303)


def _step_path(flow: str, step: str) -> str:
    """The path of the editor at this step. Both parts were posted, so they are quoted."""
    return f"/console/flows/{quote(flow)}{f'?step={quote(step)}#step' if step else ''}"
