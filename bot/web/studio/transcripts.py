"""A flow's transcripts (conversation tests): their results on the draft, their coverage, and the editor for one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Blueprint, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.conversation.transcript import Transcript, read_transcript, write_transcript
from bot.domain.flows.checks.coverage import CoverageGaps, TranscriptCoverage, coverage_gaps
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.conversation.rehearsal import PlayedTurn, play_turns
from bot.usecases.studio import check_draft, manage_transcripts
from bot.usecases.studio.edit_draft import DraftChangedMeanwhile, FlowNotFound, Revision, drafted_flows
from bot.usecases.studio.flow_sets import FlowSet
from bot.usecases.studio.open_flow import OpenFlow, open_flow
from bot.usecases.studio.side_by_side import side_by_side
from bot.usecases.studio.transcript_owners import own_results, passing_transcripts
from bot.usecases.studio.trial import try_flow
from bot.usecases.studio.trial.play_trial import play
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame
from bot.web.studio.diagram import pages
from bot.web.studio.transcript_stage import TranscriptWorld, load_world, transcript_path

transcripts = Blueprint("transcripts", __name__, url_prefix="/console")


@dataclass(slots=True)
class TranscriptForm:
    """A refused form: the typed text, its problems, a sentence with the reason, and the HTTP status."""

    text: str | None = None
    problems: tuple[FlowProblem, ...] = ()
    message: str = ""
    status: int = 200


@transcripts.get("/flows/<string:flow>/transcripts")
@require_permission(Permission.SEE_FLOWS)
def everything(flow: str) -> ResponseReturnValue:
    """All transcripts of the flow with their results and coverage; with `name`, redirect to that transcript."""
    if request.args.get("name"):
        return redirect(transcript_path(flow, request.args["name"]), 303)
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        stage = load_world(db, opened)
        drafted = drafted_flows(db)
    values: dict[str, Any] = {"problems": stage.world.problems, "results": [], "missing": None, "figure": None}
    if not stage.unreadable_flow:
        values |= _coverage_values(opened, stage.world)
    return frame.render_page("studio/transcripts.html", opened, "transcripts", stage=stage, drafted=drafted, **values)


def _coverage_values(opened: OpenFlow, world: FlowSet) -> dict[str, Any]:
    context = current_runtime().context
    report = check_draft.check_drafts(world, [opened.flow], context.system_texts, context.zone, context.line_name)
    found = report.coverage.get(opened.flow, TranscriptCoverage())
    script = world.flows[opened.flow].script
    missing: CoverageGaps = coverage_gaps(script, found)
    choices = sum(len(getattr(step, "choices", ())) for step in script.steps.values())
    return {
        "results": own_results(world, report, opened.flow),
        "missing": missing,
        "covered": {
            "steps": (len(script.steps) - len(missing.steps), len(script.steps)),
            "choices": (choices - len(missing.choices), choices),
        },
        "passing": passing_transcripts(world, report, opened.flow),
        "figure": pages.figure(opened.content, opened.flow, coverage=found),
    }


# Recording.


@transcripts.get("/flows/<string:flow>/transcripts/record")
@require_permission(Permission.EDIT_FLOWS)
def preview(flow: str) -> ResponseReturnValue:
    """Preview the conversation on the trial phone as a transcript."""
    return _record_page(flow, request.args.get("title", ""), request.args.get("name", ""), "")


@transcripts.post("/flows/<string:flow>/transcripts/record")
@require_permission(Permission.EDIT_FLOWS)
def record(flow: str) -> ResponseReturnValue:
    """Save the conversation on the trial phone as a transcript, in the draft of the flow in which it begins."""
    runtime = current_runtime()
    title, typed = forms.clean_text("title"), forms.clean_text("name").lower()
    now = runtime.clock.now()
    if not title or len(title) > manage_transcripts.MAX_TITLE_LENGTH:
        words = f"Give it a title of at most {manage_transcripts.MAX_TITLE_LENGTH} characters: what it shows."
        return _record_page(flow, title, typed, words)
    try:
        with runtime.database.transaction() as db:
            opened = open_flow(db, flow)
            if opened is None:
                return frame.not_found()
            made, owner = _make_transcript(db, opened, title)
            there = open_flow(db, owner)
            taken = there.content.transcripts if there else {}
            name = typed or manage_transcripts.name_for(title, made.language, taken)
            text = write_transcript(made)
            revision = manage_transcripts.add(db, owner, name, text, frame.current_author(), now)
            access.record_audit(db, "flow_changed", now, detail=f"{owner}, revision {revision.number}")
    except Refused as refused:
        return _record_page(flow, title, typed, str(refused))
    except (FlowNotFound, DraftChangedMeanwhile):
        return _record_page(flow, title, typed, "The flow has changed just now. Look at it again, then keep it.")
    where = "" if owner == flow else f" It begins with the menu, so it is kept with the flow {owner}."
    flash(f"Kept as the transcript {name}.{where}", "good")
    return redirect(transcript_path(owner, name), 303)


def _make_transcript(db: Session, opened: OpenFlow, title: str) -> tuple[Transcript, str]:
    """The conversation on the trial phone as a transcript, and the flow that it belongs to. Raises Refused."""
    runtime = current_runtime()
    stage = load_world(db, opened)
    if stage.unreadable_flow:
        raise Refused("The draft cannot be played just now, so nothing can be recorded. Mend it in the YAML first.")
    tried = try_flow.read_trial(db, current_user().id, opened.flow, runtime.clock.now(), runtime.context.zone)
    context = runtime.context
    made = manage_transcripts.record(tried, opened.flow, title, context.system_texts, stage.library(), context.zone)
    owner = made.flow or stage.menu_flow
    if owner is None:
        raise Refused("No flow has `menu: true`, so there is nowhere to begin. Start at this flow instead.")
    return made, owner


def _record_page(flow: str, title: str, name: str, problem: str) -> ResponseReturnValue:
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        made, differs = None, False
        try:
            made, _ = _make_transcript(db, opened, title)
            differs = _differs_from_phone(db, opened)
        except Refused as refused:
            problem = problem or str(refused)
    shown = frame.render_page(
        "studio/transcripts_record.html",
        opened,
        "transcripts",
        text=write_transcript(made) if made else "",
        title=title,
        name=name,
        words=problem,
        differs=differs,
        longest=manage_transcripts.MAX_TITLE_LENGTH,
    )
    return make_response(shown, 422 if problem else 200)


def _differs_from_phone(db: Session, opened: OpenFlow) -> bool:
    """Whether the transcript would take another path than the trial did: tests use other services and no other drafts."""
    context, stage = current_runtime().context, load_world(db, opened)
    tried = try_flow.read_trial(db, current_user().id, opened.flow, current_runtime().clock.now(), context.zone)
    shown = try_flow.show_trial(db, context, opened.flow, opened.content, tried)
    run = play(tried, opened.flow, context.system_texts, stage.library(), context.zone)
    return shown.run is not None and shown.run.fingerprints != run.fingerprints


# One transcript.


@transcripts.get("/flows/<string:flow>/transcripts/one")
@require_permission(Permission.SEE_FLOWS)
def one(flow: str) -> ResponseReturnValue:
    """What the transcript expects beside what the draft does, and its text; with `anew`, what recording it again would
    change."""
    return _transcript_page(flow, request.args.get("name", ""), TranscriptForm(), anew="anew" in request.args)


@transcripts.post("/flows/<string:flow>/transcripts/one")
@require_permission(Permission.EDIT_FLOWS)
def change(flow: str) -> ResponseReturnValue:
    """Save, rename, delete or re-record the transcript."""
    name, did = forms.field("name"), forms.field("do")
    acts: dict[str, Callable[[Session, str, str], tuple[Revision, str]]] = {
        "save": _save,
        "anew": _save_rerecorded,
        "rename": _rename,
        "delete": _delete,
    }
    if did not in acts:
        return _transcript_page(
            flow, name, TranscriptForm(message="Nothing was chosen. Press one of the buttons.", status=422)
        )
    return _change(flow, name, acts[did])


def _change(flow: str, name: str, act: Callable[[Session, str, str], tuple[Revision, str]]) -> ResponseReturnValue:
    runtime = current_runtime()
    text = _posted_text() if "text" in request.form else None
    try:
        with runtime.database.transaction() as db:
            revision, kept_as = act(db, flow, name)
            access.record_audit(db, "flow_changed", runtime.clock.now(), detail=f"{flow}, revision {revision.number}")
    except FlowError as error:
        return _transcript_page(
            flow,
            name,
            TranscriptForm(text, tuple(error.problems), "It cannot be read as it is typed. Nothing was saved.", 422),
        )
    except Refused as refused:
        return _transcript_page(flow, name, TranscriptForm(text, message=str(refused), status=422))
    except DraftChangedMeanwhile as meanwhile:
        theirs = meanwhile.current
        words = f"{theirs.by} changed this transcript meanwhile ({theirs.what}). Save again what you typed to keep it."
        return _transcript_page(flow, name, TranscriptForm(text, message=words, status=409))
    except FlowNotFound:
        return frame.not_found()
    flash(f"{revision.what}.", "good")
    return redirect(transcript_path(flow, kept_as), 303)


def _posted_text() -> str:
    # Not stripped like other texts: blank and indented lines have a meaning here.
    text = forms.field("text").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "ignore").decode("utf-8")


def _save(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    text, now = _posted_text(), current_runtime().clock.now()
    menu = load_world(db, _require_flow(db, flow)).menu_flow
    return manage_transcripts.save(
        db, flow, menu, frame.posted_version_token(), name, text, frame.current_author(), now
    ), name


def _save_rerecorded(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    context, opened = current_runtime().context, _require_flow(db, flow)
    stage = load_world(db, opened)
    if stage.unreadable_flow:
        raise Refused("The draft cannot be played just now. Mend it in the YAML first.")
    text = manage_transcripts.rerecord(
        opened.content.transcripts.get(name, ""), name, context.system_texts, stage.library(), context.zone
    )
    if _digest(text) != forms.field("fresh"):
        raise Refused("The draft has changed since you looked. Look again at what would be kept.")
    now, menu = current_runtime().clock.now(), stage.menu_flow
    what = "Recorded anew the transcript"
    return manage_transcripts.save(
        db, flow, menu, frame.posted_version_token(), name, text, frame.current_author(), now, what=what
    ), name


def _rename(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    new = forms.clean_text("new").lower()
    return manage_transcripts.rename(
        db, flow, frame.posted_version_token(), name, new, frame.current_author(), current_runtime().clock.now()
    ), new


def _delete(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    return manage_transcripts.delete(
        db, flow, frame.posted_version_token(), name, frame.current_author(), current_runtime().clock.now()
    ), ""


def _require_flow(db: Session, flow: str) -> OpenFlow:
    opened = open_flow(db, flow)
    if opened is None:
        raise FlowNotFound(flow)
    return opened


@transcripts.post("/flows/<string:flow>/transcripts/phone")
@require_permission(Permission.SEE_FLOWS)
def to_phone(flow: str) -> ResponseReturnValue:
    """Load the transcript into the trial phone, to continue from there."""
    runtime, name = current_runtime(), forms.field("name")
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        try:
            read = read_transcript(opened.content.transcripts.get(name, ""), manage_transcripts.problem_file(name))
            made = manage_transcripts.to_trial(read, try_flow.new_trial(now, runtime.context.zone).moment)
        except (FlowError, Refused):
            flash("This transcript cannot be read, so it cannot be put on the phone. Mend it first.", "danger")
            return redirect(transcript_path(flow, name), 303)
        try_flow.store_trial(db, runtime.context, current_user().id, flow, opened.content, made, now)
    return redirect(f"/console/flows/{flow}/try#phone", 303)


def _transcript_page(flow: str, name: str, typed: TranscriptForm, *, anew: bool = False) -> ResponseReturnValue:
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        stage = load_world(db, opened)
    text = opened.content.transcripts.get(name)
    if text is None:
        flash("There is no such transcript in this flow any more.", "danger")
        return redirect(transcript_path(flow, ""), 303)
    played, problems = _run_transcript(stage, name, text)
    fresh, refusal = _rerecord(stage, name, text) if anew else ("", "")
    shown = frame.render_page(
        "studio/transcripts_one.html",
        opened,
        "transcripts",
        name=name,
        title=_title(name, text),
        text=text if typed.text is None else typed.text,
        typed=typed,
        played=played,
        problems=problems,
        stage=stage,
        old=text,
        rows=list(side_by_side(text, fresh)),
        fresh=fresh,
        digest=_digest(fresh),
        anew=anew,
        refusal=refusal,
    )
    return make_response(shown, typed.status)


def _run_transcript(stage: TranscriptWorld, name: str, text: str) -> tuple[list[PlayedTurn], tuple[FlowProblem, ...]]:
    context = current_runtime().context
    file = manage_transcripts.problem_file(name)
    try:
        read = read_transcript(text, file)
    except FlowError as error:
        return [], tuple(error.problems)
    if stage.unreadable_flow:
        return [], stage.world.problems
    return list(play_turns(read, file, context.system_texts, stage.library(), context.zone)), ()


def _rerecord(stage: TranscriptWorld, name: str, text: str) -> tuple[str, str]:
    """The text recorded again and "", or "" and why it cannot be."""
    context = current_runtime().context
    if stage.unreadable_flow:
        return "", "The draft cannot be played just now. Mend it in the YAML first."
    try:
        return manage_transcripts.rerecord(text, name, context.system_texts, stage.library(), context.zone), ""
    except (FlowError, Refused) as error:
        return "", str(error)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _title(name: str, text: str) -> str:
    try:
        return read_transcript(text, name).title
    except FlowError:
        return name
