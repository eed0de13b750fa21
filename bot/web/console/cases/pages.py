"""The page of one household's case, and the forms by which social workers keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from babel.dates import format_date
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import cases as words
from bot.domain import referrals
from bot.domain.check_ins import decision
from bot.domain.refused import Refused
from bot.domain.staff.permissions import Permission
from bot.usecases.cases import manage_case, manage_consent
from bot.usecases.cases.manage_case import EncounterEntry, TaskEntry
from bot.usecases.cases.manage_consent import LONGEST_SHARE, SCOPE_LABELS, ConsentEntry
from bot.usecases.cases.read_case import CaseView, may_see_case, read_case_page
from bot.usecases.handoff.read_handoff import may_read_conversation
from bot.web import access, forms, layout
from bot.web.access import CurrentUser, current_user, require_permission
from bot.web.console import moments, wording
from bot.web.console.cases import chart
from bot.web.forms import current_runtime

case = Blueprint("case", __name__, url_prefix="/console")

_ID = f"int(max={2**63 - 1})"
_CASE_PATH = f"/people/<{_ID}:conversation_id>/case"
CHECK_IN_LABELS = {
    "planned": "To come",
    "asked": "Asked, no answer yet",
    "answered": "Answered",
    "silent": "Not answered",
    "dropped": "Not asked",
}
WAY_LABELS = {
    words.Trend.BETTER: "better than at first",
    words.Trend.STEADY: "steady",
    words.Trend.WORSE: "worse than at first",
    words.Trend.NOT_YET: "not yet",
    words.Trend.UNKNOWN: "not known: two days are needed",
}
CONSENT_LABELS = {
    "agreed": "Agreed",
    "withdrawn": "Took it back",
    "opted_out": "Opted out of texts",
    "opted_in": "Wants texts again",
}
TASK_REASON_LABELS = {
    "agency_refused": "An agency will not help: look for other help",
    "not_safe": "They told us that they do not feel safe where they stay. The phone may be read: reach them another way",
}
TELLER_LABELS = {"person": "the person", "agency": "the agency", "line": "the line", "worker": "a worker"}

_UNREADABLE = "unread"
"""Reason in the audit log: a field of the form cannot be parsed."""


@dataclass(frozen=True, slots=True)
class _FormProblem:
    """A refused form: its name and the reason. The typed values are in the request."""

    form: str
    text: str


@case.get(_CASE_PATH)
@require_permission(Permission.FOLLOW_UP)
def page(conversation_id: int) -> ResponseReturnValue:
    """The page."""
    return _show(conversation_id)


def _show(conversation_id: int, problem: _FormProblem | None = None) -> ResponseReturnValue:
    runtime = current_runtime()
    now, zone = runtime.clock.now(), runtime.settings.timezone
    with runtime.database.transaction() as db:
        found = read_case_page(db, runtime.context.sealer, current_user(), conversation_id, now)
        if found is not None:
            access.record_audit(db, "read_case", now, conversation_id=conversation_id)
    if found is None:
        return _not_found(conversation_id)
    this_year = now.astimezone(zone).year

    def day(at: datetime) -> str:
        # A case lasts for months: around New Year a day without its year would be ambiguous.
        local = at.astimezone(zone)
        return format_date(local, "MMM d" if local.year == this_year else "MMM d, y", locale="en_US")

    shown = found.cases[0] if found.cases else None
    local_now = now.astimezone(zone)
    return render_template(
        "console/case.html",
        here="people",
        page=found,
        case=shown,
        is_mine=shown is not None and shown.owner_id == current_user().id,
        chart=chart.draw(shown, found, now, day, CHECK_IN_LABELS) if shown else None,
        days_begun=words.days_begun(shown.opened_at, now) if shown else (),
        nearest=_suggested_day(shown, now) if shown else 0,
        problem=problem,
        typed=_typed_value(problem),
        day=day,
        moment=lambda at: f"{day(at)}, {moments.clock(at, zone)}",
        now=now,
        local_now=local_now.replace(tzinfo=None).isoformat(timespec="minutes"),
        today=local_now.date(),
        furthest=(now + LONGEST_SHARE).astimezone(zone).date() - timedelta(days=1),
        words=words,
        scopes=SCOPE_LABELS,
        ways=WAY_LABELS,
        choices=CONSENT_LABELS,
        check_in_states=CHECK_IN_LABELS,
        reasons=decision.REASON_SENTENCES,
        task_reasons=TASK_REASON_LABELS,
        tellers=TELLER_LABELS,
        referral_words=referrals,
        longest_note=manage_case.LONGEST_NOTE,
        longest_what=manage_case.LONGEST_TASK_TEXT,
        w=wording,
    ), (422 if problem else 200)


def _suggested_day(shown: CaseView, now: datetime) -> int:
    nearest = words.nearest_day(shown.opened_at, now)
    return words.days_begun(shown.opened_at, now)[-1] if nearest is None else nearest


def _typed_value(problem: _FormProblem | None) -> Callable[[str, str, Any], str]:
    """Returns a function for the template: the value of a field, as typed if its form was refused, else the default."""

    def typed(form: str, name: str, otherwise: Any = "") -> str:
        return request.form.get(name, "") if problem and problem.form == form else str(otherwise)

    return typed


def _not_found(conversation_id: int) -> ResponseReturnValue:
    return layout.not_found(None, f"case of person {conversation_id}")


def _run(
    conversation_id: int,
    act: str,
    sentence: str,
    do: Callable[[Session, datetime], str],
    is_allowed: Callable[[Session, CurrentUser, int], bool] = may_see_case,
) -> ResponseReturnValue:
    """Run `do` and audit it in one transaction; if it is refused, show the page again with the typed values. `do` returns
    the audit detail (fixed words and ids). The permission check is `may_keep`, or `may_read` for what belongs to the
    conversation instead of the case."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            if not is_allowed(db, current_user(), conversation_id):
                return _not_found(conversation_id)
            access.record_audit(db, act, now, conversation_id=conversation_id, detail=do(db, now))
    except Refused as refused:
        access.record_refusal(f"{act}: {refused.reason}")
        return _show(conversation_id, _FormProblem(act, refused.text))
    flash(sentence, "good")
    return redirect(url_for("case.page", conversation_id=conversation_id), 303)


