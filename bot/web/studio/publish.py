"""Publishing: what would become live, what the checks say of it, when and why; and the publications that wait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from bot.domain.flow_yaml import Problem
from bot.domain.permissions import Permission
from bot.domain.script import STEP_NAME
from bot.storage import flows, publish_requests
from bot.usecases.studio import publish_drafts, roll_back
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere, Unfit
from bot.usecases.studio.publish_drafts import Outcome, Published, Refused, Scheduled, Waiting
from bot.usecases.studio.read_publishing import read_sheet
from bot.web import forms
from bot.web.console import layout, wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime
from bot.web.studio import diagram, frame

publish = Blueprint("publish", __name__, url_prefix="/console")

MOVED_ON = "Somebody changed a draft a moment ago. Here it is as it is now: look at it once more, then publish."


@dataclass
class Typed:
    """What the form held. `reasons` by the warning's key; `steps` is the map of those who move along."""

    why: str = ""
    at: str = ""
    is_later: bool = False
    moves_live: bool = False
    along: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)


@publish.get("/flows/<string:flow>/publish")
@needs(Permission.SEE_FLOWS)
def show(flow: str) -> ResponseReturnValue:
    """What publishing this draft would change; `along` names flows whose drafts are ticked to be published with it."""
    # Only the names count here: the numbers come from the page that is made, and are what the form then posts.
    return _show(flow, Typed(along=dict.fromkeys(request.args.getlist("along"), 0)))


@publish.post("/flows/<string:flow>/publish/look")
@needs(Permission.PUBLISH_FLOWS)
def look(flow: str) -> ResponseReturnValue:
    """Look again with the other drafts and the map of steps that were chosen. Nothing is kept."""
    return _show(flow, _typed())


@publish.post("/flows/<string:flow>/publish")
@needs(Permission.PUBLISH_FLOWS)
def go(flow: str) -> ResponseReturnValue:
    """Publish, plan it, or ask a second person."""
    open_, typed = runtime(), _typed()
    now = open_.clock.now()
    try:
        with open_.database.transaction() as db:
            done = publish_drafts.ask(
                db, open_.desk, {flow: frame.seen(), **typed.along}, frame.author(), now, why=typed.why,
                reasons=typed.reasons, moves={flow: typed.steps} if typed.moves_live else {}, due_at=_moment(typed),
            )  # fmt: skip
    except Refused as refused:
        return _show(flow, typed, refused=refused.problems, status=422)
    except Unfit as unfit:
        return _show(flow, typed, problem=str(unfit), status=422)
    except ChangedMeanwhile:
        return _show(flow, typed, problem=MOVED_ON, status=409)
    except NotThere:
        return _show(flow, typed, problem="There is no draft to publish any more.", status=409)
    _tell(done)
    where = "/console/flows/requests" if isinstance(done, Waiting | Scheduled) else f"/console/flows/{flow}/history"
    return redirect(where, 303)


@publish.get("/flows/requests")
@needs(Permission.SEE_FLOWS)
def requests() -> ResponseReturnValue:
    """What waits for a second person or for its time, roll-backs to be looked at, and what became of the last ones."""
    return _requests()


@publish.post("/flows/requests/<int(max=2147483647):request_id>/approve")
@needs(Permission.APPROVE_FLOWS)
def approve(request_id: int) -> ResponseReturnValue:
    """Agree, as the second person."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            done = publish_drafts.approve(db, open_.desk, request_id, frame.author(), open_.clock.now())
    except Refused as refused:
        return _requests(f"It does not pass the checks any more. {refused.problems[0]}", 422)
    except ChangedMeanwhile as meanwhile:
        flow = meanwhile.theirs.flow
        return _requests(f"The draft of {flow} was changed after this was asked for, so it must be asked for again.", 409)
    except (Unfit, NotThere) as unfit:
        return _requests(str(unfit), 422)
    _tell(done)
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/<int(max=2147483647):request_id>/refuse")
@needs(Permission.APPROVE_FLOWS)
def refuse(request_id: int) -> ResponseReturnValue:
    """Say no, and why."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            publish_drafts.refuse(db, request_id, frame.author(), forms.words("why"), open_.clock.now())
    except (Unfit, NotThere) as unfit:
        return _requests(str(unfit), 422)
    flash("Refused. Whoever asked sees why.", "good")
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/<int(max=2147483647):request_id>/withdraw")
@needs(Permission.PUBLISH_FLOWS)
def withdraw(request_id: int) -> ResponseReturnValue:
    """Take it back."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            publish_drafts.withdraw(db, request_id, frame.author(), open_.clock.now())
    except (Unfit, NotThere) as unfit:
        return _requests(str(unfit), 422)
    flash("Withdrawn. Nothing was published.", "good")
    return redirect("/console/flows/requests", 303)


@publish.post("/flows/requests/roll-back/<int(max=2147483647):publication_id>/seen")
@needs(Permission.APPROVE_FLOWS)
def seen(publication_id: int) -> ResponseReturnValue:
    """A second person has looked at a roll-back."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            roll_back.look(db, publication_id, frame.author(), open_.clock.now())
    except Unfit as unfit:
        return _requests(str(unfit), 422)
    flash("Thank you. It is written down that you looked at it.", "good")
    return redirect("/console/flows/requests", 303)


