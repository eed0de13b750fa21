"""The way to PostgreSQL: one engine a process, and transactions that the doors open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"
CONNECT_SECONDS = 2
STATEMENT_MS = 8000
"""Twilio waits 15 seconds in all: a statement that takes longer than this is given up, and the text is spooled."""


def dialect_url(url: str) -> str:
    """`postgres://` and `postgresql://` as SQLAlchemy wants them, with psycopg 3 named."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


class Database:
    """Holds the pool. `transaction()` is opened by doors alone; nobody below them commits."""

    def __init__(self, url: str, connections: int = 20) -> None:
        self.engine: Engine = create_engine(
            dialect_url(url),
            pool_size=connections,
            max_overflow=5,
            pool_timeout=5,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                # Prepared on first use: the statements of a turn are few and always the same.
                "prepare_threshold": 0,
                "options": f"-c statement_timeout={STATEMENT_MS} -c timezone=UTC -c lock_timeout=6000",
                "application_name": "warmline",
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    def close(self) -> None:
        self.engine.dispose()


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached or went away, as against an error in what was asked of it."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, TimeoutError))


def migrate(url: str) -> None:
    """Bring the schema to the newest version; safe to run twice and from two processes (Alembic takes a lock)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = dialect_url(url)
    command.upgrade(config, "head")
