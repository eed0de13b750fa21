"""The phone simulator of a demo: pretend telephones, a clock to push, and what the line recorded of each.

It is registered in a demo only, speaks to the simulator's channel only, and its posts carry the table's secret.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from babel.lists import format_list
from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request, url_for

from bot import reception
from bot.clock import DemoClock
from bot.domain.message import Address, Channel, Inbound, Media
from bot.domain.segments import LONGEST_BODY, measure
from bot.storage.database import DATABASE_ERRORS
from bot.storage.messages import Text
from bot.usecases.read_thread import Record, read_record, read_thread
from bot.web import forms, metrics, pretend_phones
from bot.web.forms import runtime
from bot.web.pretend_phones import PretendPhone, Table

phone = Blueprint("phone", __name__)

STEPS = {
    "2m": timedelta(minutes=2),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
"""The minutes are those in which a handoff climbs its ladder (bot/domain/ladder.py)."""
CLOCKS = {"": "phone.table", "staff": "staff_phone.table"}
"""The pages on which the clock is pushed."""
SUGGESTIONS = ("my landlord is evicting me", "me van a desalojar", "no tengo comida", "STOP")
PICTURE = Media("https://simulator.invalid/picture.png", "image/png")
NOTICES = {
    "fresh": "Your earlier pretend phones could not be found, so here are new ones. Nothing was sent; "
    "what was sent before is still recorded.",
    "empty": "That text was empty, so nothing was sent. Write something first.",
    "long": f"That text is over {LONGEST_BODY:,} characters, more than a phone sends. Make it shorter.",
    "full": f"{pretend_phones.MOST} phones are enough for one table. Use one of those that are here.",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One open telephone on the page. `kept` is the reply to a text that waits in the spool; `draft` a refused text."""

    phone: PretendPhone
    lines: list[Text]
    record: Record | None
    is_down: bool = False
    kept: str = ""
    sent: str = ""
    draft: str = ""


@phone.get("/phone")
def table() -> Response:
    """The table with its open telephones."""
    found = own_table()
    laid = found or pretend_phones.fresh()
    response = make_response(_page(laid, NOTICES.get(request.args.get("notice", ""), "")))
    return response if found else remember(response, laid)


@phone.get("/phone/news")
def news() -> Response:
    """All that may have changed on the open page, as pieces of it; 204 while nothing has."""
    laid = own_table()
    if laid is None:
        abort(404, "These pretend phones are not known here. Load the page again.")
    shown_phones = _open(laid)
    if any(each.is_down for each in shown_phones):
        abort(503, "The database is away. What is on the page stays; it is asked for again.")
    values = _values(laid)
    pieces = {
        shown_phone.phone.key: {
            "lines": render_template("phone/lines.html", shown=shown_phone, **values),
            "record": render_template("phone/record.html", shown=shown_phone, **values),
        }
        for shown_phone in shown_phones
    }
    digest = sha256(json.dumps([pieces, values["ahead"]]).encode()).hexdigest()[:16]
    if request.headers.get("X-Seen") == digest:
        return make_response("", 204)
    return jsonify(seen=digest, now=values["now"].isoformat(), ahead=values["ahead"], phones=pieces)


@phone.post("/phone/text")
def text() -> Response:
    """A pretend person texts: words, a suggested text or a picture."""
    laid = checked_table()
    if laid is None:
        return _back("fresh")
    sender = laid.find(forms.field("phone"))
    if sender is None:
        return _back("fresh")
    body = forms.words("suggestion") or forms.words("body")
    media = (PICTURE,) if forms.field("do") == "picture" else ()
    if media:
        body = ""
    if not body and not media:
        return _back("empty")
    if len(body) > LONGEST_BODY:
        return remember(make_response(_page(laid, NOTICES["long"], _shown(sender, draft=body)), 422), laid)
    taken = _take(sender, body, media)
    if not taken.kept:
        return _back() if not forms.asks_for_part() else jsonify(kept="")
    kept = "\n\n".join(reply.body for reply in taken.replies)
    if forms.asks_for_part():
        return jsonify(kept=kept)
    return make_response(_page(laid, "", _shown(sender, kept=kept, sent=body)))


@phone.post("/phone/table")
def rearrange() -> Response:
    """Open a telephone, put one away, or get a new one."""
    laid = checked_table()
    if laid is None:
        return _back("fresh")
    if forms.field("new"):
        return remember(_back("full" if laid.is_full else ""), laid.with_new())
    if laid.find(forms.field("open")):
        return remember(_back(), laid.front(forms.field("open")))
    return remember(_back(), laid.put_away(forms.field("close")))


