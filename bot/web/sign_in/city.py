"""The city's own sign-in, by OpenID Connect: discovery, PKCE, state and nonce are Authlib's work.

An identity is known by issuer and subject, which never change. The first time it is found by an e-mail address that the
issuer has verified, and bound: afterwards another account of the city with that address opens nothing here.
"""

from __future__ import annotations

import logging
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, abort, current_app, make_response, session
from joserfc.errors import JoseError
from requests import RequestException

from bot.settings import Settings
from bot.web.forms import runtime
from bot.web.sign_in import attempts, steps
from bot.web.sign_in.accounts import Account
from bot.web.sign_in.doors import sign_in

log = logging.getLogger(__name__)
BACK = "/sign-in/city/back"
TIMEOUT_SECONDS = 8
_LATE = 60
"""Seconds that the issuer's clock may be off."""


def set_up(app: Flask, settings: Settings) -> None:
    """Know the issuer, where one is set; it is first asked when somebody comes by it."""
    if not settings.oidc_issuer:
        return
    city = OAuth(app)
    city.register(
        "city",
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_SECONDS,
        },
    )
    app.extensions["warmline city"] = city.city


@sign_in.get("/sign-in/city")
def to_city() -> Response:
    """Off to the city's sign-in."""
    settings = runtime().settings
    city = _city()
    onward = steps.wanted()
    # One way there at a time: states of presses that led nowhere would fill the cookie.
    session.clear()
    session["next"] = onward
    try:
        answer = city.authorize_redirect(f"{settings.public_url}{BACK}")
    except (AuthlibBaseError, RequestException, ValueError, RuntimeError) as error:
        log.warning("the city's sign-in does not answer (%s)", type(error).__name__)
        return steps.go("/sign-in?notice=city_away")
    return make_response(answer)


@sign_in.get(BACK)
def from_city() -> Response:
    """Back with a code, which is changed for an identity; every claim of it is checked before anybody is looked up."""
    city = _city()
    try:
        claims = _claims(city)
    except RequestException as error:
        log.warning("the city's sign-in does not answer (%s)", type(error).__name__)
        return steps.go("/sign-in?notice=city_away")
    except (AuthlibBaseError, JoseError, ValueError, RuntimeError, KeyError) as error:
        return _refused(None, f"city: {type(error).__name__}")
    account, why = _match(claims)
    if account is None:
        return _refused(None, f"city: {why}")
    if not account.may_come_in:
        return _refused(account, "city: account closed")
    return steps.go(steps.let_in(account, "city"))


def _city() -> Any:
    """Authlib's client of the issuer; 404 where none is set."""
    city = current_app.extensions.get("warmline city")
    if city is None:
        abort(404)
    return city


def _claims(city: Any) -> dict[str, object]:
    """Who the issuer says they are. Raises for a wrong state, nonce, issuer, audience, signature, or time."""
    settings = runtime().settings
    issuer = city.load_server_metadata().get("issuer", "")
    # Discovery 1.0, 4.3: an issuer that calls itself otherwise is another one.
    if str(issuer).rstrip("/") != settings.oidc_issuer:
        raise ValueError("the issuer is not OIDC_ISSUER")
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": settings.oidc_client_id},
    }
    token = city.authorize_access_token(claims_options=options, leeway=_LATE)
    claims = dict(token.get("userinfo") or {})
    if not claims.get("sub"):
        raise ValueError("no identity came")
    if "email" not in claims and city.load_server_metadata().get("userinfo_endpoint"):
        more = dict(city.userinfo(token=token))
        # OpenID Connect Core 5.3.2: what is told about somebody else must not be used.
        if more.get("sub") == claims["sub"]:
            claims |= {name: more[name] for name in ("email", "email_verified") if name in more}
    return claims


def _match(claims: dict[str, object]) -> tuple[Account | None, str]:
    """Whose account it is, with its row locked; or why nobody's."""
    columns = Account.__table__.c
    subject = f"{str(claims['iss']).rstrip('/')} {claims['sub']}"
    known = attempts.lock_row(columns.oidc_subject == subject)
    if known is not None:
        return known, ""
    if claims.get("email_verified") is not True:
        return None, "e-mail not verified"
    account = attempts.lock_row(columns.email == str(claims.get("email", "")).strip().lower())
    if account is None:
        return None, "unknown"
    if account.oidc_subject:
        return None, "another identity is bound"
    account.oidc_subject = subject
    return account, ""


def _refused(account: Account | None, detail: str) -> Response:
    # What was bound for a closed account is not kept.
    steps.forget_changes()
    session.clear()
    steps.write_down(account, "sign_in_failed", detail)
    return steps.go("/sign-in?notice=city")
