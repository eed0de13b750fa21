"""Published flows: immutable versions, and the log of which one holds."""

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

from bot.domain.flow_content import FlowContent
from bot.storage.database import plain
from bot.storage.staff_tables import Staff
from bot.storage.tables import FlowPublication, FlowVersion

_CURRENT = """
select flow, version_id from flow_publication where id in (select max(id) from flow_publication group by flow) order by 2
"""

_PUBLISHING = 7_267_510_002
"""Any number that no other advisory lock of ours uses."""


class How(StrEnum):
    """How a version came to hold. The first two are of files, which may follow one another; the others are the console's."""

    FILES = "files"
    PUSHED = "pushed"
    CONSOLE = "console"
    SCHEDULED = "scheduled"
    ROLLED_BACK = "rolled_back"


OF_FILES = frozenset({How.FILES, How.PUSHED})


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow as it was published: the YAML text, for each language the PO text, and the conversation tests."""

    version: int
    name: str
    source: str
    translations: dict[str, str]
    transcripts: dict[str, str] = field(default_factory=dict)
    number: int = 0
    """Which version of its flow it is, from 1; `version` counts over all flows."""

    @property
    def content(self) -> FlowContent:
        return FlowContent(self.source, self.translations, self.transcripts)


@dataclass(frozen=True, slots=True)
class Publication:
    """One line of a flow's log. `version` is the id of the version, `number` counts the versions of this flow from 1."""

    id: int
    flow: str
    version: int
    number: int
    by: str
    at: datetime
    how: str
    why: str
    reasons: dict[str, Any]
    """Key of a warning of the checks -> its words, and why it was published all the same."""
    staff_id: int | None
    approved_by: int | None
    approver: str
    """The name of who looked at it; "" for nobody."""
    transcripts: tuple[str, ...]
    """The names of the conversation tests that came with the version."""


def load(db: Session, version: int) -> StoredFlow | None:
    row = db.get(FlowVersion, version)
    return _stored(row) if row else None


def load_number(db: Session, name: str, number: int) -> StoredFlow | None:
    """The version of a flow by its own count."""
    row = db.scalar(select(FlowVersion).where(FlowVersion.flow == name, FlowVersion.number == number))
    return _stored(row) if row else None


def versions(db: Session, name: str) -> list[tuple[int, int, datetime]]:
    """All versions of a flow as (id, number, when it was made), the newest first; without their texts."""
    columns = (FlowVersion.id, FlowVersion.number, FlowVersion.created_at)
    query = select(*columns).where(FlowVersion.flow == name).order_by(FlowVersion.number.desc())
    return [(row[0], row[1], row[2]) for row in db.execute(query)]


def _stored(row: FlowVersion) -> StoredFlow:
    return StoredFlow(row.id, row.flow, row.source, row.translations, row.transcripts, row.number)


def published(db: Session, name: str) -> int | None:
    """The version that a conversation gets which enters this flow now."""
    newest = select(FlowPublication.version_id).where(FlowPublication.flow == name)
    return db.scalar(newest.order_by(FlowPublication.id.desc()).limit(1))


def current(db: Session) -> dict[str, int]:
    """Every published flow -> the version that holds, the oldest version first.

    One plain statement, and so one moment: what is published together is seen together. Every new conversation asks.
    """
    return {row[0]: row[1] for row in plain(db).execute(_CURRENT).fetchall()}


def all_published(db: Session) -> list[int]:
    """The current version of every flow, the oldest version first."""
    return list(current(db).values())


def holding(db: Session, name: str) -> Publication | None:
    """The line of the log that holds for this flow."""
    return next(iter(publications(db, name, limit=1)), None)


def publications(db: Session, flow: str, limit: int = 50, before: int | None = None) -> list[Publication]:
    """The log of a flow, the newest first; `before` is the id of the publication from which the page before went on."""
    query = _publications().where(FlowPublication.flow == flow)
    if before is not None:
        query = query.where(FlowPublication.id < before)
    return [_publication(row) for row in db.execute(query.limit(limit))]


def unseen_roll_backs(db: Session) -> list[Publication]:
    """Roll-backs that hold and that nobody has looked at since."""
    newest = select(func.max(FlowPublication.id)).group_by(FlowPublication.flow)
    query = _publications().where(
        FlowPublication.id.in_(newest), FlowPublication.how == How.ROLLED_BACK, FlowPublication.approved_by.is_(None)
    )
    return [_publication(row) for row in db.execute(query)]


def looked_at(db: Session, publication_id: int, staff_id: int) -> Publication | None:
    """Write down who looked at a roll-back afterwards; None where there is none that waits for it."""
    row = db.scalar(select(FlowPublication).where(FlowPublication.id == publication_id).with_for_update())
    if row is None or row.how != How.ROLLED_BACK or row.approved_by is not None:
        return None
    row.approved_by = staff_id
    db.flush()
    return next((each for each in publications(db, row.flow, 1, row.id + 1)), None)


def _publications() -> Select[Any]:
    log, version, approver = FlowPublication, FlowVersion, aliased(Staff)
    # The names alone: the texts of fifty versions are megabytes.
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


def digest_of(content: FlowContent) -> str:
    """Equal for equal texts. A flow without conversation tests has the digest that it had before there were any."""
    parts = [content.source, dict(content.translations)]
    if content.transcripts:
        parts.append(dict(content.transcripts))
    return sha256(dumps(parts, sort_keys=True).encode()).hexdigest()


def lock_publishing(db: Session) -> None:
    """From here to the end of the transaction nobody else publishes, so that what was checked together holds together.

    Those who read what is published wait for nobody. Taken before a draft is locked, never after.
    """
    db.execute(select(func.pg_advisory_xact_lock(_PUBLISHING)))


def publish(
    db: Session, name: str, content: FlowContent, by: str, now: datetime, *, how: str = How.FILES, why: str = "",
    reasons: Mapping[str, Any] | None = None, staff_id: int | None = None, approved_by: int | None = None,
) -> int | None:  # fmt: skip
    """Make this the version that holds; returns its id, or None where it holds already.

    The same texts published again after others (a roll-back) are the same version, published anew.
    """
    # Two hosts that start together publish one after the other, and the second finds it done.
    lock_publishing(db)
    digest = digest_of(content)
    version = db.scalar(select(FlowVersion).where(FlowVersion.flow == name, FlowVersion.digest == digest))
    if version is None:
        version = _add(db, name, content, digest, now)
    elif published(db, name) == version.id:
        return None
    db.add(
        FlowPublication(
            flow=name, version_id=version.id, by=by, at=now, how=how, why=why, reasons=dict(reasons or {}),
            staff_id=staff_id, approved_by=approved_by,
        )
    )  # fmt: skip
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
