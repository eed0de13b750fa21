"""Staff for tests, and browsers that are signed in as them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from flask_security.utils import hash_password
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from bot.runtime import Runtime
from bot.storage.tables.staff import Membership, Role, Staff, Team
from bot.web import access
from tests.support.clock import MONDAY_MORNING

PASSWORD = "a calm river at dusk"
_HASHES: dict[str, str] = {}
"""Hashes by password. Hashing is slow on purpose, so each password is hashed once per process."""


def make_staff(
    where: Runtime | Session,
    email: str = "rosa@example.org",
    roles: Iterable[str] = ("social_worker",),
    teams: Iterable[str] = (),
    **fields: Any,
) -> int:
    """Add a member of staff, with any roles and teams that do not exist yet; gives the new member's id."""
    if isinstance(where, Runtime):
        with where.database.transaction() as db:
            return make_staff(db, email, roles, teams, **fields)
    called = fields.pop("called", email.partition("@")[0].partition(".")[0].title())
    staff = Staff(
        email=email.lower(),
        name=fields.pop("name", f"{called} Ortiz"),
        called=called,
        fs_uniquifier=secrets.token_hex(16),
        created_at=fields.pop("created_at", MONDAY_MORNING),
        **{"active": True, **fields},
    )
    staff.roles = [_role(where, name) for name in roles]
    where.add(staff)
    where.flush()
    for slug in teams:
        where.add(Membership(team_id=_team(where, slug).id, staff_id=staff.id))
    where.flush()
    return staff.id


def signed_in(app: Flask, staff_id: int) -> FlaskClient:
    """A browser in which this member of staff has just signed in."""
    open_: Runtime = app.extensions["warmline"]
    with open_.database.transaction() as db:
        key = db.scalars(select(Staff.fs_uniquifier).where(Staff.id == staff_id)).one()
    client = app.test_client()
    now = access.real_now(open_).timestamp()
    with client.session_transaction() as session:
        session.update({"_user_id": key, "_fresh": True, "since": now, "seen": now})
    return client


def sign_in(app: Flask, email: str, password: str = PASSWORD, **fields: str) -> tuple[FlaskClient, TestResponse]:
    """Sign in through the form of the sign-in page; gives the browser and the response."""
    client = app.test_client()
    return client, post(client, "/sign-in", email=email, password=password, **fields)


def password_hash(app: Flask, password: str = PASSWORD) -> str:
    """The hash that is stored for a password."""
    if password not in _HASHES:
        with app.app_context():
            _HASHES[password] = str(hash_password(password))
    return _HASHES[password]


def post(client: FlaskClient, path: str, **fields: Any) -> TestResponse:
    """Post a form as a page of the console would, with its CSRF token."""
    return client.post(path, data={access.CSRF_FIELD: form_secret(client), **fields})


def form_secret(client: FlaskClient) -> str:
    """The CSRF token that every form of this browser's session carries."""
    with client.session_transaction() as session:
        raw = session.setdefault(access.CSRF_FIELD, secrets.token_hex(20))
    key = client.application.config["SECRET_KEY"]
    token = URLSafeTimedSerializer(key, salt="wtf-csrf-token").dumps(raw)
    assert isinstance(token, str)
    return token


def page_text(page: TestResponse) -> str:
    """The page's text without its tags, for assertions about a sentence."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def _role(db: Session, name: str) -> Role:
    found = db.scalar(select(Role).where(Role.name == name))
    if found is None:
        found = Role(name=name)
        db.add(found)
    return found


def _team(db: Session, slug: str) -> Team:
    found = db.scalar(select(Team).where(Team.slug == slug))
    if found is None:
        found = Team(slug=slug, name=slug.replace("_", " ").capitalize())
        db.add(found)
        db.flush()
    return found
