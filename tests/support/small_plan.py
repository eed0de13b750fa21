"""A small plan of processes for the supervisor to run: `python -m tests.support.small_plan run [preparation] [web]`.

The parts that are named fail.
"""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.operations import supervisor
from bot.operations.settings.settings import Settings


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every request with status 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Log nothing."""


def role(*names: str) -> list[str]:
    return [sys.executable, "-m", "tests.support.small_plan", *names]


def run(broken: Sequence[str]) -> int:
    preparation = role("fail") if "preparation" in broken else role("note", "prepared")
    web = role("fail") if "web" in broken else role("web")
    plan = supervisor.RunPlan(lambda _: [preparation], lambda _: {"the web": web, "the worker": role("work")})
    return supervisor.run(Settings.from_env(os.environ), plan=plan)


def note(name: str, what: str = "") -> None:
    with (Path(os.environ["DATA_DIR"]) / name).open("a") as file:
        file.write(f"{what}\n")


def main(names: Sequence[str]) -> int:
    match names:
        case ["run", *broken]:
            return run(broken)
        case ["note", name]:
            note(name, os.environ["DATABASE_URL"])
        case ["fail"]:
            return 3
        case ["web"]:
            note("web", str(os.getpid()))
            http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Ready).serve_forever()
        case ["work"]:
            helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            note("worker", f"{os.getpid()} {helper.pid}")
            signal.signal(signal.SIGTERM, lambda *_: helper.kill())
            helper.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
