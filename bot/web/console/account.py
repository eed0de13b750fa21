"""The staff member's own account page: name, languages, alert channels, password, second factor, signing out everywhere.

Changes that a stranger at an open page could use to keep access (phone, second factor, codes) need the password or a code
again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, session

from bot.domain.languages import english_name
from bot.domain.staff import passwords
from bot.domain.staff.permissions import Permission
from bot.usecases.offered_languages import read_offered_languages
from bot.usecases.staff import manage_own_account
from bot.usecases.staff.manage_own_account import DuplicateStaff, InvalidPhone
from bot.web import access, forms
from bot.web.access import current_user, require_permission
from bot.web.forms import current_runtime
from bot.web.sign_in import attempts, links, security, steps
from bot.web.sign_in.accounts import SignInAccount

account = Blueprint("account", __name__, url_prefix="/console")

PROOF_BY_SIGN_IN = timedelta(minutes=10)
"""How long a sign-in counts as proof of identity for accounts with neither password nor code: the city has checked it."""
MAX_NAME_LENGTH = 40

_IDENTITY_NOT_PROVEN = "That password or code is not right. Nothing was changed."
_SUCCESS_TEXTS = {
    "saved": "Saved.",
    "phone": "Your telephone number is changed.",
    "password": "Your password is changed. Every other browser is signed out.",
    "factor_off": "Your second factor is off.",
}


@account.get("/start")
@require_permission(Permission.EDIT_OWN)
def start() -> Response:
    """After the sign-in: redirect to the first page that the staff member may open."""
    pages = (
        (Permission.SEE_INBOX, "/console"),
        (Permission.EDIT_STAFF, "/console/staff"),
        (Permission.SEE_AUDIT, "/console/audit"),
    )
    return _redirect_to(next((path for permission, path in pages if current_user().may(permission)), "/console/account"))


@account.get("/account")
@require_permission(Permission.EDIT_OWN)
def show() -> Response:
    return _page(said=_SUCCESS_TEXTS.get(request.args.get("said", ""), ""))


@account.post("/account/self")
@require_permission(Permission.EDIT_OWN)
def change_self() -> Response:
    """Change the name that people are told, and the languages that the staff member speaks with them."""
    called = forms.clean_text("called")
    if not called or len(called) > MAX_NAME_LENGTH or "\n" in called:
        return _page(f"Write the first name that people are told, in up to {MAX_NAME_LENGTH} characters.", 422)
    spoken = [code for code in _language_choices(()) if code in request.form.getlist("language")]
    if not spoken:
        return _page("Choose at least one language that you speak.", 422)
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        manage_own_account.change_self(
            db, current_user().id, called, bool(forms.field("tells_name")), spoken, runtime.clock.now()
        )
    return _redirect_to("/console/account?said=saved")


@account.post("/account/alerts")
@require_permission(Permission.EDIT_OWN)
def change_alerts() -> Response:
    """Change the channels by which the staff member is alerted. At least one must stay on, or alerts would be lost."""
    text, email, voice = (bool(forms.field(way)) for way in ("text", "email", "voice"))
    if not (text or email or voice):
        return _page("Leave at least one way on. Who is away for a while is taken off the roster instead.", 422)
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        manage_own_account.change_alerts(
            db, current_user().id, by_text=text, by_email=email, by_voice=voice, now=runtime.clock.now()
        )
    return _redirect_to("/console/account?said=saved")


@account.post("/account/phone")
@require_permission(Permission.EDIT_OWN)
def change_phone() -> Response:
    """Change the phone number. Needs proof of identity: the owner of this phone can answer alerts as this staff member."""
    if current_runtime().settings.is_demo:
        return _page("The pretend telephones of a demo cannot be changed.", 422)
    if _prove_identity() is None:
        return _page(_IDENTITY_NOT_PROVEN, 422)
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            manage_own_account.change_phone(
                db, runtime.context.sealer, current_user().id, forms.clean_text("phone"), runtime.clock.now()
            )
    except (InvalidPhone, DuplicateStaff) as problem:
        return _page(str(problem), 422)
    return _redirect_to("/console/account?said=phone")


@account.post("/account/password")
@require_permission(Permission.EDIT_OWN)
def change_password() -> Response:
    """Set a new password; the account's other sessions end."""
    mine = _prove_identity() if current_runtime().settings.staff_passwords else None
    if mine is None:
        return _page(_IDENTITY_NOT_PROVEN, 422)
    chosen = security.current_security().password_util.normalize(forms.field("password"))
    if complaint := passwords.refusal_reason(chosen, (mine.name, mine.email)):
        return _page(complaint, 422)
    links.set_password(mine, chosen, "own page")
    session["_user_id"] = mine.fs_uniquifier
    return _redirect_to("/console/account?said=password")


