"""Try it: the phone on which a draft is tried, on a page of its own and beside the steps of the editor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, jsonify, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy.orm import Session

from bot.domain.permissions import Permission
from bot.domain.script import STEP_NAME
from bot.domain.segments import LONGEST_BODY
from bot.domain.transcript import CHANNELS
from bot.usecases.studio import effect_words, trial_answers, try_flow
from bot.usecases.studio.edit_draft import Unfit
from bot.usecases.studio.play_trial import Run
from bot.usecases.studio.trials import MOST_ENTRIES, Start, Trial
from bot.usecases.studio.try_flow import Tried
from bot.usecases.studio.world import World
from bot.web import forms
from bot.web.console import wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime
from bot.web.studio import frame
from bot.web.studio.frame import Opened

trial = Blueprint("trial", __name__, url_prefix="/console")

CHANNEL_NAMES = {"sms": "Text message", "web": "Web chat"}
HOLDERS = {
    "bot": "the line itself",
    "waiting": "nobody yet: a social worker is called",
    "human": "a social worker",
}
WAITS = (
    ("2h", "2 hours"),
    ("morning", "To tomorrow, 9 AM"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("wakes", "Until silence counts"),
)
_ANSWER = "answer."
_MOMENT = "Write the day and time like 2026-11-23 10:00."
_MOST_YEARS = (2000, 2100)


@dataclass(slots=True)
class Refusal:
    """Why an act was not done, and what was typed, so that it is shown again."""

    words: str = ""
    body: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@trial.get("/flows/<string:flow>/try")
@needs(Permission.SEE_FLOWS)
def phone(flow: str) -> ResponseReturnValue:
    """The phone, how the conversation begins, and where it stands."""
    with runtime().database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        return _page(db, opened, _show(db, opened), Refusal())


@trial.post("/flows/<string:flow>/try")
@needs(Permission.SEE_FLOWS)
def act(flow: str) -> ResponseReturnValue:
    """One act on the phone: a text, a picture, a wait, a check-in, one step back, another beginning."""
    open_ = runtime()
    with open_.database.transaction() as db:
        opened = frame.opened(db, flow)
        if opened is None:
            return frame.not_there()
        now, desk = open_.clock.now(), open_.desk
        kept = try_flow.read(db, me().id, flow, now, desk.zone, lock=True)
        try:
            changed = _acted(db, opened, kept)
        except Unfit as unfit:
            shown = try_flow.show(db, desk, flow, opened.content, kept)
            return _refused(db, opened, shown, Refusal(str(unfit), forms.words("body"), dict(request.form)))
        tried = try_flow.keep(db, desk, me().id, flow, opened.content, changed, now)
        if forms.asks_for_part():
            return jsonify({"html": _pane(opened, tried, Refusal()), "notice": ""})
    return redirect(_back_to(flow), 303)


def pane(db: Session, opened: Opened) -> Markup:
    """The phone beside another page about the flow, with what was tried so far. The page loads trial.css and trial.js."""
    return _pane(opened, _show(db, opened), Refusal())


def _show(db: Session, opened: Opened) -> Tried:
    open_ = runtime()
    kept = try_flow.read(db, me().id, opened.flow, open_.clock.now(), open_.desk.zone)
    return try_flow.show(db, open_.desk, opened.flow, opened.content, kept)


# Acts.


def _acted(db: Session, opened: Opened, kept: Trial) -> Trial:
    """The trial as the posted form wants it. Raises Unfit."""
    did = next((name for name in ("quick", "wait", "check_in") if forms.field(name)), "") or forms.field("do")
    if did in ("say", "quick", "picture", "wait", "check_in", "undo"):
        _refuse_stale(kept)
    acts: dict[str, Callable[[], Trial]] = {
        "say": lambda: kept.says(forms.words("body")),
        "quick": lambda: kept.says(forms.words("quick")),
        "picture": kept.picture,
        "wait": lambda: kept.waits(_length(_run(db, opened, kept))),
        "check_in": lambda: kept.check_in(_check_in(_run(db, opened, kept))),
        "undo": kept.undone,
        "again": kept.restarted,
        "jump": lambda: kept.begun(Start.STEP, _step(opened, db, forms.field("step"))),
        "set": lambda: _settled(db, opened, kept),
        "restart": lambda: _settled(db, opened, kept).restarted(),
    }
    if did not in acts:
        raise Unfit("Nothing was chosen. Write a text, or press one of the buttons.")
    return acts[did]()


def _refuse_stale(kept: Trial) -> None:
    """A second press of a button, or another window: what is done must fit what was seen."""
    seen = forms.field("count")
    if seen.isdecimal() and int(seen[:6]) != len(kept.entries):
        raise Unfit("The conversation has gone on since this page was made. Look at it first, then do it again.")


def _run(db: Session, opened: Opened, kept: Trial) -> Run:
    shown = try_flow.show(db, runtime().desk, opened.flow, opened.content, kept)
    if shown.run is None:
        raise Unfit("The draft cannot be played just now.")
    return shown.run


def _length(run: Run) -> timedelta:
    return try_flow.wait_until(forms.field("wait"), run, runtime().desk.zone)


def _check_in(run: Run) -> str:
    flow = forms.field("check_in")
    if flow not in {name for name, _ in run.planned}:
        raise Unfit("No such check-in is planned in this conversation.")
    return flow


def _step(opened: Opened, db: Session, name: str) -> str:
    world = try_flow.world_of(db, opened.flow, opened.content, all_drafts=False)
    read = world.flows.get(opened.flow)
    if read is None or name not in read.script.steps:
        raise Unfit(f"There is no step {name[:40]!r} in this flow just now. Choose another one.")
    return name


def _settled(db: Session, opened: Opened, kept: Trial) -> Trial:
    """The trial with another beginning. Raises Unfit."""
    start = forms.field("start")
    is_step = start.startswith("step:")
    if not is_step and start not in (Start.MENU, Start.FLOW):
        raise Unfit("Choose where it starts.")
    language, channel = forms.field("language"), forms.field("channel")
    if language not in runtime().desk.line.languages or channel not in CHANNELS:
        raise Unfit("Choose a language and a channel of the line.")
    return replace(
        kept,
        moment=_moment(forms.field("moment")),
        language=language,
        channel=channel,
        start=Start.STEP if is_step else Start(start),
        step=_step(opened, db, start.removeprefix("step:")) if is_step else "",
        answers=_typed_answers(db, opened),
        all_drafts=bool(forms.field("all_drafts")),
    )


def _moment(typed: str) -> datetime:
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise Unfit(_MOMENT) from None
    if moment.tzinfo is not None or not _MOST_YEARS[0] <= moment.year < _MOST_YEARS[1]:
        raise Unfit(_MOMENT)
    return moment.replace(second=0, microsecond=0)


def _typed_answers(db: Session, opened: Opened) -> dict[str, Any]:
    world = try_flow.world_of(db, opened.flow, opened.content, all_drafts=False)
    found = {}
    for one in _known(opened, world):
        typed = forms.words(f"{_ANSWER}{one.name}")
        if typed:
            found[one.name] = trial_answers.read_typed(one, typed)
    return found


def _known(opened: Opened, world: World) -> tuple[trial_answers.Known, ...]:
    return trial_answers.known(opened.flow, world.scripts) if opened.flow in world.flows else ()


# Showing.


def _refused(db: Session, opened: Opened, shown: Tried, refusal: Refusal) -> ResponseReturnValue:
    if forms.asks_for_part():
        return make_response(jsonify({"html": _pane(opened, shown, refusal), "notice": refusal.words}), 422)
    return _page(db, opened, shown, refusal)


def _page(db: Session, opened: Opened, shown: Tried, refusal: Refusal) -> ResponseReturnValue:
    world = try_flow.world_of(db, opened.flow, opened.content, all_drafts=False)
    read = world.flows.get(opened.flow)
    known = _known(opened, world)
    if refusal.words and "start" not in refusal.settings:
        refusal = replace(refusal, settings={})
    settings = refusal.settings or _settings(shown.trial, known)
    page = frame.page(
        "studio/trial.html",
        opened,
        "try",
        pane=_pane(opened, shown, refusal),
        refusal=refusal,
        settings=settings,
        known=known,
        steps=list(read.script.steps) if read else [],
        has_answers=any(key.startswith(_ANSWER) and value for key, value in settings.items()),
        language_names={code: wording.language(code) for code in runtime().desk.line.languages},
        channels=CHANNEL_NAMES,
    )
    return make_response(page, 422 if refusal.words else 200)


def _settings(kept: Trial, known: tuple[trial_answers.Known, ...]) -> dict[str, str]:
    """The fields of the form of a trial's beginning."""
    answers = {f"{_ANSWER}{one.name}": trial_answers.typed_of(kept.answers.get(one.name)) for one in known}
    start = f"step:{kept.step}" if kept.start is Start.STEP else kept.start.value
    return {
        "moment": kept.moment.isoformat("T", "minutes"),
        "language": kept.language,
        "channel": kept.channel,
        "start": start,
        "all_drafts": "1" if kept.all_drafts else "",
        **answers,
    }


