"""A mail server for tests: it speaks enough SMTP to take a mail, keeps the mails it took, and fails on request.

with StandInSmtp() as server:
    server.answer("RCPT", "550 no such user")
    EmailCarrier(server.url, "line@example.org").send(...)
    server.mails[0].parsed["Subject"]
"""

from __future__ import annotations

import base64
import email
import email.policy
import socket
import socketserver
import ssl
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Self

HANGS = "hangs"
CUTS = "cuts"


@dataclass(frozen=True)
class Mail:
    """A mail that was accepted. `was_private`: it came over TLS. `user` is who signed in, "" without a sign-in."""

    sender: str
    to: str
    raw: bytes
    was_private: bool
    user: str

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class StandInSmtp:
    """One server on a free port. With `tls`, a server-side context, it offers STARTTLS, or TLS from the start (`whole`)."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, whole: bool = False, passwords: dict[str, str] | None = None
    ) -> None:
        self.tls, self.whole, self.passwords = tls, whole, passwords or {}
        self.mails: list[Mail] = []
        self.connections = 0
        self._answers: defaultdict[str, deque[str]] = defaultdict(deque)
        self.let_go = threading.Event()
        self._server: _Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.account = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.let_go.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def answer(self, verb: str, *answers: str) -> None:
        """Set the next answers to this command: each is a reply line, HANGS (no reply) or CUTS (connection closed).

        The end of a mail's text is the command "."; a new connection is "HELLO".
        """
        self._answers[verb].extend(answers)

    def next_answer(self, verb: str, usual: str) -> str:
        waiting = self._answers[verb]
        return waiting.popleft() if waiting else usual


class _Server(socketserver.ThreadingTCPServer):
    account: StandInSmtp
    allow_reuse_address = True
    daemon_threads = False


class _Gone(Exception):
    """The connection is cut."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    # Seconds; without a time-out on reading, a client that never disconnects would block the test.
    timeout = 10

    def handle(self) -> None:
        self.account = self.server.account
        self.account.connections += 1
        self.private, self.user, self.sender, self.to = False, "", "", ""
        try:
            if self.account.whole:
                self._go_private()
            self._reply("HELLO", "220 stand-in ready")
            while line := self.rfile.readline():
                words = line.decode("latin-1").strip()
                verb = words.partition(" ")[0].upper()
                if not self._obey(verb, words):
                    return
        except (_Gone, OSError):
            return

    def _obey(self, verb: str, words: str) -> bool:
        if verb in ("EHLO", "HELO"):
            self._reply(verb, self._greeting())
        elif verb == "STARTTLS":
            self._reply(verb, "220 go ahead")
            self._go_private()
        elif verb == "AUTH":
            self._sign_in(words)
        elif verb == "MAIL":
            self.sender = words.partition("<")[2].partition(">")[0]
            self._reply(verb, "250 ok")
        elif verb == "RCPT":
            self.to = words.partition("<")[2].partition(">")[0]
            self._reply(verb, "250 ok")
        elif verb == "DATA":
            self._take()
        else:
            self._reply(verb, "221 bye" if verb == "QUIT" else "250 ok")
        return verb != "QUIT"

    def _greeting(self) -> str:
        lines = ["stand-in"]
        if self.account.tls and not self.private:
            lines.append("STARTTLS")
        if self.account.passwords:
            lines.append("AUTH PLAIN")
        return "\r\n".join(f"250{'-' if at < len(lines) - 1 else ' '}{line}" for at, line in enumerate(lines))

    def _sign_in(self, words: str) -> None:
        _, user, password = base64.b64decode(words.rpartition(" ")[2]).decode().split("\0")
        good = self.account.passwords.get(user) == password
        self.user = user if good else ""
        self._reply("AUTH", "235 welcome" if good else "535 wrong")

    def _take(self) -> None:
        if not self._reply("DATA", "354 go on").startswith("354"):
            return
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        # The mail counts as accepted even where the answer is then lost.
        answer = self.account.next_answer(".", "250 taken")
        if answer.startswith("250") or answer in (HANGS, CUTS):
            self.account.mails.append(Mail(self.sender, self.to, b"".join(lines), self.private, self.user))
        self._write(answer)

    def _reply(self, verb: str, usual: str) -> str:
        answer = self.account.next_answer(verb, usual)
        self._write(answer)
        return answer

    def _write(self, answer: str) -> None:
        if answer == HANGS:
            self.account.let_go.wait()
        if answer in (HANGS, CUTS):
            raise _Gone
        self.wfile.write(f"{answer}\r\n".encode())

    def _go_private(self) -> None:
        assert self.account.tls is not None
        self.connection = self.account.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]
        self.private = True

    def finish(self) -> None:
        super().finish()
        # A client whose certificate check failed has disconnected already.
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        finally:
            self.connection.close()
