"""Publishing a draft: what would change, the checks' warnings, when and why; and the requests that wait for approval."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flows.language.script import STEP_NAME
from bot.domain.flows.language.yaml_source import FlowProblem
from bot.domain.languages import english_name
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.studio import publish_drafts, roll_back
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound
from bot.usecases.studio.open_flow import open_flow
from bot.usecases.studio.publish_drafts import (
    AwaitingReview,
    PublicationRefused,
    PublishedVersions,
    PublishOutcome,
    ScheduledPublication,
)
from bot.usecases.studio.read_publishing import read_publish_page, read_requests
from bot.web import forms, layout
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.diagram import pages

publish = Blueprint("publish", __name__, url_prefix="/console")

CHANGED_MEANWHILE = "Somebody changed a draft a moment ago. Here it is as it is now: look at it once more, then publish."


@dataclass
class PublishForm:
    """The posted form. `other_drafts`: flow -> draft revision published with it; `reasons`: warning's key -> why it is
    accepted; `step_map`: old step -> new step for conversations that move to the new version."""

    why: str = ""
    at: str = ""
    is_later: bool = False
    moves_live: bool = False
    other_drafts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    step_map: dict[str, str] = field(default_factory=dict)


@publish.get("/flows/<string:flow>/publish")
@require_permission(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """Show what publishing this draft would change; `along` names flows whose drafts are to be published with it."""
    # Only the names count here: the rendered page fills in the revision numbers, which the form then posts.
    return _show(flow, PublishForm(other_drafts=dict.fromkeys(request.args.getlist("along"), 0)))


@publish.post("/flows/<string:flow>/publish/look")
@require_permission(Permission.PUBLISH_FLOWS)
def look(flow: str) -> ResponseReturnValue:
    """Show the page again with the chosen other drafts and step map. Nothing is saved."""
    return _show(flow, _read_form())


@publish.post("/flows/<string:flow>/publish")
@require_permission(Permission.PUBLISH_FLOWS)
def go(flow: str) -> ResponseReturnValue:
    """Publish now, schedule it, or ask a second person for approval."""
    runtime, typed = current_runtime(), _read_form()
    now = runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            done = publish_drafts.publish_or_request(
                db,
                runtime.context,
                {flow: frame.posted_version_token(), **typed.other_drafts},
                frame.current_author(),
                now,
                why=typed.why,
                reasons=typed.reasons,
                moves={flow: typed.step_map} if typed.moves_live else {},
                due_at=_read_due_time(typed),
            )
    except PublicationRefused as refused:
        return _show(flow, typed, refused=refused.problems, status=422)
    except Refused as refused:
        return _show(flow, typed, problem=str(refused), status=422)
    except DraftChangedMeanwhile:
        return _show(flow, typed, problem=CHANGED_MEANWHILE, status=409)
    except FlowNotFound:
        return _show(flow, typed, problem="There is no draft to publish any more.", status=409)
    _flash_outcome(done)
    where = (
        "/console/flows/requests"
        if isinstance(done, AwaitingReview | ScheduledPublication)
        else f"/console/flows/{flow}/history"
    )
    return redirect(where, 303)


@publish.get("/flows/requests")
@require_permission(Permission.SEE_FLOWS)
def requests() -> ResponseReturnValue:
    """Requests that wait for approval or for their time, roll-backs to be reviewed, and the last decisions."""
    return _requests_page()


@publish.post("/flows/requests/<int(max=2147483647):request_id>/approve")
@require_permission(Permission.APPROVE_FLOWS)
def approve(request_id: int) -> ResponseReturnValue:
    """Approve a request as the second person."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            done = publish_drafts.approve(db, runtime.context, request_id, frame.current_author(), runtime.clock.now())
    except PublicationRefused as refused:
        return _requests_page(f"It does not pass the checks any more. {refused.problems[0]}", 422)
    except DraftChangedMeanwhile as meanwhile:
        flow = meanwhile.current.flow
        return _requests_page(
            f"The draft of {flow} was changed after this was asked for, so it must be asked for again.", 409
        )
    except (Refused, FlowNotFound) as refused:
        return _requests_page(str(refused), 422)
    _flash_outcome(done)
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/<int(max=2147483647):request_id>/refuse")
@require_permission(Permission.APPROVE_FLOWS)
def refuse(request_id: int) -> ResponseReturnValue:
    """Refuse a request, with the reason."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            publish_drafts.reject(db, request_id, frame.current_author(), forms.clean_text("why"), runtime.clock.now())
    except (Refused, FlowNotFound) as refused:
        return _requests_page(str(refused), 422)
    flash("Refused. Whoever asked sees why.", "good")
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/<int(max=2147483647):request_id>/withdraw")
@require_permission(Permission.PUBLISH_FLOWS)
def withdraw(request_id: int) -> ResponseReturnValue:
    """Withdraw a request."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            publish_drafts.withdraw(db, request_id, frame.current_author(), runtime.clock.now())
    except (Refused, FlowNotFound) as refused:
        return _requests_page(str(refused), 422)
    flash("Withdrawn. Nothing was published.", "good")
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/roll-back/<int(max=2147483647):publication_id>/seen")
@require_permission(Permission.APPROVE_FLOWS)
def seen(publication_id: int) -> ResponseReturnValue:
    """Record that a second person has reviewed a roll-back."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            roll_back.review_roll_back(db, publication_id, frame.current_author(), runtime.clock.now())
    except Refused as refused:
        return _requests_page(str(refused), 422)
    flash("Thank you. It is written down that you looked at it.", "good")
    return redirect("/console/flows/requests", 303)


def _show(
    flow: str, typed: PublishForm, *, problem: str = "", refused: tuple[FlowProblem, ...] = (), status: int = 200
) -> ResponseReturnValue:
    runtime = current_runtime()
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        sheet = None
        if opened.draft is not None and opened.is_changed:
            sheet = read_publish_page(db, runtime.context, flow, typed.other_drafts, typed.step_map, now)
    figure = ""
    if sheet is not None and sheet.steps:
        before = opened.live.content if opened.live else None
        figure = pages.figure(opened.content, flow, marks=sheet.marks, before=before, renamed=sheet.renamed)
    shown = frame.render_page(
        "studio/publish.html",
        opened,
        "publish",
        sheet=sheet,
        typed=typed,
        problem=problem,
        refused=len(refused),
        figure=figure,
        language=english_name,
        zone=runtime.settings.timezone,
        earliest=_to_local_input(now),
    )
    return make_response(shown, status)


def _requests_page(problem: str = "", status: int = 200) -> Response:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        found = read_requests(db)
    shown = render_template(
        "studio/publish_requests.html",
        here="flows",
        waiting=found.waiting,
        decided=found.decided,
        rolled_back=found.rolled_back,
        live=found.live,
        problem=problem,
        my_id=current_user().id,
        may_approve=current_user().may(Permission.APPROVE_FLOWS),
        may_publish=current_user().may(Permission.PUBLISH_FLOWS),
        zone=runtime.settings.timezone,
    )
    return make_response(shown, status)


def _read_form() -> PublishForm:
    form = request.form
    along = {}
    for chosen in form.getlist("along"):
        name, _, number = chosen.rpartition(":")
        if name and number.isdecimal() and len(number) < 10:
            along[name] = int(number)
    return PublishForm(
        why=forms.clean_text("why"),
        at=forms.field("at"),
        is_later=forms.field("when") == "later",
        moves_live=bool(forms.field("moves_live")),
        other_drafts=along,
        reasons={key.removeprefix("reason:"): forms.clean_text(key) for key in form if key.startswith("reason:")},
        step_map=dict(_read_step_map()),
    )


def _read_step_map() -> Iterator[tuple[str, str]]:
    """The posted step map as (old, new) pairs, without what cannot be a step's name."""
    for key in request.form:
        old, new = key.removeprefix("step:"), request.form[key]
        if key.startswith("step:") and re.fullmatch(STEP_NAME, old) and (not new or re.fullmatch(STEP_NAME, new)):
            yield old, new


