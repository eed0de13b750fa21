"""The pages of the service directory: search, services to be called and checked, and the forms to edit and add one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_date
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import referrals
from bot.domain.directory import editing
from bot.domain.directory.editing import DAYS, Freshness, MergedForm, ServiceForm
from bot.domain.languages import english_name
from bot.domain.refused import InvalidForm, Refused
from bot.domain.staff.permissions import Permission
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.directory import edit_services, read_services
from bot.usecases.directory.edit_services import DirectorySettings, ServiceEditConflict, ServiceNotFound
from bot.usecases.directory.read_services import DirectoryQuery, ServiceLine, ServicePage
from bot.usecases.offered_languages import read_offered_languages
from bot.web import access, forms, layout
from bot.web.access import current_user, require_permission
from bot.web.console import moments, wording
from bot.web.console.directory import form
from bot.web.forms import current_runtime

directory = Blueprint("directory", __name__, url_prefix="/console")

_SERVICE_PATH = f"/directory/<int(max={2**63 - 1}):service_id>"
_QUERY_FIELDS = ("need", "words", "near", "language", "accepting", "freshness")
_CALL_LISTS = ("stale", "never")
FRESHNESS_LABELS = {
    Freshness.FRESH: "Fresh",
    Freshness.STALE: "Stale",
    Freshness.NEVER: "Never checked",
    Freshness.HIDDEN: "Hidden",
}
_IMPORT_RUNNING = "The directory is being imported just now. Press again in a minute; nothing was lost."
ACCEPTING_CHOICES = {"yes": "Takes new people", "no": "Takes nobody new", "unknown": "Not known"}


@directory.get("/directory")
@require_permission(Permission.SEE_DIRECTORY)
def search() -> ResponseReturnValue:
    """The search form, how fresh the directory is, and a page of results."""
    runtime = current_runtime()
    asked = {name: request.args.get(name, "").strip()[:200] for name in _QUERY_FIELDS}
    open_now, number = "open" in request.args, _page_number("page")
    wish = DirectoryQuery(**{**asked, **_valid_choices(asked)}, open_now=open_now, page=number)
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        found = read_services.list_services(db, wish, runtime.settings.timezone, now)
        counts = read_services.freshness_counts(db, now)
    given = {name: value for name, value in asked.items() if value} | ({"open": "1"} if open_now else {})
    return render_template(
        "console/directory.html",
        here="directory",
        found=found,
        asked=asked,
        open_now=open_now,
        counts=counts,
        total=sum(counts.values()),
        is_asking=bool(given),
        newer=f"?{urlencode(given | {'page': number - 1})}" if number > 1 else "",
        older=f"?{urlencode(given | {'page': number + 1})}" if found.has_more else "",
        languages=[(code, english_name(code)) for code in _languages()],
        **_helpers(),
    ), (422 if found.problem else 200)


def _valid_choices(asked: dict[str, str]) -> dict[str, str]:
    """The query parameters with unknown choices and NUL characters removed."""
    return {
        "freshness": asked["freshness"] if asked["freshness"] in FRESHNESS_LABELS else "",
        "accepting": asked["accepting"] if asked["accepting"] in ACCEPTING_CHOICES else "",
        "words": asked["words"].replace("\0", ""),
        "need": asked["need"].replace("\0", ""),
        "language": asked["language"].replace("\0", ""),
    }


def _page_number(name: str) -> int:
    typed = request.args.get(name, "")
    return min(max(int(typed), 1), 10_000) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 1


@directory.get("/directory/stale")
@require_permission(Permission.SEE_DIRECTORY)
def stale() -> ResponseReturnValue:
    """Services to be called and checked: those whose check expires first, or those that were never checked."""
    runtime = current_runtime()
    never, number = request.args.get("list") == "never", _page_number("page")
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        rows, has_more = read_services.list_to_call(db, never, number, runtime.settings.timezone, now)
        at = min(_page_number("at"), max(len(rows), 1)) - 1
        seen = edit_services.content_hash(db, rows[at].line.id) if rows else ""
    return render_template(
        "console/directory_stale.html",
        here="directory",
        rows=rows,
        at=at,
        version=seen,
        never=never,
        number=number,
        has_more=has_more,
        **_helpers(),
    )


@directory.get(_SERVICE_PATH)
@require_permission(Permission.SEE_DIRECTORY)
def service(service_id: int) -> ResponseReturnValue:
    """The page of one service."""
    return _show(service_id)


def _show(service_id: int, problem: str = "", *, busy: bool = False) -> ResponseReturnValue:
    """The page of one service; with `busy` the posted choices stay selected."""
    page, seen = _load_with_version(service_id)
    if page is None:
        return _not_found()
    ground = _ground()
    imported = editing.form_of(page.values.imported, page.values.imported_address, ground.languages)
    return render_template(
        "console/directory_service.html",
        here="directory",
        page=page,
        facts=form.facts(page, imported),
        more=form.other_details(page.details),
        problem=problem,
        version=seen,
        answer=forms.field("answer") if busy else "",
        status=forms.field("status") if busy else "",
        outcomes=referrals.OUTCOMES,
        states=referrals.STATES,
        is_kept_here=page.line.origin != edit_services.FILES_ORIGIN and not page.line.is_gone,
        **_helpers(),
    ), (409 if busy else 422 if problem else 200)


@directory.route("/directory/new", methods=["GET", "POST"])
@require_permission(Permission.EDIT_DIRECTORY)
def new() -> ResponseReturnValue:
    """The form for a service that is in no imported directory."""
    if request.method == "GET":
        return _form_page(None, ServiceForm(cards=tuple((code, "") for code in _ground().languages)), {})
    typed = form.read_form(_ground().languages)
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            number = edit_services.add_service(db, _ground(), current_user().id, typed, now)
            if _is_marked_checked(typed):
                edit_services.record_check(db, _ground(), number, current_user().id, now)
    except InvalidForm as invalid:
        return _form_page(None, typed, invalid.problems)
    except DATABASE_ERRORS as error:
        if not edit_services.is_import_running(error):
            raise
        return _form_page(None, typed, {"": _IMPORT_RUNNING}, busy=True)
    later = "" if _is_marked_checked(typed) else " People are told of it once somebody has checked it."
    flash(f"{typed.name} was added.{later}", "good")
    return redirect(url_for("directory.service", service_id=number), 303)


@directory.route(f"{_SERVICE_PATH}/edit", methods=["GET", "POST"])
@require_permission(Permission.EDIT_DIRECTORY)
def edit(service_id: int) -> ResponseReturnValue:
    """The form to edit one service."""
    page = _load(service_id)
    if page is None:
        return _not_found()
    if request.method == "GET":
        return _form_page(page, page.typed, {})
    typed, opened = form.read_form(_ground().languages), form.read_opened()
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            now = runtime.clock.now()
            took_back = edit_services.change_service(db, _ground(), service_id, current_user().id, typed, opened, now)
            if _is_marked_checked(typed):
                edit_services.record_check(db, _ground(), service_id, current_user().id, now)
    except InvalidForm as invalid:
        return _form_page(page, typed, invalid.problems, opened=opened)
    except ServiceEditConflict as meanwhile:
        return _form_page(_load(service_id) or page, meanwhile.merged.typed, {}, merged=meanwhile.merged)
    except Refused as refused:
        return _form_page(page, typed, {"": refused.text}, opened=opened)
    except DATABASE_ERRORS as error:
        if not edit_services.is_import_running(error):
            raise
        return _form_page(page, typed, {"": _IMPORT_RUNNING}, opened=opened, busy=True)
    except ServiceNotFound:
        return _not_found()
    flash("Saved.", "good")
    if took_back and not _is_marked_checked(typed):
        flash("Its telephone number is another now, so people are not told of it until somebody has called and pressed "
              "\u201cI called, this is right today\u201d.", "danger")  # fmt: skip
    return redirect(url_for("directory.service", service_id=service_id), 303)


def _is_marked_checked(typed: ServiceForm) -> bool:
    return bool(forms.field("checked")) and typed.status == "active"


def _form_page(
    page: ServicePage | None,
    typed: ServiceForm,
    problems: dict[str, str],
    *,
    opened: edit_services.OpenedServiceForm | None = None,
    merged: MergedForm | None = None,
    busy: bool = False,
) -> ResponseReturnValue:
    """The form of a service. After a refusal it keeps the values that it was first opened with: with newer ones, changes
    saved by colleagues meanwhile would not be detected."""
    before = opened.typed if opened is not None else page.typed if page else None
    ground = _ground()
    return render_template(
        "console/directory_form.html",
        here="directory",
        page=page,
        typed=typed,
        cards=dict(typed.cards),
        sizes=form.card_segments(typed),
        problems=problems,
        version=opened.version if opened else page.version if page else "",
        opened=form.dump_typed(before) if before else "",
        merged=merged,
        clashes={name: form.format_value(name, value) for name, value in merged.clashes.items()} if merged else {},
        changed=[form.FIELD_LABELS[name] for name in merged.changed] if merged else [],
        all_needs=[*ground.needs, *(code for code in typed.needs if code not in ground.needs)],
        days=DAYS,
        languages=ground.languages,
        is_checked=bool(forms.field("checked")),
        **_helpers(),
    ), (409 if merged or busy else 422 if problems else 200)


@directory.post(f"{_SERVICE_PATH}/check")
@require_permission(Permission.EDIT_DIRECTORY)
def check(service_id: int) -> ResponseReturnValue:
    """Mark the service as checked today: a staff member has called it."""
    seen = forms.field("version")

    def do(db: Session, now: datetime) -> None:
        edit_services.record_check(db, _ground(), service_id, current_user().id, now, seen)

    return _run(service_id, "service_checked", "Written down: checked today.", do)


@directory.post(f"{_SERVICE_PATH}/accepting")
@require_permission(Permission.EDIT_DIRECTORY)
def accepting(service_id: int) -> ResponseReturnValue:
    """Set whether the service takes new people now."""
    answer = forms.field("answer")

    def do(db: Session, now: datetime) -> None:
        edit_services.set_accepting(db, service_id, current_user().id, answer, now)

    return _run(service_id, "service_changed", f"Saved: {ACCEPTING_CHOICES.get(answer, '').lower()}.", do)


@directory.post(f"{_SERVICE_PATH}/close")
@require_permission(Permission.EDIT_DIRECTORY)
def close(service_id: int) -> ResponseReturnValue:
    """Mark the service as closed, for a time or for good, or as open again."""
    status = forms.field("status")

    def do(db: Session, now: datetime) -> None:
        edit_services.set_status(db, service_id, current_user().id, status, now)

    sentence = "It is open again." if status == "active" else "Saved. People are no longer told of it."
    return _run(service_id, "service_changed", sentence, do)


def _run(service_id: int, act: str, sentence: str, do: Callable[[Session, datetime], None]) -> ResponseReturnValue:
    """Run `do` in one transaction; if it is refused, show the page again with the reason."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            do(db, runtime.clock.now())
    except ServiceNotFound:
        return _not_found()
    except Refused as refused:
        access.record_refusal(f"{act}: {refused.reason}")
        return _show(service_id, refused.text)
    except DATABASE_ERRORS as error:
        if not edit_services.is_import_running(error):
            raise
        return _show(service_id, _IMPORT_RUNNING, busy=True)
    if forms.field("list") in _CALL_LISTS:
        # Back to the same position of the list, which is now the next service.
        name = page.line.name if (page := _load(service_id)) else ""
        flash(f"{name}: {sentence}", "good")
        where: dict[str, Any] = {
            "list": forms.field("list"),
            "at": forms.field("at") or "1",
            "page": forms.field("page") or "1",
        }
        return redirect(url_for("directory.stale", **where), 303)
    flash(sentence, "good")
    return redirect(url_for("directory.service", service_id=service_id), 303)


