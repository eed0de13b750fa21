"""Who is signed in, what they may do, and that a form was made by a page of ours. Every page of the console asks here.

A session ends thirty minutes after its last act and twelve hours after its sign-in. The pages look for news by
themselves, at addresses that end in `/news`: that is no act, so a forgotten open page does not stay open for ever.
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

from bot.clock import DemoClock
from bot.domain.permissions import Permission, Role, allowed
from bot.runtime import Runtime
from bot.storage import accounts, audits
from bot.storage.database import is_outage
from bot.web import forms
from bot.web.forms import runtime

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
_STAMP = timedelta(seconds=60)
"""The session's cookie is written anew at most this often."""
FIELD = "csrf_token"
SIGN_IN = "/sign-in"
START = "/console/start"
"""Where somebody arrives who wanted nothing in particular: the first page of theirs."""
_GUARDED = ("/console", "/sign-in", "/sign-out")
"""Where every post must come from an open form of ours."""
_LARGER = "/console/flows"
"""The flow studio: whole flows and translations are posted there, by people who are signed in."""
LARGEST_POST = 6 * 1024 * 1024
MOST_FIELDS = 20_000
_TYPED = ("body", "note")
"""Fields that hold what somebody wrote: shown again where the post was refused, so that nothing typed is lost."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Me:
    """Who is signed in."""

    id: int
    name: str
    called: str
    email: str
    roles: frozenset[Role]
    teams: frozenset[str]
    languages: tuple[str, ...]

    def may(self, permission: Permission) -> bool:
        return allowed(self.roles, permission)


def me() -> Me:
    """Who is signed in. Only inside a guarded view; raises RuntimeError elsewhere."""
    found: Me | None = g.get("me")
    if found is None:
        raise RuntimeError("me() is for views under access.needs() only")
    return found


def needs(*permissions: Permission) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Guard a view: nobody signed in -> to the sign-in (303); not allowed -> a page that says so (403), audited.

    Who holds one of several permissions may come in.
    """

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            found = _who()
            if found is None:
                return _to_sign_in()
            g.me = found
            if not any(found.may(permission) for permission in permissions):
                refuse(f"{' or '.join(permissions)} at {request.endpoint}")
                return page("not_allowed", 403)
            return view(*args, **kwargs)

        guarded.permissions = permissions  # type: ignore[attr-defined]
        return guarded

    return guard


def record(
    db: Session,
    act: str,
    now: datetime,
    *,
    conversation_id: int | None = None,
    handoff_id: int | None = None,
    detail: str = "",
) -> None:
    """An audit row of what the signed-in member of staff did. `detail`: fixed words and ids only."""
    audits.record(db, me().id, act, now, conversation_id=conversation_id, handoff_id=handoff_id, detail=detail)


def refuse(detail: str) -> None:
    """Audit that the signed-in member of staff was refused."""
    open_ = runtime()
    with open_.database.transaction() as db:
        record(db, "refused", open_.clock.now(), detail=detail)


def csrf() -> Markup:
    """The hidden field that every form of the console carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, generate_csrf())


def set_up(app: Flask) -> None:
    """Give the templates `csrf()` and `me`, and look at every post to the console before its view does."""
    # A form is good as long as its session is, which ends by itself.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    app.jinja_env.globals["csrf"] = csrf
    app.jinja_env.globals["may"] = _may
    app.before_request(_check_form)
    # The plain statements come without SQLAlchemy's wrapping.
    app.register_error_handler(SQLAlchemyError, _away)
    app.register_error_handler(psycopg.Error, _away)


def is_signed_in() -> bool:
    """Whether this browser has an open session; for the sign-in page, which sends them on."""
    return _who() is not None


def begin(now: datetime) -> None:
    """The session begins: somebody was let in at this moment (`real_now`)."""
    session["since"] = session["seen"] = now.timestamp()


def real_now(open_: Runtime) -> datetime:
    """The moment for sessions, locks and codes, aware, in UTC. To push a demo's clock must not sign everybody out."""
    now = open_.clock.now()
    return now - open_.clock.offset() if isinstance(open_.clock, DemoClock) else now


def page(kind: str, status: int, **values: Any) -> Response:
    """One of the calm pages that say why something cannot be done."""
    typed = [text for name in _TYPED if (text := forms.words(name))] if request.method == "POST" else []
    values |= {"kind": kind, "typed": typed, "sign_in": SIGN_IN, "start": START}
    return make_response(render_template("sign_in/stopped.html", **values), status)


def _may(permission: str) -> bool:
    """For templates: whether who is signed in may do this."""
    found: Me | None = g.get("me")
    return found is not None and found.may(Permission(permission))


def _who() -> Me | None:
    """Whose session this is, if it has not ended; an act of theirs keeps it going."""
    key, since, seen = session.get("_user_id"), session.get("since"), session.get("seen")
    if not key or since is None or seen is None:
        return None
    open_ = runtime()
    now = real_now(open_).timestamp()
    if now - seen > IDLE.total_seconds() or now - since > LONGEST.total_seconds():
        _forget()
        return None
    with open_.database.transaction() as db:
        account = accounts.find_active(db, str(key))
    if account is None:
        _forget()
        return None
    if not request.path.endswith("/news") and now - seen > _STAMP.total_seconds():
        session["seen"] = now
    return Me(
        id=account.id,
        name=account.name,
        called=account.called,
        email=account.email,
        roles=frozenset(Role(role) for role in account.roles),
        teams=frozenset(account.teams),
        languages=account.languages,
    )


def _forget() -> None:
    """End the session, but not what our own open forms are checked by: a reply that was typed is shown again."""
    for name in ("_user_id", "_id", "_fresh", "since", "seen", "fs_cc", "fs_paa", "identity.id", "identity.auth_type"):
        session.pop(name, None)


def _to_sign_in() -> Response:
    if request.path.endswith("/news"):
        return make_response("", 401)
    if request.method == "POST":
        # A redirect would throw away what they have just typed.
        return page("signed_out", 401)
    whole = request.full_path if request.query_string else request.path
    return make_response(redirect(f"{SIGN_IN}?{urlencode({'next': whole})}", 303))


def _check_form() -> Response | None:
    """Refuse a post to the console or the sign-in that no open form of ours made."""
    if not request.path.startswith(_GUARDED) or request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    if request.path.startswith(_LARGER) and "_user_id" in session:
        request.max_content_length, request.max_form_memory_size = LARGEST_POST, LARGEST_POST
        request.max_form_parts = MOST_FIELDS
    forms.refuse_foreign()
    try:
        validate_csrf(forms.field(FIELD) or request.headers.get("X-CSRF-Token", ""))
    except ValidationError:
        g.me = _who()
        if g.me:
            refuse(f"form at {request.endpoint}")
        return page("old_form", 400)
    return None


def _away(error: SQLAlchemyError | psycopg.Error) -> Response:
    """A page that says so while the database is away. Other doors know better answers for it, and give them."""
    if request.path.startswith(_GUARDED) and is_outage(error):
        return page("away", 503)
    raise error
