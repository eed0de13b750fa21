"""Every page of the console is closed to those without its permission: all routes, all roles, and no session."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import BuildError, Rule

from bot.domain.staff.permissions import PERMISSIONS_OF_ROLE, Permission, Role, is_allowed
from bot.operations.settings.settings import Settings
from bot.storage.tables.staff import Audit, Membership, Staff
from bot.web import access
from tests.support.console import form_secret, make_staff, post, signed_in
from tests.support.demo import Demo

BY_PASS = {"inbox.news"}
"""Requested by every open page all the time: it needs a signed pass instead of a session, and answers only yes or no."""
CLOSED = "This page is not yours to open"
MADE_UP = {"IntegerConverter": 999_999, "UnicodeConverter": "nothing", "PathConverter": "nothing", "UUIDConverter": None}


class Page(NamedTuple):
    """One address of the console, asked in one way."""

    method: str
    path: str
    permissions: tuple[Permission, ...]
    endpoint: str


def pages(app: Flask) -> list[Page]:
    """All pages, with made-up ids where a route has one."""
    found = []
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/console") or rule.endpoint in BY_PASS:
            continue
        permissions = getattr(app.view_functions[rule.endpoint], "permissions", ())
        found += [
            Page(method, path_of(app, rule), permissions, rule.endpoint)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        ]
    return found


def path_of(app: Flask, rule: Rule) -> str:
    values = {name: MADE_UP[type(converter).__name__] for name, converter in rule._converters.items()}
    with app.test_request_context():
        adapter = app.url_map.bind("127.0.0.1")
        try:
            return adapter.build(rule.endpoint, values)
        except BuildError:  # pragma: no cover - tells which route is strange
            raise AssertionError(f"{rule} cannot be built for this test") from None


def test_it_declares_a_permission_for_every_page(demo: Demo) -> None:
    every = pages(demo.app)
    assert len(every) > 10
    assert [page.endpoint for page in every if not page.permissions] == []


def test_it_says_so_when_the_database_goes_away_and_is_there_again_at_once(demo: Demo, settings: Settings) -> None:
    browser = signed_in(demo.app, make_staff(demo.runtime))
    assert browser.get("/console/account").status_code == 200
    with psycopg.connect(settings.database_url or "", autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
    assert [browser.get("/console/account").status_code for _ in range(2)] == [503, 200]


def test_it_reveals_nothing_without_a_pass(demo: Demo) -> None:
    number = make_staff(demo.runtime)
    for browser in (demo.browser(), signed_in(demo.app, number)):
        answer = browser.get("/console/news", headers={"X-Pass": "made up"})
        assert (answer.status_code, answer.text) == (410, "")


def test_it_sends_strangers_to_the_sign_in(demo: Demo) -> None:
    browser = demo.browser()
    wrong = []
    for page in pages(demo.app):
        if page.method == "GET":
            answer = browser.get(page.path)
            is_right = answer.status_code == 401 if page.path.endswith("/news") else (
                answer.status_code == 303 and answer.location.startswith("/sign-in?next=%2Fconsole")
            )  # fmt: skip
        else:
            is_right = browser.open(page.path, method=page.method).status_code == 400
            is_right = is_right and post(browser, page.path).status_code in (401, 405)
        if not is_right:
            wrong.append(page)
    assert wrong == []


@pytest.mark.parametrize("role", list(Role))
def test_it_opens_to_a_role_what_the_table_allows_and_nothing_else(demo: Demo, role: Role) -> None:
    client = signed_in(demo.app, make_staff(demo.runtime, f"{role}@example.org", [role.value], ["housing"]))
    wrong = []
    for page in pages(demo.app):
        if page.endpoint == "account.sign_out_everywhere":
            continue
        form = {access.CSRF_FIELD: form_secret(client)} if page.method != "GET" else None
        answer = client.open(page.path, method=page.method, data=form)
        may = any(is_allowed([role], permission) for permission in page.permissions)
        is_closed = answer.status_code == 403 and CLOSED in answer.text
        if is_closed == may or answer.status_code >= 500 or (may and answer.location == "/sign-in"):
            wrong.append((page.method, page.path, answer.status_code))
    assert wrong == []


def test_it_audits_whom_it_refused(demo: Demo) -> None:
    number = make_staff(demo.runtime, "ann@example.org", ["auditor"])
    client = signed_in(demo.app, number)
    closed = next(page for page in pages(demo.app) if page.permissions == (Permission.READ_TRANSCRIPT,))
    assert client.open(closed.path, method=closed.method, data={access.CSRF_FIELD: form_secret(client)}).status_code == 403
    assert client.post("/console/account/self", data={}).status_code == 400
    with demo.db() as db:
        rows = db.execute(select(Audit.staff_id, Audit.act, Audit.detail).order_by(Audit.id)).all()
    assert [tuple(row) for row in rows] == [
        (number, "refused", f"{Permission.READ_TRANSCRIPT} at {closed.endpoint}"),
        (number, "refused", "form at account.change_self"),
    ]


def test_it_refuses_a_form_of_another_session_and_of_another_site(demo: Demo) -> None:
    rosa = signed_in(demo.app, make_staff(demo.runtime))
    ann = signed_in(demo.app, make_staff(demo.runtime, "ann@example.org", ["auditor"]))
    stolen = form_secret(ann)
    assert rosa.post("/console/account/alerts", data={access.CSRF_FIELD: stolen, "text": "yes"}).status_code == 400
    own = {access.CSRF_FIELD: form_secret(rosa), "text": "yes"}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert rosa.post("/console/account/alerts", data=own, headers=foreign).status_code == 403
    assert rosa.post("/console/account/alerts", data=own).status_code == 303


def test_it_heeds_a_change_of_roles_and_teams_at_once(demo: Demo) -> None:
    number = make_staff(demo.runtime, teams=["housing"])
    client = signed_in(demo.app, number)
    assert client.get("/console/account").text.count("housing") >= 1
    with demo.db() as db:
        db.query(Membership).filter_by(staff_id=number).delete()
        db.get_one(Staff, number).roles = []
    assert client.get("/console/account").status_code == 403


def test_it_lets_all_staff_manage_their_own_account() -> None:
    assert all(Permission.EDIT_OWN in permissions for permissions in PERMISSIONS_OF_ROLE.values())


def test_it_leads_each_role_to_a_page_that_is_theirs(demo: Demo) -> None:
    for role in Role:
        client = signed_in(demo.app, make_staff(demo.runtime, f"start-{role}@example.org", [role.value]))
        start = client.get("/console/start")
        assert start.status_code == 303 and start.location != "/console/start"
        assert client.get(start.location).status_code == 200, (role, start.location)
