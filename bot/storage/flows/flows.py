"""Published flows: immutable versions, and the publication log, whose newest row of a flow is its current version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Any

from sqlalchemy import Row, Select, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from bot.domain.flows.language.content import FlowContent
from bot.storage.database import driver_connection
from bot.storage.tables.residents import FlowPublication, FlowVersion
from bot.storage.tables.staff import Staff

_CURRENT = """
select flow, version_id from flow_publication where id in (select max(id) from flow_publication group by flow) order by 2
"""

_PUBLISH_LOCK = 7_267_510_002
"""Key of the advisory lock; any number that no other lock of Warmline uses."""


class PublicationMethod(StrEnum):
    """How a version was published. The first two come from files, which may replace one another; the others from the
    console."""

    FILES = "files"
    PUSHED = "pushed"
    CONSOLE = "console"
    SCHEDULED = "scheduled"
    ROLLED_BACK = "rolled_back"


FILE_METHODS = frozenset({PublicationMethod.FILES, PublicationMethod.PUSHED})


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A published flow version: the YAML text, the PO text of each language, and the conversation tests."""

    version: int
    name: str
    source: str
    translations: dict[str, str]
    transcripts: dict[str, str] = field(default_factory=dict)
    number: int = 0
    """The version's number within its flow, from 1; `version` is the id, counted over all flows."""

    @property
    def content(self) -> FlowContent:
        return FlowContent(self.source, self.translations, self.transcripts)


@dataclass(frozen=True, slots=True)
class Publication:
    """An entry of the publication log. `version` is the version's id, `number` its number within the flow, from 1."""

    id: int
    flow: str
    version: int
    number: int
    by: str
    at: datetime
    how: str
    why: str
    reasons: dict[str, Any]
    """Key of a check's warning -> its text, and why it was published nevertheless."""
    staff_id: int | None
    approved_by: int | None
    approver: str
    """The name of the reviewer; "" if there was none."""
    transcripts: tuple[str, ...]
    """The names of the version's conversation tests."""


def load_version(db: Session, version: int) -> StoredFlow | None:
    row = db.get(FlowVersion, version)
    return _stored(row) if row else None


def load_version_number(db: Session, name: str, number: int) -> StoredFlow | None:
    """A version by its number within the flow, or None."""
    row = db.scalar(select(FlowVersion).where(FlowVersion.flow == name, FlowVersion.number == number))
    return _stored(row) if row else None


def list_versions(db: Session, name: str) -> list[tuple[int, int, datetime]]:
    """All versions of a flow as (id, number, creation time), newest first; without their content."""
    columns = (FlowVersion.id, FlowVersion.number, FlowVersion.created_at)
    query = select(*columns).where(FlowVersion.flow == name).order_by(FlowVersion.number.desc())
    return [(row[0], row[1], row[2]) for row in db.execute(query)]


def _stored(row: FlowVersion) -> StoredFlow:
    return StoredFlow(row.id, row.flow, row.source, row.translations, row.transcripts, row.number)


def current_version(db: Session, name: str) -> int | None:
    """The current version of a flow, which a conversation that enters it now gets; None if it is not published."""
    newest = select(FlowPublication.version_id).where(FlowPublication.flow == name)
    return db.scalar(newest.order_by(FlowPublication.id.desc()).limit(1))


def current_versions(db: Session) -> dict[str, int]:
    """Flow -> current version for every published flow, the oldest version first.

    One statement and so one snapshot: flows published together are seen together. Plain SQL, because every new
    conversation runs it.
    """
    return {row[0]: row[1] for row in driver_connection(db).execute(_CURRENT).fetchall()}


def current_version_ids(db: Session) -> list[int]:
    """The current version of every flow, the oldest version first."""
    return list(current_versions(db).values())


def current_publication(db: Session, name: str) -> Publication | None:
    """The publication that is in force for this flow, or None."""
    return next(iter(list_publications(db, name, limit=1)), None)


def list_publications(db: Session, flow: str, limit: int = 50, before: int | None = None) -> list[Publication]:
    """The publication log of a flow, newest first; only ids below `before` if given (for paging)."""
    query = _publications().where(FlowPublication.flow == flow)
    if before is not None:
        query = query.where(FlowPublication.id < before)
    return [_publication(row) for row in db.execute(query.limit(limit))]


