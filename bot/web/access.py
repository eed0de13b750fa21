"""Authentication, authorization and CSRF protection of every console page.

A session ends thirty minutes after its last request and twelve hours after its sign-in. The pages poll for news at paths
that end in `/news`; polling does not extend the session, so a forgotten open page does not keep it alive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

import psycopg
from flask import Flask, Response, g, make_response, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf, validate_csrf
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from wtforms import ValidationError

from bot.domain.staff.permissions import Permission, Role, is_allowed
from bot.operations.clock import DemoClock
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.staff.read_account import find_signed_in
from bot.usecases.staff.record_audit import record_act
from bot.web import forms
from bot.web.forms import current_runtime

IDLE_LIMIT = timedelta(minutes=30)
SESSION_LIMIT = timedelta(hours=12)
_STAMP_INTERVAL = timedelta(seconds=60)
"""The session cookie is rewritten at most this often."""
CSRF_FIELD = "csrf_token"
SIGN_IN_PATH = "/sign-in"
START_PATH = "/console/start"
"""The default target after a sign-in; it redirects to the first page that the staff member may open."""
_PROTECTED_PATHS = ("/console", "/sign-in", "/sign-out")
"""Paths under which every post must carry a CSRF token."""
_LARGE_POST_PATH = "/console/flows"
"""The flow studio, where signed-in staff post whole flows and translations."""
MAX_POST_BYTES = 6 * 1024 * 1024
MAX_FORM_FIELDS = 20_000
_TYPED_FIELDS = ("body", "note")
"""Fields with typed text; it is shown again if the post was refused, so that nothing is lost."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The staff member who is signed in."""

    id: int
    name: str
    called: str
    email: str
    roles: frozenset[Role]
    teams: frozenset[str]
    languages: tuple[str, ...]

    def may(self, permission: Permission) -> bool:
        return is_allowed(self.roles, permission)


def current_user() -> CurrentUser:
    """The signed-in staff member. Only inside a guarded view; raises RuntimeError elsewhere."""
    found: CurrentUser | None = g.get("me")
    if found is None:
        raise RuntimeError("the signed-in staff member is known inside guarded views only")
    return found


