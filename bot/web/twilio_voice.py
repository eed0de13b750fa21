"""The telephone's door: a key was pressed in an alert call, or somebody calls one of our numbers."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, abort

from bot.carriers import twilio_voice_webhook as carrier
from bot.storage.database import is_outage
from bot.usecases.staff_texts import answer_call
from bot.web.forms import runtime
from bot.web.signed import named_message, signed_form

log = logging.getLogger(__name__)
twilio_voice = Blueprint("twilio_voice", __name__, url_prefix="/twilio")

KEYS = ("1", "2")
AWAY = "Your answer could not be kept just now. Please press it again, or answer by text."
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
    """200 with what is said next; 403 where nobody we know signed it.

    Any failure of ours becomes a sentence as well: for an error page Twilio would say that an application is broken, to
    somebody who has just been woken and believes they have answered.
    """
    open_ = runtime()
    form = signed_form(open_)
    try:
        call = carrier.read_voice(form)
    except carrier.MalformedCall as error:
        abort(400, f"The request has no {error.parameter}.")
    message_id = named_message()
    if message_id is None:
        return _said(carrier.write_voice(TEXTS_ONLY, TEXTS_ONLY_ES))
    try:
        with open_.database.transaction() as db:
            sentence = answer_call(db, open_.desk, message_id, call.digits, open_.clock.now())
    except Exception as error:
        log.warning("an answer by telephone was not kept: %s", type(error).__name__, exc_info=not is_outage(error))
        sentence, is_over = AWAY, False
    else:
        # A finger that slips in the dark must not end the call.
        is_over = call.digits in KEYS
    if is_over:
        return _said(carrier.write_voice(sentence))
    return _said(carrier.write_question(sentence, f"{open_.settings.public_url}/twilio/voice?message={message_id}"))


def _said(twiml: str) -> Response:
    return Response(twiml, mimetype="text/xml")
