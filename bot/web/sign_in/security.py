"""Flask-Security, as the staff's doors use it: password hashes, one-time codes, recovery codes, who a session belongs to.

Its own pages are not registered. They do not count a wrong recovery code, show the codes again to whoever sits down at an
open page, keep a half-done sign-in for ever, answer scripts with tokens that outlive our sessions, and read the machine's
clock. Its engine is sound and is what is used.
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
from bot.storage.sealing import CannotOpen, Sealer
from bot.web.console import access
from bot.web.sign_in.accounts import Account, Accounts

CODES = 10
"""Recovery codes that somebody gets."""
_LATE = 30
"""Seconds that a telephone's clock may be off, either way."""


class SealedTotp(Totp):
    """One-time codes whose secret is sealed like all words at rest, beside the last code that was used (RFC 6238, 5.2: no
    code is taken twice)."""

    def __init__(self, sealer: Sealer, issuer: str, now: Callable[[], float]) -> None:
        self._sealer = sealer
        self._totp = TOTP.using(issuer=issuer, now=now)

    def generate_totp_secret(self) -> str:
        """A new secret, sealed."""
        return self._seal(self._totp.new().base32_key, None)

    def verify_totp(self, token: str, totp_secret: str, user: Any, window: int = _LATE) -> bool:
        """Whether this is a code of now that was not used. It stays good: to take one is `use`."""
        return self.use(token, totp_secret, window) is not None

    def use(self, token: str, totp_secret: str, window: int = _LATE) -> str | None:
        """Take a code. Returns the secret as it must be stored now, so that the code is worth nothing a second time;
        None where it is wrong, too old, or used."""
        try:
            kept = self._sealer.open_json(totp_secret)
            match = self._read(kept).match(token, time=self._totp.now(), window=window, last_counter=kept["last"])
        except (TokenError, CannotOpen):
            return None
        return self._seal(kept["key"], match.counter)

    def code(self, totp_secret: str, at: float | None = None) -> str:
        """The code that an authenticator shows at this moment (seconds since 1970)."""
        return str(self._open(totp_secret).generate(self._totp.now() if at is None else at).token)

    def get_totp_uri(self, username: str, totp_secret: str) -> str:
        return str(self._open(totp_secret).to_uri(username))

    def get_totp_pretty_key(self, totp_secret: str) -> str:
        return str(self._open(totp_secret).pretty_key())

    def get_totp_b32_key(self, totp_secret: str) -> str:
        return str(self._open(totp_secret).base32_key)

    def _seal(self, key: str, last: int | None) -> str:
        return self._sealer.seal_json({"key": key, "last": last})

    def _read(self, kept: dict[str, Any]) -> TOTP:
        return self._totp(key=kept["key"], format="base32")

    def _open(self, totp_secret: str) -> TOTP:
        return self._read(self._sealer.open_json(totp_secret))


class HashedCodes(MfRecoveryCodesUtil):
    """Recovery codes as keyed hashes: they are as random as a key, and nobody needs to read them again."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        secret = app.config["SECRET_KEY"].encode()
        self._key = HKDF(SHA256(), 32, salt=None, info=b"warmline recovery codes").derive(secret)

    def take(self, user: Account, code: str) -> bool:
        """Take a code, which is worth nothing afterwards. False where it is none of theirs."""
        (hashed,) = self._encrypt_codes([code])
        left = list(user.mf_recovery_codes or [])
        kept = [other for other in left if not hmac.compare_digest(other, hashed)]
        if len(kept) == len(left):
            return False
        # A new list: SQLAlchemy does not see a change inside of JSON.
        user.mf_recovery_codes = kept
        return True

    def _encrypt_codes(self, codes: list[str]) -> list[str]:
        return [hmac.digest(self._key, _bare(code), "sha256").hex() for code in codes]


def _bare(code: str) -> bytes:
    return "".join(mark for mark in code.lower() if mark.isalnum()).encode()


def set_up(app: Flask, runtime: Runtime) -> None:
    """Put Flask-Security into this application."""
    settings = runtime.settings
    is_https = settings.public_url.startswith("https://")
    app.config.update(
        # The name binds the cookie to this host and to https, so that no neighbour of the host can set one.
        SESSION_COOKIE_NAME="__Host-warmline" if is_https else "warmline",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        # argon2 salts by itself; Flask-Security wants a pepper only for the schemes that it hashes twice.
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        SECURITY_TWO_FACTOR=True,
        SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
        SECURITY_MULTI_FACTOR_RECOVERY_CODES=True,
        SECURITY_MULTI_FACTOR_RECOVERY_CODES_N=CODES,
        SECURITY_TOTP_SECRETS={"unused": "the secrets are sealed"},
        SECURITY_TOTP_ISSUER=settings.line_name,
        SECURITY_TRACKABLE=True,
        SECURITY_DATETIME_FACTORY=lambda: access.real_now(runtime),
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
    )
    accounts = Accounts(runtime.database.engine)
    accounts.close_after_requests(app)

    def totp(_secrets: object, issuer: str) -> Totp:
        return SealedTotp(runtime.desk.sealer, issuer, lambda: access.real_now(runtime).timestamp())

    security = Security(
        app,
        accounts,
        register_blueprint=False,
        totp_cls=totp,  # type: ignore[arg-type]
        mf_recovery_codes_util_cls=HashedCodes,
    )
    _quieten(app, security)


def _quieten(app: Flask, security: Security) -> None:
    """Take away what Flask-Login and Flask-Principal do at every request, a carrier's among them, for features that we do
    not use: a cookie that remembers, tokens in headers, and accounts that are looked up before anybody asked for them."""
    login = security.login_manager
    login._request_callback = None
    app.after_request_funcs[None].remove(login._update_remember_cookie)
    app.before_request_funcs[None].remove(security.principal._on_before_request)
    app.template_context_processors[None].remove(_user_context_processor)


def engine() -> Security:
    """The Flask-Security of the application that answers."""
    found: Security = current_app.extensions["security"]
    return found


def accounts() -> Accounts:
    """The accounts of the application that answers."""
    return cast(Accounts, engine().datastore)


def totp() -> SealedTotp:
    """How this application's one-time codes are made and taken."""
    return cast(SealedTotp, engine().totp_factory)


def recovery() -> HashedCodes:
    """How this application's recovery codes are made and taken."""
    return cast(HashedCodes, engine().mf_recovery_codes_util)
