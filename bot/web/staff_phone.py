"""The social workers' own telephones in a demo: alerts, relayed texts, ringing calls and mails, answered as they would be.

Registered in a demo only, beside the phone simulator, whose table, secret and clock it shares. One more telephone belongs
to a stranger, who is in nobody's record: one sees what the line says to somebody who only found an alert.
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
from bot.domain.message import Address, Channel, Inbound
from bot.domain.segments import LONGEST_BODY, measure
from bot.storage.database import DATABASE_ERRORS
from bot.usecases import staff_texts
from bot.usecases.read_staff_thread import Owner, Telephone, Thread, is_called, list_owners, read_telephone
from bot.usecases.read_thread import read_thread
from bot.web import forms, pretend_phones
from bot.web.forms import runtime
from bot.web.phone import NOTICES, checked_table, clock_values, once, own_table, remember
from bot.web.pretend_phones import Table
from bot.web.shown import linked

staff_phone = Blueprint("staff_phone", __name__, url_prefix="/phone/staff")

COOKIE = "staff_phones"
STRANGER = "stranger"
MOST_OPEN = 3
FIRST_OPEN = 2
SUGGESTIONS = ("1", "2", "#BACK", "#CLOSE", "#HELP")
KEYS = ("1", "2")
"""What an alarm call asks for; a telephone has more keys, and a wrong one is answered too."""
ALL_KEYS = frozenset("0123456789*#")
AWAY = "The database is away, so nothing was done. Try again in a moment."
SAID = NOTICES | {
    "nobody": "That phone is not on the table any more. Nothing was sent.",
    "no_number": "Nobody has told the line this phone's number, so it cannot text.",
    "no_call": "That call is not this phone's. Nothing was pressed.",
    "away": AWAY,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One open telephone on the page. `lines` are the numbers that it can text, `line` the one it does at first.

    `kept` is a reply that is no row, `draft` a refused text, `said` what the voice said when a key was pressed.
    """

    key: str
    name: str
    about: str
    threads: tuple[Thread, ...] = ()
    lines: tuple[str, ...] = ()
    line: str = ""
    telephone: Telephone | None = None
    address: Address | None = None
    is_down: bool = False
    kept: str = ""
    sent: str = ""
    draft: str = ""
    said: str = ""


@staff_phone.get("")
def table() -> Response:
    """The page with its open telephones."""
    found = own_table()
    laid = found or pretend_phones.fresh()
    response = make_response(_page(laid, SAID.get(request.args.get("notice", ""), "")))
    return response if found else remember(response, laid)


@staff_phone.get("/news")
def news() -> Response:
    """All that may have changed on the open page, as pieces of it; 204 while nothing has."""
    laid = own_table()
    if laid is None:
        abort(404, "These pretend phones are not known here. Load the page again.")
    owners, shown_phones = _all(laid)
    if not owners and any(each.is_down for each in shown_phones):
        abort(503, "The database is away. What is on the page stays; it is asked for again.")
    values = _values(laid)
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
    """Open a telephone or put one away; which ones lie open is no secret, so a plain cookie holds it."""
    laid = checked_table()
    if laid is None:
        return _back("fresh")
    keys = [shown.key for shown in _all(laid)[1]]
    if opened := forms.field("open"):
        keys = [opened, *(key for key in keys if key != opened)][:MOST_OPEN]
    else:
        keys = [key for key in keys if key != forms.field("close")] or keys
    response = _back()
    response.set_cookie(
        COOKIE,
        ".".join(keys),
        path="/phone/staff",
        httponly=True,
        samesite="Strict",
        secure=runtime().settings.public_url.startswith("https://"),
        max_age=60 * 60 * 24 * 30,
    )
    return response


@staff_phone.post("/text")
def text() -> Response:
    """A social worker, or the stranger, texts to a number of the pool."""
    laid = checked_table()
    if laid is None:
        return _back("fresh")
    shown = _find(laid, forms.field("phone"))
    if shown is None or shown.is_down:
        return _back("away" if shown else "nobody")
    if shown.address is None:
        return _back("no_number")
    body = forms.words("suggestion") or forms.words("body")
    if not body:
        return _back("empty")
    if len(body) > LONGEST_BODY:
        return make_response(_page(laid, SAID["long"], replace(shown, draft=body)), 422)
    line = forms.field("to") if forms.field("to") in shown.lines else shown.line
    taken = _take(shown, shown.address, line, body)
    # What belongs to no row (in an outage, and to a stranger) stands in no thread.
    kept = "\n\n".join(reply.body for reply in taken.replies if not reply.id)
    if forms.asks_for_part():
        return jsonify(kept=kept, **({} if taken.kept else {"why": ""}))
    if not kept:
        return _back()
    return make_response(_page(laid, "", replace(shown, kept=kept, sent=body, line=line)))


@staff_phone.post("/key")
def press() -> Response:
    """A key is pressed while a call speaks; what the voice says then is shown."""
    laid = checked_table()
    if laid is None:
        return _back("fresh")
    digit, call = forms.field("digit"), forms.field("call")
    if digit not in ALL_KEYS or not call.isdecimal():
        abort(400, "A key of a telephone is pressed in a call that rings.")
    try:
        said = _answer(forms.field("phone"), int(call), digit)
    except DATABASE_ERRORS:
        return _back("away")
    if said is None:
        return _back("no_call")
    if forms.asks_for_part():
        return jsonify(said=said)
    shown = _find(laid, forms.field("phone"))
    return make_response(_page(laid, "", replace(shown, said=said) if shown else None))


