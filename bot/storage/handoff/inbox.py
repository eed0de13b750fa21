"""Handoffs as the console shows them: the inbox list, the page of one handoff, and a cheap version string for each.

A version is a short string that changes whenever something on the page has changed. Every open console polls it, so it
is one small statement.

All of it is plain SQL that selects only the columns shown: these two pages are open all day on every screen, and the
mapped classes cost about five times as much per statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import class_row
from sqlalchemy.orm import Session

from bot.storage.database import driver_connection
from bot.storage.tables.residents import Handoff

# The sum of the times and not just the newest: a transaction that began earlier may commit later, with an earlier time.
_INBOX_VERSION = """
select count(*) filter (where calls), coalesce(sum(at) filter (where calls), 0), count(*), coalesce(sum(at), 0)
  from (select owner_id is null or offered_to_id is not null as calls, extract(epoch from updated_at) as at
          from handoff where state <> 'closed') as open
"""
_HANDOFF_VERSION = """
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
# The statements below are built from constants only; all input is passed as parameters.
_CALLS = """
 cross join lateral (
     select coalesce(bool_or(staff_id = %(reader_id)s), false) as was_called,
            coalesce(array_agg(staff_id order by id) filter (where answer is null), '{}') as calling
       from call_out where handoff_id = handoff.id) as calls
"""
_OPEN_ONES = f"""
select handoff.id, handoff.conversation_id, handoff.reason, handoff.team, handoff.urgency, handoff.dangers,
       handoff.reachable, handoff.state, handoff.opened_at, handoff.language, handoff.community, handoff.owner_id,
       handoff.offered_to_id, handoff.tier, handoff.limit_at, handoff.unanswered_since, person.sealed_name,
       conversation.opted_out, conversation.unreachable, calls.was_called, calls.calling
  from handoff
  join conversation on conversation.id = handoff.conversation_id
  join person on person.id = conversation.person_id
{_CALLS}
 where handoff.state <> 'closed' order by handoff.opened_at, handoff.id
"""  # noqa: S608
_ACCESS = """
select team, owner_id, offered_to_id,
       exists (select from call_out where handoff_id = handoff.id and staff_id = %(reader_id)s) as was_called
  from handoff where {} = %(id)s
"""
_ACCESS_TO_ONE = _ACCESS.format("id")
_ACCESS_TO_ALL = _ACCESS.format("conversation_id")
# Columns are named: during a roll-out the table may have a column that this process does not know.
_COLUMNS = tuple(Handoff.__table__.columns.keys())
_DETAIL = f"""
select {", ".join(f"handoff.{column}" for column in _COLUMNS)},
       conversation.channel, conversation.opted_out, conversation.unreachable, conversation.sealed_state,
       conversation.in_danger, person.sealed_name, calls.was_called, calls.calling
  from handoff
  join conversation on conversation.id = handoff.conversation_id
  join person on person.id = conversation.person_id
{_CALLS}
 where handoff.id = %(id)s
"""  # noqa: S608
_NAMES = "select id, name from staff where id = any(%s)"
_TEAM_NAMES = "select slug, name from team order by name"
_EARLIER = """
select handoff.id, reason, opened_at, coalesce(staff.name, '') as owner, coalesce(disposition, '') as disposition
  from handoff left join staff on staff.id = handoff.owner_id
 where conversation_id = %s and handoff.id < %s order by handoff.id desc
"""
_TEXTS = """
select id, outbound, staff_id, sealed_body, sealed_media, at, state, error_code, rules, silence
  from message where conversation_id = %s and id < %s order by id desc limit %s
"""
_PLANNED = """
select id, sealed_body, due_at, staff_id
  from message
 where conversation_id = %s and outbound and staff_id is not null and state = 'waiting' and due_at > %s and attempts = 0
 order by due_at, id
"""
_EVENTS = """
select id, handoff_id, staff_id, kind, detail, at from handoff_event where conversation_id = %s order by id
"""
_NOTES = """
select sealed_body, coalesce(staff.name, '') as by, note.at
  from note left join staff on staff.id = note.staff_id
 where conversation_id = %s order by note.id desc
"""
_REFERRALS = """
select coalesce(service.name, '') as service, need, coalesce(near, '') as near, state, made_at
  from referral left join service on service.id = referral.service_id
 where conversation_id = %s order by referral.id desc
"""
_RULES_MET = "select rules from message where conversation_id = %s and rules is not null order by id desc limit %s"

