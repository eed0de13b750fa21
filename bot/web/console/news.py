"""Whether an open page has anything new, asked by every open console all the time, and so made to cost next to nothing.

A page carries a signed pass that says whose it is and which page; with it no session is opened and no account is read. One
thread of the process asks the database for all pages at most twice a second, and the others answer from what it found.
What is new is never told here: for that the page asks its own guarded address.
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

from bot.storage import inbox
from bot.storage.database import DATABASE_ERRORS, Database
from bot.web.forms import runtime

PASS_SECONDS: Final = int(timedelta(minutes=10).total_seconds())
EVERY: Final = 0.5
"""Seconds for which an answer of the database serves everybody."""
TOO_OLD: Final = 3.0
"""Seconds after which what was read is no answer any more: the database hangs, and the page must say so."""
_FORGET: Final = 20.0
"""Seconds after which a page that does not ask any more is not read for."""

Read = Callable[[Collection[int]], tuple[str, Mapping[int, str]]]
"""Handoff ids -> (what the inbox stands at, what each of these handoffs stands at)."""


@cache
def _serializer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="warmline console news")


def make_pass(staff_id: int, handoff_id: int = 0) -> str:
    """A pass for ten minutes: for the inbox, or for the page of one handoff."""
    return str(_serializer(runtime().settings.secret_key).dumps([staff_id, handoff_id]))


@dataclass
class Watch:
    """What was read last. Shared by the threads of a process."""

    read: Read
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _inbox: str | None = None
    _cases: Mapping[int, str] = field(default_factory=dict)
    _asked: dict[int, float] = field(default_factory=dict)
    _tried_at: float = -1000.0
    _read_at: float = -1000.0
    _failed: bool = False

    def version(self, handoff_id: int) -> str | None:
        """What the inbox (0) or a handoff stands at; None where the database does not tell."""
        if handoff_id:
            self._asked[handoff_id] = self.clock()
        known = self._knows(handoff_id)
        # Who has nothing to show waits for the reading; all others are answered from what there is.
        if (not known or self._is_stale()) and self._lock.acquire(blocking=not known):
            try:
                self._look(handoff_id)
            finally:
                self._lock.release()
        if self._failed or self.clock() - self._read_at > TOO_OLD:
            return None
        return self._cases.get(handoff_id) if handoff_id else self._inbox

    def _knows(self, handoff_id: int) -> bool:
        return handoff_id in self._cases if handoff_id else self._inbox is not None

    def _is_stale(self) -> bool:
        return self.clock() - self._tried_at >= EVERY

    def _look(self, handoff_id: int) -> None:
        if not self._is_stale() and (self._failed or self._knows(handoff_id)):
            return
        now = self._tried_at = self.clock()
        self._asked = {each: at for each, at in list(self._asked.items()) if now - at < _FORGET}
        # What is asked for first while this is being read is unknown until the next look, not without a version.
        wanted = list(self._asked)
        try:
            self._inbox, cases = self.read(wanted)
        except DATABASE_ERRORS:
            self._failed = True
            return
        self._cases = {each: cases.get(each, "") for each in wanted}
        self._read_at, self._failed = now, False


def _watch() -> Watch:
    known: Watch | None = current_app.extensions.get("warmline news")
    return known or current_app.extensions.setdefault("warmline news", Watch(reader(runtime().database)))


def reader(database: Database) -> Read:
    """Reads both versions in one short transaction."""

    def read(handoff_ids: Collection[int]) -> tuple[str, Mapping[int, str]]:
        with database.transaction() as db:
            return inbox.version(db), inbox.versions(db, handoff_ids)

    return read


def answer() -> Response:
    """204 while the page is up to date, 200 when it is not, 202 when only those that call for nobody have changed: with
    two hundred consoles open nobody need see at once that a colleague was written to.

    410 for a pass that is too old or not ours (the page asks its own guarded address, and gets a new one there), 503 while
    the database is away.
    """
    try:
        _, handoff_id = _serializer(runtime().settings.secret_key).loads(
            request.headers.get("X-Pass", ""), max_age=PASS_SECONDS
        )
    except BadSignature:
        return Response(status=410)
    version, seen = _watch().version(handoff_id), request.args.get("seen", "")
    if version is None:
        return Response(status=503)
    if version == seen:
        return Response(status=204)
    calls_alike = not handoff_id and version.partition(".")[0] == seen.partition(".")[0]
    return Response(status=202 if calls_alike else 200)