def _answer(key: str, message_id: int, digit: str) -> str | None:
    """What the voice says to this key; None where the call is not this telephone's."""
    open_ = runtime()
    with open_.database.transaction() as db:
        if not key.isdecimal() or not is_called(db, int(key), message_id):
            return None
        return staff_texts.answer_call(db, open_.desk, message_id, digit, open_.clock.now())


def _take(shown: Shown, sender: Address, line: str, body: str) -> reception.Reception:
    open_ = runtime()
    inbound = Inbound(
        sid=forms.sid("SIMS", sender.value, line, forms.field("once"), body),
        sender=sender,
        to=line,
        body=body,
        received_at=open_.clock.now(),
        extra={"NumSegments": str(measure(body).segments)},
    )
    return reception.take_from_staff(open_, inbound)


def _all(laid: Table) -> tuple[list[Owner], list[Shown]]:
    """Everybody's telephone, and the open ones."""
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            owners = list_owners(db)
            keys = _open_keys() or [str(owner.id) for owner in owners if owner.has_number][:FIRST_OPEN] or [STRANGER]
            found = [shown for key in keys if (shown := _shown(db, laid, key))]
            return owners, found or [_stranger(db, laid)]
    except DATABASE_ERRORS:
        return [], [Shown(STRANGER, "A stranger", "in nobody's record", (_nothing(""),), is_down=True)]


def _find(laid: Table, key: str) -> Shown | None:
    """The telephone of that key; None where there is none, one that `is_down` where the database is away."""
    try:
        with runtime().database.transaction() as db:
            return _shown(db, laid, key)
    except DATABASE_ERRORS:
        return Shown(key, "", "", is_down=True)


def _shown(db: Session, laid: Table, key: str) -> Shown | None:
    if key == STRANGER:
        return _stranger(db, laid)
    open_ = runtime()
    found = read_telephone(db, open_.desk.sealer, int(key), open_.clock.now()) if key.isdecimal() else None
    if found is None:
        return None
    lines = tuple(thread.line for thread in found.threads) or open_.settings.staff_numbers[:1]
    about = ", ".join(role.replace("_", " ") for role in found.owner.roles) or "no role"
    threads = found.threads or tuple(_nothing(line) for line in lines)
    return Shown(key, found.owner.name, about, threads, lines, found.last_line or lines[0], found, found.address)


def _stranger(db: Session, laid: Table) -> Shown:
    open_ = runtime()
    # From the table's secret: each visitor of a demo has a stranger of their own, and it stays the same one.
    address = Address(Channel.SIMULATOR, f"stranger-{sha256(laid.secret.encode()).hexdigest()[:16]}")
    lines = open_.settings.staff_numbers
    texts = read_thread(db, open_.desk.sealer, address)
    thread = replace(_nothing(""), texts=tuple(texts))
    return Shown(STRANGER, "A stranger", "in nobody's record", (thread,), lines, lines[0], address=address)


def _nothing(line: str) -> Thread:
    return Thread(line, talks=False, opted_out=False, unreachable="", texts=())


def _counts(shown: Shown) -> dict[str, int]:
    phone = shown.telephone
    return {"calls": len(phone.ringing), "mails": len(phone.mails)} if phone else {}


def _open_keys() -> list[str]:
    """Which telephones lie open by the cookie: ids of staff, or the stranger's."""
    keys = request.cookies.get(COOKIE, "").split(".")
    known = [key for key in keys if key == STRANGER or (key.isdecimal() and len(key) < 19)]
    return list(dict.fromkeys(known))[:MOST_OPEN]


def _page(laid: Table, notice: str, changed: Shown | None = None) -> str:
    owners, shown_phones = _all(laid)
    if changed:
        shown_phones = [changed if each.key == changed.key else each for each in shown_phones]
    return render_template(
        "phone/staff.html",
        owners=owners,
        shown_phones=shown_phones,
        open_keys=[each.key for each in shown_phones],
        notice=notice,
        once=once,
        counts=_counts,
        **_values(laid),
    )


def _values(laid: Table) -> dict[str, Any]:
    return clock_values() | {
        "secret": laid.secret,
        "line_name": runtime().settings.line_name,
        "suggestions": SUGGESTIONS,
        "keys": KEYS,
        "most": LONGEST_BODY,
        "measure": measure,
        "linked_home": _linked_home,
        "clock_page": "staff",
    }


def _linked_home(text: str) -> Markup:
    """A text of ours with its links, also those to our own console, which open in the demo wherever it is served."""
    home = runtime().settings.public_url.rstrip("/")
    parts: list[Markup] = []
    end = 0
    for found in re.finditer(rf"{re.escape(home)}(/[\w./?=&#-]*[\w/])", text):
        parts.append(linked(text[end : found.start()]))
        parts.append(Markup('<a href="{}" target="_blank" rel="noopener">{}</a>').format(found[1], found[0]))
        end = found.end()
    return Markup("").join([*parts, linked(text[end:])])


def _back(notice: str = "") -> Response:
    """To the page again, so that a reload repeats nothing; for our script only the word that something is wrong."""
    if forms.asks_for_part():
        return make_response(jsonify(error=SAID.get(notice, "")), 422 if notice else 200)
    return make_response(redirect(url_for("staff_phone.table", notice=notice or None), 303))
