"""Tables of the people who text. Staff tables are in staff_tables.py, the directory's in directory_tables.py, those of cases
in case_tables.py.

Columns whose names begin with `sealed_` are encrypted by `sealing.py`; no other column identifies a person.

Times are `timestamptz`, always UTC. Ids are 64-bit integers assigned by PostgreSQL.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.domain.languages import SOURCE_LANGUAGE


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), int: BigInteger, str: Text, dict[str, Any]: JSONB}


def id_column() -> Mapped[int]:
    """The `id` column of nearly every table."""
    return mapped_column(BigInteger, Identity(), primary_key=True)


class Person(Base):
    """A person who texts. One person may have several conversations, one for each address."""

    __tablename__ = "person"
    id: Mapped[int] = id_column()
    sealed_name: Mapped[str | None]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    zone: Mapped[str | None]
    """Their time zone, as a name of the time zone database; null: the city's."""


class Conversation(Base):
    """The permanent thread with one address, and the row that is locked while a text from that address is answered.

    Everything a turn must know is in this row: after waiting for the lock, only this row is read again (READ COMMITTED),
    so state in a second table could be outdated by one turn.
    """

    __tablename__ = "conversation"
    id: Mapped[int] = id_column()
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    channel: Mapped[str]
    lookup: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    sealed_address: Mapped[str]
    line: Mapped[str]
    """Our number that the person last wrote to, from which they are answered."""
    sealed_state: Mapped[str]
    flow_version: Mapped[int | None]
    step: Mapped[str | None]
    holder: Mapped[str]
    in_danger: Mapped[bool]
    opted_out: Mapped[bool] = mapped_column(server_default=text("false"))
    unreachable: Mapped[str | None]
    """Why nothing can be sent there: a carrier's reason such as `bad_address`."""
    timeout_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    """When the answers were deleted at the end of their retention; if older than `updated_at`, there are new ones."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        Index("conversation_timeout", "timeout_at", postgresql_where=text("timeout_at is not null")),
        Index("conversation_flow_version", "flow_version", postgresql_where=text("flow_version is not null")),
    )


class Message(Base):
    """Every text in either direction. Outgoing texts with a `due_at` are the outbox.

    `due_at` of a `waiting` row is when it may leave, of a `claimed` one when its lease ends, of an `answered` or
    `unknown` one when it is checked; null means that nothing more needs to be done.
    """

    __tablename__ = "message"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"))
    staff_thread_id: Mapped[int | None] = mapped_column(ForeignKey("staff_thread.id"))
    """Set instead of `conversation_id` if the text is to or from a staff member."""
    staff_id: Mapped[int | None]
    """Which staff member wrote it; null for Warmline itself."""
    handoff_id: Mapped[int | None]
    """Which handoff a text to or from staff is about."""
    outbound: Mapped[bool]
    sid: Mapped[str | None]
    sealed_body: Mapped[str | None]
    """Null once the words were deleted."""
    sealed_media: Mapped[str | None]
    at: Mapped[datetime]
    replies_to: Mapped[int | None]
    lane: Mapped[str | None]
    key: Mapped[str | None]
    state: Mapped[str]
    due_at: Mapped[datetime | None]
    slot_at: Mapped[datetime | None]
    """The sending slot reserved for this text on our number (carriers limit segments per second)."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error_code: Mapped[int | None]
    segments: Mapped[int | None]
    rules: Mapped[list[str] | None] = mapped_column(JSONB)
    """Which safety rules an inbound text met."""
    silence: Mapped[str | None]
    """Why an inbound text was left unanswered on purpose."""
    check_in_id: Mapped[int | None]
    """The check-in that it asks; such a text is not sent after `valid_until`."""
    valid_until: Mapped[datetime | None]
    """When it must no longer be sent: an afternoon's check-in must not arrive at night."""
    __table_args__ = (
        Index("message_sid", "sid", unique=True, postgresql_where=text("sid is not null")),
        Index("message_conversation", "conversation_id", "id"),
        Index("message_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("message_staff_thread", "staff_thread_id", "id", postgresql_where=text("staff_thread_id is not null")),
        CheckConstraint("num_nonnulls(conversation_id, staff_thread_id) = 1", name="message_has_one_thread"),
    )


class DeliveryReport(Base):
    """Every status callback as received, kept forever; `message.state` is derived from them."""

    __tablename__ = "delivery_report"
    id: Mapped[int] = id_column()
    message_id: Mapped[int | None] = mapped_column(index=True)
    sid: Mapped[str]
    state: Mapped[str]
    error_code: Mapped[int | None]
    at: Mapped[datetime]


class Handoff(Base):
    """A human was called for a person. While unclaimed, `due_at` is when it escalates to the next tier; while claimed,
    when its owner is next reminded (an unanswered text, the end of a shift, a quiet conversation)."""

    __tablename__ = "handoff"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None]
    reason: Mapped[str]
    team: Mapped[str]
    urgency: Mapped[str]
    sealed_because: Mapped[str | None]
    dangers: Mapped[list[str]] = mapped_column(JSONB)
    reachable: Mapped[bool]
    state: Mapped[str]
    """See bot/domain/handoff/states.py."""
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    language: Mapped[str] = mapped_column(server_default=text(f"'{SOURCE_LANGUAGE}'"))
    community: Mapped[str | None]
    """The community from which the person asked for a social worker."""
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    offered_to_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """Who is asked to take it over from the owner."""
    tier: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None]
    limit_at: Mapped[datetime | None]
    """By when a social worker must have claimed it."""
    alerted_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    spoke_at: Mapped[datetime | None]
    """When the owner last wrote to the person."""
    unanswered_since: Mapped[datetime | None]
    """The person's oldest text that the owner has not answered."""
    shift_ends_at: Mapped[datetime | None]
    last_notice_at: Mapped[datetime | None]
    """When the person last got a notice about the escalation."""
    closed_at: Mapped[datetime | None]
    disposition: Mapped[str | None]
    __table_args__ = (
        Index("handoff_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("handoff_owner", "owner_id", postgresql_where=text("owner_id is not null and state <> 'closed'")),
        Index("handoff_open", "urgency", "opened_at", postgresql_where=text("state <> 'closed'")),
        Index(
            "handoff_one_open",
            "conversation_id",
            unique=True,
            postgresql_where=text("state <> 'closed'"),
        ),
    )


class Alert(Base):
    """An alert about a handoff, or an alarm for the operator."""

    __tablename__ = "alert"
    id: Mapped[int] = id_column()
    kind: Mapped[str]
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoff.id"))
    conversation_id: Mapped[int | None]
    urgency: Mapped[str]
    detail: Mapped[str]
    raised_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    __table_args__ = (Index("alert_open", "raised_at", postgresql_where=text("acknowledged_at is null")),)


class Consent(Base):
    """The consent ledger: entries are added, never changed (47 CFR 64.1200: what was agreed, when, and how)."""

    __tablename__ = "consent"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None]
    scope: Mapped[str]
    choice: Mapped[str]
    method: Mapped[str]
    source: Mapped[str]
    language: Mapped[str]
    at: Mapped[datetime]
    staff_id: Mapped[int | None]
    """The social worker who recorded it, if the person told one."""
    until: Mapped[datetime | None]
    """When it expires (a release to an agency is limited in time)."""


