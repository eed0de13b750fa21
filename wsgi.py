"""The web server's way in: `granian --interface wsgi wsgi:app`."""

from __future__ import annotations

import os

from bot import logs
from bot.runtime import Runtime
from bot.settings import Settings
from bot.web.app import create_app

settings = Settings.from_env(os.environ)
logs.set_up(settings.log_level)
app = create_app(Runtime.start(settings))