@phone.post("/phone/clock")
def push_clock() -> Response:
    """Push the demo's clock forward by one of the offered steps; the worker's next sweep sees what is due by then."""
    if checked_table() is None:
        return _back("fresh")
    clock = runtime().clock
    step = STEPS.get(forms.field("step"))
    if step is None or not isinstance(clock, DemoClock):
        abort(400, f"The demo's clock can be pushed by {', '.join(STEPS)}.")
    clock.advance(step)
    if forms.asks_for_part():
        return jsonify(kept="")
    return make_response(redirect(url_for(CLOCKS.get(forms.field("page"), CLOCKS[""])), 303))


def _take(sender: PretendPhone, body: str, media: tuple[Media, ...]) -> reception.Reception:
    open_ = runtime()
    inbound = Inbound(
        sid=forms.sid("SIM", sender.key, forms.field("once"), body, str(len(media))),
        sender=_address(sender),
        to="warmline",
        body=body,
        received_at=open_.clock.now(),
        media=media,
        extra={"NumSegments": str(measure(body).segments)},
    )
    with metrics.TURN_SECONDS.time():
        taken = reception.take(open_, inbound)
    metrics.count_turn("kept" if taken.kept else "taken" if taken.fresh else "repeated")
    return taken


def _address(sender: PretendPhone) -> Address:
    return Address(Channel.SIMULATOR, sender.key)


def _open(laid: Table) -> list[Shown]:
    return [_shown(each) for each in laid.open_phones]


def _shown(each: PretendPhone, kept: str = "", sent: str = "", draft: str = "") -> Shown:
    open_ = runtime()
    sealer, address = open_.desk.sealer, _address(each)
    try:
        with open_.database.transaction() as db:
            lines, record = read_thread(db, sealer, address), read_record(db, sealer, address)
    except DATABASE_ERRORS:
        return Shown(each, [], None, is_down=True, kept=kept, sent=sent, draft=draft)
    return Shown(each, lines, record, kept=kept, sent=sent, draft=draft)


def _page(laid: Table, notice: str, changed: Shown | None = None) -> str:
    shown_phones = _open(laid)
    if changed:
        shown_phones = [changed if each.phone == changed.phone else each for each in shown_phones]
    return render_template(
        "phone/page.html", table=laid, shown_phones=shown_phones, notice=notice, once=once, **_values(laid)
    )


def _values(laid: Table) -> dict[str, Any]:
    return clock_values() | {
        "secret": laid.secret,
        "line_name": runtime().settings.line_name,
        "suggestions": SUGGESTIONS,
        "most": LONGEST_BODY,
        "measure": measure,
    }


def clock_values() -> dict[str, Any]:
    """What templates/phone/clock.html shows, and the times of the lines."""
    open_ = runtime()
    clock = open_.clock
    return {
        "now": clock.now(),
        "zone": open_.settings.timezone,
        "ahead": _ahead(clock.offset()) if isinstance(clock, DemoClock) else "",
        "can_push": isinstance(clock, DemoClock),
    }


def _ahead(offset: timedelta) -> str:
    """How far the demo runs ahead, in words; "" where it does not."""
    minutes = offset.seconds // 60
    parts = [(offset.days, "day"), (minutes // 60, "hour"), (minutes % 60, "minute")]
    said = [f"{count} {unit}{'s' if count != 1 else ''}" for count, unit in parts if count]
    return format_list(said, locale="en_US") if said else ""


def once() -> str:
    """The number of one sending, for its form."""
    return secrets.token_urlsafe(9)


def own_table() -> Table | None:
    """The table of the browser that asks; None where its cookie is gone or not ours."""
    return pretend_phones.load(request.cookies.get(pretend_phones.COOKIE, ""), runtime().settings.secret_key)


def checked_table() -> Table | None:
    """The table of a post that our own page made; 403 for any other. None where the cookie is gone or not ours."""
    forms.refuse_foreign()
    laid = own_table()
    if laid and not hmac.compare_digest(laid.secret.encode(), forms.field("secret").encode("utf-8", "replace")):
        abort(403, "This form is not from your pretend phones. Load the page again and repeat it.")
    return laid


def remember(response: Response, laid: Table) -> Response:
    """Put the table into the cookie of the answer."""
    settings = runtime().settings
    response.set_cookie(
        pretend_phones.COOKIE,
        pretend_phones.dump(laid, settings.secret_key),
        path="/phone",
        httponly=True,
        samesite="Strict",
        secure=settings.public_url.startswith("https://"),
        max_age=60 * 60 * 24 * 30,
    )
    return response


def _back(notice: str = "") -> Response:
    """To the page again, so that a reload repeats nothing; for our script only the word that something is wrong."""
    if forms.asks_for_part():
        return make_response(jsonify(error=NOTICES.get(notice, "")), 422 if notice else 200)
    return make_response(redirect(url_for("phone.table", notice=notice or None), 303))
