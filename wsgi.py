"""The WSGI application for the web server: `granian --interface wsgi wsgi:app`."""

from __future__ import annotations

import gc
import os

from bot.domain.directory import places
from bot.operations import logs
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.web.app import create_app

settings = Settings.from_env(os.environ)
logs.set_up(settings.log_level)
app = create_app(Runtime.start(settings))
# The ZIP table takes half a second to load; the first person who writes a ZIP code should not wait for it.
places.find_zip("63101")
# What is loaded by now lives as long as the process. Without the freeze every full garbage collection would walk all of it
# in the middle of a request.
gc.collect()
gc.freeze()
