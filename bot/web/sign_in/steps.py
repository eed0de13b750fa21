"""The steps of a sign-in after the first factor: the second factor or its set-up, and then the session.

An account that has passed the first of two factors is remembered in the session for ten minutes; it is not signed in yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Response, g, make_response, redirect, render_template, request, session
from flask_security.utils import login_user

from bot.usecases.staff.record_audit import record_act
from bot.web import access, forms
from bot.web.forms import current_runtime
from bot.web.sign_in import attempts, security
from bot.web.sign_in.accounts import SignInAccount

PENDING_LIFETIME = timedelta(minutes=10)
_PENDING_KEY = "pending"
_PENDING_TOTP = "new_totp"
FEW_RECOVERY_CODES = 3
"""Below this many recovery codes left, the account page with new ones is shown after sign-in."""


@dataclass(frozen=True, slots=True)
class AcceptedCode:
    """An accepted second factor; `recovery_left` is the number of recovery codes left, if it was one of them."""

    recovery_left: int | None = None


def after_first_factor(account: SignInAccount, how: str) -> Response:
    """Continue after a correct password or a link: ask for the second factor, have it set up, or sign in."""
    if has_second_factor(account):
        _remember_pending(account, how)
        return redirect_to("/sign-in/code")
    if current_runtime().settings.needs_second_factor:
        _remember_pending(account, how)
        return redirect_to("/sign-in/set-up")
    return redirect_to(start_session(account, how))


def has_second_factor(account: SignInAccount) -> bool:
    return bool(account.tf_totp_secret and account.tf_primary_method)


def pending() -> tuple[SignInAccount, str] | None:
    """The account that has passed its first factor in this browser, with its row locked, and how; None after ten minutes."""
    entry = session.get(_PENDING_KEY)
    now = access.real_now(current_runtime())
    if not entry or now.timestamp() - entry["at"] > PENDING_LIFETIME.total_seconds():
        return None
    account = attempts.lock_row(SignInAccount.__table__.c.fs_uniquifier == entry["key"])
    return (account, entry["how"]) if account and account.may_sign_in else None


def start_session(account: SignInAccount, how: str) -> str:
    """Sign the account in; returns the path to go to. `how` is a fixed word for the audit."""
    onward = target_path()
    now = access.real_now(current_runtime())
    # Nothing of the old session may stay: no half-finished sign-in, no CSRF secret of an earlier user of this browser.
    session.clear()
    g.pop(access.CSRF_FIELD, None)
    account.failed_sign_ins, account.locked_until = 0, None
    login_user(account, remember=False, authn_via=[how])
    access.begin_session(now)
    record_audit(account, "signed_in", how)
    return onward


def use_code(account: SignInAccount, typed: str) -> AcceptedCode | None:
    """Use up a code of the authenticator or a recovery code; None if it is wrong. The caller counts and commits."""
    plain = "".join(typed.split()).replace("-", "")
    if plain.isascii() and plain.isdecimal() and len(plain) == 6:
        secret = security.one_time_codes().use_code(plain, account.tf_totp_secret or "")
        if secret is None:
            return None
        account.tf_totp_secret = secret
        return AcceptedCode()
    if plain and security.recovery_codes().use_code(account, plain):
        return AcceptedCode(recovery_left=len(account.mf_recovery_codes or []))
    return None


def pending_secret() -> str:
    """The secret of the second factor that is being set up in this browser, kept in the session."""
    if _PENDING_TOTP not in session:
        session[_PENDING_TOTP] = security.one_time_codes().generate_totp_secret()
    return str(session[_PENDING_TOTP])


def confirm_second_factor(account: SignInAccount, typed: str) -> list[str] | None:
    """Turn the second factor on if its first code is right. Returns the recovery codes, to be shown once; None if not."""
    secret = security.one_time_codes().use_code("".join(typed.split()), pending_secret())
    if secret is None:
        return None
    session.pop(_PENDING_TOTP, None)
    security.accounts().tf_set(account, "authenticator", totp_secret=secret)
    codes = security.recovery_codes().create_recovery_codes(account)
    record_audit(account, "second_factor_on", "authenticator")
    return codes


def setup_page(template: str, account: SignInAccount, status: int = 200, **values: Any) -> Response:
    """The page with the QR code to scan."""
    shown = security.one_time_codes().fetch_setup_values(pending_secret(), account)
    return make_response(render_template(template, picture=shown["image"], key=shown["key"], **values), status)


def record_audit(account: SignInAccount | None, act: str, detail: str = "") -> None:
    """Write an audit row and commit it together with this request's other changes."""
    accounts = security.accounts()
    record_act(accounts.session, account.id if account else None, act, current_runtime().clock.now(), detail=detail)
    accounts.commit()


def roll_back() -> None:
    """Roll back this request's uncommitted changes."""
    security.accounts().session.rollback()


def target_path() -> str:
    """The path that the staff member wanted when they were asked to sign in; only paths of our own console."""
    path = str(session.get("next") or forms.field("next") or request.args.get("next", ""))
    is_ours = path == "/console" or path.startswith(("/console/", "/console?"))
    return path if is_ours and "\\" not in path and not path.endswith("/news") else access.START_PATH


def redirect_to(path: str) -> Response:
    return make_response(redirect(path, 303))


def _remember_pending(account: SignInAccount, how: str) -> None:
    onward = target_path()
    session[_PENDING_KEY] = {"key": account.fs_uniquifier, "at": access.real_now(current_runtime()).timestamp(), "how": how}
    session["next"] = onward
    security.accounts().commit()
