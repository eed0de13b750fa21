"""The tables of the flow studio: drafts with every state that they were in, publications that wait, moves of conversations.

What holds is in `flow_version` and `flow_publication` (tables.py). Nothing here is about a person who texts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables import Table, identity


class FlowDraft(Table):
    """A flow that somebody works on: which of its revisions holds, and the row that is locked to make a new one."""

    __tablename__ = "flow_draft"
    flow: Mapped[str] = mapped_column(primary_key=True)
    revision_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The revision that holds; null only inside the transaction that makes the first."""
    based_on: Mapped[int | None] = mapped_column(ForeignKey("flow_version.id"))
    """The version whose content it began with, or was last published as; null for a flow that is new."""
    updated_at: Mapped[datetime]


class DraftRevision(Table):
    """One state of a draft, kept for ever: who changed what, when. Never changed, never deleted."""

    __tablename__ = "draft_revision"
    id: Mapped[int] = identity()
    flow: Mapped[str]
    number: Mapped[int]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The revision that undo leads to; null at the first."""
    undone_id: Mapped[int | None] = mapped_column(ForeignKey("draft_revision.id"))
    """The revision that was undone to get here, to which redo leads; null where nothing was."""
    source: Mapped[str]
    translations: Mapped[dict[str, Any]]
    transcripts: Mapped[dict[str, Any]]
    what: Mapped[str]
    """What was done, in words: "Changed step need: text"."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    by: Mapped[str]
    """Their name then, or "files" and the like."""
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("flow", "number"),)


class FlowTrial(Table):
    """What somebody has tried of a flow on the studio's telephone. It is played anew on each state of the draft."""

    __tablename__ = "flow_trial"
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    flow: Mapped[str] = mapped_column(primary_key=True)
    trial: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class PublishRequest(Table):
    """Drafts that somebody wants to be published together: at once, at a time, or once a second person has looked."""

    __tablename__ = "publish_request"
    id: Mapped[int] = identity()
    revisions: Mapped[dict[str, Any]]
    """Flow -> id of the revision that was looked at."""
    reasons: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Warning -> why it was published all the same, in words."""
    moves: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Flow -> {old step: new step} for live conversations that are to move along; a flow that is not here moves nobody."""
    why: Mapped[str]
    state: Mapped[str]
    """waiting (for a second person), scheduled, published, refused, withdrawn, failed."""
    needs_second: Mapped[bool]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When it becomes live; null: as soon as nothing else is missing."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime | None]
    told: Mapped[str] = mapped_column(server_default="")
    """Why it was refused or failed, in words."""
    __table_args__ = (
        Index("publish_request_open", "state", "due_at", postgresql_where=text("state in ('waiting', 'scheduled')")),
    )


class FlowMove(Table):
    """Live conversations of older versions that are moved to a newer one, a few at a time, by the sweep."""

    __tablename__ = "flow_move"
    id: Mapped[int] = identity()
    flow: Mapped[str]
    to_version: Mapped[int] = mapped_column(ForeignKey("flow_version.id"))
    steps: Mapped[dict[str, Any]]
    """Old step -> new step, where the name is another; "" keeps those who rest there on their version."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    reached: Mapped[int] = mapped_column(server_default="0")
    """The last conversation that was looked at; they are looked at in the order of their ids."""
    moved: Mapped[int] = mapped_column(server_default="0")
    stayed: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Why some stayed on their version -> how many."""
    __table_args__ = (Index("flow_move_open", "id", postgresql_where=text("done_at is null")),)
