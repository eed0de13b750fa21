"""Who has a session: people with a browser. A carrier has none, and a page that asks whether there is news needs none."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

_WITHOUT = ("/twilio/", "/console/news")


class Sessions(SecureCookieSessionInterface):
    """Flask's own signed cookies, but none at the carrier's doors: opening and closing an empty one costs every text
    as much as its signature check. None for the consoles' question for news either, which hundreds ask every second."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the request; one that can hold nothing where a carrier or a page's script asks."""
        return self.make_null_session(app) if request.path.startswith(_WITHOUT) else super().open_session(app, request)
