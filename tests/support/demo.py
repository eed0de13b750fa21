"""The demo in one process for a test: real PostgreSQL and Valkey, the simulator and the web chat, the flows published."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from bot.operations.settings.settings import Settings
from bot.runtime import Runtime
from bot.storage.tables.residents import Base
from bot.web.app import create_app
from tests.support.shipped_content import publish

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

UNREACHABLE_DATABASE = "postgresql://nobody@127.0.0.1:1/nothing"


class Demo:
    """A running demo on its own demo clock."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @cached_property
    def app(self) -> Flask:
        """The web application, created on first use: tests of use cases do not need it."""
        return create_app(self.runtime)

    def browser(self) -> FlaskClient:
        """A browser without JavaScript."""
        return self.app.test_client()

    @contextmanager
    def db(self) -> Iterator[Session]:
        with self.runtime.database.transaction() as session:
            yield session

    def count(self, table: type[Base], *conditions: object) -> int:
        with self.db() as db:
            return db.scalar(select(func.count()).select_from(table).where(*conditions)) or 0  # type: ignore[arg-type]

    def all(self, table: type[Base]) -> list[Base]:
        with self.db() as db:
            return list(db.scalars(select(table).order_by(table.id)))  # type: ignore[attr-defined]


@contextmanager
def open_demo(settings: Settings) -> Iterator[Demo]:
    """A demo with the shipped flows and directory."""
    runtime = Runtime.start(settings)
    try:
        publish(runtime.database, runtime.clock.now(), settings.timezone)
        yield Demo(runtime)
    finally:
        runtime.close()


@contextmanager
def without_database(settings: Settings) -> Iterator[Demo]:
    """A demo whose PostgreSQL cannot be reached."""
    runtime = Runtime.start(dataclasses.replace(settings, database_url=UNREACHABLE_DATABASE))
    try:
        yield Demo(runtime)
    finally:
        runtime.close()


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """Serve an application on a free port; gives its URL. Waits at the end for responses that are still being sent."""
    server = make_server("127.0.0.1", 0, _closing(app), threaded=True, request_handler=_Handler)
    # With daemon threads off, server_close() waits for them: a late response would write into the next test's data.
    server.daemon_threads = False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(WSGIRequestHandler):
    timeout = 10
    """Seconds; ends connections that a browser opens in advance and never uses."""


def _closing(app: Flask) -> WSGIApplication:
    """The application, but each response is read completely and closed before its first byte is sent.

    Werkzeug's server reads the rest of a request before it closes the response. If the browser has gone by then (its
    window was closed while a style sheet was loading), that read fails and the file stays open until garbage collection.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        parts = app(environ, start_response)
        try:
            return [b"".join(parts)]
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


def hidden_field(page: TestResponse, name: str) -> str:
    """The value of the page's first hidden field with this name."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, f"the page has no field {name}"
    return found[1]