_LARGEST_ID = 2**63 - 1

RowType = TypeVar("RowType")


def inbox_version(db: Session) -> str:
    """The inbox's version, in two parts joined by `.`: handoffs that need a social worker (unclaimed or offered), and all
    open ones."""
    calls, at_of_calls, every, at_of_every = driver_connection(db).execute(_INBOX_VERSION).fetchone() or (0, 0, 0, 0)
    return f"{calls}-{_to_hex(at_of_calls)}.{every}-{_to_hex(at_of_every)}"


def _to_hex(seconds: Any) -> str:
    """A sum of times as hexadecimal microseconds, so that it contains no `.`."""
    return f"{int(seconds * 1_000_000):x}"


def handoff_versions(db: Session, handoff_ids: Collection[int]) -> dict[int, str]:
    """The versions of these handoffs' pages: the row, the newest texts with their states, events and notes."""
    rows = driver_connection(db).execute(_HANDOFF_VERSION, (list(handoff_ids),)).fetchall() if handoff_ids else []
    return {row[0]: "-".join(str(part) for part in row[1:]) for row in rows}


@dataclass(frozen=True, slots=True)
class HandoffAccessRow:
    """What decides whether the reader may see a handoff. `was_called`: whether they were ever called out for it."""

    team: str
    owner_id: int | None
    offered_to_id: int | None
    was_called: bool


@dataclass(frozen=True, slots=True)
class InboxHandoff:
    """An open handoff with what the inbox shows of its conversation; the name is still sealed.

    `calling` are the staff ids of open call-outs, in order; an id may occur twice.
    """

    id: int
    conversation_id: int
    reason: str
    team: str
    urgency: str
    dangers: list[str]
    reachable: bool
    state: str
    opened_at: datetime
    language: str
    community: str | None
    owner_id: int | None
    offered_to_id: int | None
    tier: int
    limit_at: datetime | None
    unanswered_since: datetime | None
    sealed_name: str | None
    opted_out: bool
    unreachable: str | None
    was_called: bool
    calling: list[int]


@dataclass(frozen=True, slots=True)
class HandoffDetail:
    """One handoff, open or closed, with its conversation. `handoff` is detached from the session: it is only read.
    `calling` is as in `InboxHandoff`."""

    handoff: Handoff
    channel: str
    opted_out: bool
    unreachable: str | None
    sealed_state: str
    in_danger: bool
    sealed_name: str | None
    was_called: bool
    calling: list[int]


@dataclass(frozen=True, slots=True)
class EarlierHandoff:
    """An earlier handoff of the conversation. `owner` is "" if no social worker had it."""

    id: int
    reason: str
    opened_at: datetime
    owner: str
    disposition: str


@dataclass(frozen=True, slots=True)
class SealedText:
    """A text to or from the person, still sealed."""

    id: int
    outbound: bool
    staff_id: int | None
    sealed_body: str | None
    sealed_media: str | None
    at: datetime
    state: str
    error_code: int | None
    rules: list[str] | None
    silence: str | None


@dataclass(frozen=True, slots=True)
class SealedPlannedText:
    """A social worker's text that is scheduled for later, still sealed."""

    id: int
    sealed_body: str | None
    due_at: datetime
    staff_id: int


@dataclass(frozen=True, slots=True)
class HandoffHistoryEvent:
    """An event of one of the conversation's handoffs; `staff_id` is None for Warmline itself."""

    id: int
    handoff_id: int
    staff_id: int | None
    kind: str
    detail: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class SealedNote:
    """A note, still sealed; `by` is the staff member's name."""

    sealed_body: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OfferedServiceRow:
    """A service that the person was referred to; `service` is "" if it has left the directory."""

    service: str
    need: str
    near: str
    state: str
    made_at: datetime


def _flushed_connection(db: Session) -> Connection[Any]:
    """The psycopg connection, after flushing what mapped classes have changed in this transaction (free if nothing has)."""
    db.flush()
    return driver_connection(db)


def _fetch_all(db: Session, kind: type[RowType], statement: str, params: Sequence[Any] | Mapping[str, Any]) -> list[RowType]:
    """The rows of a statement whose columns are the fields of `kind`."""
    return _flushed_connection(db).cursor(row_factory=class_row(kind)).execute(statement, params).fetchall()


