"""The web chat for people. It leaves no trace on the device: no cookie, no storage, nothing in the URL.

The conversation's random id is only in a signed hidden field of the open page. Every response is a whole page for a
browser without scripts, or JSON with the new part of it for our own script.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from bot import reception
from bot.domain.languages import own_name
from bot.domain.messages.message import Address, Channel, InboundMessage
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.messages.read_thread import ThreadText, read_thread
from bot.web import formatting, forms, metrics
from bot.web.chat.words import read_chat_words
from bot.web.forms import current_runtime

chat = Blueprint("chat", __name__)
for show in (formatting.time_of_day, formatting.day, formatting.linked):
    chat.add_app_template_filter(show)

MAX_CHARACTERS = 2000
"""Characters in one message; a longer one is refused with the reason, and stays in the text box."""
TOKEN_SECONDS = 12 * 60 * 60
"""How long an open page stays valid; every response renews it. Anyone who finds the page open a day later sees no chat."""
QUICK_EXIT_URL = "https://www.weather.gov/"
"""Where "Leave quickly" leads: an inconspicuous page."""


@dataclass(frozen=True, slots=True)
class ChatVisit:
    """One open page. `lapsed`: its token was too old or not ours, so a new conversation has begun."""

    address: Address
    is_expired: bool = False


@dataclass(slots=True)
class ChatPage:
    """What a response shows. `extra` is a reply that is not in the database, because the database was away."""

    language: str
    visit: ChatVisit
    lines: list[ThreadText]
    draft: str = ""
    notice: str = ""
    error: str = ""
    sent: str = ""
    unstored_reply: str = ""
    status: int = 200


@chat.get("/chat")
def open_page() -> Response:
    """A page with a new conversation, which is not stored before its first message."""
    return _answer(ChatPage(_page_language(), _new_visit(), []))


@chat.post("/chat")
def post() -> Response:
    """Send a message (`do=send`), check for new ones (`do=check`) or change the language (`language`)."""
    forms.reject_cross_site()
    visit = _read_visit(forms.field("token"))
    page = ChatPage(_page_language(), visit, [], notice="fresh" if visit.is_expired else "")
    starter = forms.clean_text("starter")
    if starter or forms.field("do") == "send":
        _receive(page, starter or forms.clean_text("body"))
    else:
        page.draft = forms.clean_text("body")
        _load_messages(page)
        if forms.field("do") == "check" and not page.lines and not forms.is_script_request():
            page.notice = page.notice or "nothing_new"
    return _answer(page)


def _receive(page: ChatPage, body: str) -> None:
    """Receive the message and load the replies; a refused message goes back into the text box."""
    if not body or len(body) > MAX_CHARACTERS:
        page.error, page.draft = ("too_long" if body else "empty"), body
        page.status = 422
        _load_messages(page)
        return
    runtime = current_runtime()
    inbound = InboundMessage(
        sid=forms.submission_id("WEB", page.visit.address.value, forms.field("once"), body),
        sender=page.visit.address,
        to="warmline",
        body=body,
        received_at=runtime.clock.now(),
        # A first message like "hi" does not show the language; the page that it was written on does.
        extra={"language": page.language},
    )
    with metrics.TURN_SECONDS.time():
        taken = reception.accept(runtime, inbound)
    metrics.count_turn("kept" if taken.is_spooled else "taken" if taken.is_new else "repeated")
    if taken.is_spooled:
        page.notice, page.sent = "kept", body
        page.unstored_reply = "\n\n".join(reply.body for reply in taken.replies)
    _load_messages(page)


def _load_messages(page: ChatPage) -> None:
    """Load the messages of this visit: all of them for a whole page, those after the last known row for our script."""
    known = forms.field("after") if forms.is_script_request() else "0"
    after = int(known) if known.isascii() and known.isdecimal() and len(known) < 19 else 0
    runtime = current_runtime()
    try:
        with runtime.database.transaction() as db:
            page.lines = read_thread(db, runtime.context.sealer, page.visit.address, 0 if page.visit.is_expired else after)
    except DATABASE_ERRORS:
        # A message just sent is in the spool and was answered; anything else can be loaded again.
        if not page.unstored_reply:
            page.notice, page.status = "offline", 503


def _answer(page: ChatPage) -> Response:
    values = _values(page)
    if not forms.is_script_request():
        return _set_privacy_headers(make_response(render_template("chat/page.html", **values), page.status))
    words = values["w"]
    part = {
        "token": values["token"],
        "html": render_template("chat/lines.html", **values),
        "after": max((line.id for line in page.lines), default=None),
        "lapsed": page.visit.is_expired,
        "notice": words.get(page.notice, ""),
        "error": words.get(page.error, ""),
        "kept": bool(page.unstored_reply),
    }
    return _set_privacy_headers(make_response(jsonify(part), page.status))


def _values(page: ChatPage) -> dict[str, Any]:
    runtime = current_runtime()
    chat_words = read_chat_words()
    return {
        "page": page,
        "w": chat_words.in_language(page.language),
        "language": page.language,
        # The code of each other language, its own name and what its button is called.
        "others": [
            (code, own_name(code), words["this_page"])
            for code, words in chat_words.by_language.items()
            if code != page.language
        ],
        "token": _serializer().dumps(page.visit.address.value),
        "once": secrets.token_urlsafe(9),
        "line_name": runtime.settings.line_name,
        "zone": runtime.settings.timezone,
        "longest": MAX_CHARACTERS,
        "leave_to": QUICK_EXIT_URL,
        # Our script has already added the sent message to the page, and scrolls to it itself.
        "is_part": forms.is_script_request(),
    }


def _set_privacy_headers(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def _page_language() -> str:
    """The page's language: the one just chosen, the page's current one, or the browser's preference."""
    languages = read_chat_words().by_language
    for name in ("language", "page_language"):
        if forms.field(name) in languages:
            return forms.field(name)
    return request.accept_languages.best_match(languages) or next(iter(languages))


def _read_visit(token: str) -> ChatVisit:
    try:
        value = _serializer().loads(token, max_age=TOKEN_SECONDS)
    except BadSignature:
        # Forged, truncated or too old. The message sent with it is still answered, in a new conversation.
        return _new_visit(lapsed=True)
    return ChatVisit(Address(Channel.WEB, str(value)))


def _new_visit(lapsed: bool = False) -> ChatVisit:
    return ChatVisit(Address(Channel.WEB, secrets.token_urlsafe(16)), lapsed)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_runtime().settings.secret_key, salt="warmline chat")