def _read_due_time(typed: PublishForm) -> datetime | None:
    """The posted time of publication, in the city's time zone, as UTC; None for now. Raises Refused."""
    if not typed.is_later and typed.at:
        raise Refused("You chose Now, and a time as well. Choose one: nothing was published yet.")
    if not typed.is_later:
        return None
    try:
        return datetime.fromisoformat(typed.at).replace(tzinfo=current_runtime().settings.timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("Say at which day and time it is to be published.") from None


def _to_local_input(at: datetime) -> str:
    return at.astimezone(current_runtime().settings.timezone).strftime("%Y-%m-%dT%H:%M")


def _flash_outcome(done: PublishOutcome) -> None:
    match done:
        case PublishedVersions(versions=versions):
            flash(f"Published: {', '.join(sorted(versions))}. New conversations get it from this moment on.", "good")
        case AwaitingReview(teams=teams):
            flash(f"It waits for a second person to look at it (for {', '.join(teams)}).", "good")
        case ScheduledPublication(due_at=due_at):
            when = due_at.astimezone(current_runtime().settings.timezone)
            flash(f"It becomes live on {when:%A, %B} {when.day} at {when:%I:%M %p}.", "good")


def version_not_found() -> Response:
    """404 for a version or revision that does not exist."""
    return layout.refusal_page("This is not here", "There is no such version or revision of this flow.", 404)