def list_open(db: Session, reader_id: int) -> list[InboxHandoff]:
    """All handoffs that are not closed, oldest first."""
    return _fetch_all(db, InboxHandoff, _OPEN_ONES, {"reader_id": reader_id})


def find_access(db: Session, handoff_id: int, reader_id: int) -> HandoffAccessRow | None:
    """What decides whether the reader may see this handoff, open or closed; None if there is none."""
    found = (
        _fetch_all(db, HandoffAccessRow, _ACCESS_TO_ONE, {"id": handoff_id, "reader_id": reader_id})
        if _is_row_id(handoff_id)
        else []
    )
    return found[0] if found else None


def list_access(db: Session, conversation_id: int, reader_id: int) -> list[HandoffAccessRow]:
    """The same for every handoff of this conversation, open or closed."""
    return _fetch_all(db, HandoffAccessRow, _ACCESS_TO_ALL, {"id": conversation_id, "reader_id": reader_id})


def _is_row_id(handoff_id: int) -> bool:
    """Whether a number can be a row id: a URL may contain any number."""
    return 0 < handoff_id <= _LARGEST_ID


def find_detail(db: Session, handoff_id: int, reader_id: int) -> HandoffDetail | None:
    """One handoff, open or closed, with its conversation; None if there is none."""
    if not _is_row_id(handoff_id):
        return None
    row = _flushed_connection(db).execute(_DETAIL, {"id": handoff_id, "reader_id": reader_id}).fetchone()
    if row is None:
        return None
    width = len(_COLUMNS)
    return HandoffDetail(Handoff(**dict(zip(_COLUMNS, row[:width], strict=True))), *row[width:])


def staff_names(db: Session, staff_ids: Iterable[int | None]) -> dict[int, str]:
    """Id -> name of these staff members, including those who have left."""
    wanted = {staff_id for staff_id in staff_ids if staff_id is not None}
    return dict(_flushed_connection(db).execute(_NAMES, (list(wanted),)).fetchall()) if wanted else {}


def team_names(db: Session) -> dict[str, str]:
    """Slug -> name of every team, ordered by name."""
    return dict(_flushed_connection(db).execute(_TEAM_NAMES).fetchall())


def find_handoff(db: Session, handoff_id: int) -> Handoff | None:
    """One handoff, open or closed, or None."""
    return db.get(Handoff, handoff_id) if _is_row_id(handoff_id) else None


def list_earlier(db: Session, conversation_id: int, handoff_id: int) -> list[EarlierHandoff]:
    """The handoffs of a conversation that were opened before this one, newest first."""
    return _fetch_all(db, EarlierHandoff, _EARLIER, (conversation_id, handoff_id))


def list_texts(db: Session, conversation_id: int, before: int | None, limit: int) -> list[SealedText]:
    """The newest `limit` texts to and from the person, or those before row `before`; oldest first."""
    return _fetch_all(db, SealedText, _TEXTS, (conversation_id, before or _LARGEST_ID, limit))[::-1]


def list_planned(db: Session, conversation_id: int, now: datetime) -> list[SealedPlannedText]:
    """Social workers' texts scheduled after `now` that were never attempted, soonest first."""
    return _fetch_all(db, SealedPlannedText, _PLANNED, (conversation_id, now))


def list_events(db: Session, conversation_id: int) -> list[HandoffHistoryEvent]:
    """The events of the conversation's handoffs, oldest first."""
    return _fetch_all(db, HandoffHistoryEvent, _EVENTS, (conversation_id,))


def list_notes(db: Session, conversation_id: int) -> list[SealedNote]:
    """Social workers' notes, newest first."""
    return _fetch_all(db, SealedNote, _NOTES, (conversation_id,))


def list_referrals(db: Session, conversation_id: int) -> list[OfferedServiceRow]:
    """The services that the person was referred to, newest first."""
    return _fetch_all(db, OfferedServiceRow, _REFERRALS, (conversation_id,))


def rules_met(db: Session, conversation_id: int, limit: int = 12) -> list[str]:
    """The safety rules that the person's newest `limit` matching texts met, newest first, without duplicates."""
    rows = _flushed_connection(db).execute(_RULES_MET, (conversation_id, limit)).fetchall()
    return list(dict.fromkeys(rule for (rules,) in rows for rule in rules or ()))
