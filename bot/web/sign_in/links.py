"""The pages behind an invitation or password-reset link, where a staff member chooses a password."""

from __future__ import annotations

from flask import Response, abort, make_response, render_template
from flask_security.utils import hash_password

from bot.domain.messages.message import OutboxLane
from bot.domain.staff import passwords
from bot.usecases.staff import invite
from bot.usecases.staff.invite import LinkPurpose, PasswordLink
from bot.web import access, forms
from bot.web.forms import current_runtime
from bot.web.sign_in import attempts, security, steps
from bot.web.sign_in.accounts import SignInAccount
from bot.web.sign_in.pages import sign_in


@sign_in.get("/sign-in/link/<token>")
def open_link(token: str) -> Response:
    """Show the form. Mail programs open links before their reader does, so only posting the form uses up the link."""
    found = _load_invited(token)
    return _page(*found) if found else _redirect_used_link()


@sign_in.post("/sign-in/link/<token>")
def choose_password(token: str) -> Response:
    """Set the password; the account's open sessions and older links become invalid."""
    found = _load_invited(token)
    if found is None:
        return _redirect_used_link()
    invited, account = found
    chosen = security.current_security().password_util.normalize(forms.field("password"))
    if complaint := passwords.refusal_reason(chosen, (account.name, account.email)):
        return _page(invited, account, complaint, 422)
    set_password(account, chosen, invited.purpose.value)
    return steps.after_first_factor(account, invited.purpose.value)


@sign_in.get("/sign-in/forgotten")
def ask_forgotten() -> Response:
    """The form for asking for a reset link; 404 if no mail server or no passwords are configured."""
    _require_mail()
    return make_response(render_template("sign_in/forgotten.html", sent=False))


@sign_in.post("/sign-in/forgotten")
def send_forgotten() -> Response:
    """Mail a reset link. The response is always the same, so that it does not reveal who has an account."""
    _require_mail()
    if not attempts.current_throttle().seconds_to_wait(attempts.client_address()):
        attempts.current_throttle().add_failure(attempts.client_address())
        _mail_link(forms.clean_text("email"))
    return make_response(render_template("sign_in/forgotten.html", sent=True))


def set_password(account: SignInAccount, password: str, how: str) -> None:
    """Store a password that the caller has checked, and end the account's sessions and links. The caller keeps its own
    session alive, if it wants to."""
    account.password = str(hash_password(password))
    account.confirmed_at = account.confirmed_at or access.real_now(current_runtime())
    account.failed_sign_ins, account.locked_until = 0, None
    security.accounts().set_uniquifier(account)
    steps.record_audit(account, "password_changed", how)


def _load_invited(token: str) -> tuple[PasswordLink, SignInAccount] | None:
    settings = current_runtime().settings
    if not settings.staff_passwords:
        return None
    invited = invite.verify_link(security.accounts().session, settings.secret_key, token)
    if invited is None:
        return None
    account = attempts.lock_row(SignInAccount.__table__.c.id == invited.staff_id)
    # Verify again with the row locked: of two simultaneous requests only one may set a password.
    if account is None or invite.verify_link(security.accounts().session, settings.secret_key, token) != invited:
        return None
    return invited, account


def _mail_link(email: str) -> None:
    runtime = current_runtime()
    settings, now = runtime.settings, runtime.clock.now()
    with runtime.database.transaction() as db:
        row = invite.queue_reset_mail(
            db, runtime.context.sealer, email, settings.public_url, settings.secret_key, now, _reset_mail
        )
    if row:
        runtime.queue.wake_delivery([row], OutboxLane.REPLY)


def _reset_mail(called: str, link: str) -> str:
    line_name = current_runtime().settings.line_name
    return render_template("sign_in/mail_forgotten.txt", called=called, link=link, line_name=line_name)


def _require_mail() -> None:
    settings = current_runtime().settings
    if not settings.smtp_url or not settings.staff_passwords:
        abort(404)


def _page(invited: PasswordLink, account: SignInAccount, error: str = "", status: int = 200) -> Response:
    is_new = invited.purpose is LinkPurpose.INVITATION
    values = {"called": account.called, "email": account.email, "is_new": is_new, "error": error}
    return make_response(render_template("sign_in/choose.html", shortest=passwords.MIN_LENGTH, **values), status)


def _redirect_used_link() -> Response:
    return steps.redirect_to("/sign-in?notice=spent")
