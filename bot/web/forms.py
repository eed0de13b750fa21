"""Reading what pages post: words made safe to store, and requests that no page of ours made refused."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import urlsplit

from flask import abort, current_app, request

from bot.runtime import Runtime

_KEPT = "\n\t"


def field(name: str) -> str:
    """A posted field, or "" where it is missing."""
    return request.form.get(name, "")


def words(name: str) -> str:
    """A posted text as it can be stored and shown: lines end in \\n, and what no person types is left out.

    Control characters and halves of surrogate pairs cannot be written in every place that a text goes to.
    """
    text = field(name).replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-8", "ignore").decode("utf-8")
    return "".join(mark for mark in text if mark in _KEPT or not _is_control(mark)).strip()


def _is_control(mark: str) -> bool:
    return mark < " " or "\x7f" <= mark <= "\x9f"


def sid(prefix: str, *parts: str) -> str:
    """The id under which a text is recorded once.

    It comes from who wrote, the page's own number for this sending, and the words: a press of "send again", a
    reload, a retry after a lost answer are the same text, and other words never are.
    """
    digest = sha256("\x00".join(parts).encode()).hexdigest()
    return f"{prefix}{digest[:32]}"


def refuse_foreign() -> None:
    """403 for a post that another site's page made.

    Browsers send "Origin: null" for our own pages, since these ask for no referrer, so null alone refuses nobody.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, "This was sent from another site. Open the page itself and try again.")
    origin = request.headers.get("Origin", "null")
    if origin != "null" and urlsplit(origin).netloc not in _own_hosts():
        abort(403, "This was sent from another site. Open the page itself and try again.")


def _own_hosts() -> set[str]:
    return {request.host, urlsplit(runtime().settings.public_url).netloc}


def asks_for_part() -> bool:
    """Whether our own script asks, which puts the answer into the page that is open."""
    return "application/json" in request.headers.get("Accept", "")


def runtime() -> Runtime:
    """The runtime of the application that answers."""
    opened: Runtime = current_app.extensions["warmline"]
    return opened
