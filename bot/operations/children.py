"""Child processes: started, watched and stopped by this one, and never outliving it.

A child that survives its parent keeps the port or the data directory, and the next start fails, perhaps at night with
no operator there. So each child asks the kernel for a signal when its parent dies, and leads its own session, so that
every process it has started can be found and ended too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

_PR_SET_PDEATHSIG = 1
_MAX_LOG_BYTES = 5_000_000


class ChildFailed(Exception):
    """A child ended, or was not ready in time; the text names it and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class ProcessOwner:
    """The account that a child runs under."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to start and how to treat it.

    `ready` says whether it is working yet. `log` is the file for its output; None means our own output.
    `stop_signal` makes it end cleanly, and `stop_seconds` is how long it may take before it is killed.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    log: Path | None = None
    owner: ProcessOwner | None = None
    ready: Callable[[], bool] = lambda: True
    prepare: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 8.0


class ChildProcess:
    """One running (or ended) instance of a Program. Use it from the main thread, which outlives it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.start_count = 0
        self.started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        return self._process.pid if self._process and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether its first process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The last exit status, negative for a signal; None while it runs and before its first start."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """End what an earlier instance left behind, then start. Raises ChildFailed or OSError."""
        self._end_session()
        self.program.prepare()
        self.start_count += 1
        self.started_at = time.monotonic()
        owner = self.program.owner
        with _open_log(self.program.log) as output:
            self._process = subprocess.Popen(
                self.program.command,
                env=self.program.env,
                cwd=self.program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=owner.uid if owner else None,
                group=owner.gid if owner else None,
                extra_groups=[] if owner else None,
                start_new_session=True,
                preexec_fn=die_with_parent(os.getpid(), self.program.stop_signal),
            )

    def wait_ready(self, seconds: float) -> None:
        """Return once it is ready. Raises ChildFailed when it ends first or takes longer."""
        deadline = time.monotonic() + seconds
        while not self.program.ready():
            if not self.is_running:
                raise ChildFailed(f"{self.program.name} ended with status {self.exit_status}.{self._log_tail()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.program.name} was not ready after {seconds:g} s.{self._log_tail()}")
            time.sleep(0.05)

    def ask_to_stop(self) -> None:
        """Send its stop signal and return at once."""
        if self.is_running and self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.program.stop_signal)

    def wait_stopped(self) -> None:
        """Return once it has ended; after `stop_seconds` it is killed. Processes that it started are ended too."""
        if self._process:
            try:
                self._process.wait(self.program.stop_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._end_session()

    def stop(self) -> None:
        """Ask it to stop and wait until it has."""
        self.ask_to_stop()
        self.wait_stopped()

    def _end_session(self) -> None:
        # A web server that was killed leaves its workers behind, and they keep answering on the port.
        if self._process is None or self.is_running:
            return
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if os.getsid(pid) == self._process.pid:
                    os.kill(pid, signal.SIGKILL)

    def _log_tail(self) -> str:
        if self.program.log is None or not self.program.log.exists():
            return ""
        lines = self.program.log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return "\n".join(("", f"The end of {self.program.log}:", *lines))


def die_with_parent(parent_pid: int, stop_signal: signal.Signals) -> Callable[[], None] | None:
    """A preexec function for a child, after which the kernel sends it `stop_signal` when `parent_pid` dies.

    Only Linux can do this; elsewhere it is None, and the next start ends what was left behind.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)  # The parent died before we asked the kernel, so no signal will ever come.

    return ask_kernel


@contextlib.contextmanager
def _open_log(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
        return
    # Rotated here: a log that grows for a year would fill the disk that the texts are on.
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".old"))
    with log.open("ab") as file:
        yield file
