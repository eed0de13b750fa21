"""Twilio's doors: a text comes in, and reports of what became of ours.

Both are checked by signature against PUBLIC_URL, never against what the request says of its own host (domain.md 1.4).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, abort, current_app, request

from bot import reception
from bot.carriers import twilio_webhook as carrier
from bot.carriers.twilio_signature import matching_token, signed_url
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.record_delivery import Report, record_delivery
from bot.web import metrics

log = logging.getLogger(__name__)
twilio = Blueprint("twilio", __name__, url_prefix="/twilio")

LARGEST_BODY = 64 * 1024
"""A real request of Twilio's is under 8 kB, with ten pictures in it."""


@twilio.post("/sms")
def sms() -> Response:
    """A text for the line: 200 with the replies as TwiML; 403 where nobody we know signed it."""
    runtime = _runtime()
    form = _signed_form(runtime)
    try:
        inbound = carrier.read_inbound(form, runtime.clock.now())
    except carrier.MalformedInbound as error:
        log.error("signed request without %s", error.parameter)
        abort(400, f"The request has no {error.parameter}.")
    with metrics.TURN_SECONDS.time():
        taken = reception.take(runtime, inbound)
    metrics.count_turn("kept" if taken.kept else "taken" if taken.fresh else "repeated")
    callback = f"{runtime.settings.public_url}/twilio/status?message="
    replies = [(reply.body, f"{callback}{reply.id}" if reply.id else "") for reply in taken.replies]
    return Response(carrier.write_twiml(replies), mimetype="text/xml")


@twilio.post("/status")
def status() -> tuple[str, int]:
    """A report of what became of one of our texts: 204, whatever it says, so that it is not sent again."""
    runtime = _runtime()
    form = _signed_form(runtime)
    try:
        report = carrier.read_status(form)
    except carrier.MalformedStatus as error:
        abort(400, f"The request has no {error.parameter}.")
    named = request.args.get("message", "")
    message_id = int(named) if named.isdecimal() and len(named) < 19 else None
    with _not_while_away(), runtime.database.transaction() as db:
        told = Report(
            message_id, report.sid, report.state, report.state.value if report.state else "other", report.error_code
        )
        record_delivery(db, runtime.desk.sealer, told, runtime.clock.now())
    return "", 204


@contextmanager
def _not_while_away() -> Iterator[None]:
    """503 in an outage. Twilio does not repeat a report; what a lost one would have said is asked for later."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        log.warning("a report was lost, the database is away: %s", type(error).__name__)
        abort(503, "The database is away.")


def _signed_form(runtime: Runtime) -> Any:
    """The posted parameters, once the signature is seen to be right; 403 otherwise, for whatever reason."""
    raw = request.get_data(cache=False)
    settings = runtime.settings
    url = signed_url(settings.public_url, _raw_path(), request.query_string.decode("latin-1"))
    signature = request.headers.get("X-Twilio-Signature")
    if request.mimetype == "application/json":
        matched = matching_token(settings.twilio_auth_tokens, url, signature, raw_body=raw)
        form: Any = _json_form(raw)
    else:
        form = carrier.parse_form(raw)
        matched = matching_token(settings.twilio_auth_tokens, url, signature, form=form)
    if matched is None:
        metrics.REFUSED.inc()
        abort(403, "The signature does not fit.")
    if matched > 0:
        log.warning("signed with auth token %s: it was promoted, the first in TWILIO_AUTH_TOKEN can go", matched + 1)
    return form


def _json_form(raw: bytes) -> dict[str, str]:
    try:
        data = json.loads(raw)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _raw_path() -> str:
    """The path as it came, still percent-encoded: that is what was signed."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    return str(raw).partition("?")[0] if raw and str(raw).startswith("/") else request.path


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["warmline"]
    return runtime
