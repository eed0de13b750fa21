"""The runtime of this worker process, created once and shared by all of its jobs."""

from __future__ import annotations

import os
import threading

from bot.operations.settings.settings import Settings
from bot.runtime import Runtime

_lock = threading.Lock()
_runtime: Runtime | None = None


def get_runtime() -> Runtime:
    """This process's runtime, created from the environment unless one was set with `set_runtime`."""
    global _runtime
    with _lock:
        if _runtime is None:
            _runtime = Runtime.start(Settings.from_env(os.environ))
        return _runtime


def set_runtime(opened: Runtime | None) -> None:
    """Set the runtime that this process's jobs use; None: create one on demand."""
    global _runtime
    _runtime = opened
