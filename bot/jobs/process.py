"""The runtime of this worker process, opened once and used by all of its jobs."""

from __future__ import annotations

import os
import threading

from bot.runtime import Runtime
from bot.settings import Settings

_lock = threading.Lock()
_runtime: Runtime | None = None


def runtime() -> Runtime:
    """This process's runtime; opened from the environment where nobody has set one."""
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = Runtime.start(Settings.from_env(os.environ))
        return _runtime


def use(opened: Runtime | None) -> None:
    """Let the jobs of this process use a runtime that is open already."""
    global _runtime
    _runtime = opened