def _load(service_id: int) -> ServicePage | None:
    return _load_with_version(service_id)[0]


def _load_with_version(service_id: int) -> tuple[ServicePage | None, str]:
    """A service as it is shown, and its version, by which a later change is detected."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        return read_services.read_service_with_hash(db, _ground(), service_id, runtime.clock.now())


def _ground() -> DirectorySettings:
    settings = current_runtime().settings
    return DirectorySettings.with_known_needs(settings.timezone, settings.directory_fresh_days, tuple(settings.languages))


def _languages() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*current_runtime().settings.languages, *read_offered_languages().services)))


def _not_found() -> ResponseReturnValue:
    return layout.refusal_page("This is not here", "There is no service of this number in the directory.", 404)


def _helpers() -> dict[str, Any]:
    runtime = current_runtime()
    zone, now = runtime.settings.timezone, runtime.clock.now()
    today = now.astimezone(zone).date()
    return {
        "day": _day,
        "moment": lambda at: f"{_day(at.astimezone(zone).date())}, {moments.clock(at, zone)}",
        "freshness_of": lambda found: _freshness(found, today),
        "until": lambda at: _day(at.astimezone(zone).date()),
        "freshness": FRESHNESS_LABELS,
        "accepting": form.ACCEPTING_LABELS,
        "accepting_choices": ACCEPTING_CHOICES,
        "statuses": form.STATUS_LABELS,
        "need": form.need_label,
        "needs": edit_services.read_need_codes(),
        "language": english_name,
        "may_edit": current_user().may(Permission.EDIT_DIRECTORY),
    }


def _day(day: date) -> str:
    return format_date(day, "MMM d, y", locale="en_US")


def _freshness(found: ServiceLine | ServicePage, today: date) -> tuple[str, str]:
    """How fresh a service is: the CSS class of its badge, and the label."""
    line = found.line
    if line.freshness == Freshness.HIDDEN:
        return "", "Gone from its directory" if line.is_gone else wording.plain(line.status, form.STATUS_LABELS)
    if line.freshness == Freshness.NEVER:
        return "warn", "Never checked"
    last = line.review_by.astimezone(current_runtime().settings.timezone).date()
    if line.freshness == Freshness.STALE:
        return "danger", f"Stale: the check ran out {_day(last)}"
    days = (last - today).days
    return "good", f"Fresh for {days} more {'day' if days == 1 else 'days'}" if days else "Fresh until tonight"
