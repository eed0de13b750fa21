"""The roster: the week as a timetable, who is on duty now, warnings, and the forms and CSV files that change it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.refused import Refused
from bot.domain.roster.cells import BadCell
from bot.domain.roster.csv_file import COLUMNS, MAX_BYTES, decode, read_cells
from bot.domain.roster.rows import KINDS, RosterRow, kind_of
from bot.domain.staff.permissions import Permission, Role
from bot.usecases.roster import manage_roster
from bot.usecases.roster.check_roster import added_warnings, check
from bot.usecases.roster.manage_roster import RosterChange, RosterEditor
from bot.usecases.roster.read_roster import read_plan, read_week
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.console.roster import week_grid, words
from bot.web.forms import current_runtime

roster = Blueprint("roster", __name__, url_prefix="/console/roster")

MAX_PREVIEW_CHARACTERS = 1024 * 1024
"""Characters. The preview page carries the whole file in a form; larger files must be imported on the command line."""


@roster.url_value_preprocessor
def _allow_large_files(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Allow larger requests for file imports. This runs before the form is parsed."""
    if endpoint == "roster.show_file":
        request.max_content_length = MAX_BYTES + 64 * 1024
    if endpoint == "roster.take_file":
        # Line ends and quotes become longer in a form's encoding.
        request.max_content_length = request.max_form_memory_size = 4 * MAX_PREVIEW_CHARACTERS


@roster.get("")
@require_permission(Permission.SEE_ROSTER)
def week() -> ResponseReturnValue:
    """The week as a timetable."""
    runtime = current_runtime()
    zone, now = runtime.settings.timezone, runtime.clock.now()
    with runtime.database.transaction() as db:
        found = read_week(db, zone, runtime.settings.languages, now)
    plan, names, teams = found.roster, found.names, found.teams
    picked = request.args.get("team", "")
    shown = {picked: teams[picked]} if picked in teams else teams
    monday = week_grid.monday_of(request.args.get("week", ""), week_grid.today_in(zone, now))
    return render_template(
        "console/roster.html",
        here="roster",
        week=week_grid.draw(plan, monday, now, shown, names),
        is_this_week=monday == week_grid.monday_of("", week_grid.today_in(zone, now)),
        on_now=plan.on_duty(now),
        next_on=plan.next_on_duty(now),
        names=names,
        teams=teams,
        picked=picked if picked in teams else "",
        warned=[one for one in found.warnings if not picked or one.team in ("", picked)],
        may_edit=current_user().may(Permission.EDIT_ROSTER),
        **_formatters(),
    )


@roster.get("/plan")
@require_permission(Permission.EDIT_ROSTER)
def plan() -> ResponseReturnValue:
    """All rows of the roster, with forms to add and remove them."""
    return _plan_page()


@roster.post("/add")
@require_permission(Permission.EDIT_ROSTER)
def add() -> ResponseReturnValue:
    """Add the posted row: a weekly shift, an extra shift, time off or a holiday."""
    runtime = current_runtime()
    zone, now = runtime.settings.timezone, runtime.clock.now()
    values = {name: ",".join(request.form.getlist(name)) if name == "day" else forms.clean_text(name) for name in COLUMNS}
    days = request.form.getlist("day") or [""]
    try:
        with runtime.database.transaction() as db:
            before = check(db, zone, runtime.settings.languages, now)
            known = manage_roster.known_names(db, zone)
            rows: list[RosterRow] = []
            for day in dict.fromkeys(days):
                found, complaints = read_cells({**values, "day": day}, known)
                if complaints:
                    problems = {one.column: f"{one.what}. {one.remedy}" for one in complaints}
                    return _plan_page(db, values, problems)
                rows += found
            manage_roster.add(db, _keeper(), tuple(rows))
            access.record_audit(db, "roster_changed", now, detail=f"added {len(rows)} {kind_of(rows[0])}")
            new = added_warnings(before, check(db, zone, runtime.settings.languages, now))
    except Refused as refused:
        return _plan_page(None, values, {"": str(refused)})
    flash(f"It is in the roster. {words.summarize(new, zone)}".strip(), "danger" if new else "good")
    return redirect(url_for("roster.plan"), 303)


@roster.post("/remove")
@require_permission(Permission.EDIT_ROSTER)
def remove() -> ResponseReturnValue:
    """Remove one row."""
    runtime = current_runtime()
    zone, now = runtime.settings.timezone, runtime.clock.now()
    kind, number = forms.field("kind"), forms.field("id")
    if kind not in KINDS.values() or not number.isdecimal() or len(number) > 18:
        return _redirect_to_plan("There is nothing like that in the roster.", "danger")
    try:
        with runtime.database.transaction() as db:
            before = check(db, zone, runtime.settings.languages, now)
            entry = manage_roster.remove(db, _keeper(), kind, int(number))
            access.record_audit(db, "roster_changed", now, detail=f"removed {kind} {number}")
            new = added_warnings(before, check(db, zone, runtime.settings.languages, now))
    except Refused as refused:
        return _redirect_to_plan(str(refused), "danger")
    gone = words.describe_row(entry.row, zone)
    message = f"Taken out: {entry.staff or entry.team}, {gone}. {words.summarize(new, zone)}"
    return _redirect_to_plan(message.strip(), "danger" if new else "good")


