"""The social workers' own phones in a demo: alerts, relayed texts, ringing calls and mails, and answers to them.

Registered in a demo only, beside the phone simulator, whose cookie, secret and clock it shares. One more phone belongs to a
stranger who is not in the database: it shows what Warmline answers somebody who merely found an alert.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session

from bot import reception
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.domain.messages.segments import MAX_BODY_LENGTH, measure_segments
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.handoff import receive_staff_text
from bot.usecases.messages.read_thread import read_thread
from bot.usecases.staff.read_staff_thread import (
    StaffTelephone,
    StaffThreadView,
    TelephoneOwner,
    has_call,
    list_owners,
    read_telephone,
)
from bot.web import forms
from bot.web.demo import pretend_phones
from bot.web.demo.phones import NOTICES, browser_phones, clock_values, new_nonce, save_phones, verified_phones
from bot.web.demo.pretend_phones import BrowserPhones
from bot.web.formatting import linked
from bot.web.forms import current_runtime

staff_phone = Blueprint("staff_phone", __name__, url_prefix="/phone/staff")

COOKIE = "staff_phones"
STRANGER = "stranger"
MAX_OPEN = 3
OPEN_AT_FIRST = 2
SUGGESTIONS = ("1", "2", "#BACK", "#CLOSE", "#HELP")
KEYS = ("1", "2")
"""The keys that an alarm call offers; a wrong key (see ALL_KEYS) is answered too."""
ALL_KEYS = frozenset("0123456789*#")
DATABASE_AWAY = "The database is away, so nothing was done. Try again in a moment."
STAFF_NOTICES = NOTICES | {
    "nobody": "That phone is not on the table any more. Nothing was sent.",
    "no_number": "Nobody has told the line this phone's number, so it cannot text.",
    "no_call": "That call is not this phone's. Nothing was pressed.",
    "away": DATABASE_AWAY,
}


@dataclass(frozen=True, slots=True)
class OpenStaffPhone:
    """One open phone on the page. `lines` are the numbers that it can text, `line` the preselected one.

    `kept` is a reply that is not in the database, `draft` a refused text, `said` what the voice said after a key press.
    """

    key: str
    name: str
    about: str
    threads: tuple[StaffThreadView, ...] = ()
    lines: tuple[str, ...] = ()
    line: str = ""
    telephone: StaffTelephone | None = None
    address: Address | None = None
    is_down: bool = False
    kept: str = ""
    sent: str = ""
    draft: str = ""
    said: str = ""


@staff_phone.get("")
def table() -> Response:
    """The page with its open phones."""
    found = browser_phones()
    phones = found or pretend_phones.new_phones()
    response = make_response(_page(phones, STAFF_NOTICES.get(request.args.get("notice", ""), "")))
    return response if found else save_phones(response, phones)


@staff_phone.get("/news")
def news() -> Response:
    """The parts of the open page that can change, as HTML in JSON; 204 if nothing has changed."""
    phones = browser_phones()
    if phones is None:
        abort(404, "These pretend phones are not known here. Load the page again.")
    owners, shown_phones = _load_all(phones)
    if not owners and any(each.is_down for each in shown_phones):
        abort(503, "The database is away. What is on the page stays; it is asked for again.")
    values = _values(phones)
    pieces = {
        shown.key: {
            part: render_template(f"phone/staff_{part}.html", shown=shown, **values)
            for part in ("threads", "choices", "ringing", "calls", "mails")
        }
        | {"counts": _counts(shown)}
        for shown in shown_phones
    }
    digest = sha256(json.dumps([pieces, values["ahead"]]).encode()).hexdigest()[:16]
    if request.headers.get("X-Seen") == digest:
        return make_response("", 204)
    return jsonify(seen=digest, now=values["now"].isoformat(), ahead=values["ahead"], phones=pieces)


@staff_phone.post("/table")
def rearrange() -> Response:
    """Open or close a phone; which ones are open is no secret, so a plain cookie holds it."""
    phones = verified_phones()
    if phones is None:
        return _redirect_back("fresh")
    keys = [shown.key for shown in _load_all(phones)[1]]
    if opened := forms.field("open"):
        keys = [opened, *(key for key in keys if key != opened)][:MAX_OPEN]
    else:
        keys = [key for key in keys if key != forms.field("close")] or keys
    response = _redirect_back()
    response.set_cookie(
        COOKIE,
        ".".join(keys),
        path="/phone/staff",
        httponly=True,
        samesite="Strict",
        secure=current_runtime().settings.public_url.startswith("https://"),
        max_age=60 * 60 * 24 * 30,
    )
    return response


@staff_phone.post("/text")
def text() -> Response:
    """A social worker, or the stranger, sends a text to one of the staff numbers."""
    phones = verified_phones()
    if phones is None:
        return _redirect_back("fresh")
    shown = _find_phone(phones, forms.field("phone"))
    if shown is None or shown.is_down:
        return _redirect_back("away" if shown else "nobody")
    if shown.address is None:
        return _redirect_back("no_number")
    body = forms.clean_text("suggestion") or forms.clean_text("body")
    if not body:
        return _redirect_back("empty")
    if len(body) > MAX_BODY_LENGTH:
        return make_response(_page(phones, STAFF_NOTICES["long"], replace(shown, draft=body)), 422)
    line = forms.field("to") if forms.field("to") in shown.lines else shown.line
    taken = _receive_text(shown, shown.address, line, body)
    # Replies that are not in the database (in an outage, and to a stranger) appear in no thread.
    kept = "\n\n".join(reply.body for reply in taken.replies if not reply.id)
    if forms.is_script_request():
        return jsonify(kept=kept, **({} if taken.is_spooled else {"why": ""}))
    if not kept:
        return _redirect_back()
    return make_response(_page(phones, "", replace(shown, kept=kept, sent=body, line=line)))


@staff_phone.post("/key")
def press() -> Response:
    """Press a key during a call; the response shows what the voice says then."""
    phones = verified_phones()
    if phones is None:
        return _redirect_back("fresh")
    digit, call = forms.field("digit"), forms.field("call")
    if digit not in ALL_KEYS or not call.isdecimal():
        abort(400, "A key of a telephone is pressed in a call that rings.")
    try:
        said = _press_key(forms.field("phone"), int(call), digit)
    except DATABASE_ERRORS:
        return _redirect_back("away")
    if said is None:
        return _redirect_back("no_call")
    if forms.is_script_request():
        return jsonify(said=said)
    shown = _find_phone(phones, forms.field("phone"))
    return make_response(_page(phones, "", replace(shown, said=said) if shown else None))


def _press_key(key: str, message_id: int, digit: str) -> str | None:
    """What the voice says to this key; None if the call is not to this phone."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        if not key.isdecimal() or not has_call(db, int(key), message_id):
            return None
        return receive_staff_text.answer_call(db, runtime.context, message_id, digit, runtime.clock.now())


