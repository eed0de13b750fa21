"""The keys that a demo makes for itself, kept beside its data so that the next start can read the data.

Never used with Twilio: real people's messages need keys that are kept apart from the data.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

_FILE = "secrets.env"


class SecretsLost(Exception):
    """The data exists and the keys that it was encrypted with do not; the text says what to do."""


def read(data_dir: Path) -> dict[str, str]:
    """The variables made for this data directory, by name; empty when none were made yet."""
    try:
        lines = (data_dir / _FILE).read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines) if value}


def load_or_make(data_dir: Path) -> dict[str, str]:
    """The variables for this data directory; new ones are made when there are none.

    Raises SecretsLost when the directory already holds a database, which new keys could not read.
    """
    if known := read(data_dir):
        return known
    if (data_dir / "postgres").exists():
        raise SecretsLost(
            f"{data_dir / _FILE} is missing, and the messages in {data_dir} can be read only with its keys. "
            "Put it back, or set SECRET_KEY and ENCRYPTION_KEYS, or start afresh with another DATA_DIR."
        )
    made = {
        "SECRET_KEY": secrets.token_hex(32),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
    }
    _write(data_dir / _FILE, "".join(f"{name}={value}\n" for name, value in made.items()))
    return made


def _write(path: Path, text: str) -> None:
    # On disk before the first message is encrypted: after a power cut no message may be left without its key.
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
