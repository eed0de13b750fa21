"""The page that an agency opens by a link: one referral, and what it wants to tell of it. No sign-in, no cookie, no script.

The link itself is the right to look, so the page holds nothing by which a stranger who finds it would know the person.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request

from bot.domain.referral import MOVES, Capacity, Outcome
from bot.storage.database import DATABASE_ERRORS
from bot.usecases import record_referral
from bot.usecases.record_referral import Refused
from bot.usecases.share_referral import Shared, open_link
from bot.web import forms
from bot.web.forms import runtime
from bot.web.sign_in.attempts import Throttle, address

agency = Blueprint("agency", __name__)

_THROTTLE = "warmline agency throttle"
STARTED: Final = "started"
_ROOM: Final[dict[str, str]] = {
    Capacity.CAPACITY: "Yes, we have room for them",
    Capacity.WAITLIST: "Only on our waiting list",
    Capacity.ADDITIONAL_ASSESSMENT: "We must find out more first",
    Capacity.NO_CAPACITY: "No, we have no room",
    Outcome.COULD_NOT_HELP: "No, this is not something we can do",
}
_CAME_OF_IT: Final[dict[str, str]] = {
    STARTED: "We have begun to help",
    Outcome.HELPED: "They are enrolled, or got what they needed",
    Outcome.NOT_ENROLLED: "They did not qualify, or did not go on with it",
    Outcome.NOT_REACHED: "They have not come to us, and we have not reached them",
    Outcome.NO_LONGER_NEEDED: "They do not need it any more",
}
_GROUPS: Final = (("Can you help them?", _ROOM), ("What came of it?", _CAME_OF_IT))
_NEEDED_MOVE: Final[dict[str, str]] = {
    Capacity.CAPACITY: "accept",
    STARTED: "start",
}
"""These answers are offered only where they would change something."""
_LABELS: Final[dict[str, str]] = {**_ROOM, **_CAME_OF_IT}


@agency.get("/referrals/<token>")
def look(token: str) -> Response:
    """The referral. A mail program that opens links before their reader does changes nothing."""
    return _answer(token)


@agency.post("/referrals/<token>")
def tell(token: str) -> Response:
    """What the agency tells; a repeated press is the same once."""
    forms.refuse_foreign()
    return _answer(token, forms.field("answer"), is_post=True)


def _answer(token: str, answer: str = "", *, is_post: bool = False) -> Response:
    throttle = _throttle()
    if throttle.wait(address()):
        return _page("agency/stopped.html", 429, kind="slow")
    try:
        response = _tell(token, answer) if is_post else _look(token)
    except DATABASE_ERRORS:
        return _page("agency/stopped.html", 503, kind="away")
    if response.status_code == 404:
        throttle.count(address())
    return response


def _look(token: str) -> Response:
    open_ = runtime()
    with open_.database.transaction() as db:
        shared = open_link(db, open_.settings.secret_key, token, open_.clock.now())
    return _shown(shared)


def _tell(token: str, answer: str) -> Response:
    open_ = runtime()
    now = open_.clock.now()
    with open_.database.transaction() as db:
        shared = open_link(db, open_.settings.secret_key, token, now)
        if shared is None:
            return _shown(None)
        try:
            record_referral.by_agency(
                db,
                shared.id,
                outcome=answer if answer in [*Outcome] else None,
                capacity=answer if answer in [*Capacity] else None,
                now=now,
                started=answer == STARTED,
            )
        except Refused as refused:
            return _shown(shared, 422, _REFUSALS.get(refused.reason, _REFUSALS["over"]))
    return make_response(redirect(f"{request.path}?noted", 303))


_REFUSALS = {
    "nothing": "Choose one of the answers, then send it.",
    "over": "This referral has ended meanwhile. Your answer was not noted; please call us if that is wrong.",
}


def _shown(shared: Shared | None, status: int = 200, error: str = "") -> Response:
    if shared is None:
        return _page("agency/stopped.html", 404, kind="unknown")
    return _page(
        "agency/referral.html",
        status,
        referral=shared,
        groups=[(title, _offered(choices, shared.state)) for title, choices in _GROUPS],
        told=_told(shared),
        error=error,
        noted="noted" in request.args and not error,
    )


def _offered(choices: dict[str, str], state: str) -> list[tuple[str, str]]:
    return [
        (key, label)
        for key, label in choices.items()
        if key not in _NEEDED_MOVE or MOVES.allows(state, _NEEDED_MOVE[key])
    ]  # fmt: skip


def _told(shared: Shared) -> str:
    """What this agency told last, in the words of its own page; "" for nothing."""
    kind, outcome = shared.told
    return _LABELS.get(kind) or _LABELS.get(outcome, "")


def _page(template: str, status: int, **values: object) -> Response:
    settings = runtime().settings
    body = render_template(template, line_name=settings.line_name, zone=settings.timezone, **values)
    response = make_response(body, status)
    # The address is a secret: no search engine, no cache and no other site may keep it.
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    if status == 429:
        response.headers["Retry-After"] = str(_throttle().wait(address()))
    return response


def _throttle() -> Throttle:
    """Counts wrong links by address; apart from the sign-in's, so that an old link locks no colleague out."""
    found: Throttle = current_app.extensions.setdefault(_THROTTLE, Throttle())
    return found
