"""What is due for follow-up, and one person's check-ins, tasks and referrals with all that a social worker does there."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, flash, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import case as case_words
from bot.domain.permissions import Permission
from bot.storage import follow_up as rows
from bot.storage import referrals
from bot.storage.follow_up import Kind
from bot.usecases import keep_case, keep_check_ins, record_referral, share_referral
from bot.usecases.desk import Desk
from bot.usecases.keep_check_ins import Kept, NotKept, When
from bot.usecases.read_follow_up import count_lists, may_call, may_follow_up, read_lists
from bot.usecases.read_person import whole_number
from bot.web import forms
from bot.web.console import access, wording
from bot.web.console import follow_up_page as page
from bot.web.console import follow_up_words as w
from bot.web.console.access import me, needs
from bot.web.forms import runtime

follow_up = Blueprint("follow_up", __name__, url_prefix="/console")

_ID = f"int(max={2**63 - 1})"
_PERSON = f"/people/<{_ID}:conversation_id>/follow-up"
_UNITS = {"days": timedelta(days=1), "hours": timedelta(hours=1)}


# -- the lists --


@follow_up.get("/follow-up")
@needs(Permission.FOLLOW_UP)
def lists() -> ResponseReturnValue:
    """All lists from their beginning, or one of them page by page; of all people, or of one's own."""
    open_ = runtime()
    now, zone = open_.clock.now(), open_.settings.timezone
    kind, only_mine = _kind(request.args.get("list", "")), _is_mine()
    typed = request.args.get("page", "1")
    number = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 1
    with open_.database.transaction() as db:
        found = read_lists(db, open_.desk.sealer, me(), now, zone, only_mine=only_mine, kind=kind, page=number)
        titles = keep_check_ins.askable(db, open_.desk)
        access.record(db, "read_follow_up", now, detail=f"{kind or 'all'} page {found.page}")
    return render_template(
        "console/follow_up.html",
        here="follow_up",
        found=found,
        kinds=tuple(Kind) if kind is None else (kind,),
        only_mine=only_mine,
        who="mine" if only_mine else None,
        titles=titles,
        words=w,
        plain=wording.plain,
        tasks=case_words.TASK_KINDS,
        now=now,
        say=w.saying(now, zone),
    )


@follow_up.get("/follow-up/news")
@needs(Permission.FOLLOW_UP)
def news() -> ResponseReturnValue:
    """How long each list is now, for the open page."""
    open_ = runtime()
    with open_.database.transaction() as db:
        counts = count_lists(db, me(), open_.clock.now(), open_.settings.timezone, only_mine=_is_mine())
    return jsonify({kind.value: count for kind, count in counts.items()})


def _kind(typed: str) -> Kind | None:
    return Kind(typed) if typed in [*Kind] else None


def _is_mine() -> bool:
    return request.args.get("who") == "mine"


# -- one person --


@follow_up.get(_PERSON)
@needs(Permission.FOLLOW_UP)
def person(conversation_id: int) -> ResponseReturnValue:
    """One person's check-ins, tasks and referrals."""
    return page.show(conversation_id)


# -- check-ins --


@follow_up.post(f"{_PERSON}/cadence")
@needs(Permission.FOLLOW_UP)
def add_cadence(conversation_id: int) -> ResponseReturnValue:
    """Plan a whole row of check-ins."""
    name = forms.words("cadence")

    def do(db: Session, desk: Desk, now: datetime) -> str:
        kept = keep_check_ins.add_cadence(db, desk, conversation_id, me().id, name, now, agreed="agreed" in request.form)
        return _planned(db, desk, conversation_id, kept, now, name)

    return page.act(conversation_id, "cadence", "check_in_added", do)


@follow_up.post(f"{_PERSON}/check-ins")
@needs(Permission.FOLLOW_UP)
def add(conversation_id: int) -> ResponseReturnValue:
    """Plan one check-in."""
    flow = forms.words("flow")

    def do(db: Session, desk: Desk, now: datetime) -> str:
        kept = keep_check_ins.add(
            db, desk, conversation_id, me().id, flow, _when(), now,
            agreed="agreed" in request.form, after_crisis="after_crisis" in request.form,
        )  # fmt: skip
        return _planned(db, desk, conversation_id, kept, now, flow)

    return page.act(conversation_id, "one", "check_in_added", do)