def _receive_text(shown: OpenStaffPhone, sender: Address, line: str, body: str) -> reception.ReceptionResult:
    runtime = current_runtime()
    inbound = InboundMessage(
        sid=forms.submission_id("SIMS", sender.value, line, forms.field("once"), body),
        sender=sender,
        to=line,
        body=body,
        received_at=runtime.clock.now(),
        extra={"NumSegments": str(measure_segments(body).segments)},
    )
    return reception.accept_from_staff(runtime, inbound)


def _load_all(phones: BrowserPhones) -> tuple[list[TelephoneOwner], list[OpenStaffPhone]]:
    """The owners of all staff phones, and the open phones."""
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            owners = list_owners(db)
            keys = _open_keys() or [str(owner.id) for owner in owners if owner.has_number][:OPEN_AT_FIRST] or [STRANGER]
            found = [shown for key in keys if (shown := _load_phone(db, phones, key))]
            return owners, found or [_load_stranger(db, phones)]
    except DATABASE_ERRORS:
        return [], [OpenStaffPhone(STRANGER, "A stranger", "in nobody's record", (_empty_thread(""),), is_down=True)]


def _find_phone(phones: BrowserPhones, key: str) -> OpenStaffPhone | None:
    """The phone with that key; None if there is none, one with `is_down` if the database is away."""
    try:
        with current_runtime().database.transaction() as db:
            return _load_phone(db, phones, key)
    except DATABASE_ERRORS:
        return OpenStaffPhone(key, "", "", is_down=True)


