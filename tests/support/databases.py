"""The servers of a test run, and databases that are copied from templates, each of which is prepared once.

Most tests run on servers in memory, because none of their data must survive a crash. Those in tests/faults run on disk,
with PostgreSQL's normal durability.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import psycopg

from bot.operations.embedded import postgres
from bot.operations.embedded.servers import EmbeddedServers
from bot.storage import schema
from bot.storage.database import Database
from tests.support.clock import MONDAY_MORNING
from tests.support.shipped_content import publish

EMPTY = "warmline_empty"
"""The template with all tables and no rows."""
PUBLISHED = "warmline_published"
"""The template with the shipped flows, published on Monday morning, and the shipped directory."""
_MEMORY_FOLDER = Path("/dev/shm")
_NEEDED_BYTES = 2 * 1024**3
_OLD_SECONDS = 60
_WITHOUT_DURABILITY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_ZONE = ZoneInfo("America/Chicago")


class Databases:
    """The databases of one PostgreSQL server. Each is identified by its URL and is a copy of a template.

    In memory, copying a template's files is fastest; on disk, each copied file would have to be flushed.
    """

    def __init__(self, servers: EmbeddedServers, *, is_on_disk: bool = False) -> None:
        self._url, self._numbers = servers.database_url, itertools.count(1)
        self._strategy = "WAL_LOG" if is_on_disk else "FILE_COPY"
        self._ready: set[str] = set()

    def make(self, template: str = EMPTY) -> str:
        """Create a database from a template; gives its URL."""
        address = self._address(f"test_{next(self._numbers)}")
        self.restore(address, template)
        return address

    def restore(self, address: str, template: str = PUBLISHED) -> None:
        """Reset a database to its template. Open connections are closed; the URL stays the same."""
        name = _name(address)
        self._make_ready(template)
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {self._strategy}")

    def drop(self, address: str) -> None:
        """Remove a database, by force: a test that failed halfway may have left a connection open."""
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {_name(address)} WITH (FORCE)")

    def _make_ready(self, template: str) -> None:
        if template in self._ready:
            return
        if template == PUBLISHED:
            self._make_ready(EMPTY)
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {template} TEMPLATE {EMPTY if template == PUBLISHED else 'template0'}")
        address = self._address(template)
        if template == EMPTY:
            schema.migrate(address)
        else:
            _publish(address)
        self._ready.add(template)

    def _address(self, name: str) -> str:
        return self._url.replace("/warmline?", f"/{name}?")


@contextmanager
def in_memory() -> Iterator[EmbeddedServers]:
    """A PostgreSQL and a Valkey that flush nothing to disk; their folder is in memory where that has enough space."""
    place = _memory()
    if place:
        _clear_away(place)
    with _folder(place) as folder:
        running = EmbeddedServers(folder)
        # Only for these servers: others that this process starts keep normal durability.
        with mock.patch.dict(postgres._OPTIONS, _WITHOUT_DURABILITY):
            running.start()
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def on_disk() -> Iterator[EmbeddedServers]:
    """A PostgreSQL and a Valkey as they run in production."""
    with _folder(None) as folder, EmbeddedServers(folder) as running:
        yield running


@contextmanager
def _folder(place: Path | None) -> Iterator[Path]:
    # Not pytest's own folder: each run makes that one private again, and when tests run as root, that would shut out
    # the account of another run's PostgreSQL.
    folder = Path(tempfile.mkdtemp(prefix="warmline-tests-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """The folder in memory; None where there is none, or where it is too small, as in many containers."""
    if os.access(_MEMORY_FOLDER, os.W_OK) and shutil.disk_usage(_MEMORY_FOLDER).free > _NEEDED_BYTES:
        return _MEMORY_FOLDER
    return None


def _clear_away(place: Path) -> None:
    """Remove what runs that were killed have left in memory. A run that lives holds its folder's lock."""
    for lock in place.glob("warmline-tests-*/house.lock"):
        with contextlib.suppress(OSError), lock.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another run's folder may be a moment old and about to be locked.
            if time.time() - lock.stat().st_mtime > _OLD_SECONDS:
                shutil.rmtree(lock.parent, ignore_errors=True)


def _publish(address: str) -> None:
    database = Database(address, connections=1)
    try:
        publish(database, MONDAY_MORNING, _ZONE)
    finally:
        database.close()


def _name(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]
