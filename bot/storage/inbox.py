"""Open handoffs as the console reads them: the rows for a list, the rows of one, and cheap versions of both.

A version is a short text that changes whenever something that the page shows has changed. It is asked for by every open
console all the time, so it is one small statement.

All of it is plain SQL, and gives only the columns that a page shows: these two pages are open all night on every desk,
and the mapped classes cost some five times as much for each statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.rows import class_row
from sqlalchemy.orm import Session

from bot.storage.database import plain
from bot.storage.tables import Handoff

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
# What follows is put together from constants alone; whatever somebody gave is a parameter.
_CALLS = """
 cross join lateral (
     select coalesce(bool_or(staff_id = %(reader_id)s), false) as was_called,
            coalesce(array_agg(staff_id order by id) filter (where answer is null), '{}') as calling
       from call_out where handoff_id = handoff.id) as calls
"""
_OPEN_ONES = f"""
select handoff.id, handoff.conversation_id, handoff.reason, handoff.team, handoff.urgency, handoff.dangers,
       handoff.reachable, handoff.state, handoff.opened_at, handoff.language, handoff.community, handoff.owner_id,
       handoff.offered_to_id, handoff.rung, handoff.limit_at, handoff.unanswered_since, person.sealed_name,
       conversation.opted_out, conversation.unreachable, calls.was_called, calls.calling
  from handoff
  join conversation on conversation.id = handoff.conversation_id
  join person on person.id = conversation.person_id
{_CALLS}
 where handoff.state <> 'closed' order by handoff.opened_at, handoff.id
"""  # noqa: S608
_STANDING = """
select team, owner_id, offered_to_id,
       exists (select from call_out where handoff_id = handoff.id and staff_id = %(reader_id)s) as was_called
  from handoff where {} = %(id)s
"""
_STANDING_OF_ONE = _STANDING.format("id")
_STANDING_OF_ALL = _STANDING.format("conversation_id")
# Named one by one: while a new version is rolled out, the table may have a column more than this process knows.
_COLUMNS = tuple(Handoff.__table__.columns.keys())
_CASE = f"""
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

Row = TypeVar("Row")


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
class Standing:
    """What decides who may see a handoff. `was_called`: whether the reader was ever called out for it."""

    team: str
    owner_id: int | None
    offered_to_id: int | None
    was_called: bool


@dataclass(frozen=True, slots=True)
class Open:
    """An open handoff with what the inbox shows of its conversation; the name is still sealed.

    `calling` are those who are being called now and have not answered, in the order of their calls; somebody may stand
    there twice.
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
    rung: int
    limit_at: datetime | None
    unanswered_since: datetime | None
    sealed_name: str | None
    opted_out: bool
    unreachable: str | None
    was_called: bool
    calling: list[int]


@dataclass(frozen=True, slots=True)
class Found:
    """One handoff, open or closed, with its conversation. The row belongs to no session: it is only read. `calling` is as
    in `Open`."""

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
class Earlier:
    """A handoff of the same person that came before. `owner` is "" where nobody had it."""

    id: int
    reason: str
    opened_at: datetime
    owner: str
    disposition: str


@dataclass(frozen=True, slots=True)
class Text:
    """One text with the person, still sealed."""

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
class PlannedText:
    """A text of a social worker's that leaves later, still sealed."""

    id: int
    sealed_body: str | None
    due_at: datetime
    staff_id: int


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a handoff of the conversation; `staff_id` is None for the line itself."""

    id: int
    handoff_id: int
    staff_id: int | None
    kind: str
    detail: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class SealedNote:
    """A note, still sealed; `by` is a name of staff."""

    sealed_body: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Offered:
    """A service that the person was referred to; `service` is "" where it has left the directory."""

    service: str
    need: str
    near: str
    state: str
    made_at: datetime


def _driver(db: Session) -> Connection[Any]:
    """The driver's connection. What the mapped classes have changed in this transaction is written down first; that costs
    nothing where they have not."""
    db.flush()
    return plain(db)


def _all(db: Session, kind: type[Row], statement: str, params: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
    """The rows of a statement whose columns are the fields of `kind`."""
    return _driver(db).cursor(row_factory=class_row(kind)).execute(statement, params).fetchall()


def open_ones(db: Session, reader_id: int) -> list[Open]:
    """All that are not closed, oldest first."""
    return _all(db, Open, _OPEN_ONES, {"reader_id": reader_id})


def standing(db: Session, handoff_id: int, reader_id: int) -> Standing | None:
    """How the reader stands to this handoff, open or closed; None where there is none."""
    found = _all(db, Standing, _STANDING_OF_ONE, {"id": handoff_id, "reader_id": reader_id}) if _fits(handoff_id) else []
    return found[0] if found else None


def standings(db: Session, conversation_id: int, reader_id: int) -> list[Standing]:
    """How the reader stands to each handoff of this conversation, open and closed."""
    return _all(db, Standing, _STANDING_OF_ALL, {"id": conversation_id, "reader_id": reader_id})


def _fits(handoff_id: int) -> bool:
    """Whether a number can be a row's: an address may hold any."""
    return 0 < handoff_id <= _LARGEST_ID