@account.get("/account/second-factor")
@require_permission(Permission.EDIT_OWN)
def ask_second_factor() -> Response:
    """Show the QR code to scan, for a first or a new authenticator."""
    return _set_up_page()


@account.post("/account/second-factor")
@require_permission(Permission.EDIT_OWN)
def turn_on() -> Response:
    """Turn the new authenticator on with its first code; the old one and its recovery codes become invalid."""
    mine = _prove_identity()
    if mine is None:
        return _set_up_page(_IDENTITY_NOT_PROVEN, 422)
    codes = steps.confirm_second_factor(mine, forms.clean_text("code"))
    if codes is None:
        return _set_up_page("That code is not right. Look at your app for the newest one.", 422)
    return _codes_page(codes)


@account.post("/account/second-factor/off")
@require_permission(Permission.EDIT_OWN)
def turn_off() -> Response:
    """Turn the second factor off, unless it is required of all staff."""
    if current_runtime().settings.needs_second_factor:
        return _page("Everybody here needs a second factor. You can set up another one in place of it.", 422)
    mine = _prove_identity()
    if mine is None:
        return _page(_IDENTITY_NOT_PROVEN, 422)
    security.accounts().tf_reset(mine)
    security.accounts().mf_set_recovery_codes(mine, None)
    steps.record_audit(mine, "second_factor_off")
    return _redirect_to("/console/account?said=factor_off")


@account.post("/account/codes")
@require_permission(Permission.EDIT_OWN)
def new_codes() -> Response:
    """Make new recovery codes, shown once; the old ones become invalid."""
    mine = _prove_identity()
    if mine is None or not steps.has_second_factor(mine):
        return _page(_IDENTITY_NOT_PROVEN, 422)
    codes = security.recovery_codes().create_recovery_codes(mine)
    steps.record_audit(mine, "account_changed", "recovery codes")
    return _codes_page(codes)


@account.post("/account/everywhere")
@require_permission(Permission.EDIT_OWN)
def sign_out_everywhere() -> Response:
    """End all sessions of the account, also this one."""
    mine = attempts.lock_row(SignInAccount.__table__.c.id == current_user().id)
    if mine:
        security.accounts().set_uniquifier(mine)
        steps.record_audit(mine, "signed_out", "everywhere")
    session.clear()
    return _redirect_to("/sign-in?notice=everywhere")


def _prove_identity() -> SignInAccount | None:
    """The signed-in account, with its row locked, if the posted password or code proves it; None, counted and audited,
    otherwise."""
    mine = attempts.lock_row(SignInAccount.__table__.c.id == current_user().id)
    now = access.real_now(current_runtime())
    if mine is None or attempts.is_locked(mine, now):
        return None
    typed = forms.field("proof")
    if not mine.password and not steps.has_second_factor(mine):
        return mine if now.timestamp() - session["since"] < PROOF_BY_SIGN_IN.total_seconds() else None
    has_shown = (steps.has_second_factor(mine) and steps.use_code(mine, typed)) or (
        mine.password and attempts.is_password(mine, typed)
    )
    if not has_shown:
        attempts.record_failure(mine, "own page")
        return None
    # The code counts as used whatever happens next, and the caller may need the row in another database session.
    security.accounts().commit()
    return mine


def _page(error: str = "", status: int = 200, *, said: str = "") -> Response:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        member = manage_own_account.read_own(db, runtime.context.sealer, current_user().id)
    page = render_template(
        "console/account.html",
        member=member,
        phone_end=member.phone_end,
        choices={code: english_name(code) for code in _language_choices(member.languages)},
        roles=[role.replace("_", " ") for role in sorted(current_user().roles)],
        teams=[team.replace("_", " ") for team in sorted(current_user().teams)],
        codes_left=member.recovery_codes_left,
        has_factor=member.has_second_factor,
        asks_proof=member.needs_proof,
        settings=runtime.settings,
        shortest=passwords.MIN_LENGTH,
        longest_name=MAX_NAME_LENGTH,
        error=error,
        said=said,
    )
    return make_response(page, status)


def _set_up_page(error: str = "", status: int = 200) -> Response:
    mine = attempts.lock_row(SignInAccount.__table__.c.id == current_user().id)
    assert mine is not None  # the guard has just read it
    values = {
        "error": error,
        "asks_proof": bool(mine.password or mine.tf_totp_secret),
        "has_factor": steps.has_second_factor(mine),
    }
    return steps.setup_page("console/second_factor.html", mine, status, **values)


def _codes_page(codes: list[str]) -> Response:
    return make_response(render_template("sign_in/codes.html", codes=codes, onward="/console/account"))


def _language_choices(own: Any) -> list[str]:
    return list(dict.fromkeys((*current_runtime().settings.languages, *read_offered_languages().staff, *own)))


def _redirect_to(path: str) -> Response:
    return make_response(redirect(path, 303))
