"""Pictures, voice notes and documents that a person sent, for staff who may read the conversation.

They are proxied because their URLs at the carrier are public. The content is untrusted: only types that a browser displays
without executing them are passed on, in a sandbox.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, abort, request

from bot.carriers.twilio.media import FetchedMedia, MediaError, MediaProblem, TwilioMediaClient
from bot.domain.messages.message import Media
from bot.domain.staff.permissions import Permission
from bot.runtime import twilio_account
from bot.usecases.messages.read_media import read_media
from bot.web.access import current_user, require_permission, stopped_page
from bot.web.demo.phones import PICTURE
from bot.web.forms import current_runtime

media = Blueprint("media", __name__, url_prefix="/console")

# No SVG, on purpose: it can contain scripts.
_FILE_EXTENSIONS: Final = {
    "image/jpeg": "jpg", "image/jpg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp",
    "image/bmp": "bmp", "image/tiff": "tif", "image/heic": "heic", "image/heif": "heif", "image/avif": "avif",
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/aac": "aac", "audio/ogg": "ogg", "audio/amr": "amr",
    "audio/3gpp": "3gp", "audio/wav": "wav", "audio/x-wav": "wav", "audio/webm": "weba", "audio/flac": "flac",
    "video/mp4": "mp4", "video/3gpp": "3gp", "video/quicktime": "mov", "video/webm": "webm", "video/mpeg": "mpg",
    "video/ogg": "ogv",
    "application/pdf": "pdf",
}  # fmt: skip
_FILE_NAMES: Final = {"image": "picture", "audio": "voice-note", "video": "video", "application": "document"}
# A browser wraps a file that is opened by its URL in a small document of its own: that may load the file and style it, and
# run nothing. For audio and video that document requests the file again, which fails from a sandbox without an origin.
_ALLOWED_SOURCES: Final = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
_POLICIES: Final = {
    "audio": f"sandbox allow-same-origin; {_ALLOWED_SOURCES}",
    "video": f"sandbox allow-same-origin; {_ALLOWED_SOURCES}",
}
_POLICY: Final = f"sandbox; {_ALLOWED_SOURCES}"
_ERROR_RESPONSES: Final = {
    MediaProblem.FOREIGN: (404, "This picture is not kept by the carrier and is not fetched."),
    MediaProblem.GONE: (404, "The carrier does not have this picture any more."),
    MediaProblem.TOO_LARGE: (413, "This file is larger than can be shown here (5 MB). Ask the person to describe it."),
    MediaProblem.REFUSED: (502, "The carrier did not give the picture out. Try again; if it stays so, tell your operator."),
    MediaProblem.UNREACHABLE: (502, "The carrier could not be reached just now. Try again in a moment."),
}
_PRETEND_PICTURE: Final = b"""<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"
 viewBox="0 0 320 240" role="img">
<title>A pretend picture</title>
<rect width="320" height="240" fill="#dbe7ef"/>
<circle cx="248" cy="62" r="28" fill="#f2c14e"/>
<path d="M0 190 L90 96 L160 168 L214 118 L320 206 V240 H0 Z" fill="#5b7f95"/>
<path d="M0 208 Q80 184 160 206 T320 204 V240 H0 Z" fill="#3d5a6c"/>
<text x="16" y="30" font-family="sans-serif" font-size="18" fill="#22333d">A pretend picture</text>
</svg>"""


@media.get("/media/<int:message_id>/<int:number>")
@require_permission(Permission.READ_TRANSCRIPT)
def show(message_id: int, number: int) -> Response:
    """The `number`-th file of a message, counted from 1."""
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        found = read_media(db, runtime.context.sealer, current_user(), message_id, number, runtime.clock.now())
    if found is not None and not found.is_allowed:
        return stopped_page("not_allowed", 403)
    if found is None or not 1 <= number <= len(found.files):
        abort(404, "There is no such picture. Its words and pictures may have been deleted.")
    return _file_response(_fetch(found.files[number - 1]), number)


def _fetch(one: Media) -> FetchedMedia:
    runtime = current_runtime()
    if one.url == PICTURE.url and runtime.settings.is_demo:
        return FetchedMedia("image/svg+xml", _PRETEND_PICTURE)
    account = twilio_account(runtime.settings)
    if account is None:
        abort(404, "There is no carrier here that keeps pictures.")
    try:
        return TwilioMediaClient(account).fetch(one.url)
    except MediaError as error:
        status, sentence = _ERROR_RESPONSES[error.problem]
        abort(status, sentence)


def _file_response(fetched: FetchedMedia, number: int) -> Response:
    kind = fetched.content_type.partition(";")[0].strip().lower()
    ending = "svg" if fetched.body is _PRETEND_PICTURE else _FILE_EXTENSIONS.get(kind)
    if ending is None:
        abort(415, "This kind of file is not opened here. Ask the person to say it in words or to send a photo.")
    response = Response(fetched.body, content_type=kind)
    # A browser's PDF viewer does not run in the policy's sandbox, so a document is downloaded instead.
    way = "attachment" if kind == "application/pdf" else "inline"
    main = kind.partition("/")[0]
    headers = response.headers
    headers["Content-Disposition"] = f"{way}; filename={_FILE_NAMES[main]}-{number}.{ending}"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = _POLICIES.get(main, _POLICY)
    headers["Cache-Control"] = "no-store, private"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Some browsers play audio and video only from a server that supports range requests.
    response.make_conditional(request.environ, accept_ranges=True, complete_length=len(fetched.body))
    return response
