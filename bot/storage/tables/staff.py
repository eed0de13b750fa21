"""Tables of the staff: accounts, teams, the roster, and what staff members did.

A staff member's own telephone number is sealed like a resident's. Work e-mail addresses are not: they are a city's public
records, and the sign-in looks them up.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, LargeBinary, Time, UniqueConstraint, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bot.storage.tables.residents import Base, id_column

staff_role = SqlTable(
    "staff_role",
    Base.metadata,
    Column("staff_id", BigInteger, ForeignKey("staff.id"), primary_key=True),
    Column("role_id", BigInteger, ForeignKey("role.id"), primary_key=True),
)


class Role(Base):
    """A staff role: social_worker, supervisor, admin or auditor. What each may do: bot/domain/staff/permissions.py."""

    __tablename__ = "role"
    id: Mapped[int] = id_column()
    name: Mapped[str] = mapped_column(unique=True)


class Team(Base):
    """Staff who answer the same handoffs. Flows name a team by its slug."""

    __tablename__ = "team"
    id: Mapped[int] = id_column()
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    second_look: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether a flow that hands people to this team needs a second reviewer before it is published."""


class Membership(Base):
    """Who belongs to which team and so sees its people."""

    __tablename__ = "membership"
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True, index=True)


class Staff(Base):
    """A social worker, supervisor, admin or auditor, with their account."""

    __tablename__ = "staff"
    id: Mapped[int] = id_column()
    email: Mapped[str] = mapped_column(unique=True)
    """Lower case."""
    name: Mapped[str]
    called: Mapped[str]
    """The first name that residents are told if `tells_name`."""
    tells_name: Mapped[bool] = mapped_column(server_default=text("true"))
    languages: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[\"en\"]'"))
    skills: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    communities: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    capacity: Mapped[int] = mapped_column(server_default=text("4"))
    """How many open handoffs they have at most before others are called first."""
    sealed_phone: Mapped[str | None]
    phone_lookup: Mapped[bytes | None] = mapped_column(LargeBinary)
    alerts_by_text: Mapped[bool] = mapped_column(server_default=text("true"))
    alerts_by_email: Mapped[bool] = mapped_column(server_default=text("true"))
    alerts_by_voice: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    # Account columns used by Flask-Security.
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    password: Mapped[str | None]
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    confirmed_at: Mapped[datetime | None]
    failed_sign_ins: Mapped[int] = mapped_column(server_default=text("0"))
    locked_until: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    current_login_at: Mapped[datetime | None]
    last_login_ip: Mapped[str | None]
    current_login_ip: Mapped[str | None]
    login_count: Mapped[int | None]
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    tf_phone_number: Mapped[str | None]
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(JSONB)
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)
    """Their identity at the city's single sign-on: issuer and subject."""
    roles: Mapped[list[Role]] = relationship(secondary=staff_role, lazy="selectin", order_by=Role.id)
    __table_args__ = (Index("staff_phone", "phone_lookup", unique=True, postgresql_where=text("phone_lookup is not null")),)


class Shift(Base):
    """A weekly shift in the city's time zone; one that ends at or before its start ends on the next day."""

    __tablename__ = "shift"
    id: Mapped[int] = id_column()
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    weekday: Mapped[int]
    """0 is Monday, the day on which it starts."""
    starts: Mapped[time] = mapped_column(Time)
    ends: Mapped[time] = mapped_column(Time)
    place: Mapped[int] = mapped_column(server_default=text("1"))
    """On-call order: 1 is called first."""
    since: Mapped[date | None] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)


class ExtraShift(Base):
    """A single shift, which also counts on holidays."""

    __tablename__ = "extra_shift"
    id: Mapped[int] = id_column()
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place: Mapped[int] = mapped_column(server_default=text("1"))


class TimeOff(Base):
    """A staff member is away: none of their shifts count."""

    __tablename__ = "time_off"
    id: Mapped[int] = id_column()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class Holiday(Base):
    """A day on which weekly shifts do not count, for one team or (null) for all."""

    __tablename__ = "holiday"
    id: Mapped[int] = id_column()
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    day: Mapped[date] = mapped_column(Date)
    name: Mapped[str]


class CallOut(Base):
    """One staff member was called for one handoff, on one tier (`tier`) of its escalation. The alerts are in `message`."""

    __tablename__ = "call_out"
    id: Mapped[int] = id_column()
    handoff_id: Mapped[int] = mapped_column(ForeignKey("handoff.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    tier: Mapped[int]
    raised_at: Mapped[datetime]
    answer: Mapped[str | None]
    """took, passed, missed (the tier ended), unreachable, taken (by a colleague), over; null while it is open."""
    answered_at: Mapped[datetime | None]
    __table_args__ = (
        Index("call_out_handoff", "handoff_id", "id"),
        Index("call_out_open", "staff_id", postgresql_where=text("answer is null")),
    )


class StaffThread(Base):
    """The messages between one staff member and Warmline on one of our numbers (or by e-mail or voice).

    While `conversation_id` is set, this thread relays: what the social worker texts to the number goes to that person, and
    what the person writes goes to the social worker.
    """

    __tablename__ = "staff_thread"
    id: Mapped[int] = id_column()
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    channel: Mapped[str]
    line: Mapped[str]
    sealed_address: Mapped[str]
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"))
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoff.id"))
    bound_at: Mapped[datetime | None]
    opted_out: Mapped[bool] = mapped_column(server_default=text("false"))
    """The staff member's telephone has sent STOP to this number, so the carrier blocks it until START."""
    unreachable: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("staff_id", "channel", "line"),
        Index("staff_thread_relay", "conversation_id", postgresql_where=text("conversation_id is not null")),
    )


class HandoffEvent(Base):
    """A handoff's history, kept forever: who was called, who took it, what the person was told."""

    __tablename__ = "handoff_event"
    id: Mapped[int] = id_column()
    handoff_id: Mapped[int] = mapped_column(ForeignKey("handoff.id"))
    conversation_id: Mapped[int]
    staff_id: Mapped[int | None]
    """Who did it; null for Warmline itself."""
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]]
    """Ids and fixed words only."""
    at: Mapped[datetime]
    __table_args__ = (
        Index("handoff_event_handoff", "handoff_id", "id"),
        Index("handoff_event_conversation", "conversation_id", "id"),
    )


class Note(Base):
    """A social worker's note for colleagues; never sent."""

    __tablename__ = "note"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"))
    handoff_id: Mapped[int | None]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    sealed_body: Mapped[str | None]
    at: Mapped[datetime]
    __table_args__ = (Index("note_conversation", "conversation_id", "id"),)


class StoredReadyReply(Base):
    """A ready reply: a reviewed text that social workers send with one press, in one language."""

    __tablename__ = "ready_reply"
    id: Mapped[int] = id_column()
    slug: Mapped[str]
    language: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    """Null: for all teams."""
    updated_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("slug", "language"),)


class Audit(Base):
    """Who read or did what; Warmline adds rows and never changes or deletes them."""

    __tablename__ = "audit"
    id: Mapped[int] = id_column()
    staff_id: Mapped[int | None]
    act: Mapped[str]
    conversation_id: Mapped[int | None]
    handoff_id: Mapped[int | None]
    detail: Mapped[str]
    """Fixed words and ids; never a resident's words or numbers."""
    at: Mapped[datetime]
    __table_args__ = (
        Index("audit_staff", "staff_id", "id"),
        Index("audit_conversation", "conversation_id", "id"),
    )
