"""Which requests get a session: those of browsers, but neither the carrier's webhooks nor the console's polling."""

from __future__ import annotations

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

_PATHS_WITHOUT_SESSION = ("/twilio/", "/console/news")


class SelectiveSessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookies, but none for the carrier's webhooks: opening and closing an empty session costs every text as
    much as its signature check. None for the consoles' polling for news either, which comes hundreds of times a second."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the request; a null session for the paths that need none."""
        return (
            self.make_null_session(app)
            if request.path.startswith(_PATHS_WITHOUT_SESSION)
            else super().open_session(app, request)
        )
