"""Open handoffs as the console reads them: the rows for a list, the rows of one, and cheap versions of both.

A version is a short text that changes whenever something that the page shows has changed. It is asked for by every open
console all the time, so it is one small statement in plain SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.database import plain
from bot.storage.staff_tables import CallOut, HandoffEvent, Note, Staff, Team
from bot.storage.tables import Conversation, Handoff, Message, Person, Referral, Service

# The sum, and not the newest alone: a transaction that began earlier may commit later, with an earlier time.
_INBOX = """
select count(*) filter (where calls), coalesce(sum(at) filter (where calls), 0), count(*), coalesce(sum(at), 0)
  from (select owner_id is null or offered_to_id is not null as calls, extract(epoch from updated_at) as at
          from handoff where state <> 'closed') as open
"""
_ONE = """
select handoff.id, extract(epoch from handoff.updated_at), texts.newest, texts.states, events.newest, notes.newest
  from handoff
 cross join lateral (
     select max(id) as newest, md5(string_agg(state || coalesce(error_code::text, ''), ' ' order by id)) as states
       from (select id, state, error_code from message where conversation_id = handoff.conversation_id
              order by id desc limit 40) as recent) as texts
 cross join lateral (
     select max(id) as newest from handoff_event where conversation_id = handoff.conversation_id) as events
 cross join lateral (select max(id) as newest from note where conversation_id = handoff.conversation_id) as notes
 where handoff.id = any(%s)