def list_unreviewed_rollbacks(db: Session) -> list[Publication]:
    """Roll-backs that are in force and have not been reviewed."""
    newest = select(func.max(FlowPublication.id)).group_by(FlowPublication.flow)
    query = _publications().where(
        FlowPublication.id.in_(newest),
        FlowPublication.how == PublicationMethod.ROLLED_BACK,
        FlowPublication.approved_by.is_(None),
    )
    return [_publication(row) for row in db.execute(query)]


def mark_reviewed(db: Session, publication_id: int, staff_id: int) -> Publication | None:
    """Record who reviewed a roll-back afterwards; None if there is no such unreviewed roll-back."""
    row = db.scalar(select(FlowPublication).where(FlowPublication.id == publication_id).with_for_update())
    if row is None or row.how != PublicationMethod.ROLLED_BACK or row.approved_by is not None:
        return None
    row.approved_by = staff_id
    db.flush()
    return next((each for each in list_publications(db, row.flow, 1, row.id + 1)), None)


def _publications() -> Select[Any]:
    log, version, approver = FlowPublication, FlowVersion, aliased(Staff)
    # Only the names: the texts of fifty versions are megabytes.
    names = func.jsonb_path_query_array(version.transcripts, literal_column("'$.keyvalue().key'::jsonpath"), type_=JSONB)
    columns: list[Any] = [
        log.id, log.flow, log.version_id, version.number, log.by, log.at, log.how, log.why, log.reasons, log.staff_id,
        log.approved_by, func.coalesce(approver.name, ""), names,
    ]  # fmt: skip
    joined = select(*columns).join(version, version.id == log.version_id).outerjoin(approver, approver.id == log.approved_by)
    return joined.order_by(log.id.desc())


def _publication(row: Row[Any]) -> Publication:
    *columns, names = list[Any](row)
    columns.append(tuple(sorted(names)))
    return Publication(*columns)


def content_digest(content: FlowContent) -> str:
    """A hash of the content. Without conversation tests it equals the digest from before conversation tests existed."""
    parts = [content.source, dict(content.translations)]
    if content.transcripts:
        parts.append(dict(content.transcripts))
    return sha256(dumps(parts, sort_keys=True).encode()).hexdigest()


def lock_publishing(db: Session) -> None:
    """Keep others from publishing until the transaction ends, so that flows checked together are published together.

    Readers do not wait. Always take this lock before locking a draft, never after.
    """
    db.execute(select(func.pg_advisory_xact_lock(_PUBLISH_LOCK)))


def publish(
    db: Session, name: str, content: FlowContent, by: str, now: datetime, *, how: str = PublicationMethod.FILES,
    why: str = "", reasons: Mapping[str, Any] | None = None, staff_id: int | None = None, approved_by: int | None = None,
) -> int | None:  # fmt: skip
    """Make this content the current version; returns the version's id, or None if it is current already.

    Publishing earlier content again (a roll-back) reuses its version with a new log entry.
    """
    # Two hosts that start together publish one after the other, and the second finds nothing to do.
    lock_publishing(db)
    digest = content_digest(content)
    version = db.scalar(select(FlowVersion).where(FlowVersion.flow == name, FlowVersion.digest == digest))
    if version is None:
        version = _add(db, name, content, digest, now)
    elif current_version(db, name) == version.id:
        return None
    db.add(
        FlowPublication(
            flow=name,
            version_id=version.id,
            by=by,
            at=now,
            how=how,
            why=why,
            reasons=dict(reasons or {}),
            staff_id=staff_id,
            approved_by=approved_by,
        )
    )
    db.flush()
    return version.id


def _add(db: Session, name: str, content: FlowContent, digest: str, now: datetime) -> FlowVersion:
    number = 1 + (db.scalar(select(func.max(FlowVersion.number)).where(FlowVersion.flow == name)) or 0)
    version = FlowVersion(
        flow=name, number=number, source=content.source, translations=dict(content.translations),
        transcripts=dict(content.transcripts), digest=digest, created_at=now,
    )  # fmt: skip
    db.add(version)
    db.flush()
    return version
