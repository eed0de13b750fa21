"""Connections to PostgreSQL: one engine per process, and transactions that routes, jobs and commands open."""

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

CONNECT_TIMEOUT_SECONDS = 2
RETRY_SECONDS = 1.0
STATEMENT_TIMEOUT_MS = 8000
"""Twilio waits 15 seconds in all: a statement that takes longer than this is cancelled, and the text is spooled."""

CLIENT_TIMEOUT_SECONDS = 9.0
"""Just above STATEMENT_TIMEOUT_MS: a server that keeps its own limit has answered by then."""

LOCK_MS = 6000
"""How long somebody waits for a row that another has, before they are told so."""


def dialect_url(url: str) -> str:
    """`postgres://` and `postgresql://` URLs in SQLAlchemy's form for psycopg 3."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else url


DATABASE_ERRORS: Final = (SQLAlchemyError, psycopg.Error)
"""What a statement may raise, through the mapped classes or through `driver_connection`."""


class _TimeoutConnection(Connection[Any]):
    """A connection that times out on the client side if PostgreSQL accepts connections but does not answer (a hung disk,
    a suspended machine). The server enforces its own time limits, so they do not help then."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            return super().wait(gen, interval, timeout or CLIENT_TIMEOUT_SECONDS)
        except errors._WaitTimeout:
            # Half an answer may be on its way, so this connection cannot be reused.
            self.pgconn.finish()
            raise psycopg.OperationalError("PostgreSQL does not answer") from None


class _CircuitBreaker:
    """Opens connections; while PostgreSQL is down, one caller per second tries to connect and the others fail at once.

    Otherwise each of a hundred texts would wait for its own time-out, and the carrier would give up first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_down = False
        self._next_attempt = 0.0

    def connect(self, _dialect: object, _record: object, args: list[Any], kwargs: dict[str, Any]) -> Connection[Any]:
        """Called by SQLAlchemy for a new connection. Raises psycopg.OperationalError."""
        with self._lock:
            if self._is_down and time.monotonic() < self._next_attempt:
                raise psycopg.OperationalError("PostgreSQL was away a moment ago")
            self._next_attempt = time.monotonic() + CONNECT_TIMEOUT_SECONDS + RETRY_SECONDS
        try:
            connection = _TimeoutConnection.connect(*args, **kwargs)
        except psycopg.OperationalError:
            self._is_down, self._next_attempt = True, time.monotonic() + RETRY_SECONDS
            raise
        self._is_down = False
        return connection


class Database:
    """Holds the connection pool. Only routes, jobs and commands open a `transaction()`; the code they call never commits."""

    def __init__(self, url: str, connections: int = 20) -> None:
        self.engine: Engine = create_engine(
            dialect_url(url),
            # Failed statements are logged, and their parameters would be people's numbers and needs.
            hide_parameters=True,
            pool_size=connections,
            max_overflow=5,
            pool_timeout=5,
            pool_use_lifo=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                # A machine that lost power sends nothing: without these it takes a quarter of an hour to notice.
                "tcp_user_timeout": 5000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 2,
                # Prepare on first use: a turn's statements are few and always the same.
                "prepare_threshold": 0,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC -c lock_timeout={LOCK_MS}",
                "application_name": "warmline",
            },
        )
        event.listen(self.engine, "do_connect", _CircuitBreaker().connect)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back when it raises."""
        with self.engine.connect() as connection, Session(connection, expire_on_commit=False) as session:
            try:
                yield session
                # A turn saved by plain SQL alone never started a session transaction; committing through the session
                # would cost more than the turn's statements.
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
            # After a restart of PostgreSQL all other idle connections are dead too.
            connection.invalidate()
            self.engine.dispose()

    def close(self) -> None:
        self.engine.dispose()


def driver_connection(db: Session) -> Connection[Any]:
    """The psycopg connection under a session, in the same transaction.

    It does not flush the session: a caller that reads what mapped classes may have changed in this transaction must flush
    first. A session of `Database.transaction` is bound to its connection, the sign-in's session to the engine.
    """
    bound = db.get_bind()
    connection = bound if isinstance(bound, SqlConnection) else db.connection()
    driver: Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


_SINGLE_ROW_ERRORS = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)


def is_outage(error: BaseException) -> bool:
    """Whether the database could not be reached or went away, as opposed to an error in one statement.

    A lock time-out or a slow statement concerns one row, not the whole database.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, _SINGLE_ROW_ERRORS):
        return False
    # Turns use psycopg without SQLAlchemy's wrapping, so both kinds of errors arrive here.
    return isinstance(cause, (psycopg.OperationalError, PoolTimeout, TimeoutError))
