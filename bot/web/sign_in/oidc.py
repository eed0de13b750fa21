"""The city's own sign-in, by OpenID Connect; Authlib does discovery, PKCE, state and nonce.

An identity is issuer and subject, which never change. At the first sign-in it is matched by an e-mail address that the
issuer has verified, and bound to the account: after that another identity with the same e-mail address has no access.
"""

from __future__ import annotations

import logging
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, abort, current_app, make_response, session
from joserfc.errors import JoseError
from requests import RequestException

from bot.operations.settings.settings import Settings
from bot.web.forms import current_runtime
from bot.web.sign_in import attempts, steps
from bot.web.sign_in.accounts import SignInAccount
from bot.web.sign_in.pages import sign_in

log = logging.getLogger(__name__)
CALLBACK_PATH = "/sign-in/city/back"
TIMEOUT_SECONDS = 8
_CLOCK_LEEWAY = 60
"""Seconds by which the issuer's clock may differ from ours."""


def set_up(app: Flask, settings: Settings) -> None:
    """Register the issuer, if one is set; it is first contacted when a staff member signs in through it."""
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
    """Redirect to the city's sign-in."""
    settings = current_runtime().settings
    city = _city_client()
    onward = steps.target_path()
    # One attempt at a time: the states of abandoned attempts would fill the cookie.
    session.clear()
    session["next"] = onward
    try:
        answer = city.authorize_redirect(f"{settings.public_url}{CALLBACK_PATH}")
    except (AuthlibBaseError, RequestException, ValueError, RuntimeError) as error:
        log.warning("the city's sign-in does not answer (%s)", type(error).__name__)
        return steps.redirect_to("/sign-in?notice=city_away")
    return make_response(answer)


@sign_in.get(CALLBACK_PATH)
def from_city() -> Response:
    """The callback: exchange the code for an identity, verify all its claims, and only then look up the account."""
    city = _city_client()
    try:
        claims = _verified_claims(city)
    except RequestException as error:
        log.warning("the city's sign-in does not answer (%s)", type(error).__name__)
        return steps.redirect_to("/sign-in?notice=city_away")
    except (AuthlibBaseError, JoseError, ValueError, RuntimeError, KeyError) as error:
        return _refuse(None, f"city: {type(error).__name__}")
    account, why = _find_account(claims)
    if account is None:
        return _refuse(None, f"city: {why}")
    if not account.may_sign_in:
        return _refuse(account, "city: account closed")
    return steps.redirect_to(steps.start_session(account, "city"))


def _city_client() -> Any:
    """Authlib's client of the issuer; aborts with 404 if none is set."""
    city = current_app.extensions.get("warmline city")
    if city is None:
        abort(404)
    return city


def _verified_claims(city: Any) -> dict[str, object]:
    """The verified claims of the issuer. Raises for a wrong state, nonce, issuer, audience, signature or time."""
    settings = current_runtime().settings
    issuer = city.load_server_metadata().get("issuer", "")
    # OpenID Connect Discovery 1.0, 4.3: the issuer in the metadata must be the configured one.
    if str(issuer).rstrip("/") != settings.oidc_issuer:
        raise ValueError("the issuer is not OIDC_ISSUER")
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": settings.oidc_client_id},
    }
    token = city.authorize_access_token(claims_options=options, leeway=_CLOCK_LEEWAY)
    claims = dict(token.get("userinfo") or {})
    if not claims.get("sub"):
        raise ValueError("no identity came")
    if "email" not in claims and city.load_server_metadata().get("userinfo_endpoint"):
        more = dict(city.userinfo(token=token))
        # OpenID Connect Core 5.3.2: claims of another subject must not be used.
        if more.get("sub") == claims["sub"]:
            claims |= {name: more[name] for name in ("email", "email_verified") if name in more}
    return claims


def _find_account(claims: dict[str, object]) -> tuple[SignInAccount | None, str]:
    """The account of this identity, with its row locked, and ""; or None and the reason for the audit."""
    columns = SignInAccount.__table__.c
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


def _refuse(account: SignInAccount | None, detail: str) -> Response:
    # An identity that was just bound to a closed account is rolled back.
    steps.roll_back()
    session.clear()
    steps.record_audit(account, "sign_in_failed", detail)
    return steps.redirect_to("/sign-in?notice=city")
