"""The servers of a test run, and databases that are copied from ones that were made ready once.

Tests that prove nothing about crashes run on servers in memory: nothing of theirs must outlive the run. Those of
tests/faults run on the disk, with every promise to it kept.
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

from bot import embedded_postgres
from bot.embedded import Servers
from bot.storage import schema
from bot.storage.database import Database
from tests.doubles import MONDAY_MORNING
from tests.shipped import publish

EMPTY = "warmline_empty"
"""The template with all tables and no row."""
PUBLISHED = "warmline_published"
"""The template with the shipped flows published on Monday morning, and the shipped directory."""
_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3
_OLD_SECONDS = 60
_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_ZONE = ZoneInfo("America/Chicago")


class Databases:
    """The databases of one PostgreSQL. Each is known by its address and is a copy of a template.

    In memory it is quickest to copy their files; on the disk each of these would be waited for.
    """

    def __init__(self, servers: Servers, *, is_on_disk: bool = False) -> None:
        self._url, self._numbers = servers.database_url, itertools.count(1)
        self._strategy = "WAL_LOG" if is_on_disk else "FILE_COPY"
        self._ready: set[str] = set()

    def make(self, template: str = EMPTY) -> str:
        """A fresh database; its address."""
        address = self._address(f"test_{next(self._numbers)}")
        self.restore(address, template)
        return address

    def restore(self, address: str, template: str = PUBLISHED) -> None:
        """Set a database back to its template. Whoever is connected is thrown out; the address stays the same."""
        name = _name(address)
        self._make_ready(template)
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {self._strategy}")

    def drop(self, address: str) -> None:
        """Remove a database. By force: a test that failed in the middle may have left a connection open."""
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
def in_memory() -> Iterator[Servers]:
    """A PostgreSQL and a Valkey whose folder is in memory, where that has room, and which wait for no disk."""
    place = _memory()
    if place:
        _clear_away(place)
    with _folder(place) as folder:
        running = Servers(folder)
        # For these alone: others that this process starts keep every promise.
        with mock.patch.dict(embedded_postgres._OPTIONS, _CARELESS):
            running.start()
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def on_disk() -> Iterator[Servers]:
    """A PostgreSQL and a Valkey as they run in production."""
    with _folder(None) as folder, Servers(folder) as running:
        yield running


@contextmanager
def _folder(place: Path | None) -> Iterator[Path]:
    # Not pytest's own folder: every run sets that one back to closed, and under root the database's account,
    # which another run has let through it, would be shut out.
    folder = Path(tempfile.mkdtemp(prefix="warmline-tests-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """The folder in memory; None where there is none, or (in many containers) too small a one."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
        return _MEMORY
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