def case(db: Session, handoff_id: int, reader_id: int) -> Found | None:
    """One handoff, open or closed, with its conversation; None where there is none."""
    if not _fits(handoff_id):
        return None
    row = _driver(db).execute(_CASE, {"id": handoff_id, "reader_id": reader_id}).fetchone()
    if row is None:
        return None
    width = len(_COLUMNS)
    return Found(Handoff(**dict(zip(_COLUMNS, row[:width], strict=True))), *row[width:])


def names(db: Session, staff_ids: Iterable[int | None]) -> dict[int, str]:
    """The names of these members of staff, also of those who have left."""
    wanted = {staff_id for staff_id in staff_ids if staff_id is not None}
    return dict(_driver(db).execute(_NAMES, (list(wanted),)).fetchall()) if wanted else {}


def team_names(db: Session) -> dict[str, str]:
    """Slug -> name of every team, by name."""
    return dict(_driver(db).execute(_TEAM_NAMES).fetchall())


def find(db: Session, handoff_id: int) -> Handoff | None:
    """One handoff, open or closed."""
    return db.get(Handoff, handoff_id) if _fits(handoff_id) else None


def earlier(db: Session, conversation_id: int, handoff_id: int) -> list[Earlier]:
    """The handoffs of a conversation that were opened before this one, newest first."""
    return _all(db, Earlier, _EARLIER, (conversation_id, handoff_id))


def texts(db: Session, conversation_id: int, before: int | None, limit: int) -> list[Text]:
    """The newest `limit` texts with the person, or those before row `before`; oldest first."""
    return _all(db, Text, _TEXTS, (conversation_id, before or _LARGEST_ID, limit))[::-1]


def planned(db: Session, conversation_id: int, now: datetime) -> list[PlannedText]:
    """Texts that a social worker has planned for later than `now` and that were never tried, soonest first."""
    return _all(db, PlannedText, _PLANNED, (conversation_id, now))


def events(db: Session, conversation_id: int) -> list[Event]:
    """What happened to the conversation's handoffs, oldest first."""
    return _all(db, Event, _EVENTS, (conversation_id,))


def notes(db: Session, conversation_id: int) -> list[SealedNote]:
    """What social workers wrote down, newest first."""
    return _all(db, SealedNote, _NOTES, (conversation_id,))


def referrals(db: Session, conversation_id: int) -> list[Offered]:
    """What the person was referred to, newest first."""
    return _all(db, Offered, _REFERRALS, (conversation_id,))


def rules_met(db: Session, conversation_id: int, limit: int = 12) -> list[str]:
    """The safety rules that the person's newest such texts met, newest first, each once."""
    rows = _driver(db).execute(_RULES_MET, (conversation_id, limit)).fetchall()
    return list(dict.fromkeys(rule for (rules,) in rows for rule in rules or ()))
