"""The phone simulator of a demo: pretend phones, a clock to move forward, and what Warmline recorded for each phone.

Registered in a demo only; it uses the simulator channel only, and its forms carry the secret of the browser's phones.
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
from bot.domain.messages.message import Address, Channel, InboundMessage, Media
from bot.domain.messages.segments import MAX_BODY_LENGTH, measure_segments
from bot.operations.clock import DemoClock
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.messages.read_thread import ConversationRecord, ThreadText, read_record, read_thread
from bot.web import forms, metrics
from bot.web.demo import pretend_phones
from bot.web.demo.pretend_phones import BrowserPhones, PretendPhone
from bot.web.forms import current_runtime

phone = Blueprint("phone", __name__)

CLOCK_STEPS = {
    "2m": timedelta(minutes=2),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
"""The minutes are the steps at which a handoff escalates (bot/domain/handoff/escalation.py)."""
CLOCK_PAGES = {"": "phone.table", "staff": "staff_phone.table"}
"""The posted `page` field -> the endpoint to go back to after the clock was moved."""
SUGGESTIONS = ("my landlord is evicting me", "me van a desalojar", "no tengo comida", "STOP")
PICTURE = Media("https://simulator.invalid/picture.png", "image/png")
NOTICES = {
    "fresh": "Your earlier pretend phones could not be found, so here are new ones. Nothing was sent; "
    "what was sent before is still recorded.",
    "empty": "That text was empty, so nothing was sent. Write something first.",
    "long": f"That text is over {MAX_BODY_LENGTH:,} characters, more than a phone sends. Make it shorter.",
    "full": f"{pretend_phones.MAX_PHONES} phones are enough for one table. Use one of those that are here.",
}


@dataclass(frozen=True, slots=True)
class OpenPhone:
    """One open phone on the page. `kept` is the reply to a text that waits in the spool, `draft` a refused text."""

    phone: PretendPhone
    lines: list[ThreadText]
    record: ConversationRecord | None
    is_down: bool = False
    kept: str = ""
    sent: str = ""
    draft: str = ""


@phone.get("/phone")
def table() -> Response:
    """The page with its open phones."""
    found = browser_phones()
    phones = found or pretend_phones.new_phones()
    response = make_response(_page(phones, NOTICES.get(request.args.get("notice", ""), "")))
    return response if found else save_phones(response, phones)


@phone.get("/phone/news")
def news() -> Response:
    """The parts of the open page that can change, as HTML in JSON; 204 if nothing has changed."""
    phones = browser_phones()
    if phones is None:
        abort(404, "These pretend phones are not known here. Load the page again.")
    shown_phones = _load_open_phones(phones)
    if any(each.is_down for each in shown_phones):
        abort(503, "The database is away. What is on the page stays; it is asked for again.")
    values = _values(phones)
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
    """A pretend person sends a text: typed, suggested, or a picture."""
    phones = verified_phones()
    if phones is None:
        return _redirect_back("fresh")
    sender = phones.find(forms.field("phone"))
    if sender is None:
        return _redirect_back("fresh")
    body = forms.clean_text("suggestion") or forms.clean_text("body")
    media = (PICTURE,) if forms.field("do") == "picture" else ()
    if media:
        body = ""
    if not body and not media:
        return _redirect_back("empty")
    if len(body) > MAX_BODY_LENGTH:
        return save_phones(make_response(_page(phones, NOTICES["long"], _load_phone(sender, draft=body)), 422), phones)
    taken = _receive_text(sender, body, media)
    if not taken.is_spooled:
        return _redirect_back() if not forms.is_script_request() else jsonify(kept="")
    kept = "\n\n".join(reply.body for reply in taken.replies)
    if forms.is_script_request():
        return jsonify(kept=kept)
    return make_response(_page(phones, "", _load_phone(sender, kept=kept, sent=body)))


@phone.post("/phone/table")
def rearrange() -> Response:
    """Open a phone, close one, or add a new one."""
    phones = verified_phones()
    if phones is None:
        return _redirect_back("fresh")
    if forms.field("new"):
        return save_phones(_redirect_back("full" if phones.is_full else ""), phones.with_new_phone())
    if phones.find(forms.field("open")):
        return save_phones(_redirect_back(), phones.bring_to_front(forms.field("open")))
    return save_phones(_redirect_back(), phones.close(forms.field("close")))


@phone.post("/phone/clock")
def push_clock() -> Response:
    """Move the demo's clock forward by one of the offered steps; the worker's next sweep handles what is due by then."""
    if verified_phones() is None:
        return _redirect_back("fresh")
    clock = current_runtime().clock
    step = CLOCK_STEPS.get(forms.field("step"))
    if step is None or not isinstance(clock, DemoClock):
        abort(400, f"The demo's clock can be pushed by {', '.join(CLOCK_STEPS)}.")
    clock.advance(step)
    if forms.is_script_request():
        return jsonify(kept="")
    return make_response(redirect(url_for(CLOCK_PAGES.get(forms.field("page"), CLOCK_PAGES[""])), 303))


def _receive_text(sender: PretendPhone, body: str, media: tuple[Media, ...]) -> reception.ReceptionResult:
    runtime = current_runtime()
    inbound = InboundMessage(
        sid=forms.submission_id("SIM", sender.key, forms.field("once"), body, str(len(media))),
        sender=_address(sender),
        to="warmline",
        body=body,
        received_at=runtime.clock.now(),
        media=media,
        extra={"NumSegments": str(measure_segments(body).segments)},
    )
    with metrics.TURN_SECONDS.time():
        taken = reception.accept(runtime, inbound)
    metrics.count_turn("kept" if taken.is_spooled else "taken" if taken.is_new else "repeated")
    return taken


def _address(sender: PretendPhone) -> Address:
    return Address(Channel.SIMULATOR, sender.key)


def _load_open_phones(phones: BrowserPhones) -> list[OpenPhone]:
    return [_load_phone(each) for each in phones.open_phones]


def _load_phone(each: PretendPhone, kept: str = "", sent: str = "", draft: str = "") -> OpenPhone:
    runtime = current_runtime()
    sealer, address = runtime.context.sealer, _address(each)
    try:
        with runtime.database.transaction() as db:
            lines, record = read_thread(db, sealer, address), read_record(db, sealer, address)
    except DATABASE_ERRORS:
        return OpenPhone(each, [], None, is_down=True, kept=kept, sent=sent, draft=draft)
    return OpenPhone(each, lines, record, kept=kept, sent=sent, draft=draft)


def _page(phones: BrowserPhones, notice: str, changed: OpenPhone | None = None) -> str:
    shown_phones = _load_open_phones(phones)
    if changed:
        shown_phones = [changed if each.phone == changed.phone else each for each in shown_phones]
    return render_template(
        "phone/page.html", table=phones, shown_phones=shown_phones, notice=notice, once=new_nonce, **_values(phones)
    )


def _values(phones: BrowserPhones) -> dict[str, Any]:
    return clock_values() | {
        "secret": phones.secret,
        "line_name": current_runtime().settings.line_name,
        "suggestions": SUGGESTIONS,
        "most": MAX_BODY_LENGTH,
        "measure": measure_segments,
    }


def clock_values() -> dict[str, Any]:
    """The template values for templates/phone/clock.html and for showing times."""
    runtime = current_runtime()
    clock = runtime.clock
    return {
        "now": clock.now(),
        "zone": runtime.settings.timezone,
        "ahead": _describe_offset(clock.offset()) if isinstance(clock, DemoClock) else "",
        "can_push": isinstance(clock, DemoClock),
    }


def _describe_offset(offset: timedelta) -> str:
    """How far the demo's clock is ahead, in words; "" if it is not."""
    minutes = offset.seconds // 60
    parts = [(offset.days, "day"), (minutes // 60, "hour"), (minutes % 60, "minute")]
    amounts = [f"{count} {unit}{'s' if count != 1 else ''}" for count, unit in parts if count]
    return format_list(amounts, locale="en_US") if amounts else ""


def new_nonce() -> str:
    """A nonce for one form, so that posting the form twice counts once."""
    return secrets.token_urlsafe(9)


def browser_phones() -> BrowserPhones | None:
    """The phones of the browser that made the request; None if its cookie is missing or not ours."""
    return pretend_phones.load(request.cookies.get(pretend_phones.COOKIE, ""), current_runtime().settings.secret_key)


def verified_phones() -> BrowserPhones | None:
    """The phones of the browser, if our own page posted the form; else aborts with 403. None without a valid cookie."""
    forms.reject_cross_site()
    phones = browser_phones()
    if phones and not hmac.compare_digest(phones.secret.encode(), forms.field("secret").encode("utf-8", "replace")):
        abort(403, "This form is not from your pretend phones. Load the page again and repeat it.")
    return phones


def save_phones(response: Response, phones: BrowserPhones) -> Response:
    """Store the phones in the response's cookie."""
    settings = current_runtime().settings
    response.set_cookie(
        pretend_phones.COOKIE,
        pretend_phones.dump(phones, settings.secret_key),
        path="/phone",
        httponly=True,
        samesite="Strict",
        secure=settings.public_url.startswith("https://"),
        max_age=60 * 60 * 24 * 30,
    )
    return response


def _redirect_back(notice: str = "") -> Response:
    """Redirect to the page, so that a reload repeats nothing; for our script only JSON with the error, if any."""
    if forms.is_script_request():
        return make_response(jsonify(error=NOTICES.get(notice, "")), 422 if notice else 200)
    return make_response(redirect(url_for("phone.table", notice=notice or None), 303))
