"""All that happened with one conversation, day by day: what the timeline of a person's page is made of.

A page of the timeline is a number of whole days, so that the texts of a day are counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, cast, func, literal, select, text
from sqlalchemy.orm import Session

from bot.domain.delivery import State
from bot.storage.staff_tables import Audit, CallOut, HandoffEvent, Note, Staff
from bot.storage.tables import CheckIn, Consent, Erasure, Handoff, Message, Outcome, Referral, Service

SAFE_CONTACT_CHANGED = "safe_contact_changed"
"""The audit's act that belongs to the person's own history too."""
MOST = 500
"""Rows of one kind that one page shows at most."""
_LOST = (State.FAILED.value, State.UNDELIVERED.value)

_DAYS = """
select distinct (at at time zone :zone)::date from (
  select at from message where conversation_id = :id
  union all select at from handoff_event where conversation_id = :id
  union all select opened_at from handoff where conversation_id = :id
  union all select c.raised_at from call_out c join handoff h on h.id = c.handoff_id where h.conversation_id = :id
  union all select at from note where conversation_id = :id
  union all select made_at from referral where conversation_id = :id
  union all select due_at from check_in where conversation_id = :id and due_at <= :now
  union all select at from consent where conversation_id = :id
  union all select at from outcome where conversation_id = :id
  union all select asked_at from erasure where conversation_id = :id
  union all select at from audit where conversation_id = :id and act = :act
) as everything where at < :before order by 1 desc limit :limit
"""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one day: how many the person wrote, the line said and social workers wrote; `last_at` is aware UTC."""

    day: date
    heard: int
    said: int
    written: int
    pictures: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Lost:
    """Texts of one day that did not arrive, all for the same reason (the carrier's code)."""

    day: date
    code: int | None
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """What happened from `since` up to (not with) `before`, each kind oldest first; sealed columns are still sealed.

    Staff names stand beside the rows that staff made; None for the line itself.
    """

    texts: Sequence[Texts]
    lost: Sequence[Lost]
    handoffs: Sequence[Handoff]
    events: Sequence[tuple[HandoffEvent, str | None]]
    call_outs: Sequence[tuple[CallOut, str]]
    notes: Sequence[tuple[Note, str]]
    referrals: Sequence[tuple[Referral, str | None]]
    check_ins: Sequence[CheckIn]
    consents: Sequence[Consent]
    outcomes: Sequence[Outcome]
    erasures: Sequence[Erasure]
    changes: Sequence[tuple[Audit, str | None]]


def days(db: Session, conversation_id: int, before: datetime, now: datetime, zone: str, limit: int) -> list[date]:
    """The newest days of this conversation, in the city's zone, on which anything happened before `before`."""
    given = {
        "id": conversation_id, "before": before, "now": now, "zone": zone, "limit": limit, "act": SAFE_CONTACT_CHANGED,
    }  # fmt: skip
    return list(db.scalars(text(_DAYS), given))


def between(db: Session, conversation_id: int, since: datetime, before: datetime, now: datetime, zone: str) -> Rows:
    """All rows from `since` up to `before` (aware UTC, both at midnight in the city)."""

    def rows(table: Any, at: Any, *more: Any) -> Sequence[Any]:
        found = select(table).where(table.conversation_id == conversation_id, at >= since, at < before, *more)
        return db.scalars(found.order_by(at, table.id).limit(MOST)).all()

    def named(table: Any, at: Any, *more: Any) -> Sequence[Any]:
        found = select(table, Staff.name).outerjoin(Staff, Staff.id == table.staff_id)
        found = found.where(table.conversation_id == conversation_id, at >= since, at < before, *more)
        return [(row[0], row[1]) for row in db.execute(found.order_by(at, table.id).limit(MOST))]

    return Rows(
        texts=_texts(db, conversation_id, since, before, zone),
        lost=_lost(db, conversation_id, since, before, zone),
        handoffs=rows(Handoff, Handoff.opened_at),
        events=named(HandoffEvent, HandoffEvent.at),
        call_outs=_call_outs(db, conversation_id, since, before),
        notes=named(Note, Note.at),
        referrals=_referrals(db, conversation_id, since, before),
        check_ins=rows(CheckIn, CheckIn.due_at, CheckIn.due_at <= now),
        consents=rows(Consent, Consent.at),
        outcomes=rows(Outcome, Outcome.at),
        erasures=rows(Erasure, Erasure.asked_at),
        changes=named(Audit, Audit.at, Audit.act == SAFE_CONTACT_CHANGED),
    )


