"""The page of one household's case, and all that a social worker writes down there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from babel.dates import format_date
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import case as words
from bot.domain import check_in, referral
from bot.domain.permissions import Permission
from bot.storage import follow_up
from bot.usecases import keep_case, keep_consent
from bot.usecases.answering import Refused
from bot.usecases.keep_case import Met, Wanted
from bot.usecases.keep_consent import LONGEST_SHARE, SCOPES, Told
from bot.usecases.read_case import may_read
from bot.usecases.read_case_file import CaseView, may_keep, read_case_file
from bot.web import forms
from bot.web.console import access, case_chart, layout, spoken, wording
from bot.web.console.access import Me, me, needs
from bot.web.forms import runtime

case = Blueprint("case", __name__, url_prefix="/console")

_ID = f"int(max={2**63 - 1})"
_CASE = f"/people/<{_ID}:conversation_id>/case"
CHECK_INS = {
    "planned": "To come",
    "asked": "Asked, no answer yet",
    "answered": "Answered",
    "silent": "Not answered",
    "dropped": "Not asked",
}
WAYS = {
    words.Way.BETTER: "better than at first",
    words.Way.STEADY: "steady",
    words.Way.WORSE: "worse than at first",
    words.Way.NOT_YET: "not yet",
    words.Way.UNKNOWN: "not known: two days are needed",
}
CHOICES = {
    "agreed": "Agreed",
    "withdrawn": "Took it back",
    "opted_out": "Opted out of texts",
    "opted_in": "Wants texts again",
}
TASK_REASONS = {
    "agency_refused": "An agency will not help: look for other help",
    "not_safe": "They told us that they do not feel safe where they stay. The phone may be read: reach them another way",
}
TELLERS = {"person": "the person", "agency": "the agency", "line": "the line", "worker": "a worker"}

_NOT_KEPT = (keep_case.NotKept, keep_consent.NotKept, Refused)


@dataclass(frozen=True, slots=True)
class _Problem:
    """A form that was not kept: which, and why. What was typed is in the request."""

    form: str
    text: str


class _Unread(Exception):
    """A field of a form cannot be read; `text` says which and how to mend it."""

    def __init__(self, text: str) -> None:
        self.reason, self.text = "unread", text
        super().__init__(text)


@case.get(_CASE)
@needs(Permission.FOLLOW_UP)
def page(conversation_id: int) -> ResponseReturnValue:
    """The page."""
    return _show(conversation_id)


def _show(conversation_id: int, problem: _Problem | None = None) -> ResponseReturnValue:
    open_ = runtime()
    now, zone = open_.clock.now(), open_.settings.timezone
    with open_.database.transaction() as db:
        # Of somebody who was deleted only empty rows are left, and a page of them would say that there was somebody.
        is_there = follow_up.exists(db, conversation_id)
        found = read_case_file(db, open_.desk.sealer, me(), conversation_id, now) if is_there else None
        if found is not None:
            access.record(db, "read_case", now, conversation_id=conversation_id)
    if found is None:
        return _not_theirs(conversation_id)
    this_year = now.astimezone(zone).year

    def day(at: datetime) -> str:
        # A household is accompanied for months: over New Year a day without its year would be taken for another.
        local = at.astimezone(zone)
        return format_date(local, "MMM d" if local.year == this_year else "MMM d, y", locale="en_US")

    shown = found.cases[0] if found.cases else None
    local_now = now.astimezone(zone)
    return render_template(
        "console/case.html",
        here="people",
        page=found,
        case=shown,
        is_mine=shown is not None and shown.owner_id == me().id,
        chart=case_chart.draw(shown, found, now, day, CHECK_INS) if shown else None,
        days_begun=words.days_begun(shown.opened_at, now) if shown else (),
        nearest=_suggested_day(shown, now) if shown else 0,
        problem=problem,
        typed=_typed(problem),
        day=day,
        moment=lambda at: f"{day(at)}, {spoken.clock(at, zone)}",
        now=now,
        local_now=local_now.replace(tzinfo=None).isoformat(timespec="minutes"),
        today=local_now.date(),
        furthest=(now + LONGEST_SHARE).astimezone(zone).date() - timedelta(days=1),
        words=words,
        scopes=SCOPES,
        ways=WAYS,
        choices=CHOICES,
        check_in_states=CHECK_INS,
        reasons=check_in.REASONS,
        task_reasons=TASK_REASONS,
        tellers=TELLERS,
        referral_words=referral,
        longest_note=keep_case.LONGEST_NOTE,
        longest_what=keep_case.LONGEST_WHAT,
        w=wording,
    ), (422 if problem else 200)


def _suggested_day(shown: CaseView, now: datetime) -> int:
    nearest = words.nearest_day(shown.opened_at, now)
    return words.days_begun(shown.opened_at, now)[-1] if nearest is None else nearest


def _typed(problem: _Problem | None) -> Callable[[str, str, Any], str]:
    """What stands in a field: what was typed into the form that was refused, else what is given."""

    def typed(form: str, name: str, otherwise: Any = "") -> str:
        return request.form.get(name, "") if problem and problem.form == form else str(otherwise)

    return typed


def _not_theirs(conversation_id: int) -> ResponseReturnValue:
    return layout.not_here(None, f"case of person {conversation_id}")


def _act(
    conversation_id: int,
    act: str,
    said: str,
    do: Callable[[Session, datetime], str],
    is_theirs: Callable[[Session, Me, int], bool] = may_keep,
) -> ResponseReturnValue:
    """Do it and write it down in one transaction; the page again, with what was typed, where it is not possible. `do` gives
    the detail for the audit: fixed words and ids. `is_theirs` is `may_read` for what belongs to a conversation and not to
    the case."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            now = open_.clock.now()
            if not is_theirs(db, me(), conversation_id):
                return _not_theirs(conversation_id)
            access.record(db, act, now, conversation_id=conversation_id, detail=do(db, now))
    except (*_NOT_KEPT, _Unread) as refused:
        access.refuse(f"{act}: {refused.reason}")
        return _show(conversation_id, _Problem(act, refused.text))
    flash(said, "good")
    return redirect(url_for("case.page", conversation_id=conversation_id), 303)


