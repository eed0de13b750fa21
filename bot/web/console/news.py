"""Whether an open page is out of date. Every open console polls this all the time, so it must cost next to nothing.

A page carries a signed pass with the staff id and the handoff id; with it no session is opened and no account is loaded. One
thread of the process reads the versions for all pages at most twice a second, and the others answer from its result. The
news itself is never given here: for that the page requests its own guarded path.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Final

from flask import Response, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from bot.storage.database import DATABASE_ERRORS, Database
from bot.usecases.handoff.read_inbox import read_versions
from bot.web.forms import current_runtime

PASS_SECONDS: Final = int(timedelta(minutes=10).total_seconds())
READ_INTERVAL: Final = 0.5
"""Seconds for which one reading of the database serves all requests."""
MAX_AGE: Final = 3.0
"""Seconds after which the last reading is stale: the database hangs, and the page must show that."""
_FORGET_AFTER: Final = 20.0
"""Seconds after which a handoff that no page asks about is not read any more."""

VersionReader = Callable[[Collection[int]], tuple[str, Mapping[int, str]]]
"""Handoff ids -> (version of the inbox, version of each of these handoffs)."""


@cache
def _serializer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="warmline console news")


def make_pass(staff_id: int, handoff_id: int = 0) -> str:
    """A pass, valid for ten minutes, for the inbox (0) or for the page of one handoff."""
    return str(_serializer(current_runtime().settings.secret_key).dumps([staff_id, handoff_id]))


@dataclass
class VersionCache:
    """The versions that were read last. Shared by the threads of a process."""

    read: VersionReader
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _inbox: str | None = None
    _handoffs: Mapping[int, str] = field(default_factory=dict)
    _asked_at: dict[int, float] = field(default_factory=dict)
    _tried_at: float = -1000.0
    _read_at: float = -1000.0
    _failed: bool = False

    def version(self, handoff_id: int) -> str | None:
        """The version of the inbox (0) or of a handoff; None in a database outage."""
        if handoff_id:
            self._asked_at[handoff_id] = self.clock()
        known = self._is_known(handoff_id)
        # Wait for a running read only if there is no known version; else answer from the last reading.
        if (not known or self._is_stale()) and self._lock.acquire(blocking=not known):
            try:
                self._refresh(handoff_id)
            finally:
                self._lock.release()
        if self._failed or self.clock() - self._read_at > MAX_AGE:
            return None
        return self._handoffs.get(handoff_id) if handoff_id else self._inbox

    def _is_known(self, handoff_id: int) -> bool:
        return handoff_id in self._handoffs if handoff_id else self._inbox is not None

    def _is_stale(self) -> bool:
        return self.clock() - self._tried_at >= READ_INTERVAL

    def _refresh(self, handoff_id: int) -> None:
        if not self._is_stale() and (self._failed or self._is_known(handoff_id)):
            return
        now = self._tried_at = self.clock()
        self._asked_at = {each: at for each, at in list(self._asked_at.items()) if now - at < _FORGET_AFTER}
        # A handoff first asked for during this read stays unknown until the next one; it must not get an empty version.
        wanted = list(self._asked_at)
        try:
            self._inbox, cases = self.read(wanted)
        except DATABASE_ERRORS:
            self._failed = True
            return
        self._handoffs = {each: cases.get(each, "") for each in wanted}
        self._read_at, self._failed = now, False


def _version_cache() -> VersionCache:
    known: VersionCache | None = current_app.extensions.get("warmline news")
    return known or current_app.extensions.setdefault(
        "warmline news", VersionCache(version_reader(current_runtime().database))
    )


def version_reader(database: Database) -> VersionReader:
    """Returns a function that reads both kinds of versions in one short transaction."""

    def read(handoff_ids: Collection[int]) -> tuple[str, Mapping[int, str]]:
        with database.transaction() as db:
            return read_versions(db, handoff_ids)

    return read


def news_response() -> Response:
    """204 if the page is up to date, 200 if not, 202 if only entries that need no action have changed: with two hundred
    consoles open, no page has to show at once that a colleague's person wrote.

    410 for a pass that is too old or not ours (the page then requests its own guarded path, which gives it a new one), 503
    in a database outage.
    """
    try:
        _, handoff_id = _serializer(current_runtime().settings.secret_key).loads(
            request.headers.get("X-Pass", ""), max_age=PASS_SECONDS
        )
    except BadSignature:
        return Response(status=410)
    version, seen = _version_cache().version(handoff_id), request.args.get("seen", "")
    if version is None:
        return Response(status=503)
    if version == seen:
        return Response(status=204)
    only_quiet_changes = not handoff_id and version.partition(".")[0] == seen.partition(".")[0]
    return Response(status=202 if only_quiet_changes else 200)
