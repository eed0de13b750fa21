"""The pages that a link leads to: an invited or forgetful member of staff chooses a password."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, abort, make_response, render_template
from flask_security.utils import hash_password

from bot.domain import passwords
from bot.domain.message import Channel, Lane
from bot.storage import accounts, audits, staff, staff_threads
from bot.usecases import invite
from bot.usecases.invite import Invited, Purpose
from bot.web import forms
from bot.web.console import access
from bot.web.forms import runtime
from bot.web.sign_in import attempts, security, steps
from bot.web.sign_in.accounts import Account
from bot.web.sign_in.doors import sign_in

_EVERY = timedelta(minutes=5)
"""One mail in this time: nobody's mailbox is filled by somebody else's presses."""


@sign_in.get("/sign-in/link/<token>")
def open_link(token: str) -> Response:
    """A mail program that looks at links before their reader does changes nothing: only the form spends it."""
    found = _found(token)
    return _page(*found) if found else _spent()


@sign_in.post("/sign-in/link/<token>")
def choose_password(token: str) -> Response:
    """Set the password; every open session and every older link of theirs ends."""
    found = _found(token)
    if found is None:
        return _spent()
    invited, account = found
    chosen = security.engine().password_util.normalize(forms.field("password"))
    if complaint := passwords.complaint(chosen, (account.name, account.email)):
        return _page(invited, account, complaint, 422)
    set_password(account, chosen, invited.purpose.value)
    return steps.after_first_factor(account, invited.purpose.value)


@sign_in.get("/sign-in/forgotten")
def ask_forgotten() -> Response:
    """Where to send a link; there is none without mail."""
    _need_mail()
    return make_response(render_template("sign_in/forgotten.html", sent=False))


@sign_in.post("/sign-in/forgotten")
def send_forgotten() -> Response:
    """The answer is always the same: whether somebody has an account here is nobody's business."""
    _need_mail()
    if not attempts.throttle().wait(attempts.address()):
        attempts.throttle().count(attempts.address())
        _mail_link(forms.words("email"))
    return make_response(render_template("sign_in/forgotten.html", sent=True))


def set_password(account: Account, chosen: str, how: str) -> None:
    """Store it and end every session and link of theirs; the caller has checked it, and keeps its own session going."""
    account.password = str(hash_password(chosen))
    account.confirmed_at = account.confirmed_at or access.real_now(runtime())
    account.failed_sign_ins, account.locked_until = 0, None
    security.accounts().set_uniquifier(account)
    steps.write_down(account, "password_changed", how)


def _found(token: str) -> tuple[Invited, Account] | None:
    settings = runtime().settings
    if not settings.staff_passwords:
        return None
    invited = invite.verify(security.accounts().session, settings.secret_key, token)
    if invited is None:
        return None
    account = attempts.lock_row(Account.__table__.c.id == invited.staff_id)
    # Seen again with the row locked: of two presses at once only one sets a password.
    if account is None or invite.verify(security.accounts().session, settings.secret_key, token) != invited:
        return None
    return invited, account


def _mail_link(email: str) -> None:
    open_ = runtime()
    settings, now = open_.settings, open_.clock.now()
    with open_.database.transaction() as db:
        member = staff.find_by_email(db, email)
        if member is None or not member.active or member.left_at is not None:
            return
        if accounts.did_lately(db, member.id, "password_link", now - _EVERY):
            return
        audits.record(db, member.id, "password_link", now, detail=Purpose.FORGOTTEN.value)
        link = invite.make_link(settings.public_url, settings.secret_key, member, Purpose.FORGOTTEN)
        body = render_template("sign_in/mail_forgotten.txt", called=member.called, link=link, line_name=settings.line_name)
        about = staff_threads.Concerns("password_link")
        row = staff_threads.write(db, open_.desk.sealer, member, Channel.EMAIL, "", body, Lane.REPLY, now, about)
    if row:
        open_.queue.wake_delivery([row], Lane.REPLY)


def _need_mail() -> None:
    settings = runtime().settings
    if not settings.smtp_url or not settings.staff_passwords:
        abort(404)


def _page(invited: Invited, account: Account, error: str = "", status: int = 200) -> Response:
    is_new = invited.purpose is Purpose.INVITATION
    values = {"called": account.called, "email": account.email, "is_new": is_new, "error": error}
    return make_response(render_template("sign_in/choose.html", shortest=passwords.SHORTEST, **values), status)


def _spent() -> Response:
    return steps.go("/sign-in?notice=spent")
