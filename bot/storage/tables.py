"""The tables of the people who text; those of the staff are in staff_tables.py, of the directory in directory_tables.py,
of households that are accompanied for longer in case_tables.py.

A column whose name begins with `sealed_` holds what `sealing.py` made; nothing else names a person.

Times are `timestamptz`, always UTC. Identifiers are 64-bit integers that PostgreSQL counts out.
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


class Table(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), int: BigInteger, str: Text, dict[str, Any]: JSONB}


def identity() -> Mapped[int]:
    """The first column of nearly every table."""
    return mapped_column(BigInteger, Identity(), primary_key=True)


class Person(Table):
    """Somebody who texts. One person may have several conversations: one for each address."""

    __tablename__ = "person"
    id: Mapped[int] = identity()
    sealed_name: Mapped[str | None]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    zone: Mapped[str | None]
    """Where they live, as a name of the time zone database; null: in the city."""


class Conversation(Table):
    """The lasting thread with one address, and the row that is locked while a text of that address is answered.

    Whatever a turn must know stands in this one row: a lock that was waited for re-reads this row and no other
    (READ COMMITTED), so state in a second table could be stale by one turn.
    """

    __tablename__ = "conversation"
    id: Mapped[int] = identity()
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    channel: Mapped[str]
    lookup: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    sealed_address: Mapped[str]
    line: Mapped[str]
    """Our own number on which the person last wrote, and from which they are answered."""
    sealed_state: Mapped[str]
    flow_version: Mapped[int | None]
    step: Mapped[str | None]
    holder: Mapped[str]
    in_danger: Mapped[bool]
    opted_out: Mapped[bool] = mapped_column(server_default=text("false"))
    unreachable: Mapped[str | None]
    """Why nothing can be sent there: a carrier's word such as `bad_address`."""
    waking: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    """When the answers were deleted because their time was over; older than `updated_at` means that there are new ones."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    __table_args__ = (
        Index("conversation_waking", "waking", postgresql_where=text("waking is not null")),
        Index("conversation_flow_version", "flow_version", postgresql_where=text("flow_version is not null")),
    )


class Message(Table):
    """Every text in either direction. Those that are on their way out are the outbox: `due_at` is not null.

    `due_at` of a `waiting` row is when it may leave, of a `claimed` one when its lease ends, of an `answered` or
    `unknown` one when it is looked into; null means that nothing more needs doing.
    """

    __tablename__ = "message"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int | None] = mapped_column(ForeignKey("conversation.id"))
    staff_thread_id: Mapped[int | None] = mapped_column(ForeignKey("staff_thread.id"))
    """Set in place of `conversation_id` where the text is to or from a member of staff."""
    staff_id: Mapped[int | None]
    """Which social worker wrote it to the person; null where the line itself did."""
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
    """The place in our number's queue that this text has been given (carriers limit segments a second)."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error_code: Mapped[int | None]
    segments: Mapped[int | None]
    rules: Mapped[list[str] | None] = mapped_column(JSONB)
    """Which safety rules an inbound text met."""
    silence: Mapped[str | None]
    """Why an inbound text was not answered, where that was on purpose."""
    check_in_id: Mapped[int | None]
    """Which check-in it asks; such a text does not leave after `valid_until`."""
    valid_until: Mapped[datetime | None]
    """When it is no longer worth sending: a check-in of the afternoon must not arrive at night."""
    __table_args__ = (
        Index("message_sid", "sid", unique=True, postgresql_where=text("sid is not null")),
        Index("message_conversation", "conversation_id", "id"),
        Index("message_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("message_staff_thread", "staff_thread_id", "id", postgresql_where=text("staff_thread_id is not null")),
        CheckConstraint("num_nonnulls(conversation_id, staff_thread_id) = 1", name="message_has_one_thread"),
    )


class DeliveryReport(Table):
    """Every status callback as it came, for ever; `message.state` is what follows from all of them."""

    __tablename__ = "delivery_report"
    id: Mapped[int] = identity()
    message_id: Mapped[int | None] = mapped_column(index=True)
    sid: Mapped[str]
    state: Mapped[str]
    error_code: Mapped[int | None]
    at: Mapped[datetime]


class Handoff(Table):
    """A human was called. While nobody has it, `rung_due_at` is when the next rung of its ladder is climbed; while
    somebody has it, when they are next reminded (a text unanswered, a shift over, a conversation gone quiet)."""

    __tablename__ = "handoff"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None]
    reason: Mapped[str]
    team: Mapped[str]
    urgency: Mapped[str]
    sealed_because: Mapped[str | None]
    dangers: Mapped[list[str]] = mapped_column(JSONB)
    reachable: Mapped[bool]
    state: Mapped[str]
    """See bot/domain/handoff.py."""
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    language: Mapped[str] = mapped_column(server_default=text("'en'"))
    community: Mapped[str | None]
    """The community whose worker the person asked for."""
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    offered_to_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """Who is asked to take it over from the owner."""
    rung: Mapped[int] = mapped_column(server_default=text("0"))
    rung_due_at: Mapped[datetime | None]
    limit_at: Mapped[datetime | None]
    """By when somebody must have said that they have it (domain.md 4.3)."""
    alerted_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    spoke_at: Mapped[datetime | None]
    """When the owner last wrote to the person."""
    unanswered_since: Mapped[datetime | None]
    """The person's oldest text that the owner has not answered."""
    shift_ends_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    """When the person was last told by the ladder how it stands."""
    closed_at: Mapped[datetime | None]
    disposition: Mapped[str | None]
    __table_args__ = (
        Index("handoff_rung_due", "rung_due_at", postgresql_where=text("rung_due_at is not null")),
        Index("handoff_owner", "owner_id", postgresql_where=text("owner_id is not null and state <> 'closed'")),
        Index("handoff_open", "urgency", "opened_at", postgresql_where=text("state <> 'closed'")),
        Index(
            "handoff_one_open",
            "conversation_id",
            unique=True,
            postgresql_where=text("state <> 'closed'"),
        ),
    )


