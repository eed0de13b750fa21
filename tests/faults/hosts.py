"""Two machines that share one PostgreSQL and one Valkey: each runs `worker.py`, and beside them two more queue workers.

A killed program is started again after a moment, as a supervisor would do it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.paths import ROOT as REPOSITORY

RESTART_SECONDS = 1.0
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "host one": ("worker.py",),
    "host two": ("worker.py",),
    "worker three": ("worker.py", "--queue"),
    "worker four": ("worker.py", "--queue"),
}


class Hosts:
    """The programs, each in a session of its own with the settings of `env`; their logs are in `folder`."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
        self._folder, self._env = folder, inherited | {"PYTHONPATH": str(REPOSITORY)} | dict(env)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._supervisor = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def start(self) -> None:
        for name in PROGRAMS:
            self._start(name)
        self._supervisor.start()

    def stop(self) -> None:
        """End all of it by force."""
        self._over.set()
        self._supervisor.join()
        for process in self._running.values():
            end_session(process.pid)
            process.wait(10)

    def said(self) -> str:
        """The ends of the logs."""
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(self._folder.glob("*.log")))

    def kill(self, part: str, dice: random.Random) -> bool:
        """Kill -9 one process of this part; whether there was one."""
        if part == "a whole host":
            end_session(self._running[dice.choice(("host one", "host two"))].pid)
            return True
        found = self._schedulers() if part == "a scheduler" else self._queue_workers()
        if not found:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(found), signal.SIGKILL)
        return True

    def kill_all(self) -> None:
        """Kill all programs at once, as a power failure would; PostgreSQL and Valkey go on."""
        for process in list(self._running.values()):
            end_session(process.pid)

    def queue_workers(self) -> int:
        """How many queue workers run, schedulers not counted."""
        return len(self._queue_workers())

    def _queue_workers(self) -> list[int]:
        family = self._family()
        return [pid for pid, parent in family.items() if parent not in family]

    def _schedulers(self) -> list[int]:
        # A scheduler is forked from its worker, and has the same command line.
        family = self._family()
        return [pid for pid, parent in family.items() if parent in family]

    def _family(self) -> dict[int, int]:
        """The process id of every running queue worker and scheduler, with its parent's."""
        sessions, found = {process.pid for process in self._running.values()}, {}
        for pid in psutil.pids():
            # A process may end while it is inspected.
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if session_of(pid) in sessions and process.cmdline()[-1:] == ["--queue"]:
                    found[pid] = process.ppid()
        return found

    def _start(self, name: str) -> None:
        place = self._folder / name.replace(" ", "-")
        place.mkdir(exist_ok=True)
        with place.with_suffix(".log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *PROGRAMS[name]],
                cwd=REPOSITORY, env=self._env | {"DATA_DIR": str(place)}, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _keep(self) -> None:
        while not self._over.wait(0.1):
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if not ended or self._over.wait(RESTART_SECONDS):
                continue
            for name in ended:
                end_session(self._running[name].pid)
                self._start(name)


def session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def end_session(leader: int) -> None:
    """Kill -9 a program and all processes of its session."""
    for pid in psutil.pids():
        if session_of(pid) == leader:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