@roster.get("/export.csv")
@require_permission(Permission.SEE_ROSTER)
def export() -> ResponseReturnValue:
    """The roster as a file for a spreadsheet."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        text = manage_roster.export(db, runtime.settings.timezone, runtime.clock.now())
    # With a byte order mark Excel recognizes UTF-8; our import removes it.
    response = make_response(text.encode("utf-8-sig"))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="roster.csv"'
    return response


@roster.get("/import")
@require_permission(Permission.EDIT_ROSTER)
def choose_file() -> ResponseReturnValue:
    """The form to upload a file."""
    return _file_page()


@roster.post("/import")
@require_permission(Permission.EDIT_ROSTER)
def show_file() -> ResponseReturnValue:
    """Preview what a file would change, or what is wrong with it. Nothing is changed yet."""
    runtime = current_runtime()
    sent = request.files.get("file")
    data = sent.read(MAX_BYTES + 1) if sent else b""
    if not data:
        return _file_page(problem="Choose a file first; this one was empty or missing.")
    whole = forms.field("how") != "add"
    with runtime.database.transaction() as db:
        change = _plan_import(db, data, whole=whole)
    try:
        text = decode(data)
    except BadCell:
        text = ""
    if len(text) > MAX_PREVIEW_CHARACTERS and not change.complaints:
        return _file_page(problem="This file is too big for this page. An operator can use: warmline roster import FILE")
    return _file_page(change, text, whole=whole)


@roster.post("/import/do")
@require_permission(Permission.EDIT_ROSTER)
def take_file() -> ResponseReturnValue:
    """Import the previewed file."""
    runtime = current_runtime()
    # Not `words`: to take out marks could change what was shown.
    text, whole = forms.field("text"), forms.field("how") != "add"
    zone, now = runtime.settings.timezone, runtime.clock.now()
    try:
        with runtime.database.transaction() as db:
            given = (_keeper(), text.encode("utf-8", "ignore"), zone, runtime.settings.languages, now)
            change = manage_roster.apply_import(db, *given, whole=whole, mark=forms.field("mark"))
            detail = f"file: {len(change.added)} added, {len(change.removed)} removed"
            access.record_audit(db, "roster_changed", now, detail=detail)
    except Refused as refused:
        with runtime.database.transaction() as db:
            change = _plan_import(db, text.encode("utf-8", "ignore"), whole=whole)
        return _file_page(change, text, whole=whole, problem=str(refused))
    flash(f"The roster is changed: {len(change.added)} put in, {len(change.removed)} taken out.", "good")
    return redirect(url_for("roster.week"), 303)


def _plan_import(db: Session, data: bytes, *, whole: bool) -> RosterChange:
    runtime = current_runtime()
    settings = runtime.settings
    return manage_roster.plan_import(
        db, _keeper(), data, settings.timezone, settings.languages, runtime.clock.now(), whole=whole
    )


def _file_page(change: RosterChange | None = None, text: str = "", *, whole: bool = True, problem: str = "") -> Response:
    shown = render_template(
        "console/roster_import.html",
        here="roster",
        change=change,
        text=text,
        whole=whole,
        problem=problem,
        columns=COLUMNS,
        is_all=_keeper().teams is None,
        **_formatters(),
    )
    return make_response(shown, 422 if problem or (change and change.complaints) else 200)


def _plan_page(
    db: Session | None = None, values: dict[str, str] | None = None, problems: dict[str, str] | None = None
) -> Response:
    """The roster's rows with the forms; `values` and `problems` are those of a refused form."""
    if db is None:
        with current_runtime().database.transaction() as fresh:
            return _plan_page(fresh, values, problems)
    keeper = _keeper()
    found = read_plan(db, keeper, current_runtime().clock.now())
    shown = render_template(
        "console/roster_plan.html",
        here="roster",
        entries=found.entries,
        mine=found.editable,
        teams=found.teams,
        is_all=keeper.teams is None,
        people=found.staff,
        typed=values or {},
        problems=problems or {},
        **_formatters(),
    )
    return make_response(shown, 422 if problems else 200)


def _keeper() -> RosterEditor:
    """Whose roster may be changed: an admin changes that of every team, a supervisor that of their own teams."""
    return RosterEditor(None if Role.ADMIN in current_user().roles else current_user().teams)


def _redirect_to_plan(message: str, kind: str) -> ResponseReturnValue:
    flash(message, kind)
    return redirect(url_for("roster.plan"), 303)


def _formatters() -> dict[str, Any]:
    """The templates' formatters for times and rows."""
    zone = current_runtime().settings.timezone

    def moment(at: datetime) -> str:
        return words.moment(at, zone)

    return {
        "moment": moment,
        "span": lambda one: words.span(one.start, one.end, zone),
        "row_words": lambda row: words.describe_row(row, zone),
        "kinds": words.KINDS,
    }
