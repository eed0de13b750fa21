"""What tests share: real servers, started once, a fresh migrated database each, and whole settings."""

from __future__ import annotations

import base64
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings

from bot.embedded import Servers
from bot.settings import Settings
from tests.doubles import FrozenClock

# A busy machine is no failure: a slow example is not one either.
hypothesis_settings.register_profile("warmline", deadline=None)
hypothesis_settings.load_profile("warmline")

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
_TEMPLATE = "warmline_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A PostgreSQL and a Valkey of this run's own, ended and removed with it."""
    # Not pytest's own folder: every run sets that one back to closed, and under root the database's account,
    # which another run has let through it, would be shut out.
    folder = Path(tempfile.mkdtemp(prefix="warmline-tests-"))
    try:
        with Servers(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def make_database(servers: Servers) -> Iterator[Callable[[], str]]:
    """Makes a fresh, migrated database and gives its address; a copy of one that was migrated once."""
    from bot.storage import schema

    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {_TEMPLATE}")
        schema.migrate(_address(servers, _TEMPLATE))

        def make() -> str:
            name = f"test_{next(_numbers)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
            return _address(servers, name)

        yield make


@pytest.fixture
def database_url(make_database: Callable[[], str], servers: Servers) -> Iterator[str]:
    """A migrated database that only this test knows."""
    address = make_database()
    yield address
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        # By force: a test that failed in the middle may have left a connection open.
        admin.execute(f"DROP DATABASE {_name(address)} WITH (FORCE)")


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """The Valkey, emptied for this test."""
    with redis.Redis.from_url(servers.redis_url) as connection:
        connection.flushall()
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Whole settings of a demo, on this test's own database and folder."""
    return Settings.from_env(
        {
            "DATA_DIR": str(tmp_path),
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


def _address(servers: Servers, name: str) -> str:
    return servers.database_url.replace("/warmline?", f"/{name}?")


def _name(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]
