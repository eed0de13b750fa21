"""The web chat for residents. It leaves no trace on the device: no cookie, no storage, nothing in the address.

The conversation's random id lives in a signed hidden field of the open page and nowhere else. Every answer is a
whole page for a browser without scripts, or the new part of it for our own script.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from bot import reception
from bot.domain.message import Address, Channel, Inbound
from bot.storage.database import DATABASE_ERRORS
from bot.storage.messages import Text
from bot.usecases.read_thread import read_thread
from bot.web import forms, metrics, shown
from bot.web.chat_words import LANGUAGES, WORDS
from bot.web.forms import runtime

chat = Blueprint("chat", __name__)
for show in (shown.time_of_day, shown.day, shown.linked):
    chat.add_app_template_filter(show)

LONGEST = 2000
"""Characters in one message; a longer one is refused with the reason, and stays in the box."""
TOKEN_SECONDS = 12 * 60 * 60
"""How long an open page may be silent. Every answer renews it; who finds the page a day later finds no chat."""
LEAVE_TO = "https://www.weather.gov/"
"""Where "Leave quickly" leads: a page that anybody may have open."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One open page. `lapsed` says that its token was too old or not ours, so a new conversation has begun."""

    address: Address
    lapsed: bool = False


@dataclass(slots=True)
class Page:
    """What an answer shows. `extra` is a reply that belongs to no row, because the database was away."""

    language: str
    visit: Visit
    lines: list[Text]
    draft: str = ""
    notice: str = ""
    error: str = ""
    sent: str = ""
    extra: str = ""
    status: int = 200


@chat.get("/chat")
def open_page() -> Response:
    """A page with a new conversation, which is not recorded before its first message."""
    return _answer(Page(_language(), _new_visit(), []))


@chat.post("/chat")
def post() -> Response:
    """A message (`do=send`), a look for new ones (`do=check`) or another language (`language`)."""
    forms.refuse_foreign()
    visit = _visit(forms.field("token"))
    page = Page(_language(), visit, [], notice="fresh" if visit.lapsed else "")
    starter = forms.words("starter")
    if starter or forms.field("do") == "send":
        _send(page, starter or forms.words("body"))
    else:
        page.draft = forms.words("body")
        _look(page)
        if forms.field("do") == "check" and not page.lines and not forms.asks_for_part():
            page.notice = page.notice or "nothing_new"
    return _answer(page)


def _send(page: Page, body: str) -> None:
    """Take the message and read what came of it; a refused one goes back into the box."""
    if not body or len(body) > LONGEST:
        page.error, page.draft = ("too_long" if body else "empty"), body
        page.status = 422
        _look(page)
        return
    open_ = runtime()
    inbound = Inbound(
        sid=forms.sid("WEB", page.visit.address.value, forms.field("once"), body),
        sender=page.visit.address,
        to="warmline",
        body=body,
        received_at=open_.clock.now(),
        # A first word like "hi" tells no language; the page that it was written on does.
        extra={"language": page.language},
    )
    with metrics.TURN_SECONDS.time():
        taken = reception.take(open_, inbound)
    metrics.count_turn("kept" if taken.kept else "taken" if taken.fresh else "repeated")
    if taken.kept:
        page.notice, page.sent = "kept", body
        page.extra = "\n\n".join(reply.body for reply in taken.replies)
    _look(page)


def _look(page: Page) -> None:
    """Read the texts of this visit: all of them for a whole page, those after the last known row for our script."""
    known = forms.field("after") if forms.asks_for_part() else "0"
    after = int(known) if known.isascii() and known.isdecimal() and len(known) < 19 else 0
    open_ = runtime()
    try:
        with open_.database.transaction() as db:
            page.lines = read_thread(db, open_.desk.sealer, page.visit.address, 0 if page.visit.lapsed else after)
    except DATABASE_ERRORS:
        # What was just sent is in the spool and answered; anything else can be looked for again.
        if not page.extra:
            page.notice, page.status = "offline", 503


def _answer(page: Page) -> Response:
    values = _values(page)
    if not forms.asks_for_part():
        return _untraceable(make_response(render_template("chat/page.html", **values), page.status))
    words = values["w"]
    part = {
        "token": values["token"],
        "html": render_template("chat/lines.html", **values),
        "after": max((line.id for line in page.lines), default=None),
        "lapsed": page.visit.lapsed,
        "notice": words.get(page.notice, ""),
        "error": words.get(page.error, ""),
        "kept": bool(page.extra),
    }
    return _untraceable(make_response(jsonify(part), page.status))


def _values(page: Page) -> dict[str, Any]:
    open_ = runtime()
    other = next(code for code in LANGUAGES if code != page.language)
    return {
        "page": page,
        "w": WORDS[page.language],
        "language": page.language,
        "other": other,
        "other_name": LANGUAGES[other],
        "token": _serializer().dumps(page.visit.address.value),
        "once": secrets.token_urlsafe(9),
        "line_name": open_.settings.line_name,
        "zone": open_.settings.timezone,
        "longest": LONGEST,
        "leave_to": LEAVE_TO,
        # Our script has put what was sent on the page already, and goes to it by itself.
        "is_part": forms.asks_for_part(),
    }


def _untraceable(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def _language() -> str:
    """The page's own language: the one just asked for, the page's until now, or what the browser prefers."""
    for name in ("language", "page_language"):
        if forms.field(name) in LANGUAGES:
            return forms.field(name)
    return request.accept_languages.best_match(LANGUAGES) or next(iter(LANGUAGES))


def _visit(token: str) -> Visit:
    try:
        value = _serializer().loads(token, max_age=TOKEN_SECONDS)
    except BadSignature:
        # Forged, cut off or too old. The words that came along still deserve an answer, in a new conversation.
        return _new_visit(lapsed=True)
    return Visit(Address(Channel.WEB, str(value)))


def _new_visit(lapsed: bool = False) -> Visit:
    return Visit(Address(Channel.WEB, secrets.token_urlsafe(16)), lapsed)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().settings.secret_key, salt="warmline chat")