def _planned(db: Session, desk: Desk, conversation_id: int, kept: Kept, now: datetime, what: str) -> str:
    """Write down what was planned, and give the sentence."""
    numbers = " ".join(map(str, kept.ids))
    access.record(db, "check_in_added", now, conversation_id=conversation_id, detail=f"{what}: check-in {numbers}")
    if kept.has_agreed:
        access.record(db, "consent_recorded", now, conversation_id=conversation_id, detail="followup: agreed")
    many = len(kept.at)
    what_is = "The check-in is" if many == 1 else f"{many} check-ins are"
    return f"{what_is} planned: {_times(db, desk, conversation_id, kept, now)}"


def _times(db: Session, desk: Desk, conversation_id: int, kept: Kept, now: datetime) -> str:
    zone = keep_check_ins.zone_for(db, desk, conversation_id)
    said = "; ".join(w.moment(at, now, zone) for at in kept.at)
    return f"{said}. {_PUT_OFF}" if kept.was_put_off else f"{said}."


_PUT_OFF = "That is later than you said: we start texts only from 8 AM to 9 PM where they are, no holiday, at safe times."


def _when() -> When:
    """How long from now, or a moment on the wall, as it was typed; raises NotKept."""
    if forms.words("at"):
        return When(at=_wall())
    number, unit = forms.words("number").strip(), forms.words("unit")
    if not number:
        raise NotKept("when")
    if not (number.isascii() and number.isdecimal() and len(number) < 5) or unit not in _UNITS:
        raise NotKept("delay")
    return When(after=int(number) * _UNITS[unit])


def _wall() -> datetime:
    try:
        found = datetime.fromisoformat(forms.words("at"))
    except ValueError:
        raise NotKept("when") from None
    if found.tzinfo is not None:
        raise NotKept("when")
    return found.replace(second=0, microsecond=0)


@follow_up.post(f"{_PERSON}/check-ins/<{_ID}:check_in_id>/move")
@needs(Permission.FOLLOW_UP)
def move(conversation_id: int, check_in_id: int) -> ResponseReturnValue:
    """Ask at another time."""

    def do(db: Session, desk: Desk, now: datetime) -> str:
        kept = keep_check_ins.move(db, desk, conversation_id, check_in_id, _wall(), me().id, now)
        access.record(db, "check_in_moved", now, conversation_id=conversation_id, detail=f"check-in {check_in_id}")
        return f"The check-in is moved to {_times(db, desk, conversation_id, kept, now)}"

    return page.act(conversation_id, f"move-{check_in_id}", "check_in_moved", do)


@follow_up.post(f"{_PERSON}/check-ins/<{_ID}:check_in_id>/skip")
@needs(Permission.FOLLOW_UP)
def skip(conversation_id: int, check_in_id: int) -> ResponseReturnValue:
    """Do not ask this one."""

    def do(db: Session, desk: Desk, now: datetime) -> str:
        keep_check_ins.skip(db, desk, conversation_id, check_in_id, me().id, now)
        access.record(db, "check_in_skipped", now, conversation_id=conversation_id, detail=f"check-in {check_in_id}")
        return "That check-in is skipped. The others stay as they are."

    return page.act(conversation_id, f"skip-{check_in_id}", "check_in_skipped", do)


@follow_up.post(f"{_PERSON}/stop")
@needs(Permission.FOLLOW_UP)
def stop(conversation_id: int) -> ResponseReturnValue:
    """Ask nothing any more."""

    def do(db: Session, desk: Desk, now: datetime) -> str:
        withdrawn = "withdrawn" in request.form
        many = keep_check_ins.stop(db, desk, conversation_id, me().id, now, withdrawn=withdrawn)
        access.record(db, "check_ins_stopped", now, conversation_id=conversation_id, detail=f"{many} check-ins")
        if withdrawn:
            access.record(db, "consent_recorded", now, conversation_id=conversation_id, detail="followup: withdrawn")
        return f"Stopped: {many} check-in{'s' if many != 1 else ''} will not be asked."

    return page.act(conversation_id, "stop", "check_ins_stopped", do)


@follow_up.post(f"{_PERSON}/zone")
@needs(Permission.FOLLOW_UP)
def set_zone(conversation_id: int) -> ResponseReturnValue:
    """Write down in which time zone they live."""
    zone = forms.field("zone")

    def do(db: Session, desk: Desk, now: datetime) -> str:
        if keep_check_ins.set_zone(db, desk, conversation_id, me().id, zone):
            access.record(db, "zone_set", now, conversation_id=conversation_id, detail=zone or "the city's")
        return "Saved: the time zone that they live in."

    return page.act(conversation_id, "zone", "zone_set", do)


