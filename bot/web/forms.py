"""Reading posted forms: cleaning texts before they are stored, and rejecting cross-site requests."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlsplit

from flask import abort, current_app, request

from bot.runtime import Runtime

_ALLOWED_CONTROL_CHARACTERS = "\n\t"


def field(name: str) -> str:
    """A posted field as it was sent, or "" if it is missing."""
    return request.form.get(name, "")


def clean_text(name: str) -> str:
    """A posted text cleaned for storing and showing: stripped, with \\n line ends.

    Control characters and lone surrogates are removed: not everything that a text passes through can represent them.
    """
    text = field(name).replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-8", "ignore").decode("utf-8")
    return "".join(mark for mark in text if mark in _ALLOWED_CONTROL_CHARACTERS or not _is_control(mark)).strip()


def _is_control(mark: str) -> bool:
    return mark < " " or "\x7f" <= mark <= "\x9f"


def submission_id(prefix: str, *parts: str) -> str:
    """The id that makes a submission idempotent.

    It is derived from the sender, the form's nonce and the text. A reload, a second press of Send or a retry after a lost
    response gives the same id; another text never does.
    """
    digest = sha256("\x00".join(parts).encode()).hexdigest()
    return f"{prefix}{digest[:32]}"


def reject_cross_site() -> None:
    """Abort with 403 if the request was posted by another site's page.

    Browsers send "Origin: null" for our own pages because these set no-referrer, so null alone is accepted.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, "This was sent from another site. Open the page itself and try again.")
    origin = request.headers.get("Origin", "null")
    if origin != "null" and urlsplit(origin).netloc not in _own_hosts():
        abort(403, "This was sent from another site. Open the page itself and try again.")


def _own_hosts() -> set[str]:
    return {request.host, urlsplit(current_runtime().settings.public_url).netloc}


def is_script_request() -> bool:
    """Whether our own script made the request: it wants JSON to update the open page with."""
    return "application/json" in request.headers.get("Accept", "")


def current_runtime() -> Runtime:
    """The runtime of the current Flask application."""
    opened: Runtime = current_app.extensions["warmline"]
    return opened
