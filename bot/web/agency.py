"""The page that an agency opens by a link, to see one referral and report on it. No sign-in, no cookie, no script.

The link alone gives access, so the page shows nothing that would identify the person to a stranger who finds the link.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request

from bot.domain.referrals import MOVES, AgencyCapacity, ReferralOutcome
from bot.domain.refused import Refused
from bot.storage.database import DATABASE_ERRORS
from bot.usecases.referrals import record_referral
from bot.usecases.referrals.share_referral import SharedReferral, open_link
from bot.web import forms
from bot.web.forms import current_runtime
from bot.web.sign_in.attempts import Throttle, client_address

agency = Blueprint("agency", __name__)

_THROTTLE = "warmline agency throttle"
STARTED: Final = "started"
_CAPACITY_LABELS: Final[dict[str, str]] = {
    AgencyCapacity.CAPACITY: "Yes, we have room for them",
    AgencyCapacity.WAITLIST: "Only on our waiting list",
    AgencyCapacity.ADDITIONAL_ASSESSMENT: "We must find out more first",
    AgencyCapacity.NO_CAPACITY: "No, we have no room",
    ReferralOutcome.COULD_NOT_HELP: "No, this is not something we can do",
}
_OUTCOME_LABELS: Final[dict[str, str]] = {
    STARTED: "We have begun to help",
    ReferralOutcome.HELPED: "They are enrolled, or got what they needed",
    ReferralOutcome.NOT_ENROLLED: "They did not qualify, or did not go on with it",
    ReferralOutcome.NOT_REACHED: "They have not come to us, and we have not reached them",
    ReferralOutcome.NO_LONGER_NEEDED: "They do not need it any more",
}
_QUESTIONS: Final = (("Can you help them?", _CAPACITY_LABELS), ("What came of it?", _OUTCOME_LABELS))
_REQUIRED_MOVES: Final[dict[str, str]] = {
    AgencyCapacity.CAPACITY: "accept",
    STARTED: "start",
}
"""Answer -> the move of the referral that it stands for; it is offered only while that move is allowed."""
_LABELS: Final[dict[str, str]] = {**_CAPACITY_LABELS, **_OUTCOME_LABELS}


@agency.get("/referrals/<token>")
def look(token: str) -> Response:
    """Show the referral. A GET changes nothing, because mail programs open links before their reader does."""
    return _answer(token)


@agency.post("/referrals/<token>")
def tell(token: str) -> Response:
    """Record the agency's answer; sending it twice has the same effect as once."""
    forms.reject_cross_site()
    return _answer(token, forms.field("answer"), is_post=True)


def _answer(token: str, answer: str = "", *, is_post: bool = False) -> Response:
    throttle = _throttle()
    if throttle.seconds_to_wait(client_address()):
        return _page("agency/stopped.html", 429, kind="slow")
    try:
        response = _record_answer(token, answer) if is_post else _show_referral(token)
    except DATABASE_ERRORS:
        return _page("agency/stopped.html", 503, kind="away")
    if response.status_code == 404:
        throttle.add_failure(client_address())
    return response


def _show_referral(token: str) -> Response:
    runtime = current_runtime()
    with runtime.database.transaction() as db:
        shared = open_link(db, runtime.settings.secret_key, token, runtime.clock.now())
    return _referral_page(shared)


def _record_answer(token: str, answer: str) -> Response:
    runtime = current_runtime()
    now = runtime.clock.now()
    with runtime.database.transaction() as db:
        shared = open_link(db, runtime.settings.secret_key, token, now)
        if shared is None:
            return _referral_page(None)
        try:
            record_referral.record_from_agency(
                db,
                shared.id,
                outcome=answer if answer in [*ReferralOutcome] else None,
                capacity=answer if answer in [*AgencyCapacity] else None,
                now=now,
                started=answer == STARTED,
            )
        except Refused as refused:
            return _referral_page(shared, 422, _REFUSAL_TEXTS.get(refused.reason, _REFUSAL_TEXTS["over"]))
    return make_response(redirect(f"{request.path}?noted", 303))


_REFUSAL_TEXTS = {
    "nothing": "Choose one of the answers, then send it.",
    "over": "This referral has ended meanwhile. Your answer was not noted; please call us if that is wrong.",
}


def _referral_page(shared: SharedReferral | None, status: int = 200, error: str = "") -> Response:
    if shared is None:
        return _page("agency/stopped.html", 404, kind="unknown")
    return _page(
        "agency/referral.html",
        status,
        referral=shared,
        groups=[(title, _available_answers(choices, shared.state)) for title, choices in _QUESTIONS],
        told=_last_answer(shared),
        error=error,
        noted="noted" in request.args and not error,
    )


def _available_answers(choices: dict[str, str], state: str) -> list[tuple[str, str]]:
    return [
        (key, label)
        for key, label in choices.items()
        if key not in _REQUIRED_MOVES or MOVES.allows(state, _REQUIRED_MOVES[key])
    ]  # fmt: skip


def _last_answer(shared: SharedReferral) -> str:
    """The agency's last answer, as this page labels it; "" if there is none."""
    kind, outcome = shared.told
    return _LABELS.get(kind) or _LABELS.get(outcome, "")


def _page(template: str, status: int, **values: object) -> Response:
    settings = current_runtime().settings
    body = render_template(template, line_name=settings.line_name, zone=settings.timezone, **values)
    response = make_response(body, status)
    # The URL is a secret: no search engine, cache or other site may keep it.
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    if status == 429:
        response.headers["Retry-After"] = str(_throttle().seconds_to_wait(client_address()))
    return response


def _throttle() -> Throttle:
    """Counts wrong links by IP address; separate from the sign-in's, so that an old link locks no staff member out."""
    found: Throttle = current_app.extensions.setdefault(_THROTTLE, Throttle())
    return found
