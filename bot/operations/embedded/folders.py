"""Where the embedded servers' programs are, and where their sockets are created."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

from bot.operations.children import ProcessOwner

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_SOCKET_PATH_BYTES = 103


class EmbeddedError(Exception):
    """An embedded server cannot be started; the text says why and what to do."""


def package_folder(name: str) -> Path:
    """The folder of the installed package `name`. Raises EmbeddedError when it is not installed."""
    # Not imported: importing the PostgreSQL package writes to folders outside DATA_DIR.
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(f"The package {name} is not installed; run make run, or set DATABASE_URL and REDIS_URL.")
    return Path(found.submodule_search_locations[0])


def socket_folder(folder: Path, name: str) -> Path:
    """The folder for a server's socket: its own folder, or, where that path is too long, one in the temporary folder.

    The short folder's name is derived from the long one, so that every process of Warmline finds the same.
    """
    folder = folder.absolute()
    if len(os.fsencode(folder / name)) <= _SOCKET_PATH_BYTES:
        return folder
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"warmline-{os.geteuid()}-{mark}"
    if len(os.fsencode(short / name)) > _SOCKET_PATH_BYTES:
        raise EmbeddedError(f"The path {folder} is too long for a socket; set DATA_DIR or TMPDIR to a shorter one.")
    return short


def make_socket_folder(folder: Path, owner: ProcessOwner | None) -> None:
    """Create the short folder for `owner` alone. Raises EmbeddedError when it belongs to another account."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner and folder.lstat().st_uid == os.geteuid():
        os.chown(folder, owner.uid, owner.gid)
    found = folder.lstat()
    # The temporary folder is shared: another account may have made a folder of that name to impersonate our server.
    if found.st_uid != (owner.uid if owner else os.geteuid()) or found.st_mode & 0o077 or folder.is_symlink():
        raise EmbeddedError(f"The folder {folder} belongs to somebody else; set DATA_DIR to a shorter path.")
