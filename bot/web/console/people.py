"""Finding people, and one person's page: safe-contact settings, name, and timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.handoff.states import HandoffState
from bot.domain.languages import english_name
from bot.domain.messages.message import OutboxLane
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.handoff.read_handoff import may_read_conversation
from bot.usecases.handoff.writing import reach_out
from bot.usecases.people import find_people
from bot.usecases.people.find_people import InvalidPhone, PeopleFilter, PeopleResults
from bot.usecases.people.name_person import LONGEST_NAME, name_person
from bot.usecases.people.read_person import full_number, read_person
from bot.usecases.people.set_safe_contact import PersonNotFound, set_safe_contact
from bot.usecases.staff.read_staff import team_names
from bot.web import access, forms, layout
from bot.web.access import current_user, require_permission
from bot.web.console import moments, safe_contact_form, wording
from bot.web.console.safe_contact_form import SafeForm
from bot.web.forms import current_runtime

people = Blueprint("people", __name__, url_prefix="/console")

_MAX_ID = 2**63 - 1
_PERSON_PATH = f"/people/<int(max={_MAX_ID}):conversation_id>"
_STATE_LABELS = {
    "open": "Open",
    HandoffState.WAITING: "Waiting: nobody could be called",
    HandoffState.ALERTED: "Somebody was called",
    HandoffState.ESCALATED: "A supervisor or everybody was called",
    HandoffState.CLAIMED: "Somebody has it",
    HandoffState.WITH_HUMAN: "A social worker writes with them",
    HandoffState.HANDED_BACK: "Handed back to the line",
    HandoffState.CLOSED: "Closed",
}
_FILTER_FIELDS = ("team", "language", "state", "since", "until")


@people.get("/people")
@require_permission(Permission.READ_TRANSCRIPT)
def search() -> ResponseReturnValue:
    """The search forms, with a page of the filtered list if it was asked for, else with the social worker's own people."""
    runtime = current_runtime()
    now, sealer = runtime.clock.now(), runtime.context.sealer
    asked = {name: request.args.get(name, "").strip() for name in _FILTER_FIELDS}
    with runtime.database.transaction() as db:
        if "list" not in request.args:
            return _results_page(find_people.list_own(db, sealer, current_user()), "mine", asked, _teams(db))
        found = find_people.list_handoffs(db, sealer, current_user(), _filter(asked, runtime.settings.timezone))
        used = ", ".join(name for name in _FILTER_FIELDS if asked[name])
        access.record_audit(db, "search_people", now, detail=f"by list: {used}" if used else "by list")
        teams = _teams(db)
    return _results_page(found, "list", asked, teams)


@people.post("/people")
@require_permission(Permission.READ_TRANSCRIPT)
def find() -> ResponseReturnValue:
    """Find a person by the posted number, phone number or name: these must be in no URL."""
    by = forms.field("by") if forms.field("by") in _FINDERS else "number"
    return _FINDERS[by](forms.clean_text("sought"))


def _by_number(typed: str) -> ResponseReturnValue:
    digits = typed.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal() and int(digits) <= _MAX_ID):
        return _nothing_found_page("number", "Write digits only, as they stand on the person's page.", typed)
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        found = find_people.find_by_id(db, current_user(), int(digits))
        access.record_audit(db, "search_people", runtime.clock.now(), detail="by person number")
    return _redirect_to_person(found) if found is not None else _nothing_found_page("number", _NOTHING_FOUND, typed)


def _by_telephone(typed: str) -> ResponseReturnValue:
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            access.record_audit(db, "search_people", runtime.clock.now(), detail="by telephone")
            found = find_people.find_by_telephone(db, runtime.context.sealer, current_user(), typed)
    except InvalidPhone as bad:
        return _nothing_found_page("telephone", str(bad), typed)
    if not found:
        return _nothing_found_page("telephone", _NOTHING_FOUND, typed)
    if len(found) > 1:
        flash("This telephone has more than one conversation; the others stand under Other conversations or can be opened "
              f"by their person numbers: {', '.join(map(str, found[1:]))}.")  # fmt: skip
    return _redirect_to_person(found[0])


