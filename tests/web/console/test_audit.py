"""The audit as a page: filters, pages, the export, and that viewing it is audited, too."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.staff.audit_acts import ACT_LABELS, label
from bot.storage.staff import audits
from bot.storage.tables.staff import Audit
from tests.support.console import make_staff, page_text
from tests.support.supervisors import Office

PAGE = "/console/audit"


@pytest.fixture
def office(office: Office) -> Office:
    with office.demo.db() as db:
        audits.record(db, office.worker, "claim", office.now - timedelta(days=2), conversation_id=18)
        audits.record(db, office.worker, "read_transcript", office.now, conversation_id=17, handoff_id=3)
        audits.record(db, office.supervisor, "read_transcript", office.now, conversation_id=18)
        audits.record(db, None, "sign_in_failed", office.now)
    return office


def found(office: Office, query: str) -> list[str]:
    """The acts that the page lists, newest first."""
    text = office.browser(office.auditor).get(f"{PAGE}?{query}").text
    table = text.partition("<tbody>")[2]
    return [act for row in table.split("<tr>")[1:] for act in ACT_LABELS if f"<td>{ACT_LABELS[act]}</td>" in row]


def test_it_finds_by_staff_person_act_and_day(office: Office) -> None:
    assert found(office, f"staff={office.worker}") == ["read_transcript", "claim"]
    assert found(office, "person=18") == ["read_transcript", "claim"]
    assert found(office, "act=claim") == ["claim"]
    assert found(office, f"staff={office.worker}&day=2026-02-28") == ["claim"]
    assert found(office, f"staff={office.worker}&day=2026-03-01") == []


def test_it_takes_the_day_of_the_city(office: Office) -> None:
    with office.demo.db() as db:
        # Half past eleven in the evening of the 28th in St. Louis is the next morning in UTC.
        late = office.now.replace(month=3, day=1, hour=5, minute=30)
        audits.record(db, office.worker, "note", late)
    assert "note" in found(office, f"staff={office.worker}&day=2026-02-28")


def test_it_audits_who_viewed_it_and_what(office: Office) -> None:
    office.browser(office.auditor).get(f"{PAGE}?person=18&act=claim")
    with office.demo.db() as db:
        (row,) = db.scalars(select(Audit).where(Audit.act == "read_audit"))
    assert (row.staff_id, row.conversation_id, row.detail) == (office.auditor, 18, "person=18 act=claim, page 1")


def test_it_turns_pages_of_fifty(office: Office) -> None:
    with office.demo.db() as db:
        for _ in range(120):
            audits.record(db, office.worker, "write", office.now, conversation_id=17)
    assert [len(found(office, f"act=write&page={page}")) for page in (1, 2, 3)] == [50, 50, 20]
    assert len(found(office, "act=write&page=99")) == 20
    assert "Page 2 of 3" in page_text(office.browser(office.auditor).get(f"{PAGE}?act=write&page=2"))


def test_it_exports_what_the_filter_finds_and_says_so(office: Office) -> None:
    with office.demo.db() as db:
        formula = make_staff(db, "mallory@example.org", name="=cmd|' /C calc'!A0")
        audits.record(db, formula, "claim", office.now)
    answer = office.browser(office.auditor).get(f"{PAGE}.csv?act=claim")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.mimetype == "text/csv"
    assert [row["act"] for row in rows] == ["Took a handoff", "Took a handoff"]
    assert rows[1]["staff"].startswith("'=")
    assert office.demo.count(Audit, Audit.act == "export_audit", Audit.detail == "act=claim") == 1


@pytest.mark.parametrize("query", ["person=abc", "staff=x", "day=yesterday", "person=99999999999999999999"])
def test_it_says_what_it_cannot_read_and_keeps_what_was_typed(office: Office, query: str) -> None:
    page = office.browser(office.auditor).get(f"{PAGE}?{query}")
    assert page.status_code == 422
    assert "This is no" in page_text(page)
    assert query.partition("=")[2] in page.text or query.startswith("staff")


@pytest.mark.parametrize("role", ["worker", "admin"])
@pytest.mark.parametrize("path", [PAGE, f"{PAGE}.csv"])
def test_it_is_closed_to_those_who_may_not(office: Office, role: str, path: str) -> None:
    assert office.browser(getattr(office, role)).get(path).status_code == 403


def test_it_shows_an_act_that_it_has_no_words_for(office: Office) -> None:
    with office.demo.db() as db:
        audits.record(db, office.worker, "did_something_new", office.now)
    assert label("did_something_new") in page_text(office.browser(office.auditor).get(PAGE))
