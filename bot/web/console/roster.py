"""The roster: the week as a timetable, who is on now, what is wrong, and the forms and files by which it is changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from bot.domain.permissions import Permission, Role, allowed
from bot.domain.roster_cells import BadCell
from bot.domain.roster_file import COLUMNS, LARGEST, decode, read_cells
from bot.domain.roster_rows import Row, is_over, kind_of
from bot.storage import rosters, staff
from bot.usecases import keep_roster
from bot.usecases.check_roster import check, only_new
from bot.usecases.keep_roster import Change, Keeper, Refused
from bot.web import forms
from bot.web.console import access, roster_week, roster_words
from bot.web.console.access import me, needs
from bot.web.forms import runtime

roster = Blueprint("roster", __name__, url_prefix="/console/roster")

LARGEST_SHOWN = 1024 * 1024
"""A file rides in the page that shows what it would change; a bigger one is for the command line."""


@roster.url_value_preprocessor
def _room_for_files(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """A file may be bigger than what other pages take. This runs before anything looks at the form."""
    if endpoint == "roster.show_file":
        request.max_content_length = LARGEST + 64 * 1024
    if endpoint == "roster.take_file":
        # Line ends and quotes grow on the way through a form.
        request.max_content_length = request.max_form_memory_size = 4 * LARGEST_SHOWN


@roster.get("")
@needs(Permission.SEE_ROSTER)
def week() -> ResponseReturnValue:
    """The week as a timetable."""
    open_ = runtime()
    zone, now = open_.settings.timezone, open_.clock.now()
    with open_.database.transaction() as db:
        plan = rosters.load(db, zone)
        names = {member.id: member.name for member in staff.all_active(db)}
        teams = {team.slug: team.name for team in staff.teams(db)}
        warned = check(db, zone, open_.settings.languages, now)
    picked = request.args.get("team", "")
    shown = {picked: teams[picked]} if picked in teams else teams
    monday = roster_week.monday_of(request.args.get("week", ""), roster_week.today_in(zone, now))
    return render_template(
        "console/roster.html",
        here="roster",
        week=roster_week.draw(plan, monday, now, shown, names),
        is_this_week=monday == roster_week.monday_of("", roster_week.today_in(zone, now)),
        on_now=plan.on_duty(now),
        next_on=plan.next_on(now),
        names=names,
        teams=teams,
        picked=picked if picked in teams else "",
        warned=[one for one in warned if not picked or one.team in ("", picked)],
        may_edit=me().may(Permission.EDIT_ROSTER),
        **_words(),
    )


@roster.get("/plan")
@needs(Permission.EDIT_ROSTER)
def plan() -> ResponseReturnValue:
    """All that is stored, with forms to add and remove."""
    return _plan_page()


@roster.post("/add")
@needs(Permission.EDIT_ROSTER)
def add() -> ResponseReturnValue:
    """Put in what one of the forms says: a weekly shift, one on one occasion, time off or a holiday."""
    open_ = runtime()
    zone, now = open_.settings.timezone, open_.clock.now()
    values = {name: ",".join(request.form.getlist(name)) if name == "day" else forms.words(name) for name in COLUMNS}
    days = request.form.getlist("day") or [""]
    try:
        with open_.database.transaction() as db:
            before = check(db, zone, open_.settings.languages, now)
            known = keep_roster.known(db, zone)
            rows: list[Row] = []
            for day in dict.fromkeys(days):
                found, complaints = read_cells({**values, "day": day}, known)
                if complaints:
                    problems = {one.column: f"{one.what}. {one.remedy}" for one in complaints}
                    return _plan_page(db, values, problems)
                rows += found
            keep_roster.add(db, _keeper(), tuple(rows))
            access.record(db, "roster_changed", now, detail=f"added {len(rows)} {kind_of(rows[0])}")
            new = only_new(before, check(db, zone, open_.settings.languages, now))
    except Refused as refused:
        return _plan_page(None, values, {"": str(refused)})
    flash(f"It is in the roster. {roster_words.in_short(new, zone)}".strip(), "danger" if new else "good")
    return redirect(url_for("roster.plan"), 303)


@roster.post("/remove")
@needs(Permission.EDIT_ROSTER)
def remove() -> ResponseReturnValue:
    """Take one row out."""
    open_ = runtime()
    zone, now = open_.settings.timezone, open_.clock.now()
    kind, number = forms.field("kind"), forms.field("id")
    if kind not in rosters.KINDS or not number.isdecimal() or len(number) > 18:
        return _back("There is nothing like that in the roster.", "danger")
    try:
        with open_.database.transaction() as db:
            before = check(db, zone, open_.settings.languages, now)
            entry = keep_roster.remove(db, _keeper(), kind, int(number))
            access.record(db, "roster_changed", now, detail=f"removed {kind} {number}")
            new = only_new(before, check(db, zone, open_.settings.languages, now))
    except Refused as refused:
        return _back(str(refused), "danger")
    gone = roster_words.row(entry.row, zone)
    told = f"Taken out: {entry.staff or entry.team}, {gone}. {roster_words.in_short(new, zone)}"
    return _back(told.strip(), "danger" if new else "good")


@roster.get("/export.csv")
@needs(Permission.SEE_ROSTER)
def export() -> ResponseReturnValue:
    """The roster as a file for a spreadsheet."""
    open_ = runtime()
    with open_.database.transaction() as db:
        text = keep_roster.export(db, open_.settings.timezone, open_.clock.now())
    # With the mark in front Excel knows it for UTF-8; reading takes the mark away.
    response = make_response(text.encode("utf-8-sig"))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="roster.csv"'
    return response


@roster.get("/import")
@needs(Permission.EDIT_ROSTER)
def choose_file() -> ResponseReturnValue:
    """The form for a file."""
    return _file_page()


@roster.post("/import")
@needs(Permission.EDIT_ROSTER)
def show_file() -> ResponseReturnValue:
    """Show what a file would change, or what is wrong with it. Nothing is changed yet."""
    open_ = runtime()
    sent = request.files.get("file")
    data = sent.read(LARGEST + 1) if sent else b""
    if not data:
        return _file_page(problem="Choose a file first; this one was empty or missing.")
    whole = forms.field("how") != "add"
    with open_.database.transaction() as db:
        change = _plan_import(db, data, whole=whole)
    try:
        text = decode(data)
    except BadCell:
        text = ""
    if len(text) > LARGEST_SHOWN and not change.complaints:
        return _file_page(problem="This file is too big for this page. An operator can use: warmline roster import FILE")
    return _file_page(change, text, whole=whole)


@roster.post("/import/do")
@needs(Permission.EDIT_ROSTER)
def take_file() -> ResponseReturnValue:
    """Do what was shown."""
    open_ = runtime()
    # Not `words`: to take out marks could change what was shown.
    text, whole = forms.field("text"), forms.field("how") != "add"
    zone, now = open_.settings.timezone, open_.clock.now()
    try:
        with open_.database.transaction() as db:
            given = (_keeper(), text.encode("utf-8", "ignore"), zone, open_.settings.languages, now)
            change = keep_roster.carry_out(db, *given, whole=whole, mark=forms.field("mark"))
            detail = f"file: {len(change.added)} added, {len(change.removed)} removed"
            access.record(db, "roster_changed", now, detail=detail)
    except Refused as refused:
        with open_.database.transaction() as db:
            change = _plan_import(db, text.encode("utf-8", "ignore"), whole=whole)
        return _file_page(change, text, whole=whole, problem=str(refused))
    flash(f"The roster is changed: {len(change.added)} put in, {len(change.removed)} taken out.", "good")
    return redirect(url_for("roster.week"), 303)


def _plan_import(db: Session, data: bytes, *, whole: bool) -> Change:
    open_ = runtime()
    settings = open_.settings
    return keep_roster.plan_import(
        db, _keeper(), data, settings.timezone, settings.languages, open_.clock.now(), whole=whole
    )


def _file_page(change: Change | None = None, text: str = "", *, whole: bool = True, problem: str = "") -> Response:
    shown = render_template(
        "console/roster_import.html",
        here="roster",
        change=change,
        text=text,
        whole=whole,
        problem=problem,
        columns=COLUMNS,
        is_all=_keeper().teams is None,
        **_words(),
    )
    return make_response(shown, 422 if problem or (change and change.complaints) else 200)


def _plan_page(
    db: Session | None = None, values: dict[str, str] | None = None, problems: dict[str, str] | None = None
) -> Response:
    """The forms with what is stored; `values` and `problems` of a form that was refused are shown again."""
    if db is None:
        with runtime().database.transaction() as fresh:
            return _plan_page(fresh, values, problems)
    now, keeper = runtime().clock.now(), _keeper()
    entries = [entry for entry in rosters.entries(db) if not is_over(entry.row, now)]
    teams = [team for team in staff.teams(db) if keeper.teams is None or team.slug in keeper.teams]
    shown = render_template(
        "console/roster_plan.html",
        here="roster",
        entries=entries,
        mine=keep_roster.may_change(db, keeper, entries),
        teams=teams,
        is_all=keeper.teams is None,
        people=_answering(db),
        typed=values or {},
        problems=problems or {},
        **_words(),
    )
    return make_response(shown, 422 if problems else 200)


def _answering(db: Session) -> list[tuple[str, str]]:
    """Everybody who may be on duty, by name: e-mail and name."""
    found = [(one.email, one.name) for one in staff.all_active(db) if allowed(staff.roles(one), Permission.ANSWER)]
    return sorted(found, key=lambda one: one[1].casefold())


def _keeper() -> Keeper:
    """An admin changes every team's roster, a supervisor that of their own teams."""
    return Keeper(None if Role.ADMIN in me().roles else me().teams)


def _back(told: str, kind: str) -> ResponseReturnValue:
    flash(told, kind)
    return redirect(url_for("roster.plan"), 303)


def _words() -> dict[str, Any]:
    """What the templates say times with."""
    zone = runtime().settings.timezone

    def moment(at: datetime) -> str:
        return roster_words.moment(at, zone)

    return {
        "moment": moment,
        "span": lambda one: roster_words.span(one.start, one.end, zone),
        "row_words": lambda row: roster_words.row(row, zone),
        "kinds": roster_words.KINDS,
    }