@case.post(f"{_CASE}/open")
@needs(Permission.FOLLOW_UP)
def open_case(conversation_id: int) -> ResponseReturnValue:
    """Open a case, which who presses this keeps."""

    def do(db: Session, now: datetime) -> str:
        return "" if keep_case.open_case(db, conversation_id, me().id, now) else "was open"

    return _act(conversation_id, "case_opened", "The case is open. Day 0 is today.", do)


@case.post(f"{_CASE}/take")
@needs(Permission.FOLLOW_UP)
def take(conversation_id: int) -> ResponseReturnValue:
    """Keep the case from now on."""

    def do(db: Session, now: datetime) -> str:
        before = keep_case.take(db, conversation_id, me().id)
        return f"from {before}" if before else ""

    return _act(conversation_id, "case_taken", "You keep this case now.", do)


@case.post(f"{_CASE}/close")
@needs(Permission.FOLLOW_UP)
def close(conversation_id: int) -> ResponseReturnValue:
    """Close the case."""
    outcome = forms.words("outcome")

    def do(db: Session, now: datetime) -> str:
        keep_case.close(db, conversation_id, outcome, me().id, now)
        return outcome

    return _act(conversation_id, "case_closed", "The case is closed.", do)


@case.post(f"{_CASE}/needs")
@needs(Permission.FOLLOW_UP)
def open_need(conversation_id: int) -> ResponseReturnValue:
    """Add a need."""
    code = forms.words("code")

    def do(db: Session, now: datetime) -> str:
        keep_case.open_need(db, conversation_id, code, me().id, now)
        return code

    return _act(conversation_id, "need_opened", "The need was added.", do)


@case.post(f"{_CASE}/needs/<{_ID}:need_id>/close")
@needs(Permission.FOLLOW_UP)
def close_need(conversation_id: int, need_id: int) -> ResponseReturnValue:
    """A need has ended."""
    outcome = forms.words("outcome")

    def do(db: Session, now: datetime) -> str:
        keep_case.close_need(db, conversation_id, need_id, outcome, me().id, now)
        return f"need {need_id}: {outcome}"

    return _act(conversation_id, "need_closed", "Saved: how that need ended.", do)


