"""One's own page: how residents hear of me, how I am called out, my password and second factor, and signing out everywhere.

What a stranger at an open page could use to stay in (telephone, second factor, codes) asks for a password or a code again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from babel import Locale
from flask import Blueprint, Response, make_response, redirect, render_template, request, session

from bot.domain import passwords
from bot.domain.permissions import Permission
from bot.storage import staff
from bot.storage.staff_tables import Staff
from bot.web import forms
from bot.web.console import access
from bot.web.console.access import me, needs, record
from bot.web.forms import runtime
from bot.web.sign_in import attempts, links, security, steps
from bot.web.sign_in.accounts import Account

account = Blueprint("account", __name__, url_prefix="/console")

SPOKEN = ("en", "es", "bs", "vi", "ar", "zh", "fr", "so", "sw", "ps", "fa", "uk", "ru", "am", "ne", "pt")
"""What people in the city speak, the commonest first."""
FRESH = timedelta(minutes=10)
"""So long after a sign-in it counts as proof for who has neither password nor code: the city's sign-in has seen them."""
LONGEST_NAME = 40

_NOT_PROVEN = "That password or code is not right. Nothing was changed."
_SAID = {
    "saved": "Saved.",
    "phone": "Your telephone number is changed.",
    "password": "Your password is changed. Every other browser is signed out.",
    "factor_off": "Your second factor is off.",
}


@account.get("/start")
@needs(Permission.EDIT_OWN)
def start() -> Response:
    """Where somebody arrives after the sign-in: the first page of theirs."""
    pages = (
        (Permission.SEE_INBOX, "/console"),
        (Permission.EDIT_STAFF, "/console/staff"),
        (Permission.SEE_AUDIT, "/console/audit"),
    )
    return _to(next((path for permission, path in pages if me().may(permission)), "/console/account"))


@account.get("/account")
@needs(Permission.EDIT_OWN)
def show() -> Response:
    return _page(said=_SAID.get(request.args.get("said", ""), ""))


@account.post("/account/self")
@needs(Permission.EDIT_OWN)
def change_self() -> Response:
    """The name that residents are told, and the languages that I speak with them."""
    called = forms.words("called")
    if not called or len(called) > LONGEST_NAME or "\n" in called:
        return _page(f"Write the first name that people are told, in up to {LONGEST_NAME} characters.", 422)
    spoken = [code for code in _choices(()) if code in request.form.getlist("language")]
    if not spoken:
        return _page("Choose at least one language that you speak.", 422)
    return _change(called=called, tells_name=bool(forms.field("tells_name")), languages=spoken)


@account.post("/account/alerts")
@needs(Permission.EDIT_OWN)
def change_alerts() -> Response:
    """By which ways I am called out. At least one must be left, or nobody would ever come."""
    ways = {f"alerts_by_{way}": bool(forms.field(way)) for way in ("text", "email", "voice")}
    if not any(ways.values()):
        return _page("Leave at least one way on. Who is away for a while is taken off the roster instead.", 422)
    return _change(**ways)


@account.post("/account/phone")
@needs(Permission.EDIT_OWN)
def change_phone() -> Response:
    """Where I am alerted; whoever has this telephone may answer for me, so it is asked again who I am."""
    if runtime().settings.is_demo:
        return _page("The pretend telephones of a demo cannot be changed.", 422)
    if _prove() is None:
        return _page(_NOT_PROVEN, 422)
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            member = _mine(db)
            staff.set_phone(db, open_.desk.sealer, member, forms.words("phone"))
            record(db, "account_changed", open_.clock.now(), detail="telephone")
    except (staff.BadPhone, staff.Taken) as problem:
        return _page(str(problem), 422)
    return _to("/console/account?said=phone")


@account.post("/account/password")
@needs(Permission.EDIT_OWN)
def change_password() -> Response:
    """A new password; every other session of mine ends."""
    mine = _prove() if runtime().settings.staff_passwords else None
    if mine is None:
        return _page(_NOT_PROVEN, 422)
    chosen = security.engine().password_util.normalize(forms.field("password"))
    if complaint := passwords.complaint(chosen, (mine.name, mine.email)):
        return _page(complaint, 422)
    links.set_password(mine, chosen, "own page")
    session["_user_id"] = mine.fs_uniquifier
    return _to("/console/account?said=password")


@account.get("/account/second-factor")
@needs(Permission.EDIT_OWN)
def ask_second_factor() -> Response:
    """The picture to scan, for a first or a new authenticator."""
    return _set_up_page()


@account.post("/account/second-factor")
@needs(Permission.EDIT_OWN)
def turn_on() -> Response:
    """The new authenticator is on with its first code; the one before is worth nothing, nor are its recovery codes."""
    mine = _prove()
    if mine is None:
        return _set_up_page(_NOT_PROVEN, 422)
    codes = steps.confirm_new(mine, forms.words("code"))
    if codes is None:
        return _set_up_page("That code is not right. Look at your app for the newest one.", 422)
    return _codes_page(codes)


