"""Finding people, and one person's page: how they may be reached safely, and all that happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.handoff import HandoffState
from bot.domain.message import Lane
from bot.domain.permissions import Permission
from bot.storage import board
from bot.storage.people import Filter
from bot.storage.staff import BadPhone
from bot.usecases import find_people
from bot.usecases.answering import Refused, reach_out
from bot.usecases.find_people import Results
from bot.usecases.name_person import LONGEST, name_person
from bot.usecases.read_case import may_read
from bot.usecases.read_person import read_person, whole_number
from bot.usecases.set_safe_contact import NoSuchPerson, set_safe_contact
from bot.web import forms
from bot.web.console import access, layout, safe_form, spoken, wording
from bot.web.console.access import me, needs
from bot.web.console.safe_form import SafeForm
from bot.web.forms import runtime

people = Blueprint("people", __name__, url_prefix="/console")

_LARGEST = 2**63 - 1
_PERSON = f"/people/<int(max={_LARGEST}):conversation_id>"
_STATES = {
    "open": "Open",
    HandoffState.WAITING: "Waiting: nobody could be called",
    HandoffState.ALERTED: "Somebody was called",
    HandoffState.ESCALATED: "A supervisor or everybody was called",
    HandoffState.CLAIMED: "Somebody has it",
    HandoffState.WITH_HUMAN: "A social worker writes with them",
    HandoffState.HANDED_BACK: "Handed back to the line",
    HandoffState.CLOSED: "Closed",
}
_ASKED = ("team", "language", "state", "since", "until")


@people.get("/people")
@needs(Permission.READ_TRANSCRIPT)
def search() -> ResponseReturnValue:
    """The forms, with a page of the list where it was asked for, else with the people whom this social worker has."""
    open_ = runtime()
    now, sealer = open_.clock.now(), open_.desk.sealer
    asked = {name: request.args.get(name, "").strip() for name in _ASKED}
    with open_.database.transaction() as db:
        if "list" not in request.args:
            return _results(find_people.mine(db, sealer, me()), "mine", asked, _teams(db))
        found = find_people.by_list(db, sealer, me(), _filter(asked, open_.settings.timezone))
        used = ", ".join(name for name in _ASKED if asked[name])
        access.record(db, "search_people", now, detail=f"by list: {used}" if used else "by list")
        teams = _teams(db)
    return _results(found, "list", asked, teams)


@people.post("/people")
@needs(Permission.READ_TRANSCRIPT)
def find() -> ResponseReturnValue:
    """Find one person by what was posted: a number or a name must stand in no address."""
    by = forms.field("by") if forms.field("by") in _FINDERS else "number"
    return _FINDERS[by](forms.words("sought"))


def _by_number(typed: str) -> ResponseReturnValue:
    digits = typed.removeprefix("#")
    if not (digits.isascii() and digits.isdecimal() and int(digits) <= _LARGEST):
        return _nobody("number", "Write digits only, as they stand on the person's page.", typed)
    open_ = runtime()
    with open_.database.transaction() as db:
        found = find_people.by_number(db, me(), int(digits))
        access.record(db, "search_people", open_.clock.now(), detail="by person number")
    return _to(found) if found is not None else _nobody("number", _NOBODY, typed)


def _by_telephone(typed: str) -> ResponseReturnValue:
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            access.record(db, "search_people", open_.clock.now(), detail="by telephone")
            found = find_people.by_telephone(db, open_.desk.sealer, me(), typed)
    except BadPhone as bad:
        return _nobody("telephone", str(bad), typed)
    if not found:
        return _nobody("telephone", _NOBODY, typed)
    if len(found) > 1:
        flash("This telephone has more than one conversation; the others stand under Other conversations or can be opened "
              f"by their person numbers: {', '.join(map(str, found[1:]))}.")  # fmt: skip
    return _to(found[0])


def _by_name(typed: str) -> ResponseReturnValue:
    open_ = runtime()
    with open_.database.transaction() as db:
        found = find_people.by_name(db, open_.desk.sealer, me(), typed, open_.clock.now())
        access.record(db, "search_people", open_.clock.now(), detail="by name")
        teams = _teams(db)
    return _results(found, "name", {}, teams, sought=typed) if found.rows else _nobody("name", _NOBODY, typed)


_FINDERS = {"number": _by_number, "telephone": _by_telephone, "name": _by_name}
_NOBODY = "Nobody was found whom you may see."


def _nobody(by: str, problem: str, typed: str) -> ResponseReturnValue:
    with runtime().database.transaction() as db:
        teams = _teams(db)
    return _results(Results(()), by, {}, teams, problem=problem, sought=typed), 404 if problem == _NOBODY else 422


def _to(conversation_id: int) -> ResponseReturnValue:
    return redirect(url_for("people.person", conversation_id=conversation_id), 303)


def _teams(db: Session) -> dict[str, str]:
    """Every team by its slug, and whoever answers what no team is asked for."""
    return {"anyone": "Anyone", **board.teams(db)}


def _results(
    found: Results, by: str, asked: dict[str, str], teams: dict[str, str], *, problem: str = "", sought: str = ""
) -> str:
    open_ = runtime()
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
        states=_STATES,
        channels=wording.CHANNELS,
        named_languages=[(code, wording.language(code)) for code in open_.settings.languages],
        days=find_people.TALKED_WITHIN.days,
        **_helpers(open_.settings.timezone),
    )


def _helpers(zone: ZoneInfo) -> dict[str, Any]:
    year = runtime().clock.now().astimezone(zone).year

    def moment(at: datetime) -> str:
        # A person is known for years: a day without its year would be taken for one of this year.
        then = at.astimezone(zone).year
        return spoken.moment(at, zone) if then == year else f"{spoken.moment(at, zone)} ({then})"

    return {
        "moment": moment,
        "clock": lambda at: spoken.clock(at, zone),
        "language": wording.language,
        "answers": spoken.ANSWERS,
        "w": wording,
    }


def _filter(asked: dict[str, str], zone: ZoneInfo) -> Filter:
    below = request.args.get("below", "")
    until = _day(asked["until"])
    return Filter(
        team=asked["team"] or None,
        language=asked["language"] or None,
        state=asked["state"] if asked["state"] in _STATES else None,
        since=_midnight(day, zone) if (day := _day(asked["since"])) else None,
        before=_midnight(until + timedelta(days=1), zone) if until else None,
        below=int(below) if below.isascii() and below.isdecimal() and int(below) <= _LARGEST else None,
    )


def _day(typed: str) -> date | None:
    try:
        found = date.fromisoformat(typed)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


@people.get(_PERSON)
@needs(Permission.READ_TRANSCRIPT)
def person(conversation_id: int) -> ResponseReturnValue:
    """One person's page."""
    return _show(conversation_id)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A form that was not kept: what was typed, and what is wrong with it."""

    form: SafeForm
    problems: dict[str, str]


def _show(conversation_id: int, refused: _Refused | None = None, number: str = "") -> ResponseReturnValue:
    open_ = runtime()
    now = open_.clock.now()
    before = _day(request.args.get("before", ""))
    with open_.database.transaction() as db:
        page = read_person(db, open_.desk, me(), conversation_id, now, before)
        if page is not None:
            access.record(db, "read_person", now, conversation_id=conversation_id)
        teams = _teams(db)
    if page is None:
        return _not_theirs(conversation_id)
    return render_template(
        "console/person.html",
        here="people",
        page=page,
        whole_number=number,
        form=refused.form if refused else safe_form.of(page.safe),
        problems=refused.problems if refused else {},
        summary=safe_form.in_words(page.safe),
        weekdays=safe_form.WEEKDAYS,
        before=before,
        teams=teams,
        channels=wording.CHANNELS,
        states=_STATES,
        longest_name=LONGEST,
        today=now.astimezone(open_.settings.timezone).date(),
        may_answer=me().may(Permission.ANSWER),
        **_helpers(open_.settings.timezone),
    ), (422 if refused else 200)


def _not_theirs(conversation_id: int) -> ResponseReturnValue:
    # The same for somebody whom others talk to and for a number that nobody has: a guess must teach nothing.
    return layout.not_here(None, f"person {conversation_id}")


@people.post(f"{_PERSON}/safe-contact")
@needs(Permission.ANSWER)
def change_safe_contact(conversation_id: int) -> ResponseReturnValue:
    """Keep how this person may be reached safely."""
    open_ = runtime()
    form = safe_form.posted()
    asked, problems = safe_form.read(form)
    with open_.database.transaction() as db:
        if not may_read(db, me(), conversation_id):
            return _not_theirs(conversation_id)
        if not problems:
            try:
                wrong = set_safe_contact(db, open_.desk, conversation_id, me().id, asked, open_.clock.now())
            except NoSuchPerson:
                flash("What was kept of this person has been deleted. Nothing was saved.", "danger")
                return _to(conversation_id)
            for complaint in wrong:
                problems.setdefault(complaint.field, complaint.text)
    if problems:
        return _show(conversation_id, _Refused(form, problems))
    flash("Saved: this is how they may be reached.", "good")
    return _to(conversation_id)


@people.post(f"{_PERSON}/name")
@needs(Permission.ANSWER)
def change_name(conversation_id: int) -> ResponseReturnValue:
    """Keep what this person is called."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if not may_read(db, me(), conversation_id):
            return _not_theirs(conversation_id)
        name_person(db, open_.desk.sealer, conversation_id, me().id, forms.words("name"), open_.clock.now())
    flash("The name was saved.", "good")
    return _to(conversation_id)


