"""Fixtures for all tests: real servers, a freshly migrated database for each test, settings, and running applications."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings as hypothesis_settings
from sqlalchemy.orm import Session

from bot.operations.embedded.servers import EmbeddedServers
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.usecases.context import Context
from tests.support import caches
from tests.support.clock import FrozenClock
from tests.support.databases import EMPTY, PUBLISHED, Databases, in_memory
from tests.support.demo import Demo, open_demo
from tests.support.entry_points import Site, open_site
from tests.support.help_line import HelpLine, open_line
from tests.support.supervisors import Office, open_office

# A slow example only means that the machine is busy; it is no failure.
hypothesis_settings.register_profile("warmline", deadline=None)
hypothesis_settings.load_profile("warmline")


@pytest.fixture(scope="session", autouse=True)
def _shared_caches() -> Iterator[None]:
    with caches.shared_caches():
        yield


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """A PostgreSQL and a Valkey for this test process, stopped and removed when it ends."""
    with in_memory() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers) -> Databases:
    """Creates databases and resets them."""
    return Databases(servers)


@pytest.fixture
def published() -> None:
    """A test that uses this fixture, also indirectly, starts with the shipped flows and directory in its database.

    Copying them is ten times faster than publishing them. A test that publishes its own flows does not use this.
    """


@pytest.fixture
def database_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database that only this test uses."""
    address = databases.make(PUBLISHED if published.__name__ in request.fixturenames else EMPTY)
    yield address
    databases.drop(address)


@pytest.fixture
def redis_url(servers: EmbeddedServers) -> str:
    """The URL of the Valkey, which is emptied before this test."""
    with redis.Redis.from_url(servers.redis_url) as connection:
        connection.flushall()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Complete settings of a demo, on this test's own database and folder."""
    return settings_on(database_url, redis_url, tmp_path)


def settings_on(database_url: str, redis_url: str, folder: Path) -> Settings:
    """The same settings for a test that creates its own database."""
    return Settings.from_env(
        {
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "only-for-tests-" * 3,
            "ENCRYPTION_KEYS": base64.urlsafe_b64encode(b"for tests" + bytes(23)).decode("ascii"),
            "LINE_NAME": "STL Help",
        }
    )


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands still on a Monday morning until the test moves it."""
    return FrozenClock()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Connections to this test's database."""
    opened = Database(settings.database_url or "")
    yield opened
    opened.close()


@pytest.fixture
def db(database: Database) -> Iterator[Session]:
    """A session in one transaction, committed when the test ends."""
    with database.transaction() as session:
        yield session


@pytest.fixture
def sealer(settings: Settings) -> Sealer:
    """Seals and opens the sealed columns of this test's database."""
    return Sealer(settings.encryption_keys, settings.secret_key)


@pytest.fixture
def demo(settings: Settings, published: None) -> Iterator[Demo]:
    """The demo, with the shipped flows."""
    with open_demo(settings) as opened:
        yield opened


@pytest.fixture
def context(demo: Demo) -> Context:
    """The context that the demo passes to its use cases."""
    return demo.runtime.context


@pytest.fixture
def office(settings: Settings, published: None) -> Iterator[Office]:
    """The demo with one member of staff per role, at nine on a Monday morning."""
    with open_office(settings) as opened:
        yield opened


@pytest.fixture
def line(settings: Settings, clock: FrozenClock, published: None) -> Iterator[HelpLine]:
    """The whole system, with a stand-in for Twilio."""
    with open_line(settings, clock) as opened:
        yield opened


@pytest.fixture
def site(settings: Settings, clock: FrozenClock) -> Iterator[Site]:
    """Warmline with one member of staff who can sign in."""
    with open_site(settings, clock) as opened:
        yield opened
