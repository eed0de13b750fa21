"""The spool: a folder of sealed files, one per message, that holds inbound texts while PostgreSQL cannot be reached.

A file is written completely, flushed to disk (`fsync` of the file and the folder) and only then renamed into place, so that
a message whose receipt was confirmed to the carrier survives a power cut. File names contain the time, for the order, and
the person's blind index, so that a person's spooled texts are replayed before their next one is answered.
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

from bot.domain.messages.message import Address, Channel, InboundMessage, Media
from bot.storage.sealing import Sealer

MAX_TRIES = 5
"""How often a message that fails for a reason other than an outage is tried before it is set aside."""

_CLOCK_MARGIN_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SpooledMessage:
    """A spooled message. `name` is its file name; names sort in order of arrival. `person` is the blind index in hex."""

    name: str
    person: str
    tries: int

    @property
    def is_last_try(self) -> bool:
        """Whether it is set aside if it fails once more."""
        return self.tries + 1 >= MAX_TRIES


class Spool:
    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder, self._sealer = folder, sealer
        self._failed_folder = folder / "failed"
        self._failed_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The names reveal when a person wrote. (mkdir gives newly made parents the default permissions.)
        folder.chmod(0o700)
        self._empty_since = -1

    def put(self, inbound: InboundMessage) -> None:
        """Store a message, once if it comes twice. Returns when it is on disk."""
        sid = sha256(inbound.sid.encode()).hexdigest()[:24]
        if any(f"-{sid}." in name for name in self._names()):
            return
        moment = int(inbound.received_at.timestamp() * 1_000_000)
        name = f"{moment:017d}-{self._sealer.blind_index(inbound.sender).hex()}-{sid}.0"
        # A unique name: the carrier may deliver the same text twice at once, and one would rename the other's file away.
        draft = self._folder / f".{name}.{uuid.uuid4().hex}"
        try:
            _write_through(draft, self._sealer.seal_json(_dump(inbound)))
            draft.rename(self._folder / name)
        except OSError:
            # On a full disk, do not leave half a file behind.
            draft.unlink(missing_ok=True)
            raise
        self._sync()

    def list_entries(self, address: Address | None = None) -> list[SpooledMessage]:
        """The waiting messages, in order; with `address`, only those from that address.

        Costs one `stat` while the folder is empty, because it is called before every text.
        """
        changed = self._folder.stat().st_mtime_ns
        if changed == self._empty_since:
            return []
        names = sorted(self._names())
        if not names:
            # The file system's clock has a resolution of some milliseconds: a file added within them does not change the
            # time stamp, so a folder that has just changed is read again.
            if time.time_ns() - changed > _CLOCK_MARGIN_NS:
                self._empty_since = changed
            return []
        entries = [_entry(name) for name in names]
        person = self._sealer.blind_index(address).hex() if address else None
        return [entry for entry in entries if person is None or entry.person == person]

    def open(self, entry: SpooledMessage) -> InboundMessage | None:
        """The message, or None if another process has just handled it."""
        try:
            sealed = (self._folder / entry.name).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        return _load(self._sealer.open_json(sealed))

    def remove(self, entry: SpooledMessage) -> None:
        (self._folder / entry.name).unlink(missing_ok=True)

    def record_failure(self, entry: SpooledMessage) -> None:
        """Count a failed try; after the last one the file is set aside for the operator."""
        path = self._folder / entry.name
        if entry.is_last_try:
            path.rename(self._failed_folder / entry.name)
            return
        path.touch()
        path.rename(path.with_suffix(f".{entry.tries + 1}"))

    def must_wait(self, entry: SpooledMessage, now: float) -> bool:
        """Whether a message that failed must still wait; the pauses double, starting with ten seconds."""
        try:
            tried = (self._folder / entry.name).stat().st_mtime
        except FileNotFoundError:
            return True
        return entry.tries > 0 and now - tried < 5 * 2**entry.tries

    def count_failed(self) -> int:
        """How many messages failed permanently and wait for the operator."""
        return len(list(self._failed_folder.iterdir()))

    def requeue_failed(self) -> int:
        """Move the messages that were set aside back into the spool, once the cause is fixed. Returns how many."""
        aside = list(self._failed_folder.iterdir())
        for path in aside:
            path.rename(self._folder / path.with_suffix(".0").name)
        return len(aside)

    @contextmanager
    def replay_lock(self, entry: SpooledMessage) -> Iterator[None]:
        """Allow one replay of this person's messages at a time on this machine: two could reorder the texts.

        There are 256 locks, so that a person who writes while a long spool is replayed does not wait for all of it.
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
    """Write a file that only this account can read, and flush it to disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str) -> SpooledMessage:
    stem, _, tries = name.rpartition(".")
    return SpooledMessage(name, stem.split("-")[1], int(tries))


def _dump(inbound: InboundMessage) -> dict[str, object]:
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


def _load(row: dict[str, object]) -> InboundMessage:
    media = row["media"]
    assert isinstance(media, list) and isinstance(row["extra"], dict)
    return InboundMessage(
        sid=str(row["sid"]),
        sender=Address(Channel(str(row["channel"])), str(row["sender"])),
        to=str(row["to"]),
        body=str(row["body"]),
        received_at=datetime.fromisoformat(str(row["received_at"])),
        media=tuple(Media(url, kind) for url, kind in media),
        opt_out=str(row["opt_out"]) if row["opt_out"] else None,
        extra={str(key): str(value) for key, value in row["extra"].items()},
    )
