"""The pages at which staff sign in and out: password, second factor, its set-up, and a demo's one-press doors."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, render_template, request, session
from flask_security.utils import logout_user

from bot.domain.permissions import Role
from bot.storage import staff
from bot.web import forms
from bot.web.console import access
from bot.web.forms import runtime
from bot.web.sign_in import attempts, security, steps
from bot.web.sign_in.accounts import Account

sign_in = Blueprint("sign_in", __name__)

WRONG = (
    "That did not work. Look at the e-mail address and the password again. After several tries an account is closed for a "
    "while; an admin can send you a new link."
)
WRONG_CODE = "That code is not right, or it was used already. Wait for the next one and try again."
SHUT = "There were too many wrong codes. Your account is closed for a while; try again in some minutes."
_NOTICES = {
    "out": "You are signed out.",
    "everywhere": "You are signed out everywhere.",
    "late": "That took too long. Start again.",
    "spent": "This link was used already, or is too old. Ask for a new one.",
    "set": "Your password is set. Sign in with it.",
    "city": "The city's sign-in did not let you in here. If you work here, ask an admin to look at your account.",
    "city_away": "The city's sign-in does not answer. Try again in a minute.",
}
_ROLES = {
    Role.SOCIAL_WORKER: "social worker",
    Role.SUPERVISOR: "supervisor",
    Role.ADMIN: "admin",
    Role.AUDITOR: "auditor",
}


@sign_in.get("/sign-in")
def ask() -> Response:
    """The sign-in page; who is signed in already goes on."""
    if access.is_signed_in():
        return steps.go(steps.wanted())
    return _page(notice=_NOTICES.get(request.args.get("notice", ""), ""))


@sign_in.post("/sign-in")
def by_password() -> Response:
    """An e-mail address and a password. Every refusal says the same: who has an account here is nobody's business."""
    if not runtime().settings.staff_passwords:
        abort(404)
    if slow := _slowed():
        return slow
    account = attempts.by_password(forms.words("email"), forms.field("password"))
    if account is None:
        attempts.throttle().count(attempts.address())
        return _page(error=WRONG, status=422)
    return steps.after_first_factor(account, "password")


@sign_in.post("/sign-in/demo")
def as_somebody() -> Response:
    """A demo's one press: sign in as one of its people, without a password. No line with a carrier has this door."""
    if not runtime().settings.is_demo:
        abort(404)
    number = forms.field("staff")
    chosen = attempts.lock_row(Account.__table__.c.id == int(number)) if number.isascii() and number.isdecimal() else None
    if chosen is None or not chosen.may_come_in:
        return steps.go("/sign-in")
    return steps.go(steps.let_in(chosen, "demo"))


@sign_in.get("/sign-in/code")
def ask_code() -> Response:
    """The page for the second factor."""
    found = steps.pending()
    return _code_page(found[0]) if found and steps.has_second_factor(found[0]) else _too_late()


@sign_in.post("/sign-in/code")
def by_code() -> Response:
    """A code of the authenticator, or a recovery code."""
    found = steps.pending()
    if not found or not steps.has_second_factor(found[0]):
        return _too_late()
    account, how = found
    if slow := _slowed():
        return slow
    if attempts.is_shut(account, access.real_now(runtime())):
        return _code_page(account, SHUT, 429)
    taken = steps.take_code(account, forms.words("code"))
    if taken is None:
        attempts.throttle().count(attempts.address())
        attempts.failed(account, "second factor")
        return _code_page(account, WRONG_CODE, 422)
    if taken.recovery_left is None:
        return steps.go(steps.let_in(account, f"{how} and code"))
    onward = steps.let_in(account, f"{how} and recovery code")
    return steps.go("/console/account#second-factor" if taken.recovery_left < steps.FEW else onward)


@sign_in.get("/sign-in/set-up")
def ask_set_up() -> Response:
    """Everybody here needs a second factor, and they have none yet."""
    found = steps.pending()
    if not found or steps.has_second_factor(found[0]):
        return _too_late()
    return steps.setup_page("sign_in/set_up.html", found[0], action="/sign-in/set-up")


@sign_in.post("/sign-in/set-up")
def set_up() -> Response:
    """The first code of a new authenticator: it is on, they are in, and see their recovery codes once."""
    found = steps.pending()
    if not found or steps.has_second_factor(found[0]):
        return _too_late()
    account, how = found
    codes = steps.confirm_new(account, forms.words("code"))
    if codes is None:
        return steps.setup_page("sign_in/set_up.html", account, 422, action="/sign-in/set-up", error=WRONG_CODE)
    onward = steps.let_in(account, f"{how} and new second factor")
    return make_response(render_template("sign_in/codes.html", codes=codes, onward=onward))


@sign_in.post("/sign-out")
def sign_out() -> Response:
    """This browser is signed out; others stay in."""
    key = session.get("_user_id")
    account = attempts.lock_row(Account.__table__.c.fs_uniquifier == key) if key else None
    if account:
        steps.write_down(account, "signed_out")
    logout_user()
    session.clear()
    return steps.go("/sign-in?notice=out")


def _page(error: str = "", notice: str = "", status: int = 200) -> Response:
    settings = runtime().settings
    page = render_template(
        "sign_in/page.html",
        error=error,
        notice=notice,
        email=forms.words("email"),
        onward=steps.wanted(),
        passwords=settings.staff_passwords,
        city=bool(settings.oidc_issuer),
        forgotten=settings.staff_passwords and bool(settings.smtp_url),
        people=_demo_people() if settings.is_demo else [],
        line_name=settings.line_name,
    )
    return make_response(page, status)


def _demo_people() -> list[tuple[int, str, str]]:
    db = security.accounts().session
    shown = []
    for member in staff.all_active(db)[:24]:
        teams = ", ".join(sorted(slug.replace("_", " ") for slug in staff.teams_of(db, member.id)))
        roles = ", ".join(_ROLES[role] for role in Role if role in staff.roles(member))
        shown.append((member.id, member.name, f"{roles} ({teams})" if teams else roles))
    return shown


def _code_page(account: Account, error: str = "", status: int = 200) -> Response:
    left = len(account.mf_recovery_codes or [])
    return make_response(render_template("sign_in/code.html", error=error, has_recovery=left > 0), status)


def _too_late() -> Response:
    return steps.go("/sign-in?notice=late")


def _slowed() -> Response | None:
    wait = attempts.throttle().wait(attempts.address())
    if not wait:
        return None
    response = _page(error=f"Too many tries from here. Wait {-(-wait // 60)} minutes and try again.", status=429)
    response.headers["Retry-After"] = str(wait)
    return response
