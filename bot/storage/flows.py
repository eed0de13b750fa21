"""Published flows: immutable versions, and the log of which one holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.storage.database import plain
from bot.storage.tables import FlowPublication, FlowVersion

_ALL_PUBLISHED = """
select version_id from flow_publication where id in (select max(id) from flow_publication group by flow) order by 1
"""

_PUBLISHING = 7_267_510_002
"""Any number that no other advisory lock of ours uses."""


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow as it was published: the YAML text and, for each language, the PO text."""

    version: int
    name: str
    source: str
    translations: dict[str, str]


def load(db: Session, version: int) -> StoredFlow | None:
    row = db.get(FlowVersion, version)
    return StoredFlow(row.id, row.flow, row.source, row.translations) if row else None


def published(db: Session, name: str) -> int | None:
    """The version that a conversation gets which enters this flow now."""
    newest = select(FlowPublication.version_id).where(FlowPublication.flow == name)
    return db.scalar(newest.order_by(FlowPublication.id.desc()).limit(1))


def all_published(db: Session) -> list[int]:
    """The current version of every flow, oldest flow first. Plain SQL: every new conversation asks for it."""
    return [row[0] for row in plain(db).execute(_ALL_PUBLISHED).fetchall()]


def digest_of(source: str, translations: dict[str, str]) -> str:
    return sha256(dumps([source, translations], sort_keys=True).encode()).hexdigest()


def publish(db: Session, name: str, source: str, translations: dict[str, str], by: str, now: datetime) -> int | None:
    """Make this the version that holds; returns its id, or None where it holds already.

    The same text published again after another one (a roll-back) is the same version, published anew.
    """
    # Two hosts that start together publish one after the other, and the second finds it done.
    db.execute(select(func.pg_advisory_xact_lock(_PUBLISHING)))
    digest = digest_of(source, translations)
    version = db.scalar(select(FlowVersion).where(FlowVersion.flow == name, FlowVersion.digest == digest))
    if version is None:
        number = 1 + (db.scalar(select(func.max(FlowVersion.number)).where(FlowVersion.flow == name)) or 0)
        version = FlowVersion(
            flow=name, number=number, source=source, translations=translations, digest=digest, created_at=now
        )
        db.add(version)
        db.flush()
    elif published(db, name) == version.id:
        return None
    db.add(FlowPublication(flow=name, version_id=version.id, by=by, at=now))
    db.flush()
    return version.id
