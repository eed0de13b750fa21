"""Installing the staff's sign-in in an application."""

from __future__ import annotations

from flask import Flask

from bot.runtime import Runtime
from bot.web import access
from bot.web.sign_in import links, oidc, security
from bot.web.sign_in.attempts import Throttle
from bot.web.sign_in.pages import sign_in

PAGES = (links, oidc)
"""Modules that add their pages to the blueprint `sign_in` when they are imported."""


def set_up(app: Flask, runtime: Runtime) -> None:
    """Register the sign-in pages, and the CSRF check for every post to them and to the console."""
    security.set_up(app, runtime)
    access.set_up(app)
    app.extensions["warmline throttle"] = Throttle()
    oidc.set_up(app, runtime.settings)
    app.register_blueprint(sign_in)
