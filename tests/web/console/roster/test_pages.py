"""The roster's pages in a browser without scripts, on a Monday of a real week."""

from __future__ import annotations

import io
import re
from datetime import time, timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.roster.rows import HolidayRow, RosterRow, ShiftRow, TimeOffRow
from bot.storage import rosters
from bot.storage.staff import staff
from bot.storage.tables.staff import Audit
from bot.usecases.roster import manage_roster
from bot.usecases.roster.manage_roster import RosterEditor
from bot.web import access
from tests.support.console import form_secret, make_staff, page_text, post, signed_in
from tests.support.demo import Demo

HEADER = "kind,team,staff,day,starts,ends,place,since,until,name\n"
ALL_WEEK = HEADER + "shift,housing,ana@x.example,Mon-Sun,08:00,08:00,1,,,\n"


@pytest.fixture
def demo(demo: Demo) -> Demo:
    """Ana of housing and Joe of medical answer; Sue supervises housing; Amy is the admin; Lou is the auditor."""
    for email, role, teams in (
        ("ana@x.example", "social_worker", ["housing"]),
        ("joe@x.example", "social_worker", ["medical"]),
        ("sue@x.example", "supervisor", ["housing"]),
        ("amy@x.example", "admin", []),
        ("lou@x.example", "auditor", []),
    ):
        name = email.partition("@")[0].title()
        make_staff(demo.runtime, email, [role], teams, name=name)
    return demo


def browser(demo: Demo, name: str) -> FlaskClient:
    with demo.db() as db:
        member = staff.find_by_email(db, f"{name}@x.example")
    assert member is not None
    return signed_in(demo.app, member.id)


def stored(demo: Demo) -> list[RosterRow]:
    with demo.db() as db:
        return [entry.row for entry in rosters.list_entries(db)]


def put(demo: Demo, *rows: RosterRow) -> None:
    with demo.db() as db:
        rosters.add(db, rows)


def always(email: str, team: str) -> list[RosterRow]:
    return [ShiftRow(team, email, weekday, time(8), time(8)) for weekday in range(7)]


def upload(client: FlaskClient, text: str | bytes, how: str = "whole") -> TestResponse:
    data = text.encode() if isinstance(text, str) else text
    fields = {access.CSRF_FIELD: form_secret(client), "how": how, "file": (io.BytesIO(data), "roster.csv")}
    return client.post("/console/roster/import", data=fields, content_type="multipart/form-data")


SHIFT = {"kind": "shift", "staff": "ana@x.example", "team": "housing", "starts": "08:00", "ends": "17:00", "place": "1"}


def test_it_shows_the_week_who_is_on_and_what_is_wrong(demo: Demo) -> None:
    put(demo, *always("ana@x.example", "housing"))
    page = browser(demo, "joe").get("/console/roster")
    words = page_text(page)
    assert page.status_code == 200 and "On right now Ana Housing place 1, until" in words
    assert "Medical: nobody is on." in words and "Ana is on and has no telephone here" in words
    assert page.text.count('class="bar on place-1"') >= 7 and 'class="bar hole' in page.text
    assert "style=" not in page.text and "<script" not in page.text


def test_it_says_that_no_one_is_on_duty(demo: Demo) -> None:
    words = page_text(browser(demo, "joe").get("/console/roster"))
    assert "Nobody is on. No shift starts in the next two weeks." in words


def test_it_shows_another_week_and_one_team(demo: Demo) -> None:
    put(demo, *always("ana@x.example", "housing"), *always("joe@x.example", "medical"))
    client = browser(demo, "joe")
    page = client.get("/console/roster?week=2027-03-10&team=medical")
    table = page.text[page.text.index("<table") : page.text.index("</table>")]
    assert "Mar 8 to Mar 14, 2027" in page.text and "Joe" in table and "Ana" not in table
    assert "week=2027-03-15" in page.text and "week=2027-03-01" in page.text
    for odd in ("week=x", "week=0001-01-01", "week=9999-12-31", "team=nope"):
        assert client.get(f"/console/roster?{odd}").status_code == 200


def test_it_shows_holidays_time_off_and_overlaps(demo: Demo) -> None:
    now = demo.runtime.clock.now()
    away = TimeOffRow("ana@x.example", now, now + timedelta(hours=3))
    holiday = HolidayRow((now + timedelta(days=1)).date(), "Founders' day")
    put(demo, *always("ana@x.example", "housing"), *always("joe@x.example", "housing"), away, holiday)
    text = browser(demo, "joe").get("/console/roster").text
    assert "Founders" in text and 'class="bar away' in text and "place-1 clash" in text


def test_it_is_closed_to_staff_without_the_permission(demo: Demo) -> None:
    assert demo.browser().get("/console/roster").status_code == 303
    assert browser(demo, "lou").get("/console/roster").status_code == 403
    worker = browser(demo, "ana")
    assert "Change the roster" not in worker.get("/console/roster").text
    for path in ("/console/roster/plan", "/console/roster/import"):
        assert worker.get(path).status_code == 403
    assert post(worker, "/console/roster/add", **SHIFT, day="Mon").status_code == 403
    assert stored(demo) == []


