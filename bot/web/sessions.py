"""Who has a session: people with a browser. A carrier has none."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class Sessions(SecureCookieSessionInterface):
    """Flask's own signed cookies, but none at the carrier's doors: opening and closing an empty one costs every text
    as much as its signature check."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the request; one that can hold nothing where a carrier asks."""
        return self.make_null_session(app) if request.path.startswith("/twilio/") else super().open_session(app, request)
