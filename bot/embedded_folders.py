"""Where the embedded servers' programs are found, and where their sockets are put."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

from bot.children import Owner

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_SOCKET_PATH_BYTES = 103


class EmbeddedError(Exception):
    """An embedded server cannot be started; the text says why and what to do."""


def package_folder(name: str) -> Path:
    """Where the installed package `name` is. Raises EmbeddedError when it is not installed."""
    # Only the packages' programs are wanted; importing the first one writes to folders outside DATA_DIR.
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(f"The package {name} is not installed; run make run, or set DATABASE_URL and REDIS_URL.")
    return Path(found.submodule_search_locations[0])


def socket_folder(folder: Path, name: str) -> Path:
    """Where a server's socket lives: in its own folder, or, where that path is too long, in a short one.

    The short one's name is made from the folder's, so that every process of the house finds the same.
    """
    folder = folder.absolute()
    if len(os.fsencode(folder / name)) <= _SOCKET_PATH_BYTES:
        return folder
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"warmline-{os.geteuid()}-{mark}"
    if len(os.fsencode(short / name)) > _SOCKET_PATH_BYTES:
        raise EmbeddedError(f"The path {folder} is too long for a socket; set DATA_DIR or TMPDIR to a shorter one.")
    return short


def make_socket_folder(folder: Path, owner: Owner | None) -> None:
    """Make the short folder for `owner` alone. Raises EmbeddedError when it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner and folder.lstat().st_uid == os.geteuid():
        os.chown(folder, owner.uid, owner.gid)
    found = folder.lstat()
    # The place is shared: somebody else may have made a folder of that name to listen in our stead.
    if found.st_uid != (owner.uid if owner else os.geteuid()) or found.st_mode & 0o077 or folder.is_symlink():
        raise EmbeddedError(f"The folder {folder} belongs to somebody else; set DATA_DIR to a shorter path.")