class Referral(Base):
    """A service was offered to a person for a need; see bot/domain/referrals.py for its states.

    It is closed when the person, the agency or a social worker reports the outcome, not when a text was sent.
    """

    __tablename__ = "referral"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    service_id: Mapped[int]
    need: Mapped[str]
    near: Mapped[str | None]
    state: Mapped[str]
    made_at: Mapped[datetime]
    place: Mapped[int] = mapped_column(server_default=text("1"))
    """Its number in the texts of its offer, from 1."""
    outcome: Mapped[str | None]
    reported_by: Mapped[str | None]
    """Who reported the outcome: person, worker or agency."""
    updated_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker who made it; null for Warmline itself."""
    shared_at: Mapped[datetime | None]
    """When a link for the agency was made, with the person's consent."""
    __table_args__ = (Index("referral_open", "made_at", postgresql_where=text("closed_at is null")),)


class ReferralEvent(Base):
    """An event in a referral's history."""

    __tablename__ = "referral_event"
    id: Mapped[int] = id_column()
    referral_id: Mapped[int] = mapped_column(ForeignKey("referral.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    by: Mapped[str]
    """person, worker, agency or line."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    outcome: Mapped[str | None]
    at: Mapped[datetime]


class CheckIn(Base):
    """A check-in that was promised to a person; see bot/domain/check_ins/decision.py for its states.

    `due_at` is when it must be handled next: to ask, or, once asked, to treat a missing answer as silence. Null: over.
    """

    __tablename__ = "check_in"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    flow: Mapped[str]
    due_at: Mapped[datetime | None]
    state: Mapped[str]
    planned_for: Mapped[datetime | None]
    """When it was planned for, by the flow or a social worker; postponing does not change this."""
    made_at: Mapped[datetime | None]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker who planned it; null if a flow did."""
    after_crisis: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it follows a danger: then silence never counts as an answer."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was asked."""
    holds: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was postponed."""
    reason: Mapped[str | None]
    """Why it was last postponed or dropped."""
    asked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("check_in_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("check_in_ended", "ended_at", postgresql_where=text("ended_at is not null")),
    )


class CheckInEvent(Base):
    """An event in a check-in's history and its reason: planned, moved, held, asked, answered, dropped..."""

    __tablename__ = "check_in_event"
    id: Mapped[int] = id_column()
    check_in_id: Mapped[int] = mapped_column(ForeignKey("check_in.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    reason: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """When the check-in is due next, after this event."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]


class Outcome(Base):
    """How a flow ended."""

    __tablename__ = "outcome"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    flow: Mapped[str]
    outcome: Mapped[str]
    at: Mapped[datetime]


class Erasure(Base):
    """A person's request to delete their data; carried out by the sweep."""

    __tablename__ = "erasure"
    id: Mapped[int] = id_column()
    conversation_id: Mapped[int] = mapped_column(index=True)
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class FlowVersion(Base):
    """A published version of a flow: never changed, never deleted while a conversation is pinned to it."""

    __tablename__ = "flow_version"
    id: Mapped[int] = id_column()
    flow: Mapped[str]
    number: Mapped[int]
    source: Mapped[str]
    translations: Mapped[dict[str, Any]]
    transcripts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Its conversation tests: name -> text."""
    digest: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("flow", "number"), UniqueConstraint("flow", "digest"))


class FlowPublication(Base):
    """The publication log: which version new conversations get, since when, by whom. The newest row of a flow counts."""

    __tablename__ = "flow_publication"
    id: Mapped[int] = id_column()
    flow: Mapped[str] = mapped_column(index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("flow_version.id"))
    by: Mapped[str]
    at: Mapped[datetime]
    how: Mapped[str] = mapped_column(server_default="files")
    """files, pushed, console, scheduled or rolled_back (bot/storage/flows/flows.py)."""
    why: Mapped[str] = mapped_column(server_default="")
    """The publisher's explanation."""
    reasons: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Warning of the checks -> why it was published nevertheless."""
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    approved_by: Mapped[int | None] = mapped_column(BigInteger)


class Sender(Base):
    """When one of our numbers may send its next text (carriers limit segments per second for each number)."""

    __tablename__ = "sender"
    line: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[datetime]


class Canary(Base):
    """A known value, sealed and indexed at the first start, to detect a wrong key before any row is written."""

    __tablename__ = "canary"
    id: Mapped[int] = id_column()
    sealed_value: Mapped[str]
    lookup: Mapped[bytes] = mapped_column(LargeBinary)