def _by_name(typed: str) -> ResponseReturnValue:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        found = find_people.find_by_name(db, runtime.context.sealer, current_user(), typed, runtime.clock.now())
        access.record_audit(db, "search_people", runtime.clock.now(), detail="by name")
        teams = _teams(db)
    return (
        _results_page(found, "name", {}, teams, sought=typed)
        if found.rows
        else _nothing_found_page("name", _NOTHING_FOUND, typed)
    )


_FINDERS = {"number": _by_number, "telephone": _by_telephone, "name": _by_name}
_NOTHING_FOUND = "Nobody was found whom you may see."


def _nothing_found_page(by: str, problem: str, typed: str) -> ResponseReturnValue:
    with current_runtime().database.transaction() as db:
        teams = _teams(db)
    return _results_page(
        PeopleResults(()), by, {}, teams, problem=problem, sought=typed
    ), 404 if problem == _NOTHING_FOUND else 422


def _redirect_to_person(conversation_id: int) -> ResponseReturnValue:
    return redirect(url_for("people.person", conversation_id=conversation_id), 303)


def _teams(db: Session) -> dict[str, str]:
    """Team names by slug, with "anyone" for handoffs without a team."""
    return {"anyone": "Anyone", **team_names(db)}


def _results_page(
    found: PeopleResults, by: str, asked: dict[str, str], teams: dict[str, str], *, problem: str = "", sought: str = ""
) -> str:
    runtime = current_runtime()
    given: dict[str, Any] = {name: value for name, value in asked.items() if value}
    more = url_for("people.search", list=1, below=found.more, **given) if found.more else ""
    return render_template(
        "console/people.html",
        here="people",
        found=found,
        by=by,
        asked=asked,
        problem=problem,
        sought=sought,
        more=more,
        teams=teams,
        states=_STATE_LABELS,
        channels=wording.CHANNELS,
        named_languages=[(code, english_name(code)) for code in runtime.settings.languages],
        days=find_people.NAME_SEARCH_PERIOD.days,
        **_helpers(runtime.settings.timezone),
    )


def _helpers(zone: ZoneInfo) -> dict[str, Any]:
    year = current_runtime().clock.now().astimezone(zone).year

    def moment(at: datetime) -> str:
        # People are known for years: a day without its year would be taken for one of this year.
        then = at.astimezone(zone).year
        return moments.moment(at, zone) if then == year else f"{moments.moment(at, zone)} ({then})"

    return {
        "moment": moment,
        "clock": lambda at: moments.clock(at, zone),
        "language": english_name,
        "answers": moments.ANSWERS,
        "w": wording,
    }


def _filter(asked: dict[str, str], zone: ZoneInfo) -> PeopleFilter:
    below = request.args.get("below", "")
    until = _read_day(asked["until"])
    return PeopleFilter(
        team=asked["team"] or None,
        language=asked["language"] or None,
        state=asked["state"] if asked["state"] in _STATE_LABELS else None,
        since=_midnight(day, zone) if (day := _read_day(asked["since"])) else None,
        before=_midnight(until + timedelta(days=1), zone) if until else None,
        below=int(below) if below.isascii() and below.isdecimal() and int(below) <= _MAX_ID else None,
    )


def _read_day(typed: str) -> date | None:
    try:
        found = date.fromisoformat(typed)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


@people.get(_PERSON_PATH)
@require_permission(Permission.READ_TRANSCRIPT)
def person(conversation_id: int) -> ResponseReturnValue:
    """One person's page."""
    return _show(conversation_id)


@dataclass(frozen=True, slots=True)
class _RefusedForm:
    """A refused safe-contact form: the typed values, and the problems by field."""

    form: SafeForm
    problems: dict[str, str]