def _show(
    flow: str, typed: Typed, *, problem: str = "", refused: tuple[Problem, ...] = (), status: int = 200
) -> ResponseReturnValue:
    open_ = runtime()
    now = open_.clock.now()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        sheet = None
        if opened.draft is not None and opened.is_changed:
            sheet = read_sheet(db, open_.desk, flow, typed.along, typed.steps, now)
    figure = ""
    if sheet is not None and sheet.steps:
        before = opened.live.content if opened.live else None
        figure = diagram.figure(opened.content, flow, marks=sheet.marks, before=before, renamed=sheet.renamed)
    shown = frame.page(
        "studio/publish.html",
        opened,
        "publish",
        sheet=sheet,
        typed=typed,
        problem=problem,
        refused=len(refused),
        figure=figure,
        language=wording.language,
        zone=open_.settings.timezone,
        earliest=_local(now),
    )
    return make_response(shown, status)


def _requests(problem: str = "", status: int = 200) -> Response:
    open_ = runtime()
    with open_.database.transaction() as db:
        waiting, decided = publish_requests.waiting(db), publish_requests.decided(db)
        rolled_back = roll_back.wants_look(db)
        live = flows.current(db)
    shown = render_template(
        "studio/publish_requests.html",
        here="flows",
        waiting=waiting,
        decided=decided,
        rolled_back=rolled_back,
        live=live,
        problem=problem,
        my_id=me().id,
        may_approve=me().may(Permission.APPROVE_FLOWS),
        may_publish=me().may(Permission.PUBLISH_FLOWS),
        zone=open_.settings.timezone,
    )
    return make_response(shown, status)


def _typed() -> Typed:
    form = request.form
    along = {}
    for chosen in form.getlist("along"):
        name, _, number = chosen.rpartition(":")
        if name and number.isdecimal() and len(number) < 10:
            along[name] = int(number)
    return Typed(
        why=forms.words("why"),
        at=forms.field("at"),
        is_later=forms.field("when") == "later",
        moves_live=bool(forms.field("moves_live")),
        along=along,
        reasons={key.removeprefix("reason:"): forms.words(key) for key in form if key.startswith("reason:")},
        steps=dict(_mapped()),
    )


def _mapped() -> Iterator[tuple[str, str]]:
    """The map of steps; what can be no step's name is left out."""
    for key in request.form:
        old, new = key.removeprefix("step:"), request.form[key]
        if key.startswith("step:") and re.fullmatch(STEP_NAME, old) and (not new or re.fullmatch(STEP_NAME, new)):
            yield old, new


def _moment(typed: Typed) -> datetime | None:
    """When it is to become live, by the city's clock. Raises Unfit."""
    if not typed.is_later and typed.at:
        raise Unfit("You chose Now, and a time as well. Choose one: nothing was published yet.")
    if not typed.is_later:
        return None
    try:
        return datetime.fromisoformat(typed.at).replace(tzinfo=runtime().settings.timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("Say at which day and time it is to be published.") from None


def _local(at: datetime) -> str:
    return at.astimezone(runtime().settings.timezone).strftime("%Y-%m-%dT%H:%M")


def _tell(done: Outcome) -> None:
    match done:
        case Published(versions=versions):
            flash(f"Published: {', '.join(sorted(versions))}. New conversations get it from this moment on.", "good")
        case Waiting(teams=teams):
            flash(f"It waits for a second person to look at it (for {', '.join(teams)}).", "good")
        case Scheduled(due_at=due_at):
            when = due_at.astimezone(runtime().settings.timezone)
            flash(f"It becomes live on {when:%A, %B} {when.day} at {when:%I:%M %p}.", "good")


def gone() -> Response:
    """404 for a version or revision that is not there."""
    return layout.refused("This is not here", "There is no such version or revision of this flow.", 404)
