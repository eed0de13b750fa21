"""A proxy for a server's Unix socket that a test can cut, block, or cut when a certain word passes."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on `path`, a socket of the same name as the server's in a folder of its own, and passes bytes on."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warmline-proxy-"))
        self.path = self.folder / server.name
        self._server = server
        self._pairs: list[tuple[socket.socket, socket.socket | None]] = []
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._listener: socket.socket | None = None
        self._word: tuple[bytes, bool, bool] | None = None

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.cut()
        rmtree(self.folder, ignore_errors=True)

    def mend(self) -> None:
        """Pass everything on again; connections that were blocked are closed."""
        self.cut()
        self._flowing.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(200)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse connections and end the open ones, as when the server is killed."""
        self._stop_listening()
        self.drop()
        self._flowing.set()

    def _stop_listening(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.path.unlink(missing_ok=True)

    def drop(self) -> None:
        """End the open connections and accept new ones, as when the server has just restarted."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _end(*pair)

    def block(self) -> None:
        """Accept connections and bytes and answer nothing, like a machine whose disk hangs."""
        self._flowing.clear()

    def cut_at(self, word: bytes, *, passed_on: bool, for_good: bool = False) -> None:
        """End the next connection on which the client sends this word: before the server gets it, or after the server
        has done it and before its answer comes back. `for_good`: and cut all the others."""
        self._word = (word, passed_on, for_good)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            theirs: socket.socket | None = socket.socket(socket.AF_UNIX)
            assert theirs is not None
            try:
                theirs.connect(str(self._server))
            except OSError:
                _end(ours, theirs)
                continue
            with self._lock:
                self._pairs.append((ours, theirs))
            for source, target in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._pump, args=(source, target, source is ours), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if to_server and self._word and self._word[0] in data:
                    self._cut_here(source, target, data)
                    return
                target.sendall(data)
        _end(source, target)

    def _cut_here(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        assert self._word
        _, passed_on, for_good = self._word
        self._word = None
        if for_good:
            self._stop_listening()
            with self._lock:
                self._pairs = [pair for pair in self._pairs if client not in pair]
            self.drop()
        # The client gets nothing any more, whatever the server sends.
        client.shutdown(socket.SHUT_RDWR)
        if passed_on:
            server.sendall(data)
            # The other pump reads the answer; once the server has no more to send, it has done the work.
            threading.Event().wait(0.3)
        _end(client, server)


def _end(*sockets: socket.socket | None) -> None:
    for each in sockets:
        if each is not None:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                each.close()
