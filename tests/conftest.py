"""What tests share: real servers, started once, a fresh migrated database each, whole settings, and a line that runs."""

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
from tests.support.entry_points import House, open_house
from tests.support.help_line import HelpLine, open_line
from tests.support.supervisors import Office, open_office

# A busy machine is no failure: a slow example is not one either.
hypothesis_settings.register_profile("warmline", deadline=None)
hypothesis_settings.load_profile("warmline")


@pytest.fixture(scope="session", autouse=True)
def _worked_out() -> Iterator[None]:
    with caches.kept():
        yield


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """A PostgreSQL and a Valkey of this process's own, ended and removed with it."""
    with in_memory() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: EmbeddedServers) -> Databases:
    """Makes databases and sets them back."""
    return Databases(servers)


@pytest.fixture
def published() -> None:
    """For whoever asks for it, or uses a fixture that does, the database has the shipped flows and directory from the start.

    To copy them is ten times quicker than to publish them. Who publishes flows of their own does without.
    """


@pytest.fixture
def database_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database that only this test knows."""
    address = databases.make(PUBLISHED if published.__name__ in request.fixturenames else EMPTY)
    yield address
    databases.drop(address)


@pytest.fixture
def redis_url(servers: EmbeddedServers) -> str:
    """The Valkey, emptied for this test."""
    with redis.Redis.from_url(servers.redis_url) as connection:
        connection.flushall()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Whole settings of a demo, on this test's own database and folder."""
    return settings_on(database_url, redis_url, tmp_path)


def settings_on(database_url: str, redis_url: str, folder: Path) -> Settings:
    """The same for whoever has a database of their own."""
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
    """A way into this test's database."""
    opened = Database(settings.database_url or "")
    yield opened
    opened.close()


@pytest.fixture
def db(database: Database) -> Iterator[Session]:
    """One transaction in it."""
    with database.transaction() as session:
        yield session


@pytest.fixture
def sealer(settings: Settings) -> Sealer:
    """Seals and opens what this test's database holds."""
    return Sealer(settings.encryption_keys, settings.secret_key)


@pytest.fixture
def demo(settings: Settings, published: None) -> Iterator[Demo]:
    """The demo, with the shipped flows."""
    with open_demo(settings) as opened:
        yield opened


@pytest.fixture
def context(demo: Demo) -> Context:
    """What the use cases are handed by the demo's doors."""
    return demo.runtime.context


@pytest.fixture
def office(settings: Settings, published: None) -> Iterator[Office]:
    """The demo with somebody of each role, at nine on a Monday."""
    with open_office(settings) as opened:
        yield opened


@pytest.fixture
def line(settings: Settings, clock: FrozenClock, published: None) -> Iterator[HelpLine]:
    """The whole line, with Twilio's stand-in at its edge."""
    with open_line(settings, clock) as opened:
        yield opened


@pytest.fixture
def house(settings: Settings, clock: FrozenClock) -> Iterator[House]:
    """A line with one member of staff before its doors."""
    with open_house(settings, clock) as opened:
        yield opened
