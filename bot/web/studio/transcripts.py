"""The conversation tests of a flow: what each says of the draft, what they cover, and one of them to read and to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Blueprint, flash, make_response, redirect, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.flow_watch import Coverage, Uncovered, uncovered
from bot.domain.flow_yaml import FlowError, Problem
from bot.domain.permissions import Permission
from bot.domain.transcript import Transcript, read_transcript, write_transcript
from bot.storage import drafts
from bot.storage.drafts import Revision
from bot.usecases.rehearse import Played, turns
from bot.usecases.studio import check_draft, keep_transcripts, try_flow
from bot.usecases.studio.edit_draft import ChangedMeanwhile, NotThere, Unfit
from bot.usecases.studio.play_trial import play
from bot.usecases.studio.side_by_side import side_by_side
from bot.usecases.studio.transcript_owners import own, passing
from bot.usecases.studio.world import World
from bot.web import forms
from bot.web.console import access
from bot.web.console.access import me, needs
from bot.web.forms import runtime
from bot.web.studio import diagram, frame
from bot.web.studio.frame import Opened
from bot.web.studio.transcript_world import Stage, address, stage_of

transcripts = Blueprint("transcripts", __name__, url_prefix="/console")


@dataclass(slots=True)
class Typed:
    """What was posted and refused, so that it is shown again, and why."""

    text: str | None = None
    problems: tuple[Problem, ...] = ()
    words: str = ""
    status: int = 200


@transcripts.get("/flows/<string:flow>/transcripts")
@needs(Permission.SEE_FLOWS)
def everything(flow: str) -> ResponseReturnValue:
    """All transcripts of the flow with what the last check says, and what they cover; `name` leads on to one."""
    if request.args.get("name"):
        return redirect(address(flow, request.args["name"]), 303)
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        stage = stage_of(db, opened)
        drafted = {draft.flow for draft in drafts.everyone(db)}
    values: dict[str, Any] = {"problems": stage.world.problems, "results": [], "missing": None, "figure": None}
    if not stage.unread:
        values |= _covered(opened, stage.world)
    return frame.page("studio/transcripts.html", opened, "transcripts", stage=stage, drafted=drafted, **values)


def _covered(opened: Opened, world: World) -> dict[str, Any]:
    desk = runtime().desk
    report = check_draft.check(world, [opened.flow], desk.line, desk.zone, desk.line_name)
    found = report.coverage.get(opened.flow, Coverage())
    script = world.flows[opened.flow].script
    missing: Uncovered = uncovered(script, found)
    choices = sum(len(getattr(step, "choices", ())) for step in script.steps.values())
    return {
        "results": own(world, report, opened.flow),
        "missing": missing,
        "covered": {
            "steps": (len(script.steps) - len(missing.steps), len(script.steps)),
            "choices": (choices - len(missing.choices), choices),
        },
        "passing": passing(world, report, opened.flow),
        "figure": diagram.figure(opened.content, opened.flow, coverage=found),
    }


# Recording.


@transcripts.get("/flows/<string:flow>/transcripts/record")
@needs(Permission.EDIT_FLOWS)
def preview(flow: str) -> ResponseReturnValue:
    """What was tried on the phone, as the transcript that it would be."""
    return _recording(flow, request.args.get("title", ""), request.args.get("name", ""), "")


@transcripts.post("/flows/<string:flow>/transcripts/record")
@needs(Permission.EDIT_FLOWS)
def record(flow: str) -> ResponseReturnValue:
    """Keep what was tried in the draft of the flow in which it begins."""
    open_ = runtime()
    title, typed = forms.words("title"), forms.words("name").lower()
    now = open_.clock.now()
    if not title or len(title) > keep_transcripts.LONGEST_TITLE:
        words = f"Give it a title of at most {keep_transcripts.LONGEST_TITLE} characters: what it shows."
        return _recording(flow, title, typed, words)
    try:
        with open_.database.transaction() as db:
            opened = frame.opened(db, flow)
            if opened is None:
                return frame.not_there()
            made, owner = _recorded(db, opened, title)
            there = frame.opened(db, owner)
            taken = there.content.transcripts if there else {}
            name = typed or keep_transcripts.name_for(title, made.language, taken)
            text = write_transcript(made)
            revision = keep_transcripts.add(db, owner, name, text, frame.author(), now)
            access.record(db, "flow_changed", now, detail=f"{owner}, revision {revision.number}")
    except Unfit as unfit:
        return _recording(flow, title, typed, str(unfit))
    except (NotThere, ChangedMeanwhile):
        return _recording(flow, title, typed, "The flow has changed just now. Look at it again, then keep it.")
    where = "" if owner == flow else f" It begins with the menu, so it is kept with the flow {owner}."
    flash(f"Kept as the transcript {name}.{where}", "good")
    return redirect(address(owner, name), 303)


def _recorded(db: Session, opened: Opened, title: str) -> tuple[Transcript, str]:
    """The tried conversation as a transcript, and the flow that it belongs to. Raises Unfit."""
    open_ = runtime()
    stage = stage_of(db, opened)
    if stage.unread:
        raise Unfit("The draft cannot be played just now, so nothing can be recorded. Mend it in the YAML first.")
    kept = try_flow.read(db, me().id, opened.flow, open_.clock.now(), open_.desk.zone)
    desk = open_.desk
    made = keep_transcripts.record(kept, opened.flow, title, desk.line, stage.library(), desk.zone)
    owner = made.flow or stage.menu
    if owner is None:
        raise Unfit("No flow has `menu: true`, so there is nowhere to begin. Start at this flow instead.")
    return made, owner


def _recording(flow: str, title: str, name: str, words: str) -> ResponseReturnValue:
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        made, differs = None, False
        try:
            made, _ = _recorded(db, opened, title)
            differs = _differs_from_phone(db, opened)
        except Unfit as unfit:
            words = words or str(unfit)
    shown = frame.page(
        "studio/transcripts_record.html",
        opened,
        "transcripts",
        text=write_transcript(made) if made else "",
        title=title,
        name=name,
        words=words,
        differs=differs,
        longest=keep_transcripts.LONGEST_TITLE,
    )
    return make_response(shown, 422 if words else 200)


def _differs_from_phone(db: Session, opened: Opened) -> bool:
    """Whether tests, which meet other services and no other drafts, go another way than the phone does."""
    desk, stage = runtime().desk, stage_of(db, opened)
    kept = try_flow.read(db, me().id, opened.flow, runtime().clock.now(), desk.zone)
    shown = try_flow.show(db, desk, opened.flow, opened.content, kept)
    run = play(kept, opened.flow, desk.line, stage.library(), desk.zone)
    return shown.run is not None and shown.run.ways != run.ways


# One transcript.


@transcripts.get("/flows/<string:flow>/transcripts/one")
@needs(Permission.SEE_FLOWS)
def one(flow: str) -> ResponseReturnValue:
    """What it expects beside what the draft does, and its text; with `anew`, what recording it anew would change."""
    return _one(flow, request.args.get("name", ""), Typed(), anew="anew" in request.args)


@transcripts.post("/flows/<string:flow>/transcripts/one")
@needs(Permission.EDIT_FLOWS)
def change(flow: str) -> ResponseReturnValue:
    """Save, rename, delete or record anew."""
    name, did = forms.field("name"), forms.field("do")
    acts: dict[str, Callable[[Session, str, str], tuple[Revision, str]]] = {
        "save": _save,
        "anew": _save_anew,
        "rename": _rename,
        "delete": _delete,
    }
    if did not in acts:
        return _one(flow, name, Typed(words="Nothing was chosen. Press one of the buttons.", status=422))
    return _changed(flow, name, acts[did])


def _changed(flow: str, name: str, act: Callable[[Session, str, str], tuple[Revision, str]]) -> ResponseReturnValue:
    open_ = runtime()
    text = _posted_text() if "text" in request.form else None
    try:
        with open_.database.transaction() as db:
            revision, kept_as = act(db, flow, name)
            access.record(db, "flow_changed", open_.clock.now(), detail=f"{flow}, revision {revision.number}")
    except FlowError as error:
        return _one(
            flow, name, Typed(text, tuple(error.problems), "It cannot be read as it is typed. Nothing was saved.", 422)
        )
    except Unfit as unfit:
        return _one(flow, name, Typed(text, words=str(unfit), status=422))
    except ChangedMeanwhile as meanwhile:
        theirs = meanwhile.theirs
        words = f"{theirs.by} changed this transcript meanwhile ({theirs.what}). Save again what you typed to keep it."
        return _one(flow, name, Typed(text, words=words, status=409))
    except NotThere:
        return frame.not_there()
    flash(f"{revision.what}.", "good")
    return redirect(address(flow, kept_as), 303)


def _posted_text() -> str:
    # Not forms.words: blank rows and indented ones mean something here.
    text = forms.field("text").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "ignore").decode("utf-8")


def _save(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    text, now = _posted_text(), runtime().clock.now()
    menu = stage_of(db, _must_open(db, flow)).menu
    return keep_transcripts.save(db, flow, menu, frame.seen(), name, text, frame.author(), now), name


def _save_anew(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    desk, opened = runtime().desk, _must_open(db, flow)
    stage = stage_of(db, opened)
    if stage.unread:
        raise Unfit("The draft cannot be played just now. Mend it in the YAML first.")
    text = keep_transcripts.anew(opened.content.transcripts.get(name, ""), name, desk.line, stage.library(), desk.zone)
    if _digest(text) != forms.field("fresh"):
        raise Unfit("The draft has changed since you looked. Look again at what would be kept.")
    now, menu = runtime().clock.now(), stage.menu
    what = "Recorded anew the transcript"
    return keep_transcripts.save(db, flow, menu, frame.seen(), name, text, frame.author(), now, what=what), name


def _rename(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    new = forms.words("new").lower()
    return keep_transcripts.rename(db, flow, frame.seen(), name, new, frame.author(), runtime().clock.now()), new


def _delete(db: Session, flow: str, name: str) -> tuple[Revision, str]:
    return keep_transcripts.delete(db, flow, frame.seen(), name, frame.author(), runtime().clock.now()), ""


def _must_open(db: Session, flow: str) -> Opened:
    opened = frame.opened(db, flow)
    if opened is None:
        raise NotThere(flow)
    return opened


@transcripts.post("/flows/<string:flow>/transcripts/phone")
@needs(Permission.SEE_FLOWS)
def to_phone(flow: str) -> ResponseReturnValue:
    """Put it on the phone, to go on from there."""
    open_, name = runtime(), forms.field("name")
    now = open_.clock.now()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        try:
            read = read_transcript(opened.content.transcripts.get(name, ""), keep_transcripts.file_of(name))
            made = keep_transcripts.as_trial(read, try_flow.begin(now, open_.desk.zone).moment)
        except (FlowError, Unfit):
            flash("This transcript cannot be read, so it cannot be put on the phone. Mend it first.", "danger")
            return redirect(address(flow, name), 303)
        try_flow.keep(db, open_.desk, me().id, flow, opened.content, made, now)
    return redirect(f"/console/flows/{flow}/try#phone", 303)


def _one(flow: str, name: str, typed: Typed, *, anew: bool = False) -> ResponseReturnValue:
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        stage = stage_of(db, opened)
    text = opened.content.transcripts.get(name)
    if text is None:
        flash("There is no such transcript in this flow any more.", "danger")
        return redirect(address(flow, ""), 303)
    played, problems = _played(stage, name, text)
    fresh, refusal = _fresh(stage, name, text) if anew else ("", "")
    shown = frame.page(
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


def _played(stage: Stage, name: str, text: str) -> tuple[list[Played], tuple[Problem, ...]]:
    desk = runtime().desk
    file = keep_transcripts.file_of(name)
    try:
        read = read_transcript(text, file)
    except FlowError as error:
        return [], tuple(error.problems)
    if stage.unread:
        return [], stage.world.problems
    return list(turns(read, file, desk.line, stage.library(), desk.zone)), ()


def _fresh(stage: Stage, name: str, text: str) -> tuple[str, str]:
    """The text recorded anew, or why it cannot be."""
    desk = runtime().desk
    if stage.unread:
        return "", "The draft cannot be played just now. Mend it in the YAML first."
    try:
        return keep_transcripts.anew(text, name, desk.line, stage.library(), desk.zone), ""
    except (FlowError, Unfit) as error:
        return "", str(error)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _title(name: str, text: str) -> str:
    try:
        return read_transcript(text, name).title
    except FlowError:
        return name
