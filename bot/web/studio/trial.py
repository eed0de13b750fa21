"""The trial phone, on which an admin tries a draft: on its own page and beside the editor's steps."""

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

from bot.domain.conversation.transcript import PLAYABLE_CHANNELS
from bot.domain.flows.language.script import STEP_NAME
from bot.domain.languages import english_name
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.studio.flow_sets import FlowSet
from bot.usecases.studio.open_flow import OpenFlow, open_flow
from bot.usecases.studio.trial import describe_effects, trial_answers, try_flow
from bot.usecases.studio.trial.play_trial import TrialRun
from bot.usecases.studio.trial.trials import MAX_ENTRIES, Trial, TrialStart
from bot.usecases.studio.trial.try_flow import ShownTrial
from bot.web import forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.studio import frame

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
_ANSWER_PREFIX = "answer."
_MOMENT_HINT = "Write the day and time like 2026-11-23 10:00."
_YEAR_RANGE = (2000, 2100)


@dataclass(slots=True)
class RefusedAct:
    """Why an action was refused, and the typed values to show again."""

    message: str = ""
    body: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@trial.get("/flows/<string:flow>/try")
@require_permission(Permission.SEE_FLOWS)
def phone(flow: str) -> ResponseReturnValue:
    """The phone with the conversation so far and the settings of its beginning."""
    with current_runtime().database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        return _page(db, opened, _show(db, opened), RefusedAct())