def test_it_adds_a_shift_on_several_days_and_takes_one_out(demo: Demo) -> None:
    sue = browser(demo, "sue")
    assert post(sue, "/console/roster/add", **SHIFT, day=["Mon", "Wed"]).status_code == 303
    assert [row.weekday for row in stored(demo) if isinstance(row, ShiftRow)] == [0, 2]
    page = sue.get("/console/roster/plan")
    number = re.findall(r'name="id" value="(\d+)"', page.text)[0]
    assert "It is in the roster. But now: Ana is on and has no telephone" in page_text(page)
    assert post(sue, "/console/roster/remove", kind="shift", id=number).status_code == 303
    assert "Taken out: Ana, Monday 8:00 AM to 5:00 PM" in page_text(sue.get("/console/roster/plan"))
    assert len(stored(demo)) == 1 and demo.count(Audit, Audit.act == "roster_changed") == 2


def test_it_adds_time_off_extra_shifts_and_holidays(demo: Demo) -> None:
    amy = browser(demo, "amy")
    for fields in (
        {"kind": "time_off", "staff": "joe@x.example", "day": "2098-01-02", "until": "2098-01-05"},
        {**SHIFT, "kind": "extra", "day": "2098-01-02", "starts": "22:00", "ends": "06:00"},
        {"kind": "holiday", "day": "2098-12-25", "name": "Christmas Day", "team": ""},
    ):
        assert post(amy, "/console/roster/add", **fields).status_code == 303
    assert [type(row).__name__ for row in stored(demo)] == ["ExtraRow", "TimeOffRow", "HolidayRow"]


def test_it_shows_a_refused_form_again_with_what_was_typed(demo: Demo) -> None:
    page = post(browser(demo, "amy"), "/console/roster/add", **{**SHIFT, "starts": "soon", "since": "2027-01-05"})
    assert page.status_code == 422 and 'value="soon"' in page.text and 'value="2027-01-05"' in page.text
    assert "is no time. Write it like 08:00" in page_text(page) and "Choose at least one day" in page.text
    assert stored(demo) == []


def test_it_lets_a_supervisor_change_only_their_teams(demo: Demo) -> None:
    put(demo, *always("joe@x.example", "medical"))
    sue = browser(demo, "sue")
    page = sue.get("/console/roster/plan")
    assert "Take out" not in page.text and '<option value="medical"' not in page.text
    refused = post(sue, "/console/roster/add", **{**SHIFT, "team": "medical"}, day="Mon")
    assert refused.status_code == 422 and "not one of yours" in refused.text
    with demo.db() as db:
        entry = rosters.list_entries(db)[0]
    post(sue, "/console/roster/remove", kind="shift", id=str(entry.id))
    assert "not one of yours" in sue.get("/console/roster/plan").text and len(stored(demo)) == 7


def test_it_removes_nothing_for_odd_numbers(demo: Demo) -> None:
    amy = browser(demo, "amy")
    for kind, number in (("shift", "7"), ("shift", "x"), ("staff", "1"), ("shift", "9" * 30)):
        assert post(amy, "/console/roster/remove", kind=kind, id=number).status_code == 303


def test_it_shows_what_a_file_would_change_and_then_does_it(demo: Demo) -> None:
    put(demo, *always("joe@x.example", "medical"))
    amy = browser(demo, "amy")
    shown = upload(amy, ALL_WEEK)
    assert "7 new, 7 taken out, 0 as they were. Nothing is changed yet." in page_text(shown)
    assert len(stored(demo)) == 7 and "ana@x.example" not in str(stored(demo))
    mark = re.findall(r'name="mark" value="(\w+)"', shown.text)[0]
    done = post(amy, "/console/roster/import/do", text=ALL_WEEK, how="whole", mark=mark)
    assert done.status_code == 303 and {row.email for row in stored(demo) if isinstance(row, ShiftRow)} == {"ana@x.example"}
    again = post(amy, "/console/roster/import/do", text=ALL_WEEK, how="whole", mark=mark)
    assert again.status_code == 422 and "meanwhile" in again.text


def test_it_shows_complaints_and_changes_nothing(demo: Demo) -> None:
    bad = ALL_WEEK + "shift,housing,<b>@x.example,Mon,8,17:00,1,,,\n"
    page = upload(browser(demo, "amy"), bad)
    assert page.status_code == 422 and "Nothing was changed: 2 faults" in page_text(page)
    assert "<b>" not in page.text and stored(demo) == []


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\xff\xfe\x00", b"x" * 200_000])
def test_it_refuses_a_file_that_is_not_a_roster_with_a_sentence(demo: Demo, data: bytes) -> None:
    assert upload(browser(demo, "amy"), data).status_code == 422


def test_it_takes_a_file_bigger_than_other_posts_may_be(demo: Demo) -> None:
    amy, text = browser(demo, "amy"), ALL_WEEK + " \n" * 300_000
    assert "7 new" in page_text(upload(amy, ALL_WEEK + " \n" * 100_000))
    open_ = demo.runtime
    given = (text.encode(), open_.settings.timezone, open_.settings.languages, open_.clock.now())
    with demo.db() as db:
        mark = manage_roster.plan_import(db, RosterEditor(), *given, whole=True).mark
    assert post(amy, "/console/roster/import/do", text=text, how="whole", mark=mark).status_code == 303
    assert len(stored(demo)) == 7


def test_it_gives_the_roster_as_a_file(demo: Demo) -> None:
    put(demo, *always("ana@x.example", "housing"))
    sent = browser(demo, "ana").get("/console/roster/export.csv")
    assert sent.mimetype == "text/csv" and sent.data.decode("utf-8-sig").count("\r\n") == 8
    assert "7 rows" in page_text(upload(browser(demo, "amy"), sent.data))
