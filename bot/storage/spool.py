"""Where a text is kept while PostgreSQL cannot be reached: a folder of sealed files, one a message.

A file is written whole, flushed to the disk (`fsync` of the file and of the folder) and only then renamed into place, so
that a message which the carrier was told we have survives a power cut. Names carry the time, for the order, and the
person's blind index, so that the texts of one person are replayed before their next one is answered.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
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

_MARK_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A spooled message. `name` is its file; names sort in the order in which the messages came."""

    name: str
    person: str
    tries: int

    @property
    def is_last_try(self) -> bool:
        """Whether it is laid aside if it fails once more."""
        return self.tries + 1 >= MOST_TRIES


class Spool:
    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder, self._sealer = folder, sealer
        self._aside = folder / "failed"
        self._aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The names tell when somebody wrote; parents made on the way have the account's usual rights.
        folder.chmod(0o700)
        self._empty_since = -1

    def put(self, inbound: Inbound) -> None:
        """Keep a message; the same one twice is kept once. Returns when it is on the disk."""
        sid = sha256(inbound.sid.encode()).hexdigest()[:24]
        if any(f"-{sid}." in name for name in self._names()):
            return
        moment = int(inbound.received_at.timestamp() * 1_000_000)
        name = f"{moment:017d}-{self._sealer.index(inbound.sender).hex()}-{sid}.0"
        # A name of its own: the carrier may bring the same text twice at one instant, and one would take the other's away.
        draft = self._folder / f".{name}.{uuid.uuid4().hex}"
        try:
            _write_through(draft, self._sealer.seal_json(_dump(inbound)))
            draft.rename(self._folder / name)
        except OSError:
            # On a full disk, half a file would only make it fuller.
            draft.unlink(missing_ok=True)
            raise
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
            # The file system's clock stands still for some milliseconds: a file that is put within them leaves no other
            # mark, so a folder that has only just changed is looked into again.
            if time.time_ns() - changed > _MARK_NS:
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

    def failed(self, entry: Entry) -> None:
        """Count a failed try; after the last one the file is laid aside for the operator."""
        path = self._folder / entry.name
        if entry.is_last_try:
            path.rename(self._aside / entry.name)
            return
        path.touch()
        path.rename(path.with_suffix(f".{entry.tries + 1}"))

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
    def only_one(self, entry: Entry) -> Iterator[None]:
        """One replay at a time on this machine of what this person sent: two of them would turn the texts around.

        People share 256 locks, so that a person who writes while a long spool is replayed does not wait for all of it.
        """
        with (self._folder / f".lock-{entry.person[:2]}").open("w") as lock:
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


def _write_through(path: Path, text: str) -> None:
    """Write a file for this account's eyes, down to the disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


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
