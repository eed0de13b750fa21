"""Tables of cases: households that are supported for longer than one conversation.

A case belongs to a person, not to a telephone number. Words about a person are sealed, as everywhere.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables.residents import Base, id_column


class CaseFile(Base):
    """A household's case. `opened_at` is day 0 of its measures."""

    __tablename__ = "case_file"
    id: Mapped[int] = id_column()
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker responsible; null if Warmline opened it and no social worker has taken it yet."""
    opened_at: Mapped[datetime]
    opened_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    """How it ended; see bot/domain/cases.py."""
    __table_args__ = (
        Index("case_file_open", "person_id", unique=True, postgresql_where=text("closed_at is null")),
    )  # fmt: skip


class Need(Base):
    """Something that the household lacks: from when, until when, and with what outcome."""

    __tablename__ = "need"
    id: Mapped[int] = id_column()
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), index=True)
    code: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker who recorded it; null if the person told Warmline by text."""
    __table_args__ = (
        Index("need_open", "case_id", "code", unique=True, postgresql_where=text("closed_at is null")),
    )  # fmt: skip


class Encounter(Base):
    """A social worker met or spoke with the household."""

    __tablename__ = "encounter"
    id: Mapped[int] = id_column()
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    mode: Mapped[str]
    minutes: Mapped[int | None]
    sealed_note: Mapped[str | None]


class CaseTask(Base):
    """A task that a human must do for a person: call them, share a referral, or anything else that was promised."""

    __tablename__ = "case_task"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    check_in_id: Mapped[int | None] = mapped_column(ForeignKey("check_in.id", ondelete="SET NULL"))
    kind: Mapped[str]
    """call, share, or other."""
    reason: Mapped[str | None]
    """A fixed word if Warmline created it."""
    sealed_what: Mapped[str | None]
    due_at: Mapped[datetime]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The assigned staff member; null: anyone on the team."""
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None]
    done_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    __table_args__ = (Index("case_task_open", "due_at", postgresql_where=text("done_at is null")),)


class Measure(Base):
    """How the household was on day 0, 30, 60 or 90: one answer for each name and day; a newer answer replaces it."""

    __tablename__ = "measure"
    id: Mapped[int] = id_column()
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    day: Mapped[int]
    name: Mapped[str]
    """housed, bills or safe."""
    value: Mapped[str]
    """yes, no, unsure or declined."""
    reported_by: Mapped[str]
    """person or worker."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("case_id", "day", "name"),)