"""


def version(db: Session) -> str:
    """What the whole inbox stands at, in two halves with a `.` between: those that call for somebody (nobody has them, or
    they are offered), and all that are open."""
    calls, at_of_calls, every, at_of_every = plain(db).execute(_INBOX).fetchone() or (0, 0, 0, 0)
    return f"{calls}-{_compact(at_of_calls)}.{every}-{_compact(at_of_every)}"


def _compact(seconds: Any) -> str:
    """A sum of moments in microseconds, without a point."""
    return f"{int(seconds * 1_000_000):x}"


def versions(db: Session, handoff_ids: Collection[int]) -> dict[int, str]:
    """What each of these handoffs' pages stands at: the row, the newest texts with their states, events and notes."""
    rows = plain(db).execute(_ONE, (list(handoff_ids),)).fetchall() if handoff_ids else []
    return {row[0]: "-".join(str(part) for part in row[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class Open:
    """An open handoff beside the row of its conversation; the name is still sealed."""

    handoff: Handoff
    sealed_name: str | None
    opted_out: bool
    unreachable: str | None


def open_ones(db: Session) -> list[Open]:
    """All that are not closed, oldest first."""
    rows = db.execute(
        select(Handoff, Person.sealed_name, Conversation.opted_out, Conversation.unreachable)
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .join(Person, Person.id == Conversation.person_id)
        .where(Handoff.state != "closed")
        .order_by(Handoff.opened_at, Handoff.id)
    )
    return [Open(*row) for row in rows]


def called_for_open(db: Session, staff_id: int) -> frozenset[int]:
    """For which of the open handoffs this member of staff was ever called out."""
    rows = select(CallOut.handoff_id).join(Handoff, Handoff.id == CallOut.handoff_id)
    return frozenset(db.scalars(rows.where(CallOut.staff_id == staff_id, Handoff.state != "closed")))


def called_for(db: Session, staff_id: int, handoff_ids: Collection[int]) -> frozenset[int]:
    """For which of these handoffs this member of staff was ever called out."""
    rows = select(CallOut.handoff_id).where(CallOut.staff_id == staff_id, CallOut.handoff_id.in_(handoff_ids))
    return frozenset(db.scalars(rows))


def calling(db: Session, handoff_ids: Collection[int]) -> Mapping[int, Sequence[int]]:
    """Who is being called now and has not answered, for each of these handoffs."""
    rows = select(CallOut.handoff_id, CallOut.staff_id).where(CallOut.handoff_id.in_(handoff_ids), CallOut.answer.is_(None))
    found: dict[int, list[int]] = defaultdict(list)
    for handoff_id, staff_id in db.execute(rows.order_by(CallOut.id)):
        if staff_id not in found[handoff_id]:
            found[handoff_id].append(staff_id)
    return found


def names(db: Session, staff_ids: Iterable[int | None]) -> dict[int, str]:
    """The names of these members of staff, also of those who have left."""
    wanted = {staff_id for staff_id in staff_ids if staff_id is not None}
    rows = db.execute(select(Staff.id, Staff.name).where(Staff.id.in_(wanted))) if wanted else ()
    return {row[0]: row[1] for row in rows}


def team_names(db: Session) -> dict[str, str]:
    """Slug -> name of every team, by name."""
    return {row.slug: row.name for row in db.execute(select(Team.slug, Team.name).order_by(Team.name))}


def find(db: Session, handoff_id: int) -> Handoff | None:
    """One handoff, open or closed."""
    return db.get(Handoff, handoff_id) if 0 < handoff_id < 2**63 else None


def of_conversation(db: Session, conversation_id: int) -> Sequence[Handoff]:
    """All handoffs of a conversation, open and closed, oldest first."""
    return db.scalars(select(Handoff).where(Handoff.conversation_id == conversation_id).order_by(Handoff.id)).all()


def texts(db: Session, conversation_id: int, before: int | None, limit: int) -> Sequence[Message]:
    """The newest `limit` texts with the person, or those before row `before`; oldest first."""
    rows = select(Message).where(Message.conversation_id == conversation_id)
    if before is not None:
        rows = rows.where(Message.id < before)
    return db.scalars(rows.order_by(Message.id.desc()).limit(limit)).all()[::-1]


def text(db: Session, conversation_id: int, message_id: int) -> Message | None:
    """One text of this very conversation."""
    return db.scalar(select(Message).where(Message.id == message_id, Message.conversation_id == conversation_id))


def planned(db: Session, conversation_id: int) -> Sequence[Message]:
    """Texts that a social worker has planned and that have not left, soonest first."""
    rows = select(Message).where(
        Message.conversation_id == conversation_id,
        Message.outbound,
        Message.staff_id.is_not(None),
        Message.state == "waiting",
        Message.due_at.is_not(None),
    )
    return db.scalars(rows.order_by(Message.due_at, Message.id)).all()


def events(db: Session, conversation_id: int) -> Sequence[HandoffEvent]:
    """What happened to the conversation's handoffs, oldest first."""
    rows = select(HandoffEvent).where(HandoffEvent.conversation_id == conversation_id)
    return db.scalars(rows.order_by(HandoffEvent.id)).all()


def notes(db: Session, conversation_id: int) -> Sequence[Note]:
    """What social workers wrote down, newest first."""
    return db.scalars(select(Note).where(Note.conversation_id == conversation_id).order_by(Note.id.desc())).all()


def referrals(db: Session, conversation_id: int) -> Sequence[tuple[Referral, str | None]]:
    """What the person was referred to, newest first, with the service's name (None where it left the directory)."""
    rows = db.execute(
        select(Referral, Service.name)
        .outerjoin(Service, Service.id == Referral.service_id)
        .where(Referral.conversation_id == conversation_id)
        .order_by(Referral.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


def conversation(db: Session, conversation_id: int) -> tuple[Conversation, str | None] | None:
    """The conversation's row and the person's sealed name."""
    row = db.execute(
        select(Conversation, Person.sealed_name)
        .join(Person, Person.id == Conversation.person_id)
        .where(Conversation.id == conversation_id)
    ).first()
    return (row[0], row[1]) if row else None


def rules_met(db: Session, conversation_id: int, limit: int = 12) -> list[str]:
    """The safety rules that the person's newest such texts met, newest first, each once."""
    rows = db.scalars(
        select(Message.rules)
        .where(Message.conversation_id == conversation_id, Message.rules.is_not(None))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return list(dict.fromkeys(rule for rules in rows for rule in rules or ()))
