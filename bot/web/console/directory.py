"""The directory of services: looked up, called through, corrected and added to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_date
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain import referral
from bot.domain.directory import editing
from bot.domain.directory.editing import DAYS, Freshness, Merged, Typed
from bot.domain.permissions import Permission
from bot.storage import directory_desk
from bot.storage.database import DATABASE_ERRORS
from bot.usecases import edit_directory, read_directory
from bot.usecases.edit_directory import ChangedMeanwhile, Ground, NotThere, Refused, Unfit
from bot.usecases.read_directory import Found, ServicePage, Wish
from bot.web import forms
from bot.web.console import access, directory_form, layout, spoken, wording
from bot.web.console.access import me, needs
from bot.web.forms import runtime

directory = Blueprint("directory", __name__, url_prefix="/console")

_ONE = f"/directory/<int(max={2**63 - 1}):service_id>"
_ASKED = ("need", "words", "near", "language", "accepting", "freshness")
_LISTS = ("stale", "never")
FRESHNESS = {
    Freshness.FRESH: "Fresh",
    Freshness.STALE: "Stale",
    Freshness.NEVER: "Never checked",
    Freshness.HIDDEN: "Hidden",
}
_BUSY = "The directory is being imported just now. Press again in a minute; nothing was lost."
ACCEPTING = {"yes": "Takes new people", "no": "Takes nobody new", "unknown": "Not known"}


@directory.get("/directory")
@needs(Permission.SEE_DIRECTORY)
def search() -> ResponseReturnValue:
    """The form, how fresh the directory is, and a page of what was looked for."""
    open_ = runtime()
    asked = {name: request.args.get(name, "").strip()[:200] for name in _ASKED}
    open_now, number = "open" in request.args, _page_number("page")
    wish = Wish(**{**asked, **_known(asked)}, open_now=open_now, page=number)
    now = open_.clock.now()
    with open_.database.transaction() as db:
        found = read_directory.look(db, wish, open_.settings.timezone, now)
        counts = directory_desk.counts(db, now)
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
        languages=[(code, wording.language(code)) for code in _languages()],
        **_helpers(),
    ), (422 if found.problem else 200)


def _known(asked: dict[str, str]) -> dict[str, str]:
    """Words of the address that are none of ours ask for nothing."""
    return {
        "freshness": asked["freshness"] if asked["freshness"] in FRESHNESS else "",
        "accepting": asked["accepting"] if asked["accepting"] in ACCEPTING else "",
        "words": asked["words"].replace("\0", ""),
        "need": asked["need"].replace("\0", ""),
        "language": asked["language"].replace("\0", ""),
    }


def _page_number(name: str) -> int:
    typed = request.args.get(name, "")
    return min(max(int(typed), 1), 10_000) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 1


@directory.get("/directory/stale")
@needs(Permission.SEE_DIRECTORY)
def stale() -> ResponseReturnValue:
    """Services to be called through: those first whose check runs out first, or those that nobody has checked."""
    open_ = runtime()
    never, number = request.args.get("list") == "never", _page_number("page")
    now = open_.clock.now()
    with open_.database.transaction() as db:
        directory_desk.hold_still(db)
        rows, has_more = read_directory.to_call(db, never, number, open_.settings.timezone, now)
        at = min(_page_number("at"), max(len(rows), 1)) - 1
        seen = edit_directory.seen_of(db, rows[at].line.id) if rows else ""
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


@directory.get(_ONE)
@needs(Permission.SEE_DIRECTORY)
def service(service_id: int) -> ResponseReturnValue:
    """All that is known of one service."""
    return _show(service_id)


def _show(service_id: int, problem: str = "", *, busy: bool = False) -> ResponseReturnValue:
    """One service; with `busy`, what was chosen stays chosen."""
    page, seen = _read_with_seen(service_id)
    if page is None:
        return _not_here()
    ground = _ground()
    imported = editing.typed_of(page.values.imported, page.values.imported_address, ground.languages)
    return render_template(
        "console/directory_service.html",
        here="directory",
        page=page,
        facts=directory_form.facts(page, imported),
        more=directory_form.more(page.details),
        problem=problem,
        version=seen,
        answer=forms.field("answer") if busy else "",
        status=forms.field("status") if busy else "",
        outcomes=referral.OUTCOMES,
        states=referral.STATES,
        is_kept_here=page.line.origin != edit_directory.OF_FILES and not page.line.is_gone,
        **_helpers(),
    ), (409 if busy else 422 if problem else 200)


@directory.route("/directory/new", methods=["GET", "POST"])
@needs(Permission.EDIT_DIRECTORY)
def new() -> ResponseReturnValue:
    """The form for a service that no directory has."""
    if request.method == "GET":
        return _form(None, Typed(cards=tuple((code, "") for code in _ground().languages)), {})
    typed = directory_form.posted(_ground().languages)
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            now = open_.clock.now()
            number = edit_directory.add(db, _ground(), me().id, typed, now)
            if _says_checked(typed):
                edit_directory.checked(db, _ground(), number, me().id, now)
    except Unfit as unfit:
        return _form(None, typed, unfit.problems)
    except DATABASE_ERRORS as error:
        if not directory_desk.is_held(error):
            raise
        return _form(None, typed, {"": _BUSY}, busy=True)
    later = "" if _says_checked(typed) else " People are told of it once somebody has checked it."
    flash(f"{typed.name} was added.{later}", "good")
    return redirect(url_for("directory.service", service_id=number), 303)


@directory.route(f"{_ONE}/edit", methods=["GET", "POST"])
@needs(Permission.EDIT_DIRECTORY)
def edit(service_id: int) -> ResponseReturnValue:
    """The form of one service."""
    page = _read(service_id)
    if page is None:
        return _not_here()
    if request.method == "GET":
        return _form(page, page.typed, {})
    typed, opened = directory_form.posted(_ground().languages), directory_form.opened()
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            now = open_.clock.now()
            took_back = edit_directory.change(db, _ground(), service_id, me().id, typed, opened, now)
            if _says_checked(typed):
                edit_directory.checked(db, _ground(), service_id, me().id, now)
    except Unfit as unfit:
        return _form(page, typed, unfit.problems, opened=opened)
    except ChangedMeanwhile as meanwhile:
        return _form(_read(service_id) or page, meanwhile.merged.typed, {}, merged=meanwhile.merged)
    except Refused as refused:
        return _form(page, typed, {"": refused.text}, opened=opened)
    except DATABASE_ERRORS as error:
        if not directory_desk.is_held(error):
            raise
        return _form(page, typed, {"": _BUSY}, opened=opened, busy=True)
    except NotThere:
        return _not_here()
    flash("Saved.", "good")
    if took_back and not _says_checked(typed):
        flash("Its telephone number is another now, so people are not told of it until somebody has called and pressed "
              "\u201cI called, this is right today\u201d.", "danger")  # fmt: skip
    return redirect(url_for("directory.service", service_id=service_id), 303)


def _says_checked(typed: Typed) -> bool:
    return bool(forms.field("checked")) and typed.status == "active"


def _form(
    page: ServicePage | None,
    typed: Typed,
    problems: dict[str, str],
    *,
    opened: edit_directory.Opened | None = None,
    merged: Merged | None = None,
    busy: bool = False,
) -> ResponseReturnValue:
    """The form. Once refused it goes on telling with what it was opened at first, else it would hide what others save."""
    before = opened.typed if opened is not None else page.typed if page else None
    ground = _ground()
    return render_template(
        "console/directory_form.html",
        here="directory",
        page=page,
        typed=typed,
        cards=dict(typed.cards),
        sizes=directory_form.sizes(typed),
        problems=problems,
        version=opened.version if opened else page.version if page else "",
        opened=directory_form.as_json(before) if before else "",
        merged=merged,
        clashes={name: directory_form.in_words(name, value) for name, value in merged.clashes.items()} if merged else {},
        changed=[directory_form.FIELDS[name] for name in merged.changed] if merged else [],
        all_needs=[*ground.needs, *(code for code in typed.needs if code not in ground.needs)],
        days=DAYS,
        languages=ground.languages,
        is_checked=bool(forms.field("checked")),
        **_helpers(),
    ), (409 if merged or busy else 422 if problems else 200)


@directory.post(f"{_ONE}/check")
@needs(Permission.EDIT_DIRECTORY)
def check(service_id: int) -> ResponseReturnValue:
    """Somebody has called: it is right today."""
    seen = forms.field("version")

    def do(db: Session, now: datetime) -> None:
        edit_directory.checked(db, _ground(), service_id, me().id, now, seen)

    return _act(service_id, "service_checked", "Written down: checked today.", do)


@directory.post(f"{_ONE}/accepting")
@needs(Permission.EDIT_DIRECTORY)
def accepting(service_id: int) -> ResponseReturnValue:
    """Whether it takes new people now."""
    answer = forms.field("answer")

    def do(db: Session, now: datetime) -> None:
        edit_directory.accepting(db, service_id, me().id, answer, now)

    return _act(service_id, "service_changed", f"Saved: {ACCEPTING.get(answer, '').lower()}.", do)


@directory.post(f"{_ONE}/close")
@needs(Permission.EDIT_DIRECTORY)
def close(service_id: int) -> ResponseReturnValue:
    """It is closed, for a time or for good, or open again."""
    status = forms.field("status")

    def do(db: Session, now: datetime) -> None:
        edit_directory.close(db, service_id, me().id, status, now)

    said = "It is open again." if status == "active" else "Saved. People are no longer told of it."
    return _act(service_id, "service_changed", said, do)


def _act(service_id: int, act: str, said: str, do: Callable[[Session, datetime], None]) -> ResponseReturnValue:
    """Do it in one transaction; the page again, with the reason, where it cannot be done."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            do(db, open_.clock.now())
    except NotThere:
        return _not_here()
    except Refused as refused:
        access.refuse(f"{act}: {refused.reason}")
        return _show(service_id, refused.text)
    except DATABASE_ERRORS as error:
        if not directory_desk.is_held(error):
            raise
        return _show(service_id, _BUSY, busy=True)
    if forms.field("list") in _LISTS:
        # On to the next one: this one has left its place in the list.
        name = page.line.name if (page := _read(service_id)) else ""
        flash(f"{name}: {said}", "good")
        where: dict[str, Any] = {
            "list": forms.field("list"),
            "at": forms.field("at") or "1",
            "page": forms.field("page") or "1",
        }
        return redirect(url_for("directory.stale", **where), 303)
    flash(said, "good")
    return redirect(url_for("directory.service", service_id=service_id), 303)


