"""The current time: the machine's clock, and the demo's clock, which an operator may advance.

Inside Warmline every time is aware UTC. Use cases and the domain are handed `now` and never read a clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class DemoClock:
    """The machine's clock plus an offset from a small file, so that next week's check-in can be seen today.

    The web and the worker are separate processes and read the same file, so they always agree. The file holds
    the offset in whole microseconds. Time only goes forward: stepping back would make due work no longer due.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The demo's current time, aware, in UTC. Raises ValueError when the file holds no number."""
        return datetime.now(UTC) + self.offset()

    def offset(self) -> timedelta:
        """How far the demo runs ahead of the machine; zero when it was never advanced."""
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return timedelta()
        try:
            return timedelta(microseconds=int(text))
        except (ValueError, OverflowError):
            raise ValueError(
                f"{self._path} should hold the demo clock's offset as a whole number of microseconds; "
                "delete the file to go back to the real time."
            ) from None

    def advance(self, step: timedelta) -> datetime:
        """Advance the demo's time by `step` and return the new current time.

        Raises ValueError when `step` is not positive.
        """
        if step <= timedelta():
            raise ValueError("The demo clock only goes forward; give a step of more than nothing.")
        with self._locked():
            offset = self.offset() + step
            _replace(self._path, str(offset // timedelta(microseconds=1)))
        return self.now()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Two presses of the button in two web processes must add up; without the lock one of them could be lost.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically: readers see either the old text or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