@case.post(f"{_CASE_PATH}/open")
@require_permission(Permission.FOLLOW_UP)
def open_case(conversation_id: int) -> ResponseReturnValue:
    """Open a case; the signed-in social worker becomes its owner."""

    def do(db: Session, now: datetime) -> str:
        return "" if manage_case.open_case(db, conversation_id, current_user().id, now) else "was open"

    return _run(conversation_id, "case_opened", "The case is open. Day 0 is today.", do)


@case.post(f"{_CASE_PATH}/take")
@require_permission(Permission.FOLLOW_UP)
def take(conversation_id: int) -> ResponseReturnValue:
    """Become the owner of the case."""

    def do(db: Session, now: datetime) -> str:
        before = manage_case.take_case(db, conversation_id, current_user().id)
        return f"from {before}" if before else ""

    return _run(conversation_id, "case_taken", "You keep this case now.", do)


@case.post(f"{_CASE_PATH}/close")
@require_permission(Permission.FOLLOW_UP)
def close(conversation_id: int) -> ResponseReturnValue:
    """Close the case."""
    outcome = forms.clean_text("outcome")

    def do(db: Session, now: datetime) -> str:
        manage_case.close_case(db, conversation_id, outcome, current_user().id, now)
        return outcome

    return _run(conversation_id, "case_closed", "The case is closed.", do)


@case.post(f"{_CASE_PATH}/needs")
@require_permission(Permission.FOLLOW_UP)
def open_need(conversation_id: int) -> ResponseReturnValue:
    """Add a need."""
    code = forms.clean_text("code")

    def do(db: Session, now: datetime) -> str:
        manage_case.open_need(db, conversation_id, code, current_user().id, now)
        return code

    return _run(conversation_id, "need_opened", "The need was added.", do)


@case.post(f"{_CASE_PATH}/needs/<{_ID}:need_id>/close")
@require_permission(Permission.FOLLOW_UP)
def close_need(conversation_id: int, need_id: int) -> ResponseReturnValue:
    """Close a need with its outcome."""
    outcome = forms.clean_text("outcome")

    def do(db: Session, now: datetime) -> str:
        manage_case.close_need(db, conversation_id, need_id, outcome, current_user().id, now)
        return f"need {need_id}: {outcome}"

    return _run(conversation_id, "need_closed", "Saved: how that need ended.", do)