class Alert(Table):
    """Something that a human must be told: about a handoff, or an operator's alarm."""

    __tablename__ = "alert"
    id: Mapped[int] = identity()
    kind: Mapped[str]
    handoff_id: Mapped[int | None] = mapped_column(ForeignKey("handoff.id"))
    conversation_id: Mapped[int | None]
    urgency: Mapped[str]
    detail: Mapped[str]
    raised_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    __table_args__ = (Index("alert_open", "raised_at", postgresql_where=text("acknowledged_at is null")),)


class Consent(Table):
    """The consent ledger: entries are added, never changed (47 CFR 64.1200: what was said, when, and how)."""

    __tablename__ = "consent"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None]
    scope: Mapped[str]
    choice: Mapped[str]
    method: Mapped[str]
    source: Mapped[str]
    language: Mapped[str]
    at: Mapped[datetime]
    staff_id: Mapped[int | None]
    """Who wrote it down, where the person told a social worker."""
    until: Mapped[datetime | None]
    """When it ends by itself (a release to an agency is limited in time)."""


class Referral(Table):
    """A service was offered to a person for a need; see bot/domain/referral.py for its states.

    It is closed when the person or the agency has told how it ended, not when a text was sent.
    """

    __tablename__ = "referral"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    service_id: Mapped[int]
    need: Mapped[str]
    near: Mapped[str | None]
    state: Mapped[str]
    made_at: Mapped[datetime]
    place: Mapped[int] = mapped_column(server_default=text("1"))
    """Its number in the texts of its offer, from 1."""
    outcome: Mapped[str | None]
    told_by: Mapped[str | None]
    """Who told the outcome: person, worker or agency."""
    updated_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker who made it; null where the line itself did."""
    shared_at: Mapped[datetime | None]
    """When a link for the agency was made, with the person's consent."""
    __table_args__ = (Index("referral_open", "made_at", postgresql_where=text("closed_at is null")),)


