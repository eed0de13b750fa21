"""Tables of the flow studio: drafts with all of their revisions, trials, publish requests, moves of conversations.

Published flows are in `flow_version` and `flow_publication` (tables.py). Nothing here is about a person who texts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables.residents import Base, id_column


class FlowDraft(Base):
    """The draft of a flow: its current revision; this row is locked to add a new one."""

    __tablename__ = "flow_draft"
    flow: Mapped[str] = mapped_column(primary_key=True)
    revision_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The current revision; null only inside the transaction that adds the first."""
    based_on: Mapped[int | None] = mapped_column(ForeignKey("flow_version.id"))
    """The version that it started from or was last published as; null for a new flow."""
    updated_at: Mapped[datetime]


class DraftRevision(Base):
    """One state of a draft: who changed what, when. Never changed, never deleted."""

    __tablename__ = "draft_revision"
    id: Mapped[int] = id_column()
    flow: Mapped[str]
    number: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The revision that undo leads to; null for the first one."""
    undone_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The revision that was undone to get here, which redo leads to; null if there was none."""
    source: Mapped[str]
    translations: Mapped[dict[str, Any]]
    transcripts: Mapped[dict[str, Any]]
    what: Mapped[str]
    """What was done, in words: "Changed step need: text"."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    by: Mapped[str]
    """The author's name at the time, or "files" and the like."""
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("flow", "number"),)


class FlowTrial(Base):
    """A staff member's trial of a flow on the studio's phone. It is replayed on each revision of the draft."""

    __tablename__ = "flow_trial"
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    flow: Mapped[str] = mapped_column(primary_key=True)
    trial: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class PublishRequest(Base):
    """A request to publish drafts together: now, at a given time, or after a second reviewer's approval."""

    __tablename__ = "publish_request"
    id: Mapped[int] = id_column()
    revisions: Mapped[dict[str, Any]]
    """Flow -> id of the reviewed revision."""
    reasons: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Warning -> why it was published nevertheless, in words."""
    moves: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Flow -> {old step: new step} for live conversations that are to be moved; conversations of other flows stay."""
    why: Mapped[str]
    state: Mapped[str]
    """waiting (for a second reviewer), scheduled, published, refused, withdrawn, failed."""
    needs_second: Mapped[bool]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When it becomes live; null: as soon as it is approved."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime | None]
    told: Mapped[str] = mapped_column(server_default="")
    """Why it was refused or failed, in words."""
    __table_args__ = (
        Index("publish_request_open", "state", "due_at", postgresql_where=text("state in ('waiting', 'scheduled')")),
    )


class FlowMove(Base):
    """A move of live conversations from older versions to a newer one; the sweep moves a few at a time."""

    __tablename__ = "flow_move"
    id: Mapped[int] = id_column()
    flow: Mapped[str]
    to_version: Mapped[int] = mapped_column(ForeignKey("flow_version.id"))
    steps: Mapped[dict[str, Any]]
    """Old step -> new step, if the name differs; "" keeps conversations at that step on their version."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    reached: Mapped[int] = mapped_column(server_default="0")
    """The id of the last conversation handled; they are handled in the order of their ids."""
    moved: Mapped[int] = mapped_column(server_default="0")
    stayed: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Reason why conversations stayed on their version -> how many."""
    __table_args__ = (Index("flow_move_open", "id", postgresql_where=text("done_at is null")),)
