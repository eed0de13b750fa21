"""Twilio's webhooks for inbound texts and for delivery reports, both verified by signature (`signed.py`).

Telephone calls are in `twilio_voice.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, abort

from bot import reception
from bot.carriers.twilio import webhook as carrier
from bot.runtime import Runtime
from bot.storage.database import is_outage
from bot.usecases.messages.record_delivery import StatusCallback, record_delivery
from bot.web import metrics
from bot.web.forms import current_runtime
from bot.web.twilio.signed import message_id_from_url, verified_form

log = logging.getLogger(__name__)
twilio = Blueprint("twilio", __name__, url_prefix="/twilio")

MAX_REQUEST_BYTES = 64 * 1024
"""Bytes. A real request from Twilio is under 8 kB, even with ten pictures."""


@twilio.post("/sms")
def sms() -> Response:
    """An inbound text: 200 with the replies as TwiML; 403 if the signature does not match."""
    runtime = current_runtime()
    form = verified_form(runtime)
    try:
        inbound = carrier.read_inbound(form, runtime.clock.now())
    except carrier.MalformedInbound as error:
        log.error("signed request without %s", error.parameter)
        abort(400, f"The request has no {error.parameter}.")
    with metrics.TURN_SECONDS.time():
        taken = reception.accept(runtime, inbound)
    metrics.count_turn("kept" if taken.is_spooled else "taken" if taken.is_new else "repeated")
    callback = f"{runtime.settings.public_url}/twilio/status?message="
    replies = [(reply.body, f"{callback}{reply.id}" if reply.id else "") for reply in taken.replies]
    return Response(carrier.replies_twiml(replies), mimetype="text/xml")


@twilio.post("/status")
def status() -> tuple[str, int]:
    """A delivery report for one of our texts or calls: 204 whatever it says, so that Twilio does not send it again."""
    runtime = current_runtime()
    form = verified_form(runtime)
    try:
        status_update = carrier.read_status(form)
    except carrier.MalformedStatus as error:
        abort(400, f"The request has no {error.parameter}.")
    state = status_update.state
    report = StatusCallback(
        message_id_from_url(), status_update.sid, state, state.value if state else "other", status_update.error_code
    )
    with _unavailable_in_outage():
        try:
            _record_report(runtime, report)
        except Exception as error:
            if not reception.is_deadlock(error):
                raise
            _record_report(runtime, report)
    return "", 204


def _record_report(runtime: Runtime, report: StatusCallback) -> None:
    with runtime.database.transaction() as db:
        record_delivery(db, runtime.context.sealer, report, runtime.clock.now())


@contextmanager
def _unavailable_in_outage() -> Iterator[None]:
    """503 in a database outage. Twilio does not repeat reports; the state of the message is fetched from it later."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        log.warning("a report was lost, the database is away: %s", type(error).__name__)
        abort(503, "The database is away.")
