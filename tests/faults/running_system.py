"""All of Warmline as separate processes, with the tests' small flow: `python -m tests.faults.running_system` runs it.

`RunningSystem` starts it with a stand-in for Twilio, and kills its parts by name.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from bot.operations import supervisor
from bot.operations.embedded import postgres
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from tests.paths import ROOT as REPOSITORY
from tests.stand_ins.twilio import StandInTwilio
from tests.support.ports import free_port

FLOWS = Path(__file__).parent / "flows"
KEY = base64.urlsafe_b64encode(b"for fault tests" + bytes(17)).decode("ascii")
SECRET = "only-for-tests-" * 3
OURS = "+13145550100"
RESEND_AFTER = 20
"""Longer than the fifteen seconds in all that Twilio waits for an answer, as in production."""


def run() -> int:
    """What `python -m bot run` does, with another folder of flows."""

    def preparations(_settings: Settings) -> list[list[str]]:
        bot = [sys.executable, "-m", "bot"]
        return [[*bot, "migrate"], [*bot, "flows", "publish", str(FLOWS)]]

    plan = supervisor.RunPlan(preparations, supervisor.DEFAULT_PLAN.programs)
    return supervisor.run(Settings.from_env(os.environ), plan=plan)


class RunningSystem:
    """A Warmline in `folder` that texts through `twilio`. `kill` takes one of the names in `PARTS`."""

    def __init__(self, folder: Path, twilio: StandInTwilio) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sealer = Sealer((KEY,), SECRET)
        self._twilio = twilio
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return when it is ready."""
        with (self.folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.running_system"],
                cwd=REPOSITORY, env=self._environment(), stdout=said, stderr=said,
            )  # fmt: skip
        eventually(self.is_ready, 60, "Warmline is not ready: " + self.said())

    def stop(self) -> None:
        """End it, by force if it does not end by itself, and leave no process of it behind."""
        if self._process is None:
            return
        family = self._family()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        for process in [psutil.Process(self._process.pid), *family] if self._process.poll() is None else family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait(10)

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
        return inherited | {
            "PYTHONPATH": str(REPOSITORY),
            "DATA_DIR": str(self.folder / "data"),
            "PORT": str(self.port),
            "SECRET_KEY": SECRET,
            "ENCRYPTION_KEYS": KEY,
            "TWILIO_ACCOUNT_SID": self._twilio.account_sid,
            "TWILIO_AUTH_TOKEN": self._twilio.auth_token,
            "TWILIO_FROM": OURS,
            "TWILIO_API_URL": self._twilio.url,
            "SENDER_MPS": "1000",
            "RESEND_AFTER": str(RESEND_AFTER),
            "WEB_WORKERS": "2",
            "LOG_LEVEL": "warning",
        }

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")[-4000:]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def database(self) -> Database:
        """A connection to its database that needs none of its processes but PostgreSQL."""
        return Database(postgres.url((self.folder / "data").absolute()), connections=2)

    def spooled(self) -> list[str]:
        """The names of the files that wait in the spool, or were set aside."""
        spool = self.folder / "data" / "spool"
        return [path.name for path in spool.rglob("*") if path.is_file() and not path.name.startswith(".lock")]

    def kill(self, part: str) -> bool:
        """Kill -9 one process of this part; whether there was one."""
        found = [process for process in self._family() if _is(part, process)]
        for process in found[:1]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if found and part == "Valkey":
            shutil.rmtree(self.folder / "data" / "valkey" / "appendonlydir", ignore_errors=True)
        return bool(found)

    def hold(self, part: str) -> Callable[[], None]:
        """Stop a part as a hanging disk does (it accepts connections and never answers); gives the function that resumes."""
        found = [process for process in self._family() if _is(part, process)]
        for process in found:
            # A session may end between being found and being stopped; the others must still be resumed.
            with contextlib.suppress(psutil.Error):
                process.suspend()

        def resume() -> None:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.resume()

        return resume

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            assert self._process is not None
            return list(psutil.Process(self._process.pid).children(recursive=True))
        return []


PARTS = (
    "a web process",
    "the web server",
    "the worker",
    "the queue worker",
    "Valkey",
    "PostgreSQL",
    "a database session",
)


def _is(part: str, process: psutil.Process) -> bool:
    try:
        words, parent = process.cmdline(), process.parent()
        above = parent.cmdline() if parent else []
    except psutil.Error:
        return False
    line = " ".join(words)
    match part:
        case "a web process":
            return "granian" in words and "granian" in above
        case "the web server":
            return "granian" in words and "granian" not in above
        case "the worker":
            return bool(words) and words[-1].endswith("worker.py")
        case "the queue worker":
            return bool(words) and words[-1] == "--queue"
        case "Valkey":
            return "valkey-server" in line
        case "PostgreSQL":
            return "/bin/postgres" in line
        case _:
            return line.startswith("postgres: postgres warmline")


def eventually(holds: Callable[[], object], seconds: float, otherwise: str | Callable[[], str] = "") -> None:
    """Wait until `holds` returns something true; AssertionError with `otherwise` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(0.2)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run())
