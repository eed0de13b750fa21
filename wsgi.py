"""The web server's way in: `granian --interface wsgi wsgi:app`."""

from __future__ import annotations

import gc
import os

from bot import logs
from bot.domain.directory import places
from bot.runtime import Runtime
from bot.settings import Settings
from bot.web.app import create_app

settings = Settings.from_env(os.environ)
logs.set_up(settings.log_level)
app = create_app(Runtime.start(settings))
# Its table takes half a second to read, which the first person with a ZIP code should not wait for.
places.of_zip("63101")
# What is loaded now stays for the life of the process: without this every full collection walks all of it, in the middle
# of somebody's page.
gc.collect()
gc.freeze()