# -- tasks and the telephone --


@follow_up.post(f"{_PERSON}/tasks/<{_ID}:task_id>/done")
@needs(Permission.FOLLOW_UP)
def finish_task(conversation_id: int, task_id: int) -> ResponseReturnValue:
    """A task is done."""

    def do(db: Session, desk: Desk, now: datetime) -> str:
        keep_case.finish_task(db, conversation_id, task_id, me().id, now, lambda each: may_follow_up(db, me(), each))
        access.record(db, "task_done", now, conversation_id=conversation_id, detail=f"task {task_id}")
        return "Done: the task is off the list."

    return page.act(conversation_id, "task", "task_done", do)


@follow_up.post(f"{_PERSON}/number")
@needs(Permission.FOLLOW_UP)
def show_number(conversation_id: int) -> ResponseReturnValue:
    """Show the whole number to somebody who is to telephone. Audited, and never in an address."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if not may_call(db, me(), conversation_id):
            return page.not_theirs(conversation_id)
        number = whole_number(db, open_.desk.sealer, conversation_id)
        access.record(db, "number_shown", open_.clock.now(), conversation_id=conversation_id)
    if number is None:
        flash("There is no telephone number of this person.", "danger")
        return page.to(conversation_id)
    return page.show(conversation_id, shown=page.Shown(number=number))


# -- referrals --


@follow_up.post(f"{_PERSON}/referrals/<{_ID}:referral_id>/outcome")
@needs(Permission.FOLLOW_UP)
def tell(conversation_id: int, referral_id: int) -> ResponseReturnValue:
    """Write down what became of a referral, or that it was a mistake."""
    outcome = forms.words("outcome")

    def do(db: Session, desk: Desk, now: datetime) -> str:
        _check_referral(db, conversation_id, referral_id)
        if outcome == page.RETRACT:
            record_referral.retract(db, referral_id, me().id, now)
            return "The referral is taken back. It counts nowhere any more."
        record_referral.by_worker(db, referral_id, me().id, outcome, now)
        return "Saved: what became of the referral."

    return page.act(conversation_id, f"outcome-{referral_id}", "referral_told", do)


@follow_up.post(f"{_PERSON}/referrals/<{_ID}:referral_id>/link")
@needs(Permission.FOLLOW_UP)
def make_link(conversation_id: int, referral_id: int) -> ResponseReturnValue:
    """A link for the agency, shown once: it is a secret."""
    open_ = runtime()
    settings, now = open_.settings, open_.clock.now()
    try:
        with open_.database.transaction() as db:
            if not may_follow_up(db, me(), conversation_id):
                return page.not_theirs(conversation_id)
            _check_referral(db, conversation_id, referral_id)
            link = share_referral.make_link(db, settings.public_url, settings.secret_key, referral_id, me().id, now)
    except record_referral.Refused as refused:
        access.refuse(f"referral_shared: {refused.reason}")
        return page.show(conversation_id, page.Problem(f"link-{referral_id}", refused.text))
    return page.show(conversation_id, shown=page.Shown(link=link, link_of=referral_id))


def _check_referral(db: Session, conversation_id: int, referral_id: int) -> None:
    found = referrals.get(db, referral_id)
    if found is None or found.conversation_id != conversation_id:
        raise record_referral.Refused("unknown")


@follow_up.post(f"{_PERSON}/services")
@needs(Permission.FOLLOW_UP)
def find_services(conversation_id: int) -> ResponseReturnValue:
    """Services to refer to. Posted, so that what somebody needs stands in no address."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if not may_follow_up(db, me(), conversation_id):
            return page.not_theirs(conversation_id)
        near = forms.words("near")[:5]
        found = rows.services(db, forms.words("need"), forms.words("sought")[:80], near, open_.clock.now())
    return page.show(conversation_id, shown=page.Shown(services=found))


@follow_up.post(f"{_PERSON}/referrals")
@needs(Permission.FOLLOW_UP)
def refer(conversation_id: int) -> ResponseReturnValue:
    """Refer the person to a service by hand."""
    number, need = forms.words("service"), forms.words("need")

    def do(db: Session, desk: Desk, now: datetime) -> str:
        service = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
        if need not in case_words.CODE_OF:
            raise record_referral.Refused("no_need")
        record_referral.make(db, conversation_id, service, need, me().id, now)
        return "Written down: the referral. Nothing was texted; tell the person yourself."

    return page.act(conversation_id, "refer", "referral_made", do)