def _load_phone(db: Session, phones: BrowserPhones, key: str) -> OpenStaffPhone | None:
    if key == STRANGER:
        return _load_stranger(db, phones)
    runtime = current_runtime()
    found = read_telephone(db, runtime.context.sealer, int(key), runtime.clock.now()) if key.isdecimal() else None
    if found is None:
        return None
    lines = tuple(thread.line for thread in found.threads) or runtime.settings.staff_numbers[:1]
    about = ", ".join(role.replace("_", " ") for role in found.owner.roles) or "no role"
    threads = found.threads or tuple(_empty_thread(line) for line in lines)
    return OpenStaffPhone(key, found.owner.name, about, threads, lines, found.last_line or lines[0], found, found.address)


def _load_stranger(db: Session, phones: BrowserPhones) -> OpenStaffPhone:
    runtime = current_runtime()
    # Derived from the browser's secret: each visitor of a demo has their own stranger, who stays the same.
    address = Address(Channel.SIMULATOR, f"stranger-{sha256(phones.secret.encode()).hexdigest()[:16]}")
    lines = runtime.settings.staff_numbers
    texts = read_thread(db, runtime.context.sealer, address)
    thread = replace(_empty_thread(""), texts=tuple(texts))
    return OpenStaffPhone(STRANGER, "A stranger", "in nobody's record", (thread,), lines, lines[0], address=address)


def _empty_thread(line: str) -> StaffThreadView:
    return StaffThreadView(line, talks=False, opted_out=False, unreachable="", texts=())


def _counts(shown: OpenStaffPhone) -> dict[str, int]:
    phone = shown.telephone
    return {"calls": len(phone.ringing), "mails": len(phone.mails)} if phone else {}


def _open_keys() -> list[str]:
    """The open phones by the cookie: staff ids, or the stranger's key."""
    keys = request.cookies.get(COOKIE, "").split(".")
    known = [key for key in keys if key == STRANGER or (key.isdecimal() and len(key) < 19)]
    return list(dict.fromkeys(known))[:MAX_OPEN]


def _page(phones: BrowserPhones, notice: str, changed: OpenStaffPhone | None = None) -> str:
    owners, shown_phones = _load_all(phones)
    if changed:
        shown_phones = [changed if each.key == changed.key else each for each in shown_phones]
    return render_template(
        "phone/staff.html",
        owners=owners,
        shown_phones=shown_phones,
        open_keys=[each.key for each in shown_phones],
        notice=notice,
        once=new_nonce,
        counts=_counts,
        **_values(phones),
    )


def _values(phones: BrowserPhones) -> dict[str, Any]:
    return clock_values() | {
        "secret": phones.secret,
        "line_name": current_runtime().settings.line_name,
        "suggestions": SUGGESTIONS,
        "keys": KEYS,
        "most": MAX_BODY_LENGTH,
        "measure": measure_segments,
        "linked_home": _link_console_urls,
        "clock_page": "staff",
    }


def _link_console_urls(text: str) -> Markup:
    """One of our own texts as HTML with its links; links to our own console become relative, so that they work wherever
    the demo is served."""
    home = current_runtime().settings.public_url.rstrip("/")
    parts: list[Markup] = []
    end = 0
    for found in re.finditer(rf"{re.escape(home)}(/[\w./?=&#-]*[\w/])", text):
        parts.append(linked(text[end : found.start()]))
        parts.append(Markup('<a href="{}" target="_blank" rel="noopener">{}</a>').format(found[1], found[0]))
        end = found.end()
    return Markup("").join([*parts, linked(text[end:])])


def _redirect_back(notice: str = "") -> Response:
    """Redirect to the page, so that a reload repeats nothing; for our script only JSON with the error, if any."""
    if forms.is_script_request():
        return make_response(jsonify(error=STAFF_NOTICES.get(notice, "")), 422 if notice else 200)
    return make_response(redirect(url_for("staff_phone.table", notice=notice or None), 303))