@case.post(f"{_CASE}/encounters")
@needs(Permission.FOLLOW_UP)
def record_encounter(conversation_id: int) -> ResponseReturnValue:
    """Write down that one met or spoke with the household."""

    def do(db: Session, now: datetime) -> str:
        met = Met(forms.words("mode"), _moment(forms.words("at")), _minutes(forms.words("minutes")), forms.words("note"))
        keep_case.record_encounter(db, runtime().desk, conversation_id, met, me().id, now)
        return met.mode

    return _act(conversation_id, "encounter_recorded", "The meeting was written down.", do)


@case.post(f"{_CASE}/tasks")
@needs(Permission.FOLLOW_UP)
def add_task(conversation_id: int) -> ResponseReturnValue:
    """Write down something that must be done."""

    def do(db: Session, now: datetime) -> str:
        due = _date(forms.words("due"), "by when it is due")
        wanted = Wanted(forms.words("kind"), forms.words("body"), due, is_mine="mine" in request.form)
        task_id = keep_case.add_task(db, runtime().desk, conversation_id, wanted, me().id, now)
        return f"task {task_id}: {wanted.kind}"

    return _act(conversation_id, "task_added", "The task was added.", do, may_read)


@case.post(f"{_CASE}/tasks/<{_ID}:task_id>/done")
@needs(Permission.FOLLOW_UP)
def finish_task(conversation_id: int, task_id: int) -> ResponseReturnValue:
    """A task is done."""

    def do(db: Session, now: datetime) -> str:
        keep_case.finish_task(db, conversation_id, task_id, me().id, now, lambda each: may_read(db, me(), each))
        return f"task {task_id}"

    return _act(conversation_id, "task_done", "Done: the task is off the list.", do)


@case.post(f"{_CASE}/measures")
@needs(Permission.FOLLOW_UP)
def record_measures(conversation_id: int) -> ResponseReturnValue:
    """Write down how the household is: up to three answers for one day."""

    def do(db: Session, now: datetime) -> str:
        number = forms.words("day")
        day = int(number) if number in {str(each) for each in words.DAYS} else -1
        given = {name: forms.words(name) for name in words.MEASURES if forms.words(name)}
        if not given:
            raise keep_case.NotKept("measure")
        for name, value in given.items():
            keep_case.record_measure(db, conversation_id, words.Measured(day, name, value), me().id, now)
        return f"day {day}: {', '.join(given)}"

    return _act(conversation_id, "measure_recorded", "Saved: how the household is.", do)


@case.post(f"{_CASE}/consents")
@needs(Permission.FOLLOW_UP)
def record_consent(conversation_id: int) -> ResponseReturnValue:
    """Write down what the person agreed to or took back."""

    def do(db: Session, now: datetime) -> str:
        # One list for what and with whom: a scope and its agency cannot part.
        scope, _, agency = forms.words("scope").partition(":")
        told = Told(scope, forms.words("choice"), agency, _end_of(forms.words("until")))
        scope = keep_consent.record_consent(db, runtime().desk.sealer, conversation_id, told, me().id, now)
        return f"{scope}: {told.choice}"

    return _act(conversation_id, "consent_recorded", "Written down in the ledger.", do, may_read)


def _moment(typed: str) -> datetime:
    try:
        # The first and the last day that a calendar has lie outside of it in another zone.
        return datetime.fromisoformat(typed).replace(tzinfo=runtime().settings.timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Unread("Say when it was, with day and time. Nothing was saved.") from None


def _date(typed: str, what: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise _Unread(f"Say {what}, as a day. Nothing was saved.") from None


def _end_of(typed: str) -> datetime | None:
    """The midnight that ends this day in the city; None for an empty field."""
    if not typed:
        return None
    day = _date(typed, "until when it may be shared")
    if day.year > 2200:
        raise _Unread("That year is too far away. Nothing was saved.")
    return datetime.combine(day + timedelta(days=1), time(0), runtime().settings.timezone).astimezone(UTC)


def _minutes(typed: str) -> int | None:
    if not typed:
        return None
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 6):
        raise keep_case.NotKept("minutes")
    return int(typed)
