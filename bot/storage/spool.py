"""Where a text is kept while PostgreSQL cannot be reached: a folder of sealed files, one a message.

A file is written whole, flushed to the disk (`fsync` of the file and of the folder) and only then renamed into place, so
that a message which the carrier was told we have survives a power cut. Names carry the time, for the order, and the
person's blind index, so that the texts of one person are replayed before their next one is answered.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from bot.domain.message import Address, Channel, Inbound, Media
from bot.storage.sealing import Sealer

MOST_TRIES = 5
"""How often a message that fails for another reason than the outage is tried again before it is laid aside."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A spooled message. `name` is its file; names sort in the order in which the messages came."""

    name: str
    person: str
    tries: int


class Spool:
    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder, self._sealer = folder, sealer
        self._aside = folder / "failed"
        self._aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._empty_since = -1

    def put(self, inbound: Inbound) -> None:
        """Keep a message; the same one twice is kept once. Returns when it is on the disk."""
        sid = sha256(inbound.sid.encode()).hexdigest()[:24]
        if any(f"-{sid}." in name for name in self._names()):
            return
        moment = int(inbound.received_at.timestamp() * 1_000_000)
        name = f"{moment:017d}-{self._sealer.index(inbound.sender).hex()}-{sid}.0"
        draft = self._folder / f".{name}"
        with draft.open("w", encoding="ascii") as file:
            file.write(self._sealer.seal_json(_dump(inbound)))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._folder / name)
        self._sync()

    def entries(self, of: Address | None = None) -> list[Entry]:
        """What waits, in order; with `of`, only the messages of that address.

        Costs one `stat` while the folder is empty: it is asked before every text.
        """
        changed = self._folder.stat().st_mtime_ns
        if changed == self._empty_since:
            return []
        names = sorted(self._names())
        if not names:
            self._empty_since = changed
            return []
        entries = [_entry(name) for name in names]
        person = self._sealer.index(of).hex() if of else None
        return [entry for entry in entries if person is None or entry.person == person]

    def open(self, entry: Entry) -> Inbound | None:
        """The message, or None where another process has just dealt with it."""
        try:
            sealed = (self._folder / entry.name).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return _load(self._sealer.open_json(sealed))

    def remove(self, entry: Entry) -> None:
        (self._folder / entry.name).unlink(missing_ok=True)

    def failed(self, entry: Entry) -> bool:
        """Count a failed try; after the last one the file is laid aside for the operator. Returns whether it was."""
        path = self._folder / entry.name
        if entry.tries + 1 >= MOST_TRIES:
            path.rename(self._aside / entry.name)
            return True
        path.touch()
        path.rename(path.with_suffix(f".{entry.tries + 1}"))
        return False

    def rests(self, entry: Entry, now: float) -> bool:
        """Whether a message that failed is still to be left alone; the pauses double, from five seconds on."""
        try:
            tried = (self._folder / entry.name).stat().st_mtime
        except FileNotFoundError:
            return True
        return entry.tries > 0 and now - tried < 5 * 2**entry.tries

    def laid_aside(self) -> int:
        """How many messages failed for good and wait for the operator."""
        return len(list(self._aside.iterdir()))

    def take_up_again(self) -> int:
        """Put what was laid aside back in line (after the trouble was mended). Returns how many."""
        aside = list(self._aside.iterdir())
        for path in aside:
            path.rename(self._folder / path.with_suffix(".0").name)
        return len(aside)

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """One replay at a time on this machine: two of them would turn one person's texts around."""
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _names(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if path.name[:1].isdigit()]

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _entry(name: str) -> Entry:
    stem, _, tries = name.rpartition(".")
    return Entry(name, stem.split("-")[1], int(tries))


def _dump(inbound: Inbound) -> dict[str, object]:
    return {
        "sid": inbound.sid,
        "channel": inbound.sender.channel.value,
        "sender": inbound.sender.value,
        "to": inbound.to,
        "body": inbound.body,
        "received_at": inbound.received_at.isoformat(),
        "media": [[media.url, media.content_type] for media in inbound.media],
        "opt_out": inbound.opt_out,
        "extra": inbound.extra,
    }


def _load(row: dict[str, object]) -> Inbound:
    media = row["media"]
    assert isinstance(media, list) and isinstance(row["extra"], dict)
    return Inbound(
        sid=str(row["sid"]),
        sender=Address(Channel(str(row["channel"])), str(row["sender"])),
        to=str(row["to"]),
        body=str(row["body"]),
        received_at=datetime.fromisoformat(str(row["received_at"])),
        media=tuple(Media(url, kind) for url, kind in media),
        opt_out=str(row["opt_out"]) if row["opt_out"] else None,
        extra={str(key): str(value) for key, value in row["extra"].items()},
    )
