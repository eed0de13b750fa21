"""Flask-Security, as the sign-in uses it: password hashes, one-time codes, recovery codes, and the owner of a session.

Its own views are not registered: they do not count wrong recovery codes, show the codes again to anyone at an open page,
keep a half-finished sign-in for ever, give scripts tokens that outlive our sessions, and read the machine's clock. Only the
engine below them is used.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app
from flask_login.utils import _user_context_processor
from flask_security import Security
from flask_security.recovery_codes import MfRecoveryCodesUtil
from flask_security.totp import Totp
from passlib.totp import TOTP, TokenError

from bot.runtime import Runtime
from bot.storage.sealing import Sealer, UnsealError
from bot.web import access
from bot.web.sign_in.accounts import AccountStore, SignInAccount

RECOVERY_CODE_COUNT = 10
"""How many recovery codes a staff member gets."""
_CLOCK_LEEWAY = 30
"""Seconds by which a phone's clock may be off, either way."""


class SealedTotp(Totp):
    """One-time codes whose secret is encrypted like all texts in the database, together with the counter of the last used
    code (RFC 6238, 5.2: no code is accepted twice)."""

    def __init__(self, sealer: Sealer, issuer: str, now: Callable[[], float]) -> None:
        self._sealer = sealer
        self._totp = TOTP.using(issuer=issuer, now=now)

    def generate_totp_secret(self) -> str:
        """A new secret, encrypted."""
        return self._seal(self._totp.new().base32_key, None)

    def verify_totp(self, token: str, totp_secret: str, user: Any, window: int = _CLOCK_LEEWAY) -> bool:
        """Whether this code is valid now and not used yet. Checking does not use it up."""
        return self.use_code(token, totp_secret, window) is not None

    def use_code(self, token: str, totp_secret: str, window: int = _CLOCK_LEEWAY) -> str | None:
        """Use up a code. Returns the secret that must be stored from now on, so that the code is not accepted again;
        None if the code is wrong, too old or already used."""
        try:
            secret = self._sealer.open_json(totp_secret)
            match = self._read(secret).match(token, time=self._totp.now(), window=window, last_counter=secret["last"])
        except (TokenError, UnsealError):
            return None
        return self._seal(secret["key"], match.counter)

    def code(self, totp_secret: str, at: float | None = None) -> str:
        """The code that an authenticator shows at this moment (Unix time in seconds; None: now)."""
        return str(self._open(totp_secret).generate(self._totp.now() if at is None else at).token)

    def get_totp_uri(self, username: str, totp_secret: str) -> str:
        return str(self._open(totp_secret).to_uri(username))

    def get_totp_pretty_key(self, totp_secret: str) -> str:
        return str(self._open(totp_secret).pretty_key())

    def get_totp_b32_key(self, totp_secret: str) -> str:
        return str(self._open(totp_secret).base32_key)

    def _seal(self, key: str, last: int | None) -> str:
        return self._sealer.seal_json({"key": key, "last": last})

    def _read(self, secret: dict[str, Any]) -> TOTP:
        return self._totp(key=secret["key"], format="base32")

    def _open(self, totp_secret: str) -> TOTP:
        return self._read(self._sealer.open_json(totp_secret))


class HashedRecoveryCodes(MfRecoveryCodesUtil):
    """Recovery codes as keyed hashes: they are as random as a key, and never have to be shown again."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        secret = app.config["SECRET_KEY"].encode()
        self._key = HKDF(SHA256(), 32, salt=None, info=b"warmline recovery codes").derive(secret)

    def use_code(self, user: SignInAccount, code: str) -> bool:
        """Use up a code. False if it is not one of the account's codes."""
        (hashed,) = self._encrypt_codes([code])
        stored = list(user.mf_recovery_codes or [])
        remaining = [other for other in stored if not hmac.compare_digest(other, hashed)]
        if len(remaining) == len(stored):
            return False
        # A new list, because SQLAlchemy does not notice changes inside a JSON value.
        user.mf_recovery_codes = remaining
        return True

    def _encrypt_codes(self, codes: list[str]) -> list[str]:
        return [hmac.digest(self._key, _normalized(code), "sha256").hex() for code in codes]


def _normalized(code: str) -> bytes:
    return "".join(mark for mark in code.lower() if mark.isalnum()).encode()


def set_up(app: Flask, runtime: Runtime) -> None:
    """Install Flask-Security in this application."""
    settings = runtime.settings
    is_https = settings.public_url.startswith("https://")
    app.config.update(
        # The prefix __Host- binds the cookie to this host and to https, so that no sibling domain can set one.
        SESSION_COOKIE_NAME="__Host-warmline" if is_https else "warmline",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        # argon2 has its own salt; Flask-Security wants a pepper only for the schemes that it hashes twice.
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
        SECURITY_MULTI_FACTOR_RECOVERY_CODES=True,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_N=RECOVERY_CODE_COUNT,
        SECURITY_TOTP_SECRETS={"unused": "the secrets are sealed"},
        SECURITY_TOTP_ISSUER=settings.line_name,
        SECURITY_TRACKABLE=True,
        SECURITY_DATETIME_FACTORY=lambda: access.real_now(runtime),
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
    )
    accounts = AccountStore(runtime.database.engine)
    accounts.close_after_requests(app)

    def totp(_secrets: object, issuer: str) -> Totp:
        return SealedTotp(runtime.context.sealer, issuer, lambda: access.real_now(runtime).timestamp())

    security = Security(
        app,
        accounts,
        register_blueprint=False,
        totp_cls=totp,  # type: ignore[arg-type]
        mf_recovery_codes_util_cls=HashedRecoveryCodes,
    )
    _remove_unused_hooks(app, security)


def _remove_unused_hooks(app: Flask, security: Security) -> None:
    """Remove the hooks that Flask-Login and Flask-Principal run at every request, also the carrier's, for features that we
    do not use: the remember-me cookie, tokens in headers, and loading the account before a view needs it."""
    login = security.login_manager
    login._request_callback = None
    app.after_request_funcs[None].remove(login._update_remember_cookie)
    app.before_request_funcs[None].remove(security.principal._on_before_request)
    app.template_context_processors[None].remove(_user_context_processor)


def current_security() -> Security:
    """The Flask-Security instance of the current application."""
    found: Security = current_app.extensions["security"]
    return found


def accounts() -> AccountStore:
    """The account store of the current application."""
    return cast(AccountStore, current_security().datastore)


def one_time_codes() -> SealedTotp:
    """The one-time codes of the current application."""
    return cast(SealedTotp, current_security().totp_factory)


def recovery_codes() -> HashedRecoveryCodes:
    """The recovery codes of the current application."""
    return cast(HashedRecoveryCodes, current_security().mf_recovery_codes_util)