@case.post(f"{_CASE_PATH}/encounters")
@require_permission(Permission.FOLLOW_UP)
def record_encounter(conversation_id: int) -> ResponseReturnValue:
    """Record that the social worker met or spoke with the household."""

    def do(db: Session, now: datetime) -> str:
        met = EncounterEntry(
            forms.clean_text("mode"),
            _read_moment(forms.clean_text("at")),
            _read_minutes(forms.clean_text("minutes")),
            forms.clean_text("note"),
        )
        manage_case.record_encounter(db, current_runtime().context, conversation_id, met, current_user().id, now)
        return met.mode

    return _run(conversation_id, "encounter_recorded", "The meeting was written down.", do)


@case.post(f"{_CASE_PATH}/tasks")
@require_permission(Permission.FOLLOW_UP)
def add_task(conversation_id: int) -> ResponseReturnValue:
    """Add a task."""

    def do(db: Session, now: datetime) -> str:
        due = _read_date(forms.clean_text("due"), "by when it is due")
        wanted = TaskEntry(forms.clean_text("kind"), forms.clean_text("body"), due, is_mine="mine" in request.form)
        task_id = manage_case.add_task(db, current_runtime().context, conversation_id, wanted, current_user().id, now)
        return f"task {task_id}: {wanted.kind}"

    return _run(conversation_id, "task_added", "The task was added.", do, may_read_conversation)


@case.post(f"{_CASE_PATH}/tasks/<{_ID}:task_id>/done")
@require_permission(Permission.FOLLOW_UP)
def finish_task(conversation_id: int, task_id: int) -> ResponseReturnValue:
    """Mark a task as done."""

    def do(db: Session, now: datetime) -> str:
        manage_case.finish_task(
            db,
            conversation_id,
            task_id,
            current_user().id,
            now,
            lambda each: may_read_conversation(db, current_user(), each),
        )
        return f"task {task_id}"

    return _run(conversation_id, "task_done", "Done: the task is off the list.", do)


@case.post(f"{_CASE_PATH}/measures")
@require_permission(Permission.FOLLOW_UP)
def record_measures(conversation_id: int) -> ResponseReturnValue:
    """Record how the household is: up to three measures for one day."""

    def do(db: Session, now: datetime) -> str:
        number = forms.clean_text("day")
        day = int(number) if number in {str(each) for each in words.DAYS} else -1
        given = {name: forms.clean_text(name) for name in words.MEASURES if forms.clean_text(name)}
        if not given:
            raise manage_case.refused("measure")
        for name, value in given.items():
            manage_case.record_measure(db, conversation_id, words.MeasureAnswer(day, name, value), current_user().id, now)
        return f"day {day}: {', '.join(given)}"

    return _run(conversation_id, "measure_recorded", "Saved: how the household is.", do)


@case.post(f"{_CASE_PATH}/consents")
@require_permission(Permission.FOLLOW_UP)
def record_consent(conversation_id: int) -> ResponseReturnValue:
    """Record a consent or its withdrawal."""

    def do(db: Session, now: datetime) -> str:
        # The field holds "scope:agency", so that the two cannot be combined wrongly.
        scope, _, agency = forms.clean_text("scope").partition(":")
        consent = ConsentEntry(scope, forms.clean_text("choice"), agency, _read_end_of_day(forms.clean_text("until")))
        scope = manage_consent.record_consent(
            db, current_runtime().context.sealer, conversation_id, consent, current_user().id, now
        )
        return f"{scope}: {consent.choice}"

    return _run(conversation_id, "consent_recorded", "Written down in the ledger.", do, may_read_conversation)


def _read_moment(typed: str) -> datetime:
    try:
        # OverflowError: datetime.min and datetime.max cannot be converted to another time zone.
        return datetime.fromisoformat(typed).replace(tzinfo=current_runtime().settings.timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("Say when it was, with day and time. Nothing was saved.", _UNREADABLE) from None


def _read_date(typed: str, what: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise Refused(f"Say {what}, as a day. Nothing was saved.", _UNREADABLE) from None


def _read_end_of_day(typed: str) -> datetime | None:
    """The midnight at the end of this day in the city's time zone, in UTC; None for an empty field."""
    if not typed:
        return None
    day = _read_date(typed, "until when it may be shared")
    if day.year > 2200:
        raise Refused("That year is too far away. Nothing was saved.", _UNREADABLE)
    return datetime.combine(day + timedelta(days=1), time(0), current_runtime().settings.timezone).astimezone(UTC)


def _read_minutes(typed: str) -> int | None:
    if not typed:
        return None
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 6):
        raise manage_case.refused("minutes")
    return int(typed)
