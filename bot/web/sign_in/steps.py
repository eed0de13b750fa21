"""From the first proof to the open door: what is still missing, and what happens when nothing is.

Who has shown one factor of two is remembered in the session for ten minutes, and is nobody until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Response, g, make_response, redirect, render_template, request, session
from flask_security.utils import login_user

from bot.storage import audits
from bot.web import forms
from bot.web.console import access
from bot.web.forms import runtime
from bot.web.sign_in import attempts, security
from bot.web.sign_in.accounts import Account

HALF_WAY = timedelta(minutes=10)
_PENDING = "pending"
_NEW = "new_totp"
FEW = 3
"""So few recovery codes left are worth a word."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A second factor was accepted; `recovery_left` where it was a recovery code."""

    recovery_left: int | None = None


def after_first_factor(account: Account, how: str) -> Response:
    """They know their password, or came by a link: ask for what is missing, or open."""
    if has_second_factor(account):
        _remember(account, how)
        return go("/sign-in/code")
    if runtime().settings.needs_second_factor:
        _remember(account, how)
        return go("/sign-in/set-up")
    return go(let_in(account, how))


def has_second_factor(account: Account) -> bool:
    return bool(account.tf_totp_secret and account.tf_primary_method)


def pending() -> tuple[Account, str] | None:
    """Who has shown their first factor in this browser, with their row locked, and how; None after ten minutes."""
    kept = session.get(_PENDING)
    now = access.real_now(runtime())
    if not kept or now.timestamp() - kept["at"] > HALF_WAY.total_seconds():
        return None
    account = attempts.lock_row(Account.__table__.c.fs_uniquifier == kept["key"])
    return (account, kept["how"]) if account and account.may_come_in else None


def let_in(account: Account, how: str) -> str:
    """Open the door, and say where they wanted to go. `how` is a fixed word for the audit."""
    onward = wanted()
    now = access.real_now(runtime())
    # Nothing of before may stay: neither a half-done sign-in nor the form secret of whoever sat here.
    session.clear()
    g.pop(access.FIELD, None)
    account.failed_sign_ins, account.locked_until = 0, None
    login_user(account, remember=False, authn_via=[how])
    access.begin(now)
    write_down(account, "signed_in", how)
    return onward


def take_code(account: Account, typed: str) -> Taken | None:
    """Take a code of the authenticator or a recovery code, once; None where it is wrong. The caller counts and commits."""
    plain = "".join(typed.split()).replace("-", "")
    if plain.isascii() and plain.isdecimal() and len(plain) == 6:
        kept = security.totp().use(plain, account.tf_totp_secret or "")
        if kept is None:
            return None
        account.tf_totp_secret = kept
        return Taken()
    if plain and security.recovery().take(account, plain):
        return Taken(recovery_left=len(account.mf_recovery_codes or []))
    return None


def new_secret() -> str:
    """The secret of the second factor that is being set up in this browser."""
    if _NEW not in session:
        session[_NEW] = security.totp().generate_totp_secret()
    return str(session[_NEW])


def confirm_new(account: Account, typed: str) -> list[str] | None:
    """Turn the second factor on when its first code is right. Returns the recovery codes, to be shown this once."""
    kept = security.totp().use("".join(typed.split()), new_secret())
    if kept is None:
        return None
    session.pop(_NEW, None)
    security.accounts().tf_set(account, "authenticator", totp_secret=kept)
    codes = security.recovery().create_recovery_codes(account)
    write_down(account, "second_factor_on", "authenticator")
    return codes


def setup_page(template: str, account: Account, status: int = 200, **values: Any) -> Response:
    """The page with the picture to scan."""
    shown = security.totp().fetch_setup_values(new_secret(), account)
    return make_response(render_template(template, picture=shown["image"], key=shown["key"], **values), status)


def write_down(account: Account | None, act: str, detail: str = "") -> None:
    """Into the audit, and commit all that was changed with it."""
    accounts = security.accounts()
    audits.record(accounts.session, account.id if account else None, act, runtime().clock.now(), detail=detail)
    accounts.commit()


def forget_changes() -> None:
    """What was changed in this request and not committed is not kept."""
    security.accounts().session.rollback()


def wanted() -> str:
    """Where they were going when they were asked to sign in; only our own console."""
    kept = session.get("next") or forms.field("next") or request.args.get("next", "")
    path = str(kept)
    is_ours = path == "/console" or path.startswith(("/console/", "/console?"))
    return path if is_ours and "\\" not in path and not path.endswith("/news") else access.START


def go(path: str) -> Response:
    return make_response(redirect(path, 303))


def _remember(account: Account, how: str) -> None:
    onward = wanted()
    session[_PENDING] = {"key": account.fs_uniquifier, "at": access.real_now(runtime()).timestamp(), "how": how}
    session["next"] = onward
    security.accounts().commit()
