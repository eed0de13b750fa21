"""The roster's pages in a real Chromium: axe finds nothing, and nothing is wider than the screen."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from bot.domain.roster.rows import ExtraRow, HolidayRow, ShiftRow, TimeOffRow
from bot.storage import rosters
from tests.browser.conftest import OpenAs
from tests.browser.looks import NAMES, SIZES, Look, findings_in_both, is_too_wide
from tests.support.console import make_staff
from tests.support.demo import Demo

pytestmark = pytest.mark.browser


@pytest.fixture
def admin(demo: Demo) -> int:
    """The admin of a demo with two teams, a night, a gap, an overlap, a holiday and a member on leave."""
    for email, name, teams in (
        ("ana@x.example", "Ana Ruiz", ["housing"]),
        ("joe@x.example", "Joe Washington", ["housing", "medical"]),
        ("kim@x.example", "Kimberly Featherstone-Haugh", ["medical"]),
    ):
        make_staff(demo.runtime, email, ["social_worker"], teams, name=name)
    now = demo.runtime.clock.now()
    days, nights = (time(7), time(19)), (time(19), time(7))
    with demo.db() as db:
        rosters.add(db, [ShiftRow("housing", "ana@x.example", day, *days) for day in range(7)])
        rosters.add(db, [ShiftRow("housing", "joe@x.example", day, *nights) for day in range(6)])
        rosters.add(db, [ShiftRow("medical", "kim@x.example", day, time(8, 30), time(17), 2) for day in range(5)])
        rosters.add(db, [ShiftRow("medical", "joe@x.example", 2, time(15), time(20), 3)])
        rosters.add(db, [HolidayRow(now.date() + timedelta(days=2), "Founders' Day", "medical")])
        rosters.add(db, [TimeOffRow("ana@x.example", now + timedelta(days=1), now + timedelta(days=2))])
        rosters.add(db, [ExtraRow("housing", "kim@x.example", now, now + timedelta(hours=4))])
    return make_staff(demo.runtime, "amy@x.example", ["admin"], name="Amy Olsen")


@pytest.mark.parametrize("look", SIZES, ids=NAMES)
def test_it_is_accessible_as_a_roster(open_as: OpenAs, admin: int, tmp_path: Path, look: Look) -> None:
    page = open_as(admin, "/console/roster", **look.size)
    assert findings_in_both(page) == [] and not is_too_wide(page)
    assert page.get_by_role("table").is_visible() == (look.width > 768)
    assert page.locator(".days").is_visible() == (look.width < 768)
    page.goto("/console/roster/plan")
    page.locator("summary", has_text="A weekly shift").click()
    assert page.get_by_label("Who").first.is_visible()
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.get_by_role("button", name="Add a weekly shift").click()
    file = tmp_path / "roster.csv"
    file.write_text("kind,team,staff,day,starts,ends\nshift,housing,ana@x.example,Mon-Sun,08:00,08:00\n")
    page.goto("/console/roster/import")
    page.get_by_label("A CSV file").set_input_files(file)
    page.get_by_role("button", name="Show what it would change").click()
    page.get_by_text("Nothing is changed yet").wait_for()
    assert findings_in_both(page) == [] and not is_too_wide(page)
    page.get_by_role("button", name="Change the roster so").click()
    page.get_by_text("The roster is changed: 7 put in").wait_for()