@people.post(f"{_PERSON}/number")
@needs(Permission.ANSWER)
def show_number(conversation_id: int) -> ResponseReturnValue:
    """Show the whole telephone number to somebody who must phone: texts are blocked, or a voice is better. Audited, and
    never in an address."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if not may_read(db, me(), conversation_id):
            return _not_theirs(conversation_id)
        number = whole_number(db, open_.desk.sealer, conversation_id)
        access.record(db, "number_shown", open_.clock.now(), conversation_id=conversation_id)
    if number is None:
        flash("There is no telephone number of this person.", "danger")
        return _to(conversation_id)
    return _show(conversation_id, number=number)


@people.post(f"{_PERSON}/reach-out")
@needs(Permission.ANSWER)
def write_first(conversation_id: int) -> ResponseReturnValue:
    """Open a handoff of one's own with somebody who is known, so as to write to them first."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            if not may_read(db, me(), conversation_id):
                return _not_theirs(conversation_id)
            done = reach_out(db, open_.desk, conversation_id, me().id, open_.clock.now())
    except Refused as refused:
        access.refuse(f"reach_out: {refused.reason}")
        flash(refused.text, "danger")
        return _to(conversation_id)
    if done.wake:
        open_.queue.wake_delivery(done.wake, Lane.CRISIS)
    return redirect(f"/console/handoffs/{done.handoff_id}", 303)