def _read(service_id: int) -> ServicePage | None:
    return _read_with_seen(service_id)[0]


def _read_with_seen(service_id: int) -> tuple[ServicePage | None, str]:
    """A service as it is shown, and what tells this from what it may say later."""
    open_ = runtime()
    with open_.database.transaction() as db:
        directory_desk.hold_still(db)
        page = read_directory.read_service(db, _ground(), service_id, open_.clock.now())
        return page, edit_directory.seen_of(db, service_id)


def _ground() -> Ground:
    settings = runtime().settings
    return Ground.of(settings.timezone, settings.directory_fresh_days, tuple(settings.languages))


def _languages() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*runtime().settings.languages, *_MORE_LANGUAGES)))


_MORE_LANGUAGES = ("ar", "bs", "fa", "fr", "ps", "so", "sw", "uk", "vi", "zh")
"""Spoken in the city beside those that the line writes."""


def _not_here() -> ResponseReturnValue:
    return layout.refused("This is not here", "There is no service of this number in the directory.", 404)


def _helpers() -> dict[str, Any]:
    open_ = runtime()
    zone, now = open_.settings.timezone, open_.clock.now()
    today = now.astimezone(zone).date()
    return {
        "day": _day,
        "moment": lambda at: f"{_day(at.astimezone(zone).date())}, {spoken.clock(at, zone)}",
        "freshness_of": lambda found: _freshness(found, today),
        "until": lambda at: _day(at.astimezone(zone).date()),
        "freshness": FRESHNESS,
        "accepting": directory_form.ACCEPTING,
        "accepting_choices": ACCEPTING,
        "statuses": directory_form.STATUSES,
        "need": directory_form.need,
        "needs": edit_directory.known_needs(),
        "language": wording.language,
        "may_edit": me().may(Permission.EDIT_DIRECTORY),
    }


def _day(day: date) -> str:
    return format_date(day, "MMM d, y", locale="en_US")


def _freshness(found: Found | ServicePage, today: date) -> tuple[str, str]:
    """How fresh a service is: the colour of its badge, and the words that say it without the colour."""
    line = found.line
    if line.freshness == Freshness.HIDDEN:
        return "", "Gone from its directory" if line.is_gone else wording.plain(line.status, directory_form.STATUSES)
    if line.freshness == Freshness.NEVER:
        return "warn", "Never checked"
    last = line.review_by.astimezone(runtime().settings.timezone).date()
    if line.freshness == Freshness.STALE:
        return "danger", f"Stale: the check ran out {_day(last)}"
    days = (last - today).days
    return "good", f"Fresh for {days} more {'day' if days == 1 else 'days'}" if days else "Fresh until tonight"
