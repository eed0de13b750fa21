"""What time it is: the machine's clock, and the demo's clock that an operator may push forward.

Time is aware UTC everywhere inside the house. Rooms below the doors are handed `now` and never ask for it.
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
    """Anything that says what time it is."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class DemoClock:
    """The machine's clock plus an offset kept in a small file, so that a week's check-in can be seen today.

    The web and the worker are separate processes and read the same file, so they always agree. The file holds
    the offset as whole microseconds. Time only goes forward: stepping back would make due work undue again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The demo's present moment, aware, in UTC. Raises ValueError when the file holds no number."""
        return datetime.now(UTC) + self.offset()

    def offset(self) -> timedelta:
        """How far the demo runs ahead of the machine; nothing when it was never advanced."""
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
        """Push the demo's time forward by `step` and give back the new now.

        Raises ValueError when `step` is not forward.
        """
        if step <= timedelta():
            raise ValueError("The demo clock only goes forward; give a step of more than nothing.")
        with self._locked():
            offset = self.offset() + step
            _replace(self._path, str(offset // timedelta(microseconds=1)))
        return self.now()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Two presses of the button in two web processes must add up; without the lock one of them is lost.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _replace(path: Path, text: str) -> None:
    """Write a file so that a reader meets either the old text or the new one, never a half."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
