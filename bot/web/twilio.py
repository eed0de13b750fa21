"""Twilio's doors: a text comes in, and reports of what became of ours.

Both are checked by signature (`signed.py`). Telephone calls come in by `twilio_voice.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, abort, current_app

from bot import reception
from bot.carriers import twilio_webhook as carrier
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.record_delivery import Report, record_delivery
from bot.web import metrics
from bot.web.signed import named_message, signed_form

log = logging.getLogger(__name__)
twilio = Blueprint("twilio", __name__, url_prefix="/twilio")

LARGEST_BODY = 64 * 1024
"""A real request of Twilio's is under 8 kB, with ten pictures in it."""


@twilio.post("/sms")
def sms() -> Response:
    """A text for the line: 200 with the replies as TwiML; 403 where nobody we know signed it."""
    runtime = _runtime()
    form = signed_form(runtime)
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
    """A report of what became of one of our texts or calls: 204, whatever it says, so that it is not sent again."""
    runtime = _runtime()
    form = signed_form(runtime)
    try:
        report = carrier.read_status(form)
    except carrier.MalformedStatus as error:
        abort(400, f"The request has no {error.parameter}.")
    told = Report(
        named_message(), report.sid, report.state, report.state.value if report.state else "other", report.error_code
    )
    with _not_while_away():
        try:
            _record(runtime, told)
        except Exception as error:
            if not reception.is_deadlock(error):
                raise
            _record(runtime, told)
    return "", 204


def _record(runtime: Runtime, told: Report) -> None:
    with runtime.database.transaction() as db:
        record_delivery(db, runtime.desk.sealer, told, runtime.clock.now())


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


def _runtime() -> Runtime:
    runtime: Runtime = current_app.extensions["warmline"]
    return runtime
