"""The Flask application: its blueprints, and the error handling and headers that all of them share."""

from __future__ import annotations

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from bot.runtime import Runtime
from bot.web import forms, layout
from bot.web.agency import agency
from bot.web.chat.pages import chat
from bot.web.chat.words import read_chat_words
from bot.web.console.account import account
from bot.web.console.audit import audit
from bot.web.console.board import board
from bot.web.console.cases.pages import case
from bot.web.console.directory.pages import directory
from bot.web.console.follow_up.pages import follow_up
from bot.web.console.handoff import handoff
from bot.web.console.inbox import inbox
from bot.web.console.media import media
from bot.web.console.people import people
from bot.web.console.ready_replies import replies
from bot.web.console.roster.pages import roster
from bot.web.console.staff import staff
from bot.web.demo.phones import phone
from bot.web.demo.staff_phones import staff_phone
from bot.web.health import health
from bot.web.metrics import metrics
from bot.web.sessions import SelectiveSessionInterface
from bot.web.sign_in.set_up import set_up as set_up_sign_in
from bot.web.studio import frame
from bot.web.studio.diagram.pages import diagram
from bot.web.studio.flows import flows
from bot.web.studio.history import history
from bot.web.studio.publish import publish
from bot.web.studio.source import source
from bot.web.studio.step_actions import step_acts
from bot.web.studio.steps import steps
from bot.web.studio.transcripts import transcripts
from bot.web.studio.trial import trial
from bot.web.studio.words import words
from bot.web.twilio.texts import MAX_REQUEST_BYTES, twilio
from bot.web.twilio.voice import twilio_voice

STUDIO_BLUEPRINTS = (flows, steps, step_acts, source, trial, transcripts, words, publish, history, diagram)
CONSOLE_BLUEPRINTS = (
    inbox,
    handoff,
    people,
    case,
    follow_up,
    directory,
    media,
    board,
    roster,
    staff,
    replies,
    audit,
    account,
)
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def create_app(runtime: Runtime) -> Flask:
    """The application for an open runtime. The phone simulator is registered in a demo only."""
    app = Flask(__name__, template_folder="../../templates", static_folder="static")
    app.session_interface = SelectiveSessionInterface()
    app.extensions["warmline"] = runtime
    app.config.update(SECRET_KEY=runtime.settings.secret_key, MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES)
    set_up_sign_in(app, runtime)
    # Kept after the first reading; read here so that a mistake in the file prevents the start.
    read_chat_words()
    demo = (phone, staff_phone) if runtime.settings.is_demo else ()
    for blueprint in (twilio, twilio_voice, health, metrics, chat, agency, *CONSOLE_BLUEPRINTS, *STUDIO_BLUEPRINTS, *demo):
        app.register_blueprint(blueprint)
    app.context_processor(layout.layout_values)
    app.jinja_env.filters["coded"] = frame.with_code_marks
    app.register_error_handler(HTTPException, _render_http_error)
    app.after_request(_set_security_headers)
    return app


def _render_http_error(error: HTTPException) -> ResponseReturnValue:
    """An HTTP error as one sentence with the reason and no internals; in the console as a page."""
    if request.path.startswith("/console") and not forms.is_script_request():
        return layout.refusal_page(error.name, error.description or "", error.code or 500)
    return f"{error.description}\n", error.code or 500


def _set_security_headers(response: Response) -> Response:
    headers = response.headers
    if response.mimetype != "text/xml":
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
