"""The way to PostgreSQL: one engine a process, and transactions that the doors open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection, errors
from psycopg.abc import RV, PQGen
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

CONNECT_SECONDS = 2
LOOK_SECONDS = 1.0
STATEMENT_MS = 8000
"""Twilio waits 15 seconds in all: a statement that takes longer than this is given up, and the text is spooled."""

ANSWER_SECONDS = 9.0
"""Just above that: a server that keeps its own limits has answered by then."""

LOCK_MS = 6000
"""How long somebody waits for a row that another has, before they are told so."""


def dialect_url(url: str) -> str:
    """`postgres://` and `postgresql://` as SQLAlchemy wants them, with psycopg 3 named."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


DATABASE_ERRORS: Final = (SQLAlchemyError, psycopg.Error)
"""What a statement may raise, by the mapped classes or by `plain`."""


class _Impatient(Connection[Any]):
    """A connection that gives up on a PostgreSQL that is there and does not answer (a disk that hangs, a machine that
    sleeps). The server's own time limits are kept by the server, so they do not help then."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, timeout or ANSWER_SECONDS)
        except errors._WaitTimeout:
            # Half an answer may be on its way: this connection cannot be used again.
            self.pgconn.finish()
            raise psycopg.OperationalError("PostgreSQL does not answer") from None


class _Door:
    """Opens connections; while PostgreSQL is away one caller in a second looks for it, the others are told at once.

    Without it each of a hundred texts would wait for a time-out of its own, and the carrier would give up first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away = False
        self._next_look = 0.0

    def open(self, _dialect: object, _record: object, args: list[Any], kwargs: dict[str, Any]) -> Connection[Any]:
        """What SQLAlchemy calls for a new connection. Raises psycopg.OperationalError."""
        with self._lock:
            if self._away and time.monotonic() < self._next_look:
                raise psycopg.OperationalError("PostgreSQL was away a moment ago")
            self._next_look = time.monotonic() + CONNECT_SECONDS + LOOK_SECONDS
        try:
            connection = _Impatient.connect(*args, **kwargs)
        except psycopg.OperationalError:
            self._away, self._next_look = True, time.monotonic() + LOOK_SECONDS
            raise
        self._away = False
        return connection


class Database:
    """Holds the pool. `transaction()` is opened by doors alone; nobody below them commits."""

    def __init__(self, url: str, connections: int = 20) -> None:
        self.engine: Engine = create_engine(
            dialect_url(url),
            # What failed is logged with its statement: the values are people's numbers and what they need.
            hide_parameters=True,
            pool_size=connections,
            max_overflow=5,
            pool_timeout=5,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                # A machine that lost its power says nothing: without these its silence lasts a quarter of an hour.
                "tcp_user_timeout": 5000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 2,
                # Prepared on first use: the statements of a turn are few and always the same.
                "prepare_threshold": 0,
                "options": f"-c statement_timeout={STATEMENT_MS} -c timezone=UTC -c lock_timeout={LOCK_MS}",
                "application_name": "warmline",
            },
        )
        event.listen(self.engine, "do_connect", _Door().open)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back when it raises."""
        with self.engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            try:
                yield session
                # A turn that was saved by plain SQL alone never woke the session; to commit through it would cost
                # more than the turn's statements do.
                if session.in_transaction():
                    session.commit()
                else:
                    connection.connection.commit()
            except BaseException:
                session.rollback()
                self._roll_back(connection)
                raise

    def _roll_back(self, connection: SqlConnection) -> None:
        try:
            if not connection.invalidated:
                connection.connection.rollback()
        except psycopg.OperationalError:
            # After a restart of PostgreSQL every other idle connection is as dead as this one.
            connection.invalidate()
            self.engine.dispose()

    def close(self) -> None:
        self.engine.dispose()


def plain(db: Session) -> Connection[Any]:
    """The driver's own connection under a session, in the very same transaction.

    It does not write down first what the session has not flushed: who reads what the mapped classes may have changed in
    the same transaction flushes before. A session of `Database.transaction` is bound to its connection, that of the
    sign-in to the engine.
    """
    bound = db.get_bind()
    connection = bound if isinstance(bound, SqlConnection) else db.connection()
    driver: Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


_TROUBLE_OF_ONE = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached or went away, as against an error in what was asked of it.

    A lock that was not to be had and a statement that took too long are the trouble of one row, not of everybody.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, _TROUBLE_OF_ONE):
        return False
    # The path of a turn uses psycopg without SQLAlchemy's wrapping, so both kinds come here.
    return isinstance(cause, (psycopg.OperationalError, PoolTimeout, TimeoutError))
