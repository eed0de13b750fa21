"""What is done to a step as a whole: renamed, moved, deleted; and the head of the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue

from bot.domain.flow_content import FlowContent
from bot.domain.flow_editing import breakage, content, document
from bot.domain.flow_outline import outline
from bot.domain.flow_yaml import FlowError
from bot.domain.permissions import Permission
from bot.domain.suggestion import fit_name
from bot.usecases.studio import edit_draft
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere
from bot.web import forms
from bot.web.console import access
from bot.web.console.access import needs
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.steps import read_sheet

step_acts = Blueprint("step_acts", __name__, url_prefix="/console")


@step_acts.post("/flows/<string:flow>/rename-step")
@needs(Permission.EDIT_FLOWS)
def rename(flow: str) -> ResponseReturnValue:
    """Give a step another name; whatever leads to it follows."""
    old, typed = forms.field("step"), forms.field("name").strip()
    new = fit_name(typed, ()) if typed else ""
    if not new:
        flash("Give the step a name.", "danger")
        return redirect(_step(flow, old), 303)
    return _do(flow, f"Renamed step {old} to {new}", lambda now: content.rename_step(now, old, new), new)


@step_acts.post("/flows/<string:flow>/move-step")
@needs(Permission.EDIT_FLOWS)
def move(flow: str) -> ResponseReturnValue:
    """Move a step up or down in the reading order. What the flow does stays the same."""
    name, is_up = forms.field("step"), forms.field("to") == "up"

    def act(now: FlowContent) -> FlowContent:
        names = [row.name for row in outline(now.source, f"{flow}.yaml").rows]
        if name not in names:
            raise edit_draft.Unfit(f"There is no step `{name}` any more.")
        at = names.index(name)
        if is_up:
            return now if at == 0 else content.move_step(now, name, names[at - 1])
        if at >= len(names) - 1:
            return now
        return content.move_step(now, name, names[at + 2] if at + 2 < len(names) else None)

    return _do(flow, f"Moved step {name} {'up' if is_up else 'down'}", act, name)


@step_acts.get("/flows/<string:flow>/delete-step")
@needs(Permission.EDIT_FLOWS)
def ask_delete(flow: str) -> ResponseReturnValue:
    """What deleting a step would break, before it is done."""
    name = request.args.get("step", "")
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = read_sheet(db, opened)
        if sheet.outline is None or name not in sheet.outline.steps:
            return frame.not_there()
        script = sheet.look.script
        broken = breakage.breaks(script, name) if script else []
        others = breakage.used_elsewhere(
            str(sheet.outline.steps[name].get("save") or name),
            {**sheet.look.around.scripts, **({flow: script} if script else {})},
        )
    return frame.page(
        "studio/delete_step.html", opened, "steps", name=name, broken=broken, others=others, readable=script is not None,
    )  # fmt: skip


@step_acts.post("/flows/<string:flow>/delete-step")
@needs(Permission.EDIT_FLOWS)
def delete(flow: str) -> ResponseReturnValue:
    """Delete a step from the draft."""
    name = forms.field("step")
    return _do(
        flow, f"Deleted step {name}", lambda now: content.delete_step(now, name), "",
        # What somebody else has just written into it would go with it.
        touches=lambda now: outline(now.source, "").steps.get(name),
    )  # fmt: skip


@step_acts.post("/flows/<string:flow>/head")
@needs(Permission.EDIT_FLOWS)
def head(flow: str) -> ResponseReturnValue:
    """The title, the purpose, where it starts, how long a text may be."""
    fields: dict[str, Any] = {
        "title": " ".join(forms.words("title").split())[:80],
        "purpose": " ".join(forms.words("purpose").split()) or None,
        "start": forms.field("start").strip(),
        "segments": forms.field("segments").strip() or None,
        "menu": True if forms.field("menu") else None,
        "safety": True if forms.field("safety") else None,
    }

    def act(now: FlowContent) -> FlowContent:
        return content.write_head(now, fields)

    return _do(flow, "Changed the head of the flow", act, "", touches=lambda now: outline(now.source, "").head)


def _do(
    flow: str, deed: str, act: edit_draft.Act, then: str, touches: Callable[[FlowContent], object] | None = None
) -> ResponseReturnValue:
    """One change that needs no form of its own: done, or a sentence why not."""
    open_ = runtime()
    now = open_.clock.now()
    try:
        with open_.database.transaction() as db:
            revision = edit_draft.change(
                db, flow, frame.seen(), deed, act, frame.author(), now,
                # What is named is looked up anew in the newest state, so changes of other steps do not matter.
                touches=touches or (lambda content: None),
            )  # fmt: skip
            access.record(db, "flow_changed", now, detail=f"{flow}, revision {revision.number}")
        flash(f"{deed}.", "good")
    except ChangedMeanwhile as meanwhile:
        flash(f"{meanwhile.theirs.by} changed this a moment ago. Look at it as it is now, then do it again.", "danger")
    except (edit_draft.Unfit, document.Unfit, FlowError) as refusal:
        flash(str(refusal), "danger")
    except NotThere:
        return frame.not_there()
    return redirect(_step(flow, then), 303)


def _step(flow: str, step: str) -> str:
    """The editor at this step. Both were posted, and may hold what an address cannot."""
    return f"/console/flows/{quote(flow)}{f'?step={quote(step)}#step' if step else ''}"
