"""The pages for signing in and out: password, second factor and its set-up, and the one-click sign-in of a demo."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, render_template, request, session
from flask_security.utils import logout_user

from bot.domain.staff.permissions import Role
from bot.usecases.demo.demo_staff import list_demo_accounts
from bot.web import access, forms
from bot.web.forms import current_runtime
from bot.web.sign_in import attempts, security, steps
from bot.web.sign_in.accounts import SignInAccount

sign_in = Blueprint("sign_in", __name__)

SIGN_IN_FAILED = (
    "That did not work. Look at the e-mail address and the password again. After several tries an account is closed for a "
    "while; an admin can send you a new link."
)
WRONG_CODE = "That code is not right, or it was used already. Wait for the next one and try again."
ACCOUNT_LOCKED = "There were too many wrong codes. Your account is closed for a while; try again in some minutes."
_NOTICES = {
    "out": "You are signed out.",
    "everywhere": "You are signed out everywhere.",
    "late": "That took too long. Start again.",
    "spent": "This link was used already, or is too old. Ask for a new one.",
    "set": "Your password is set. Sign in with it.",
    "city": "The city's sign-in did not let you in here. If you work here, ask an admin to look at your account.",
    "city_away": "The city's sign-in does not answer. Try again in a minute.",
}
_ROLE_LABELS = {
    Role.SOCIAL_WORKER: "social worker",
    Role.SUPERVISOR: "supervisor",
    Role.ADMIN: "admin",
    Role.AUDITOR: "auditor",
}


@sign_in.get("/sign-in")
def ask() -> Response:
    """The sign-in page; a staff member who is already signed in is redirected to where they were going."""
    if access.is_signed_in():
        return steps.redirect_to(steps.target_path())
    return _page(notice=_NOTICES.get(request.args.get("notice", ""), ""))


@sign_in.post("/sign-in")
def by_password() -> Response:
    """Sign in by e-mail address and password. All refusals read the same, so that they do not reveal who has an account."""
    if not current_runtime().settings.staff_passwords:
        abort(404)
    if slow := _throttled_response():
        return slow
    account = attempts.authenticate(forms.clean_text("email"), forms.field("password"))
    if account is None:
        attempts.current_throttle().add_failure(attempts.client_address())
        return _page(error=SIGN_IN_FAILED, status=422)
    return steps.after_first_factor(account, "password")


@sign_in.post("/sign-in/demo")
def as_somebody() -> Response:
    """Sign in to a demo as one of its staff, without a password; 404 outside of a demo."""
    if not current_runtime().settings.is_demo:
        abort(404)
    number = forms.field("staff")
    chosen = (
        attempts.lock_row(SignInAccount.__table__.c.id == int(number)) if number.isascii() and number.isdecimal() else None
    )
    if chosen is None or not chosen.may_sign_in:
        return steps.redirect_to("/sign-in")
    return steps.redirect_to(steps.start_session(chosen, "demo"))


@sign_in.get("/sign-in/code")
def ask_code() -> Response:
    """The page for the second factor."""
    found = steps.pending()
    return _code_page(found[0]) if found and steps.has_second_factor(found[0]) else _redirect_too_late()


@sign_in.post("/sign-in/code")
def by_code() -> Response:
    """Check a code from the authenticator app, or a recovery code."""
    found = steps.pending()
    if not found or not steps.has_second_factor(found[0]):
        return _redirect_too_late()
    account, how = found
    if slow := _throttled_response():
        return slow
    if attempts.is_locked(account, access.real_now(current_runtime())):
        return _code_page(account, ACCOUNT_LOCKED, 429)
    taken = steps.use_code(account, forms.clean_text("code"))
    if taken is None:
        attempts.current_throttle().add_failure(attempts.client_address())
        attempts.record_failure(account, "second factor")
        return _code_page(account, WRONG_CODE, 422)
    if taken.recovery_left is None:
        return steps.redirect_to(steps.start_session(account, f"{how} and code"))
    onward = steps.start_session(account, f"{how} and recovery code")
    return steps.redirect_to("/console/account#second-factor" if taken.recovery_left < steps.FEW_RECOVERY_CODES else onward)


@sign_in.get("/sign-in/set-up")
def ask_set_up() -> Response:
    """The page for setting up a second factor, if one is required and the account has none yet."""
    found = steps.pending()
    if not found or steps.has_second_factor(found[0]):
        return _redirect_too_late()
    return steps.setup_page("sign_in/set_up.html", found[0], action="/sign-in/set-up")


@sign_in.post("/sign-in/set-up")
def set_up() -> Response:
    """Check the first code of a new authenticator: turn it on, sign in, and show the recovery codes once."""
    found = steps.pending()
    if not found or steps.has_second_factor(found[0]):
        return _redirect_too_late()
    account, how = found
    codes = steps.confirm_second_factor(account, forms.clean_text("code"))
    if codes is None:
        return steps.setup_page("sign_in/set_up.html", account, 422, action="/sign-in/set-up", error=WRONG_CODE)
    onward = steps.start_session(account, f"{how} and new second factor")
    return make_response(render_template("sign_in/codes.html", codes=codes, onward=onward))


@sign_in.post("/sign-out")
def sign_out() -> Response:
    """Sign this browser out; the account's other sessions stay open."""
    key = session.get("_user_id")
    account = attempts.lock_row(SignInAccount.__table__.c.fs_uniquifier == key) if key else None
    if account:
        steps.record_audit(account, "signed_out")
    logout_user()
    session.clear()
    return steps.redirect_to("/sign-in?notice=out")


def _page(error: str = "", notice: str = "", status: int = 200) -> Response:
    settings = current_runtime().settings
    page = render_template(
        "sign_in/page.html",
        error=error,
        notice=notice,
        email=forms.clean_text("email"),
        onward=steps.target_path(),
        passwords=settings.staff_passwords,
        city=bool(settings.oidc_issuer),
        forgotten=settings.staff_passwords and bool(settings.smtp_url),
        people=_demo_people() if settings.is_demo else [],
        line_name=settings.line_name,
    )
    return make_response(page, status)


def _demo_people() -> list[tuple[int, str, str]]:
    shown = []
    for member in list_demo_accounts(security.accounts().session):
        teams = ", ".join(sorted(slug.replace("_", " ") for slug in member.teams))
        roles = ", ".join(_ROLE_LABELS[role] for role in Role if role in member.roles)
        shown.append((member.id, member.name, f"{roles} ({teams})" if teams else roles))
    return shown


def _code_page(account: SignInAccount, error: str = "", status: int = 200) -> Response:
    left = len(account.mf_recovery_codes or [])
    return make_response(render_template("sign_in/code.html", error=error, has_recovery=left > 0), status)


def _redirect_too_late() -> Response:
    return steps.redirect_to("/sign-in?notice=late")


def _throttled_response() -> Response | None:
    wait = attempts.current_throttle().seconds_to_wait(attempts.client_address())
    if not wait:
        return None
    response = _page(error=f"Too many tries from here. Wait {-(-wait // 60)} minutes and try again.", status=429)
    response.headers["Retry-After"] = str(wait)
    return response