def require_permission(
    *permissions: Permission,
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Guard a view: without a session redirect to the sign-in (303); without permission show a page (403) and audit it.

    One of several permissions is enough.
    """

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            found = _load_user()
            if found is None:
                return _to_sign_in()
            g.me = found
            if not any(found.may(permission) for permission in permissions):
                record_refusal(f"{' or '.join(permissions)} at {request.endpoint}")
                return stopped_page("not_allowed", 403)
            return view(*args, **kwargs)

        guarded.permissions = permissions  # type: ignore[attr-defined]
        return guarded

    return guard


def record_audit(
    db: Session,
    act: str,
    now: datetime,
    *,
    conversation_id: int | None = None,
    handoff_id: int | None = None,
    detail: str = "",
) -> None:
    """Write an audit row of what the signed-in staff member did. `detail`: fixed words and ids only."""
    record_act(db, current_user().id, act, now, conversation_id=conversation_id, handoff_id=handoff_id, detail=detail)


def record_refusal(detail: str) -> None:
    """Audit that the signed-in staff member was refused something."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        record_audit(db, "refused", runtime.clock.now(), detail=detail)


def csrf_field() -> Markup:
    """The hidden CSRF field that every form of the console carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, generate_csrf())


def set_up(app: Flask) -> None:
    """Give the templates `csrf()` and `may()`, and check every post to the console before its view runs."""
    # A form is valid as long as its session, which has its own time limit.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    app.jinja_env.globals["csrf"] = csrf_field
    app.jinja_env.globals["may"] = _may
    app.before_request(_check_form)
    # Statements that we run on psycopg directly raise its own errors, not SQLAlchemy's.
    app.register_error_handler(SQLAlchemyError, _database_away)
    app.register_error_handler(psycopg.Error, _database_away)


def is_signed_in() -> bool:
    """Whether this browser has an open session."""
    return _load_user() is not None


def begin_session(now: datetime) -> None:
    """Start the session's time limits at `now`, as given by `real_now`."""
    session["since"] = session["seen"] = now.timestamp()


def real_now(runtime: Runtime) -> datetime:
    """The time for sessions, locks and codes, aware, in UTC: without a demo clock's offset, so that moving the clock forward
    does not sign everyone out."""
    now = runtime.clock.now()
    return now - runtime.clock.offset() if isinstance(runtime.clock, DemoClock) else now


def stopped_page(kind: str, status: int, **values: Any) -> Response:
    """A page that explains why something cannot be done; `kind` selects the text in sign_in/stopped.html."""
    typed = [text for name in _TYPED_FIELDS if (text := forms.clean_text(name))] if request.method == "POST" else []
    values |= {"kind": kind, "typed": typed, "sign_in": SIGN_IN_PATH, "start": START_PATH}
    return make_response(render_template("sign_in/stopped.html", **values), status)


def _may(permission: str) -> bool:
    """For templates: whether the signed-in staff member has this permission."""
    found: CurrentUser | None = g.get("me")
    return found is not None and found.may(Permission(permission))


def _load_user() -> CurrentUser | None:
    """The owner of this session, if it has not ended; any request but polling extends it."""
    key, since, seen = session.get("_user_id"), session.get("since"), session.get("seen")
    if not key or since is None or seen is None:
        return None
    runtime = current_runtime()
    now = real_now(runtime).timestamp()
    if now - seen > IDLE_LIMIT.total_seconds() or now - since > SESSION_LIMIT.total_seconds():
        _end_session()
        return None
    with runtime.database.transaction() as db:
        account = find_signed_in(db, str(key))
    if account is None:
        _end_session()
        return None
    if not request.path.endswith("/news") and now - seen > _STAMP_INTERVAL.total_seconds():
        session["seen"] = now
    return CurrentUser(
        id=account.id,
        name=account.name,
        called=account.called,
        email=account.email,
        roles=frozenset(Role(role) for role in account.roles),
        teams=frozenset(account.teams),
        languages=account.languages,
    )


def _end_session() -> None:
    """End the session but keep its CSRF secret, so that a typed reply in an open form can be shown again."""
    for name in ("_user_id", "_id", "_fresh", "since", "seen", "fs_cc", "fs_paa", "identity.id", "identity.auth_type"):
        session.pop(name, None)


def _to_sign_in() -> Response:
    if request.path.endswith("/news"):
        return make_response("", 401)
    if request.method == "POST":
        # A redirect would lose the text that was just typed.
        return stopped_page("signed_out", 401)
    whole = request.full_path if request.query_string else request.path
    return make_response(redirect(f"{SIGN_IN_PATH}?{urlencode({'next': whole})}", 303))


def _check_form() -> Response | None:
    """Refuse a post to the console or the sign-in without a valid CSRF token."""
    if not request.path.startswith(_PROTECTED_PATHS) or request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    if request.path.startswith(_LARGE_POST_PATH) and "_user_id" in session:
        request.max_content_length, request.max_form_memory_size = MAX_POST_BYTES, MAX_POST_BYTES
        request.max_form_parts = MAX_FORM_FIELDS
    forms.reject_cross_site()
    try:
        validate_csrf(forms.field(CSRF_FIELD) or request.headers.get("X-CSRF-Token", ""))
    except ValidationError:
        g.me = _load_user()
        if g.me:
            record_refusal(f"form at {request.endpoint}")
        return stopped_page("old_form", 400)
    return None


def _database_away(error: SQLAlchemyError | psycopg.Error) -> Response:
    """The "database away" page for the console and the sign-in. Other routes handle an outage themselves."""
    if request.path.startswith(_PROTECTED_PATHS) and is_outage(error):
        return stopped_page("away", 503)
    raise error