def _show(conversation_id: int, refused: _RefusedForm | None = None, number: str = "") -> ResponseReturnValue:
    runtime = current_runtime()
    now = runtime.clock.now()
    before = _read_day(request.args.get("before", ""))
    with runtime.database.transaction() as db:
        page = read_person(db, runtime.context, current_user(), conversation_id, now, before)
        if page is not None:
            access.record_audit(db, "read_person", now, conversation_id=conversation_id)
        teams = _teams(db)
    if page is None:
        return _not_found(conversation_id)
    return render_template(
        "console/person.html",
        here="people",
        page=page,
        whole_number=number,
        form=refused.form if refused else safe_contact_form.from_settings(page.safe),
        problems=refused.problems if refused else {},
        summary=safe_contact_form.summary(page.safe),
        weekdays=safe_contact_form.WEEKDAYS,
        before=before,
        teams=teams,
        channels=wording.CHANNELS,
        states=_STATE_LABELS,
        longest_name=LONGEST_NAME,
        today=now.astimezone(runtime.settings.timezone).date(),
        may_answer=current_user().may(Permission.ANSWER),
        **_helpers(runtime.settings.timezone),
    ), (422 if refused else 200)


def _not_found(conversation_id: int) -> ResponseReturnValue:
    # The same for a person of another team and for a number that does not exist: guessing must reveal nothing.
    return layout.not_found(None, f"person {conversation_id}")


@people.post(f"{_PERSON_PATH}/safe-contact")
@require_permission(Permission.ANSWER)
def change_safe_contact(conversation_id: int) -> ResponseReturnValue:
    """Save the person's safe-contact settings."""
    runtime = current_runtime()
    form = safe_contact_form.read_form()
    asked, problems = safe_contact_form.parse(form)
    with runtime.database.transaction() as db:
        if not may_read_conversation(db, current_user(), conversation_id):
            return _not_found(conversation_id)
        if not problems:
            try:
                wrong = set_safe_contact(db, runtime.context, conversation_id, current_user().id, asked, runtime.clock.now())
            except PersonNotFound:
                flash("What was kept of this person has been deleted. Nothing was saved.", "danger")
                return _redirect_to_person(conversation_id)
            for complaint in wrong:
                problems.setdefault(complaint.field, complaint.text)
    if problems:
        return _show(conversation_id, _RefusedForm(form, problems))
    flash("Saved: this is how they may be reached.", "good")
    return _redirect_to_person(conversation_id)


@people.post(f"{_PERSON_PATH}/name")
@require_permission(Permission.ANSWER)
def change_name(conversation_id: int) -> ResponseReturnValue:
    """Save the person's name."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if not may_read_conversation(db, current_user(), conversation_id):
            return _not_found(conversation_id)
        name_person(
            db, runtime.context.sealer, conversation_id, current_user().id, forms.clean_text("name"), runtime.clock.now()
        )
    flash("The name was saved.", "good")
    return _redirect_to_person(conversation_id)


@people.post(f"{_PERSON_PATH}/number")
@require_permission(Permission.ANSWER)
def show_number(conversation_id: int) -> ResponseReturnValue:
    """Show the whole phone number to a social worker who must call, because texts are blocked or a call is better. Audited,
    and posted so that it is in no URL."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if not may_read_conversation(db, current_user(), conversation_id):
            return _not_found(conversation_id)
        number = full_number(db, runtime.context.sealer, conversation_id)
        access.record_audit(db, "number_shown", runtime.clock.now(), conversation_id=conversation_id)
    if number is None:
        flash("There is no telephone number of this person.", "danger")
        return _redirect_to_person(conversation_id)
    return _show(conversation_id, number=number)


@people.post(f"{_PERSON_PATH}/reach-out")
@require_permission(Permission.ANSWER)
def write_first(conversation_id: int) -> ResponseReturnValue:
    """Open a handoff with a known person, owned by the social worker, to write to them first."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            if not may_read_conversation(db, current_user(), conversation_id):
                return _not_found(conversation_id)
            done = reach_out(db, runtime.context, conversation_id, current_user().id, runtime.clock.now())
    except Refused as refused:
        access.record_refusal(f"reach_out: {refused.reason}")
        flash(refused.text, "danger")
        return _redirect_to_person(conversation_id)
    if done.outbox_ids:
        runtime.queue.wake_delivery(done.outbox_ids, OutboxLane.CRISIS)
    return redirect(f"/console/handoffs/{done.handoff_id}", 303)