class ReferralEvent(Table):
    """What became of a referral, step by step."""

    __tablename__ = "referral_event"
    id: Mapped[int] = identity()
    referral_id: Mapped[int] = mapped_column(ForeignKey("referral.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    by: Mapped[str]
    """person, worker, agency or line."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    outcome: Mapped[str | None]
    at: Mapped[datetime]


class CheckIn(Table):
    """The promise to ask again; see bot/domain/check_in.py for its states.

    `due_at` is when it must be looked at next: to ask, or, once asked, to see that nobody answered. Null: it is over.
    """

    __tablename__ = "check_in"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    flow: Mapped[str]
    due_at: Mapped[datetime | None]
    state: Mapped[str]
    planned_for: Mapped[datetime | None]
    """When it is meant to be asked, as it was planned or as a worker moved it; what puts it off leaves this as it is."""
    made_at: Mapped[datetime | None]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    """The social worker who set it; null where a flow did."""
    after_crisis: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it follows a danger: then silence is never taken for an answer."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was asked."""
    holds: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was put off."""
    reason: Mapped[str | None]
    """Why it was put off or dropped last."""
    asked_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("check_in_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("check_in_ended", "ended_at", postgresql_where=text("ended_at is not null")),
    )


class CheckInEvent(Table):
    """What happened to a check-in and why: planned, moved, held, asked, answered, dropped..."""

    __tablename__ = "check_in_event"
    id: Mapped[int] = identity()
    check_in_id: Mapped[int] = mapped_column(ForeignKey("check_in.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    reason: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """When it will be looked at next, after this."""
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]


class Outcome(Table):
    """How a flow ended."""

    __tablename__ = "outcome"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id"), index=True)
    flow: Mapped[str]
    outcome: Mapped[str]
    at: Mapped[datetime]


class Erasure(Table):
    """A person asked that what is kept of them be deleted; done by the sweep."""

    __tablename__ = "erasure"
    id: Mapped[int] = identity()
    conversation_id: Mapped[int] = mapped_column(index=True)
    asked_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class FlowVersion(Table):
    """One published state of one flow: never changed, never deleted while a conversation is pinned to it."""

    __tablename__ = "flow_version"
    id: Mapped[int] = identity()
    flow: Mapped[str]
    number: Mapped[int]
    source: Mapped[str]
    translations: Mapped[dict[str, Any]]
    transcripts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Conversation tests that came with it: name -> text."""
    digest: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("flow", "number"), UniqueConstraint("flow", "digest"))


class FlowPublication(Table):
    """Which version new conversations get, since when, by whom; the newest row of a flow holds."""

    __tablename__ = "flow_publication"
    id: Mapped[int] = identity()
    flow: Mapped[str] = mapped_column(index=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("flow_version.id"))
    by: Mapped[str]
    at: Mapped[datetime]
    how: Mapped[str] = mapped_column(server_default="files")
    """files, pushed, console, scheduled or rolled_back (bot/storage/flows.py)."""
    why: Mapped[str] = mapped_column(server_default="")
    """In the words of who published it."""
    reasons: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    """Warning of the checks -> why it was published all the same."""
    staff_id: Mapped[int | None] = mapped_column(BigInteger)
    approved_by: Mapped[int | None] = mapped_column(BigInteger)


class Sender(Table):
    """When one of our own numbers may send the next text (carriers limit segments a second for each number)."""

    __tablename__ = "sender"
    line: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[datetime]


class Canary(Table):
    """A known value, sealed and indexed at the first start, by which a wrong key is found before a row is written."""

    __tablename__ = "canary"
    id: Mapped[int] = identity()
    sealed_value: Mapped[str]
    lookup: Mapped[bytes] = mapped_column(LargeBinary)
