"""A minimal HTTP client with keep-alive connections, so that requests cost little compared with what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.residents import PATH, Text

SECONDS = 30
"""The request time-out; a longer answer means that the measurement has failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def http_request(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = {"Host": "127.0.0.1", **(headers or {})}
    if method == "POST":
        head |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def posting(text: Text) -> bytes:
    """A resident's text as the carrier posts it."""
    return http_request("POST", PATH, {"X-Twilio-Signature": text.signature}, text.form)


class Connection(asyncio.Protocol):
    """One keep-alive connection: one request at a time."""

    def __init__(self) -> None:
        self._heard = b""
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """A connection to this port of this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, asked: bytes) -> Answer:
        """Send a request and wait for its answer. Raises ConnectionError where the server closes, TimeoutError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the server has closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(asked)
        return await asyncio.wait_for(self._waiting, SECONDS)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        answer = read_answer(self._heard)
        if answer and self._waiting and not self._waiting.done():
            self._heard = b""
            self._waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionError("the server has closed the connection"))


def read_answer(heard: bytes) -> Answer | None:
    """The answer in these bytes; None while some of it is missing. Warmline's servers give every body's length."""
    head, end, body = heard.partition(b"\r\n\r\n")
    if not end:
        return None
    length = 0
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    return Answer(int(head[9:12]), body) if len(body) >= length else None
