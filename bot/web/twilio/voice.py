"""Twilio's voice webhook: a social worker pressed a key in an alert call, or a caller dialled one of our numbers."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, abort

from bot.carriers.twilio import voice_webhook as carrier
from bot.storage.database import is_outage
from bot.usecases.handoff.receive_staff_text import answer_call
from bot.web.forms import current_runtime
from bot.web.twilio.signed import message_id_from_url, verified_form

log = logging.getLogger(__name__)
twilio_voice = Blueprint("twilio_voice", __name__, url_prefix="/twilio")

ANSWER_KEYS = ("1", "2")
NOT_SAVED = "Your answer could not be kept just now. Please press it again, or answer by text."
TEXTS_ONLY = (
    "You have reached a help line that works by text message. Please send a text to this number. If someone is in danger, "
    "hang up and call 9 1 1. In a crisis, call 9 8 8, day or night."
)
TEXTS_ONLY_ES = (
    "Esta línea de ayuda funciona por mensajes de texto. Mande un mensaje de texto a este número. Si alguien está en "
    "peligro, cuelgue y llame al 9 1 1. En una crisis, llame al 9 8 8 y oprima 2, a cualquier hora."
)


@twilio_voice.post("/voice")
def voice() -> Response:
    """200 with what the voice says next, as TwiML; 403 if the signature does not match.

    Our own failures become a spoken sentence too. For an error page Twilio would announce an application error to a social
    worker who was just woken by the call and believes that they have answered it.
    """
    runtime = current_runtime()
    form = verified_form(runtime)
    try:
        call = carrier.read_voice_form(form)
    except carrier.MalformedCall as error:
        abort(400, f"The request has no {error.parameter}.")
    message_id = message_id_from_url()
    if message_id is None:
        return _twiml_response(carrier.voice_twiml(TEXTS_ONLY, TEXTS_ONLY_ES))
    try:
        with runtime.database.transaction() as db:
            sentence = answer_call(db, runtime.context, message_id, call.digits, runtime.clock.now())
    except Exception as error:
        log.warning("an answer by telephone was not kept: %s", type(error).__name__, exc_info=not is_outage(error))
        sentence, is_over = NOT_SAVED, False
    else:
        # A wrong key must not end the call.
        is_over = call.digits in ANSWER_KEYS
    if is_over:
        return _twiml_response(carrier.voice_twiml(sentence))
    return _twiml_response(
        carrier.question_twiml(sentence, f"{runtime.settings.public_url}/twilio/voice?message={message_id}")
    )


def _twiml_response(twiml: str) -> Response:
    return Response(twiml, mimetype="text/xml")