def _pane(opened: Opened, shown: Tried, refusal: Refusal) -> Markup:
    open_ = runtime()
    at = _at()
    return Markup(  # noqa: S704 - a template of ours, which escapes what it is given
        render_template(
            "studio/trial_phone.html",
            opened=opened,
            tried=shown,
            refusal=refusal,
            at=at,
            is_beside=at != _OWN_PAGE,
            may_keep=me().may(Permission.EDIT_FLOWS) and bool(shown.trial.entries),
            zone=open_.desk.zone,
            line_name=open_.settings.line_name,
            holders=HOLDERS,
            waits=[one for one in WAITS if one[0] != "wakes" or (shown.run and shown.run.conversation.waking)],
            moment=effect_words.moment,
            clock=effect_words.clock,
            language=wording.language,
            longest=LONGEST_BODY,
            most=MOST_ENTRIES,
        )
    )


_OWN_PAGE = ":try"


def _at() -> str:
    """Which page the phone stands on: its own, or the editor, with the step that is open there (may be "")."""
    if request.method == "POST":
        posted = forms.field("at")
        return posted if posted == "" or re.fullmatch(STEP_NAME, posted) else _OWN_PAGE
    if request.path.endswith("/try"):
        return _OWN_PAGE
    step = request.args.get("step", "")
    return step if re.fullmatch(STEP_NAME, step) else ""


def _back_to(flow: str) -> str:
    at = _at()
    if at == _OWN_PAGE or "at" not in request.form:
        return f"/console/flows/{flow}/try#phone"
    return f"/console/flows/{flow}?step={at}#phone" if at else f"/console/flows/{flow}#phone"
