"""Pictures, voice notes and documents that a person sent, shown to whoever may read their conversation.

They pass through here because their addresses at the carrier open them for anybody. What comes is whatever a stranger
put into a message: only kinds that a browser shows without running them are passed on, and in a box of their own.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, abort, request

from bot.carriers.twilio_media import Fetched, MediaError, Trouble, TwilioMedia
from bot.domain.message import Media
from bot.domain.permissions import Permission
from bot.runtime import twilio_account
from bot.storage import media as kept_media
from bot.usecases.read_case import may_read
from bot.web.console.access import me, needs, page, record
from bot.web.forms import runtime
from bot.web.phone import PICTURE

media = Blueprint("media", __name__, url_prefix="/console")

# An SVG is left out on purpose: it is a page with scripts that calls itself a picture.
_KINDS: Final = {
    "image/jpeg": "jpg", "image/jpg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp",
    "image/bmp": "bmp", "image/tiff": "tif", "image/heic": "heic", "image/heif": "heif", "image/avif": "avif",
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/aac": "aac", "audio/ogg": "ogg", "audio/amr": "amr",
    "audio/3gpp": "3gp", "audio/wav": "wav", "audio/x-wav": "wav", "audio/webm": "weba", "audio/flac": "flac",
    "video/mp4": "mp4", "video/3gpp": "3gp", "video/quicktime": "mov", "video/webm": "webm", "video/mpeg": "mpg",
    "video/ogg": "ogv",
    "application/pdf": "pdf",
}  # fmt: skip
_NAMES: Final = {"image": "picture", "audio": "voice-note", "video": "video", "application": "document"}
# A browser builds a small page of its own around a file that is opened by its address: it may load that file and lay it
# out, and run nothing. A sound or a video is asked for once more by that page, which fails from a box without an origin.
_MAY: Final = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
_POLICIES: Final = {"audio": f"sandbox allow-same-origin; {_MAY}", "video": f"sandbox allow-same-origin; {_MAY}"}
_POLICY: Final = f"sandbox; {_MAY}"
_ANSWERS: Final = {
    Trouble.FOREIGN: (404, "This picture is not kept by the carrier and is not fetched."),
    Trouble.GONE: (404, "The carrier does not have this picture any more."),
    Trouble.TOO_LARGE: (413, "This file is larger than can be shown here (5 MB). Ask the person to describe it."),
    Trouble.REFUSED: (502, "The carrier did not give the picture out. Try again; if it stays so, tell your operator."),
    Trouble.UNREACHABLE: (502, "The carrier could not be reached just now. Try again in a moment."),
}
_PRETEND: Final = b"""<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240" role="img">
<title>A pretend picture</title>
<rect width="320" height="240" fill="#dbe7ef"/>
<circle cx="248" cy="62" r="28" fill="#f2c14e"/>
<path d="M0 190 L90 96 L160 168 L214 118 L320 206 V240 H0 Z" fill="#5b7f95"/>
<path d="M0 208 Q80 184 160 206 T320 204 V240 H0 Z" fill="#3d5a6c"/>
<text x="16" y="30" font-family="sans-serif" font-size="18" fill="#22333d">A pretend picture</text>
</svg>"""


@media.get("/media/<int:message_id>/<int:number>")
@needs(Permission.READ_TRANSCRIPT)
def show(message_id: int, number: int) -> Response:
    """The `number`-th file of a text, counted from 1."""
    open_ = runtime()
    now = open_.clock.now()
    with open_.database.transaction() as db:
        kept = kept_media.of_message(db, open_.desk.sealer, message_id) if message_id < 2**63 else None
        allowed = kept is not None and may_read(db, me(), kept.conversation_id)
        if kept is not None:
            act, detail = "read_media" if allowed else "refused", f"file {number} of message {message_id}"
            record(db, act, now, conversation_id=kept.conversation_id, detail=detail)
    if kept is not None and not allowed:
        return page("not_allowed", 403)
    if kept is None or not 1 <= number <= len(kept.media):
        abort(404, "There is no such picture. Its words and pictures may have been deleted.")
    return _shown(_fetch(kept.media[number - 1]), number)


def _fetch(one: Media) -> Fetched:
    open_ = runtime()
    if one.url == PICTURE.url and open_.settings.is_demo:
        return Fetched("image/svg+xml", _PRETEND)
    account = twilio_account(open_.settings)
    if account is None:
        abort(404, "There is no carrier here that keeps pictures.")
    try:
        return TwilioMedia(account).fetch(one.url)
    except MediaError as error:
        status, sentence = _ANSWERS[error.trouble]
        abort(status, sentence)


def _shown(fetched: Fetched, number: int) -> Response:
    kind = fetched.content_type.partition(";")[0].strip().lower()
    ending = "svg" if fetched.body is _PRETEND else _KINDS.get(kind)
    if ending is None:
        abort(415, "This kind of file is not opened here. Ask the person to say it in words or to send a photo.")
    response = Response(fetched.body, content_type=kind)
    # A browser's own reader of PDF does not run in the box that the policy makes, so a document is saved instead.
    way = "attachment" if kind == "application/pdf" else "inline"
    main = kind.partition("/")[0]
    headers = response.headers
    headers["Content-Disposition"] = f"{way}; filename={_NAMES[main]}-{number}.{ending}"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = _POLICIES.get(main, _POLICY)
    headers["Cache-Control"] = "no-store, private"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Some browsers play a sound or a video only from a server that gives out parts.
    response.make_conditional(request.environ, accept_ranges=True, complete_length=len(fetched.body))
    return response