def planned_check_ins(db: Session, conversation_id: int, now: datetime) -> Sequence[CheckIn]:
    """The check-ins that are still to come, the next one first."""
    rows = select(CheckIn).where(
        CheckIn.conversation_id == conversation_id, CheckIn.due_at > now, CheckIn.state == "planned"
    )
    return db.scalars(rows.order_by(CheckIn.due_at).limit(20)).all()


def needs(db: Session, conversation_id: int) -> list[str]:
    """The needs that services were offered for, newest first, each once."""
    rows = select(Referral.need).where(Referral.conversation_id == conversation_id)
    return list(dict.fromkeys(db.scalars(rows.order_by(Referral.id.desc()).limit(50))))


def _local_day(zone: str) -> Any:
    # One literal for the whole statement: as a parameter, GROUP BY would not know the two as the same expression.
    return cast(func.timezone(literal(zone, literal_execute=True), Message.at), Date)


def _texts(db: Session, conversation_id: int, since: datetime, before: datetime, zone: str) -> list[Texts]:
    day = _local_day(zone)
    inbound, by_staff = Message.outbound.is_(False), Message.staff_id.is_not(None)
    rows = select(
        day,
        func.count().filter(inbound),
        func.count().filter(~inbound, ~by_staff),
        func.count().filter(~inbound, by_staff),
        func.count().filter(inbound, Message.sealed_media.is_not(None)),
        func.max(Message.at),
    ).where(Message.conversation_id == conversation_id, Message.at >= since, Message.at < before)
    said = Message.state.not_in((*_LOST, State.DROPPED.value, State.CANCELED.value))
    return [Texts(*row) for row in db.execute(rows.where(said).group_by(day).order_by(day))]


def _lost(db: Session, conversation_id: int, since: datetime, before: datetime, zone: str) -> list[Lost]:
    day = _local_day(zone)
    rows = select(day, Message.error_code, func.count(), func.max(Message.at)).where(
        Message.conversation_id == conversation_id,
        Message.at >= since,
        Message.at < before,
        Message.outbound,
        Message.state.in_(_LOST),
    )
    return [Lost(*row) for row in db.execute(rows.group_by(day, Message.error_code).order_by(day))]


def _call_outs(db: Session, conversation_id: int, since: datetime, before: datetime) -> list[tuple[CallOut, str]]:
    rows = (
        select(CallOut, Staff.name)
        .join(Handoff, Handoff.id == CallOut.handoff_id)
        .join(Staff, Staff.id == CallOut.staff_id)
        .where(Handoff.conversation_id == conversation_id, CallOut.raised_at >= since, CallOut.raised_at < before)
    )
    return [(row[0], row[1]) for row in db.execute(rows.order_by(CallOut.raised_at, CallOut.id).limit(MOST))]


def _referrals(db: Session, conversation_id: int, since: datetime, before: datetime) -> list[tuple[Referral, str | None]]:
    rows = (
        select(Referral, Service.name)
        .outerjoin(Service, Service.id == Referral.service_id)
        .where(Referral.conversation_id == conversation_id, Referral.made_at >= since, Referral.made_at < before)
    )
    return [(row[0], row[1]) for row in db.execute(rows.order_by(Referral.id).limit(MOST))]
