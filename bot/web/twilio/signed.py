"""Verify the signature of Twilio's requests, against PUBLIC_URL and never against the request's own Host header."""

from __future__ import annotations

import json
import logging
from typing import Any

from flask import abort, request

from bot.carriers.twilio.signature import matching_token, signed_url
from bot.carriers.twilio.webhook import parse_form
from bot.runtime import Runtime
from bot.web import metrics

log = logging.getLogger(__name__)


def verified_form(runtime: Runtime) -> Any:
    """The posted parameters after the signature was verified; aborts with 403 if it does not match."""
    raw = request.get_data(cache=False)
    settings = runtime.settings
    url = signed_url(settings.public_url, _raw_path(), request.query_string.decode("latin-1"))
    signature = request.headers.get("X-Twilio-Signature")
    if request.mimetype == "application/json":
        matched = matching_token(settings.twilio_auth_tokens, url, signature, raw_body=raw)
        form: Any = _json_form(raw)
    else:
        form = parse_form(raw)
        matched = matching_token(settings.twilio_auth_tokens, url, signature, form=form)
    if matched is None:
        metrics.REJECTED_SIGNATURES.inc()
        abort(403, "The signature does not fit.")
    if matched > 0:
        log.warning("signed with auth token %s: it was promoted, the first in TWILIO_AUTH_TOKEN can go", matched + 1)
    return form


def message_id_from_url() -> int | None:
    """The id of our message row in the query string (`?message=7`); None if it is missing or not a number."""
    named = request.args.get("message", "")
    return int(named) if named.isdecimal() and len(named) < 19 else None


def _json_form(raw: bytes) -> dict[str, str]:
    try:
        data = json.loads(raw)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _raw_path() -> str:
    """The path as it was received, still percent-encoded: that is what Twilio signed."""
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI")
    return str(raw).partition("?")[0] if raw and str(raw).startswith("/") else request.path
