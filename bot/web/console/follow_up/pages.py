"""The follow-up lists, and one person's check-ins, tasks and referrals with the forms that change them."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, flash, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import cases as case_words
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.cases import manage_case
from bot.usecases.check_ins import manage_check_ins
from bot.usecases.check_ins.manage_check_ins import PlannedCheckIns, RequestedTime
from bot.usecases.check_ins.read_follow_up import FollowUpList, count_lists, may_call, may_follow_up, read_lists
from bot.usecases.context import Context
from bot.usecases.directory.search_services import find_for_referral
from bot.usecases.people.read_person import full_number
from bot.usecases.referrals import record_referral, share_referral
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.console import wording
from bot.web.console.follow_up import person_page as page
from bot.web.console.follow_up import words as w
from bot.web.forms import current_runtime

follow_up = Blueprint("follow_up", __name__, url_prefix="/console")

_ID = f"int(max={2**63 - 1})"
_PERSON_PATH = f"/people/<{_ID}:conversation_id>/follow-up"
_UNITS = {"days": timedelta(days=1), "hours": timedelta(hours=1)}


# -- the lists --


@follow_up.get("/follow-up")
@require_permission(Permission.FOLLOW_UP)
def lists() -> ResponseReturnValue:
    """All lists from their beginning, or one list page by page; of all people, or of the social worker's own."""
    runtime = current_runtime()
    now, zone = runtime.clock.now(), runtime.settings.timezone
    kind, only_mine = _read_kind(request.args.get("list", "")), _wants_own()
    typed = request.args.get("page", "1")
    number = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 1
    with runtime.database.transaction() as db:
        found = read_lists(
            db, runtime.context.sealer, current_user(), now, zone, only_mine=only_mine, kind=kind, page=number
        )
        titles = manage_check_ins.check_in_flows(db, runtime.context)
        access.record_audit(db, "read_follow_up", now, detail=f"{kind or 'all'} page {found.page}")
    return render_template(
        "console/follow_up.html",
        here="follow_up",
        found=found,
        kinds=tuple(FollowUpList) if kind is None else (kind,),
        only_mine=only_mine,
        who="mine" if only_mine else None,
        titles=titles,
        words=w,
        plain=wording.plain,
        tasks=case_words.TASK_KINDS,
        now=now,
        say=w.moment_formatter(now, zone),
    )


@follow_up.get("/follow-up/news")
@require_permission(Permission.FOLLOW_UP)
def news() -> ResponseReturnValue:
    """The current length of each list, for the open page's script."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        counts = count_lists(db, current_user(), runtime.clock.now(), runtime.settings.timezone, only_mine=_wants_own())
    return jsonify({kind.value: count for kind, count in counts.items()})


def _read_kind(typed: str) -> FollowUpList | None:
    return FollowUpList(typed) if typed in [*FollowUpList] else None


def _wants_own() -> bool:
    return request.args.get("who") == "mine"


# -- one person --


@follow_up.get(_PERSON_PATH)
@require_permission(Permission.FOLLOW_UP)
def person(conversation_id: int) -> ResponseReturnValue:
    """One person's check-ins, tasks and referrals."""
    return page.show(conversation_id)


# -- check-ins --


@follow_up.post(f"{_PERSON_PATH}/cadence")
@require_permission(Permission.FOLLOW_UP)
def add_cadence(conversation_id: int) -> ResponseReturnValue:
    """Plan a series of check-ins."""
    name = forms.clean_text("cadence")

    def do(db: Session, context: Context, now: datetime) -> str:
        planned = manage_check_ins.plan_cadence(
            db, context, conversation_id, current_user().id, name, now, agreed="agreed" in request.form
        )
        return _record_planned(db, context, conversation_id, planned, now, name)

    return page.run(conversation_id, "cadence", "check_in_added", do)


@follow_up.post(f"{_PERSON_PATH}/check-ins")
@require_permission(Permission.FOLLOW_UP)
def add(conversation_id: int) -> ResponseReturnValue:
    """Plan one check-in."""
    flow = forms.clean_text("flow")

    def do(db: Session, context: Context, now: datetime) -> str:
        planned = manage_check_ins.plan_one(
            db, context, conversation_id, current_user().id, flow, _read_when(), now,
            agreed="agreed" in request.form, after_crisis="after_crisis" in request.form,
        )  # fmt: skip
        return _record_planned(db, context, conversation_id, planned, now, flow)

    return page.run(conversation_id, "one", "check_in_added", do)


