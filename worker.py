"""The worker: an RQ worker in a child process that is kept alive, and beside it the sweep, which needs no Redis.

`python worker.py` runs both; `python worker.py --queue` is the RQ worker that it starts.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from bot.jobs import process, sweep
from bot.operations import job_queue, logs
from bot.operations.settings.settings import Settings
from bot.runtime import Runtime

log = logging.getLogger("worker")
RESTART_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    settings = Settings.from_env(os.environ)
    logs.set_up(settings.log_level)
    runtime = Runtime.start(settings)
    process.set_runtime(runtime)
    if arguments == ["--queue"]:
        job_queue.work(settings.redis_url or "")
        return 0
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    keeper = threading.Thread(target=keep_queue_worker, args=(stop,), name="keeper")
    keeper.start()
    sweep.run(runtime, stop)
    keeper.join()
    runtime.close()
    return 0


def keep_queue_worker(stop: threading.Event) -> None:
    """Restart the RQ worker whenever it ends: it gives up when Redis is away for long, and Redis comes back."""
    while not stop.is_set():
        child = subprocess.Popen([sys.executable, str(Path(__file__).resolve()), "--queue"])
        while child.poll() is None and not stop.wait(0.3):
            pass
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(8)
            except subprocess.TimeoutExpired:
                child.kill()
        elif not stop.is_set():
            log.warning("the queue worker ended with %s; started again", child.returncode)
            stop.wait(RESTART_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