@account.post("/account/second-factor/off")
@needs(Permission.EDIT_OWN)
def turn_off() -> Response:
    """Only where the line does not require one."""
    if runtime().settings.needs_second_factor:
        return _page("Everybody here needs a second factor. You can set up another one in place of it.", 422)
    mine = _prove()
    if mine is None:
        return _page(_NOT_PROVEN, 422)
    security.accounts().tf_reset(mine)
    security.accounts().mf_set_recovery_codes(mine, None)
    steps.write_down(mine, "second_factor_off")
    return _to("/console/account?said=factor_off")


@account.post("/account/codes")
@needs(Permission.EDIT_OWN)
def new_codes() -> Response:
    """New recovery codes, shown once; the older ones are worth nothing."""
    mine = _prove()
    if mine is None or not steps.has_second_factor(mine):
        return _page(_NOT_PROVEN, 422)
    codes = security.recovery().create_recovery_codes(mine)
    steps.write_down(mine, "account_changed", "recovery codes")
    return _codes_page(codes)


@account.post("/account/everywhere")
@needs(Permission.EDIT_OWN)
def sign_out_everywhere() -> Response:
    """Every session of mine ends, this one too."""
    mine = attempts.lock_row(Account.__table__.c.id == me().id)
    if mine:
        security.accounts().set_uniquifier(mine)
        steps.write_down(mine, "signed_out", "everywhere")
    session.clear()
    return _to("/sign-in?notice=everywhere")


def _prove() -> Account | None:
    """My account, once I have shown again that it is me; None, counted and audited, otherwise."""
    mine = attempts.lock_row(Account.__table__.c.id == me().id)
    now = access.real_now(runtime())
    if mine is None or attempts.is_shut(mine, now):
        return None
    typed = forms.field("proof")
    if not mine.password and not steps.has_second_factor(mine):
        return mine if now.timestamp() - session["since"] < FRESH.total_seconds() else None
    has_shown = (steps.has_second_factor(mine) and steps.take_code(mine, typed)) or (
        mine.password and attempts.fits(mine, typed)
    )
    if not has_shown:
        attempts.failed(mine, "own page")
        return None
    # A code that was shown is used, whatever comes after; and the row must be free for what follows in another session.
    security.accounts().commit()
    return mine


def _mine(db: Any) -> Staff:
    found = staff.get(db, me().id)
    assert found is not None  # the guard has just read it
    return found


def _change(**values: Any) -> Response:
    open_ = runtime()
    with open_.database.transaction() as db:
        member = _mine(db)
        for name, value in values.items():
            setattr(member, name, value)
        record(db, "account_changed", open_.clock.now(), detail=" ".join(values))
    return _to("/console/account?said=saved")


def _page(error: str = "", status: int = 200, *, said: str = "") -> Response:
    open_ = runtime()
    with open_.database.transaction() as db:
        member = _mine(db)
        phone = staff.phone(open_.desk.sealer, member)
    page = render_template(
        "console/account.html",
        member=member,
        phone_end=phone.value[-4:] if phone else "",
        choices={code: _named(code) for code in _choices(member.languages)},
        roles=[role.replace("_", " ") for role in sorted(me().roles)],
        teams=[team.replace("_", " ") for team in sorted(me().teams)],
        codes_left=len(member.mf_recovery_codes or []),
        has_factor=bool(member.tf_totp_secret and member.tf_primary_method),
        asks_proof=_asks_proof(member),
        settings=open_.settings,
        shortest=passwords.SHORTEST,
        longest_name=LONGEST_NAME,
        error=error,
        said=said,
    )
    return make_response(page, status)


def _set_up_page(error: str = "", status: int = 200) -> Response:
    mine = attempts.lock_row(Account.__table__.c.id == me().id)
    assert mine is not None  # the guard has just read it
    values = {"error": error, "asks_proof": _asks_proof(mine), "has_factor": steps.has_second_factor(mine)}
    return steps.setup_page("console/second_factor.html", mine, status, **values)


def _codes_page(codes: list[str]) -> Response:
    return make_response(render_template("sign_in/codes.html", codes=codes, onward="/console/account"))


def _asks_proof(whose: Staff | Account) -> bool:
    return bool(whose.password or whose.tf_totp_secret)


def _choices(own: Any) -> list[str]:
    return list(dict.fromkeys((*runtime().settings.languages, *SPOKEN, *own)))


def _named(code: str) -> str:
    try:
        return str(Locale.parse(code, sep="-").get_display_name("en") or code)
    except ValueError:
        return code


def _to(path: str) -> Response:
    return make_response(redirect(path, 303))