def _record_planned(
    db: Session, context: Context, conversation_id: int, planned: PlannedCheckIns, now: datetime, what: str
) -> str:
    """Audit the planned check-ins; returns the sentence for the page."""
    numbers = " ".join(map(str, planned.ids))
    access.record_audit(db, "check_in_added", now, conversation_id=conversation_id, detail=f"{what}: check-in {numbers}")
    if planned.has_agreed:
        access.record_audit(db, "consent_recorded", now, conversation_id=conversation_id, detail="followup: agreed")
    many = len(planned.at)
    what_is = "The check-in is" if many == 1 else f"{many} check-ins are"
    return f"{what_is} planned: {_format_times(db, context, conversation_id, planned, now)}"


def _format_times(db: Session, context: Context, conversation_id: int, planned: PlannedCheckIns, now: datetime) -> str:
    zone = manage_check_ins.person_time_zone(db, context, conversation_id)
    times = "; ".join(w.moment(at, now, zone) for at in planned.at)
    return f"{times}. {_POSTPONED}" if planned.was_put_off else f"{times}."


_POSTPONED = "That is later than you said: we start texts only from 8 AM to 9 PM where they are, no holiday, at safe times."


def _read_when() -> RequestedTime:
    """The posted time of a check-in: a delay from now, or a local date and time. Raises Refused."""
    if forms.clean_text("at"):
        return RequestedTime(at=_read_local_time())
    number, unit = forms.clean_text("number").strip(), forms.clean_text("unit")
    if not number:
        raise manage_check_ins.refused("when")
    if not (number.isascii() and number.isdecimal() and len(number) < 5) or unit not in _UNITS:
        raise manage_check_ins.refused("delay")
    return RequestedTime(after=int(number) * _UNITS[unit])


def _read_local_time() -> datetime:
    try:
        found = datetime.fromisoformat(forms.clean_text("at"))
    except ValueError:
        raise manage_check_ins.refused("when") from None
    if found.tzinfo is not None:
        raise manage_check_ins.refused("when")
    return found.replace(second=0, microsecond=0)


@follow_up.post(f"{_PERSON_PATH}/check-ins/<{_ID}:check_in_id>/move")
@require_permission(Permission.FOLLOW_UP)
def move(conversation_id: int, check_in_id: int) -> ResponseReturnValue:
    """Move a check-in to another time."""

    def do(db: Session, context: Context, now: datetime) -> str:
        planned = manage_check_ins.reschedule(
            db, context, conversation_id, check_in_id, _read_local_time(), current_user().id, now
        )
        access.record_audit(db, "check_in_moved", now, conversation_id=conversation_id, detail=f"check-in {check_in_id}")
        return f"The check-in is moved to {_format_times(db, context, conversation_id, planned, now)}"

    return page.run(conversation_id, f"move-{check_in_id}", "check_in_moved", do)


@follow_up.post(f"{_PERSON_PATH}/check-ins/<{_ID}:check_in_id>/skip")
@require_permission(Permission.FOLLOW_UP)
def skip(conversation_id: int, check_in_id: int) -> ResponseReturnValue:
    """Skip one check-in."""

    def do(db: Session, context: Context, now: datetime) -> str:
        manage_check_ins.skip(db, context, conversation_id, check_in_id, current_user().id, now)
        access.record_audit(db, "check_in_skipped", now, conversation_id=conversation_id, detail=f"check-in {check_in_id}")
        return "That check-in is skipped. The others stay as they are."

    return page.run(conversation_id, f"skip-{check_in_id}", "check_in_skipped", do)


@follow_up.post(f"{_PERSON_PATH}/stop")
@require_permission(Permission.FOLLOW_UP)
def stop(conversation_id: int) -> ResponseReturnValue:
    """Cancel all coming check-ins of this person."""

    def do(db: Session, context: Context, now: datetime) -> str:
        withdrawn = "withdrawn" in request.form
        many = manage_check_ins.stop_all(db, context, conversation_id, current_user().id, now, withdrawn=withdrawn)
        access.record_audit(db, "check_ins_stopped", now, conversation_id=conversation_id, detail=f"{many} check-ins")
        if withdrawn:
            access.record_audit(db, "consent_recorded", now, conversation_id=conversation_id, detail="followup: withdrawn")
        return f"Stopped: {many} check-in{'s' if many != 1 else ''} will not be asked."

    return page.run(conversation_id, "stop", "check_ins_stopped", do)


@follow_up.post(f"{_PERSON_PATH}/zone")
@require_permission(Permission.FOLLOW_UP)
def set_zone(conversation_id: int) -> ResponseReturnValue:
    """Set the person's time zone."""
    zone = forms.field("zone")

    def do(db: Session, context: Context, now: datetime) -> str:
        if manage_check_ins.set_time_zone(db, context, conversation_id, current_user().id, zone):
            access.record_audit(db, "zone_set", now, conversation_id=conversation_id, detail=zone or "the city's")
        return "Saved: the time zone that they live in."

    return page.run(conversation_id, "zone", "zone_set", do)