@trial.post("/flows/<string:flow>/try")
@require_permission(Permission.SEE_FLOWS)
def act(flow: str) -> ResponseReturnValue:
    """One action on the phone: a text, a picture, a wait, a check-in, undo, or another beginning."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        opened = open_flow(db, flow)
        if opened is None:
            return frame.not_found()
        now, context = runtime.clock.now(), runtime.context
        current = try_flow.read_trial(db, current_user().id, flow, now, context.zone, lock=True)
        try:
            changed = _apply_act(db, opened, current)
        except Refused as refused:
            shown = try_flow.show_trial(db, context, flow, opened.content, current)
            return _refusal_page(db, opened, shown, RefusedAct(str(refused), forms.clean_text("body"), dict(request.form)))
        tried = try_flow.store_trial(db, context, current_user().id, flow, opened.content, changed, now)
        if forms.is_script_request():
            return jsonify({"html": _pane(opened, tried, RefusedAct()), "notice": ""})
    return redirect(_return_path(flow), 303)


def phone_pane(db: Session, opened: OpenFlow) -> Markup:
    """The phone with the current trial, for another page about the flow. That page must load trial.css and trial.js."""
    return _pane(opened, _show(db, opened), RefusedAct())


def _show(db: Session, opened: OpenFlow) -> ShownTrial:
    runtime = current_runtime()
    current = try_flow.read_trial(db, current_user().id, opened.flow, runtime.clock.now(), runtime.context.zone)
    return try_flow.show_trial(db, runtime.context, opened.flow, opened.content, current)


# Actions.


def _apply_act(db: Session, opened: OpenFlow, current: Trial) -> Trial:
    """The trial after the posted action. Raises Refused."""
    did = next((name for name in ("quick", "wait", "check_in") if forms.field(name)), "") or forms.field("do")
    if did in ("say", "quick", "picture", "wait", "check_in", "undo"):
        _check_count(current)
    acts: dict[str, Callable[[], Trial]] = {
        "say": lambda: current.with_text(forms.clean_text("body")),
        "quick": lambda: current.with_text(forms.clean_text("quick")),
        "picture": current.with_picture,
        "wait": lambda: current.with_wait(_wait_length(_run(db, opened, current))),
        "check_in": lambda: current.with_check_in(_chosen_check_in(_run(db, opened, current))),
        "undo": current.without_last,
        "again": current.restarted,
        "jump": lambda: current.restarted_at(TrialStart.STEP, _chosen_step(opened, db, forms.field("step"))),
        "set": lambda: _with_settings(db, opened, current),
        "restart": lambda: _with_settings(db, opened, current).restarted(),
    }
    if did not in acts:
        raise Refused("Nothing was chosen. Write a text, or press one of the buttons.")
    return acts[did]()


def _check_count(current: Trial) -> None:
    """Raise Refused if the page was out of date: after a double click, or with the trial open in another window."""
    seen = forms.field("count")
    if seen.isdecimal() and int(seen[:6]) != len(current.entries):
        raise Refused("The conversation has gone on since this page was made. Look at it first, then do it again.")


def _run(db: Session, opened: OpenFlow, current: Trial) -> TrialRun:
    shown = try_flow.show_trial(db, current_runtime().context, opened.flow, opened.content, current)
    if shown.run is None:
        raise Refused("The draft cannot be played just now.")
    return shown.run


def _wait_length(run: TrialRun) -> timedelta:
    return try_flow.wait_length(forms.field("wait"), run, current_runtime().context.zone)


def _chosen_check_in(run: TrialRun) -> str:
    flow = forms.field("check_in")
    if flow not in {name for name, _ in run.planned}:
        raise Refused("No such check-in is planned in this conversation.")
    return flow


def _chosen_step(opened: OpenFlow, db: Session, name: str) -> str:
    world = try_flow.flow_set_for(db, opened.flow, opened.content, all_drafts=False)
    read = world.flows.get(opened.flow)
    if read is None or name not in read.script.steps:
        raise Refused(f"There is no step {name[:40]!r} in this flow just now. Choose another one.")
    return name


def _with_settings(db: Session, opened: OpenFlow, current: Trial) -> Trial:
    """The trial with the posted settings of its beginning. Raises Refused."""
    start = forms.field("start")
    is_step = start.startswith("step:")
    if not is_step and start not in (TrialStart.MENU, TrialStart.FLOW):
        raise Refused("Choose where it starts.")
    language, channel = forms.field("language"), forms.field("channel")
    if language not in current_runtime().context.system_texts.languages or channel not in PLAYABLE_CHANNELS:
        raise Refused("Choose a language and a channel of the line.")
    return replace(
        current,
        moment=_read_moment(forms.field("moment")),
        language=language,
        channel=channel,
        start=TrialStart.STEP if is_step else TrialStart(start),
        step=_chosen_step(opened, db, start.removeprefix("step:")) if is_step else "",
        answers=_read_answers(db, opened),
        all_drafts=bool(forms.field("all_drafts")),
    )


def _read_moment(typed: str) -> datetime:
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise Refused(_MOMENT_HINT) from None
    if moment.tzinfo is not None or not _YEAR_RANGE[0] <= moment.year < _YEAR_RANGE[1]:
        raise Refused(_MOMENT_HINT)
    return moment.replace(second=0, microsecond=0)


def _read_answers(db: Session, opened: OpenFlow) -> dict[str, Any]:
    world = try_flow.flow_set_for(db, opened.flow, opened.content, all_drafts=False)
    found = {}
    for one in _known_answers(opened, world):
        typed = forms.clean_text(f"{_ANSWER_PREFIX}{one.name}")
        if typed:
            found[one.name] = trial_answers.parse_answer(one, typed)
    return found


def _known_answers(opened: OpenFlow, world: FlowSet) -> tuple[trial_answers.KnownAnswer, ...]:
    return trial_answers.known_answers(opened.flow, world.scripts) if opened.flow in world.flows else ()


# Rendering.


def _refusal_page(db: Session, opened: OpenFlow, shown: ShownTrial, refusal: RefusedAct) -> ResponseReturnValue:
    if forms.is_script_request():
        return make_response(jsonify({"html": _pane(opened, shown, refusal), "notice": refusal.message}), 422)
    return _page(db, opened, shown, refusal)


def _page(db: Session, opened: OpenFlow, shown: ShownTrial, refusal: RefusedAct) -> ResponseReturnValue:
    world = try_flow.flow_set_for(db, opened.flow, opened.content, all_drafts=False)
    read = world.flows.get(opened.flow)
    known = _known_answers(opened, world)
    if refusal.message and "start" not in refusal.settings:
        refusal = replace(refusal, settings={})
    settings = refusal.settings or _settings_values(shown.trial, known)
    page = frame.render_page(
        "studio/trial.html",
        opened,
        "try",
        pane=_pane(opened, shown, refusal),
        refusal=refusal,
        settings=settings,
        known=known,
        steps=list(read.script.steps) if read else [],
        has_answers=any(key.startswith(_ANSWER_PREFIX) and value for key, value in settings.items()),
        language_names={code: english_name(code) for code in current_runtime().context.system_texts.languages},
        channels=CHANNEL_NAMES,
    )
    return make_response(page, 422 if refusal.message else 200)


def _settings_values(current: Trial, known: tuple[trial_answers.KnownAnswer, ...]) -> dict[str, str]:
    """The field values of the settings form."""
    answers = {f"{_ANSWER_PREFIX}{one.name}": trial_answers.field_text(current.answers.get(one.name)) for one in known}
    start = f"step:{current.step}" if current.start is TrialStart.STEP else current.start.value
    return {
        "moment": current.moment.isoformat("T", "minutes"),
        "language": current.language,
        "channel": current.channel,
        "start": start,
        "all_drafts": "1" if current.all_drafts else "",
        **answers,
    }


def _pane(opened: OpenFlow, shown: ShownTrial, refusal: RefusedAct) -> Markup:
    runtime = current_runtime()
    at = _current_page()
    return Markup(  # noqa: S704 - a template of ours, which escapes what it is given
        render_template(
            "studio/trial_phone.html",
            opened=opened,
            tried=shown,
            refusal=refusal,
            at=at,
            is_beside=at != _OWN_PAGE,
            may_keep=current_user().may(Permission.EDIT_FLOWS) and bool(shown.trial.entries),
            zone=runtime.context.zone,
            line_name=runtime.settings.line_name,
            holders=HOLDERS,
            waits=[one for one in WAITS if one[0] != "wakes" or (shown.run and shown.run.conversation.timeout_at)],
            moment=describe_effects.format_moment,
            clock=describe_effects.format_clock,
            language=english_name,
            longest=MAX_BODY_LENGTH,
            most=MAX_ENTRIES,
        )
    )


_OWN_PAGE = ":try"


def _current_page() -> str:
    """The page that the phone is on: `_OWN_PAGE`, or the editor, given as the step that is open there (may be "")."""
    if request.method == "POST":
        posted = forms.field("at")
        return posted if posted == "" or re.fullmatch(STEP_NAME, posted) else _OWN_PAGE
    if request.path.endswith("/try"):
        return _OWN_PAGE
    step = request.args.get("step", "")
    return step if re.fullmatch(STEP_NAME, step) else ""


def _return_path(flow: str) -> str:
    at = _current_page()
    if at == _OWN_PAGE or "at" not in request.form:
        return f"/console/flows/{flow}/try#phone"
    return f"/console/flows/{flow}?step={at}#phone" if at else f"/console/flows/{flow}#phone"
