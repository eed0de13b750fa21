"""The real PostgreSQL and Valkey servers, from two Python packages, for a machine that has neither.

Both listen only on Unix sockets, in folders that no other account may enter, so they need no password and no port.
PostgreSQL writes every commit to disk before it reports it done; Valkey, which only wakes jobs, once a second.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from bot.operations.children import ChildFailed, ChildProcess
from bot.operations.embedded import postgres as embedded_postgres
from bot.operations.embedded import valkey as embedded_valkey
from bot.operations.embedded.folders import EmbeddedError

__all__ = ["EmbeddedError", "EmbeddedServers", "make_private"]

_READY_SECONDS = 60.0


class EmbeddedServers:
    """The embedded servers of one data directory; use it as a context manager or by `start` and `stop`.

    `start` raises EmbeddedError when another process uses the directory or a server cannot be started.
    `children` are the running servers, which the supervisor watches.
    """

    def __init__(self, data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self._data_dir = data_dir.absolute()
        self._enabled = (postgres, valkey)
        self._lock: int | None = None
        self.children: list[ChildProcess] = []

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return embedded_postgres.url(self._data_dir)

    @property
    def redis_url(self) -> str:
        """The address of the Valkey server."""
        return embedded_valkey.url(self._data_dir)

    def start(self) -> None:
        """Create what does not exist yet, start the servers, and return when both answer."""
        make_private(self._data_dir)
        self._lock = _lock(self._data_dir)
        try:
            postgres, valkey = self._enabled
            programs = [embedded_postgres.program(self._data_dir)] if postgres else []
            programs += [embedded_valkey.program(self._data_dir)] if valkey else []
            for program in programs:
                self.children.append(child := ChildProcess(program))
                child.start()
            for child in self.children:
                child.wait_ready(_READY_SECONDS)
            if postgres:
                embedded_postgres.create_database(self._data_dir)
        except (ChildFailed, OSError, psycopg.Error, subprocess.CalledProcessError) as failure:
            self.stop()
            raise EmbeddedError(
                f"The embedded servers in {self._data_dir} could not be started: {failure}\n"
                "Free the cause and start again, or set DATABASE_URL and REDIS_URL to servers of your own."
            ) from failure
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both servers cleanly; what was committed is on disk."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.wait_stopped()
        self.children.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def make_private(folder: Path) -> None:
    """Create the folder for this account alone. If that is root, the database's account may pass through, not list it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _lock(data_dir: Path) -> int:
    """Lock the directory for this process. The kernel releases the lock when the process ends, however it ends."""
    handle = os.open(data_dir / "house.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.read(handle, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise EmbeddedError(
            f"Warmline already runs on {data_dir} (process {other}). Stop that one first, or set DATA_DIR to another folder."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode("ascii"))
    return handle