# -- tasks and the telephone --


@follow_up.post(f"{_PERSON_PATH}/tasks/<{_ID}:task_id>/done")
@require_permission(Permission.FOLLOW_UP)
def finish_task(conversation_id: int, task_id: int) -> ResponseReturnValue:
    """Mark a task as done."""

    def do(db: Session, context: Context, now: datetime) -> str:
        manage_case.finish_task(
            db, conversation_id, task_id, current_user().id, now, lambda each: may_follow_up(db, current_user(), each)
        )
        access.record_audit(db, "task_done", now, conversation_id=conversation_id, detail=f"task {task_id}")
        return "Done: the task is off the list."

    return page.run(conversation_id, "task", "task_done", do)


@follow_up.post(f"{_PERSON_PATH}/number")
@require_permission(Permission.FOLLOW_UP)
def show_number(conversation_id: int) -> ResponseReturnValue:
    """Show the whole phone number to a social worker who is to call. Audited, and posted so that it is in no URL."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if not may_call(db, current_user(), conversation_id):
            return page.not_found(conversation_id)
        number = full_number(db, runtime.context.sealer, conversation_id)
        access.record_audit(db, "number_shown", runtime.clock.now(), conversation_id=conversation_id)
    if number is None:
        flash("There is no telephone number of this person.", "danger")
        return page.redirect_to_page(conversation_id)
    return page.show(conversation_id, shown=page.ShownOnce(number=number))


# -- referrals --


@follow_up.post(f"{_PERSON_PATH}/referrals/<{_ID}:referral_id>/outcome")
@require_permission(Permission.FOLLOW_UP)
def tell(conversation_id: int, referral_id: int) -> ResponseReturnValue:
    """Record the outcome of a referral, or that it was made by mistake."""
    outcome = forms.clean_text("outcome")

    def do(db: Session, context: Context, now: datetime) -> str:
        if outcome == page.RETRACT:
            record_referral.retract_referral(db, referral_id, current_user().id, now, conversation_id=conversation_id)
            return "The referral is taken back. It counts nowhere any more."
        record_referral.record_from_worker(db, referral_id, current_user().id, outcome, now, conversation_id=conversation_id)
        return "Saved: what became of the referral."

    return page.run(conversation_id, f"outcome-{referral_id}", "referral_told", do)


@follow_up.post(f"{_PERSON_PATH}/referrals/<{_ID}:referral_id>/link")
@require_permission(Permission.FOLLOW_UP)
def make_link(conversation_id: int, referral_id: int) -> ResponseReturnValue:
    """Make a link for the agency; it is secret and shown once."""
    runtime = current_runtime()
    settings, now = runtime.settings, runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            if not may_follow_up(db, current_user(), conversation_id):
                return page.not_found(conversation_id)
            link = share_referral.make_link(
                db, settings.public_url, settings.secret_key, referral_id, current_user().id, now,
                conversation_id=conversation_id,
            )  # fmt: skip
    except Refused as refused:
        access.record_refusal(f"referral_shared: {refused.reason}")
        return page.show(conversation_id, page.FormProblem(f"link-{referral_id}", refused.text))
    return page.show(conversation_id, shown=page.ShownOnce(link=link, link_referral_id=referral_id))


@follow_up.post(f"{_PERSON_PATH}/services")
@require_permission(Permission.FOLLOW_UP)
def find_services(conversation_id: int) -> ResponseReturnValue:
    """Find services to refer to. Posted, so that the person's needs are in no URL."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if not may_follow_up(db, current_user(), conversation_id):
            return page.not_found(conversation_id)
        near = forms.clean_text("near")[:5]
        found = find_for_referral(db, forms.clean_text("need"), forms.clean_text("sought")[:80], near, runtime.clock.now())
    return page.show(conversation_id, shown=page.ShownOnce(services=found))


@follow_up.post(f"{_PERSON_PATH}/referrals")
@require_permission(Permission.FOLLOW_UP)
def refer(conversation_id: int) -> ResponseReturnValue:
    """Refer the person to a service by hand."""
    number, need = forms.clean_text("service"), forms.clean_text("need")

    def do(db: Session, context: Context, now: datetime) -> str:
        service = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
        if need not in case_words.CODE_BY_NAME:
            raise record_referral.refused("no_need")
        record_referral.make_referral(db, conversation_id, service, need, current_user().id, now)
        return "Written down: the referral. Nothing was texted; tell the person yourself."

    return page.run(conversation_id, "refer", "referral_made", do)
