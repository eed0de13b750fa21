"""The SQL of a turn, which every text goes through: load and lock the conversation, then record and save.

Plain SQL through the session's connection: two round trips besides BEGIN and COMMIT. The mapped classes cost three times
the CPU time (benchmarks/README.md), on the one path where it matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy.orm import Session

from bot.domain.conversation.state import Conversation, load
from bot.domain.messages.message import InboundMessage
from bot.storage.database import driver_connection
from bot.storage.sealing import Sealer


class ConcurrentTurn(Exception):
    """A concurrent transaction recorded this text, or another one of the same new person: load again and retry."""


@dataclass(frozen=True, slots=True)
class PersonThread:
    """The stored conversation of a person; `id` is None for a person who has never written."""

    id: int | None
    conversation: Conversation
    opted_out: bool
    unreachable: str | None
    """Why nothing could be sent there until now; an inbound text shows that it is reachable."""
    recorded_message_id: int | None
    """The row id of this same message, if it has been recorded before."""


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """An outgoing text of this turn, to be stored."""

    body: str
    lane: str
    key: str | None
    state: str
    due_at: datetime | None
    segments: int


@dataclass(frozen=True, slots=True)
class SavedTurn:
    conversation_id: int
    inbound_id: int
    outgoing_ids: tuple[int, ...]


_LOAD = """
select c.id, c.sealed_state, c.opted_out, c.unreachable, (select m.id from message m where m.sid = %(sid)s)
  from conversation c where c.lookup = %(lookup)s for update
"""

_SAVE_NEW = """
with who as (
  insert into person (created_at) values (%(now)s) returning id
), thread as (
  insert into conversation (person_id, channel, lookup, sealed_address, line, sealed_state, flow_version, step, holder,
                            in_danger, opted_out, timeout_at, created_at, updated_at)
  select id, %(channel)s, %(lookup)s, %(address)s, %(line)s, %(state)s, %(version)s, %(step)s, %(holder)s, %(danger)s,
         %(opted_out)s, %(timeout_at)s, %(now)s, %(now)s from who
  returning id
"""

_SAVE_KNOWN = """
with thread as (
  update conversation
     set sealed_address = coalesce(%(address)s, sealed_address), unreachable = null,
         sealed_state = %(state)s, flow_version = %(version)s, step = %(step)s, holder = %(holder)s, line = %(line)s,
         in_danger = %(danger)s, opted_out = %(opted_out)s, timeout_at = %(timeout_at)s, updated_at = %(now)s
   where id = %(id)s
  returning id
"""

_RECORD = """
), heard as (
  insert into message (conversation_id, outbound, sid, sealed_body, sealed_media, at, state, rules, silence, segments)
  select id, false, %(sid)s, %(body)s, %(media)s, %(at)s, 'received', %(rules)s::jsonb, %(silence)s, %(in_segments)s
    from thread
  returning id, conversation_id
)"""

_INSERT_REPLIES = """, said as (
  insert into message (conversation_id, outbound, sealed_body, at, replies_to, lane, key, state, due_at, segments)
  select heard.conversation_id, true, o.body, %(now)s, heard.id, o.lane, o.key, o.state, o.due_at, o.segments
    from heard, (values {rows}) as o(place, body, lane, key, state, due_at, segments)
   order by o.place
  returning id
)
select heard.conversation_id, heard.id, (select array_agg(said.id order by said.id) from said) from heard
"""

_REPLY_ROW = (
    "({n}, %(body{n})s::text, %(lane{n})s::text, %(key{n})s::text, %(state{n})s::text, %(due{n})s::timestamptz,"
    " %(segments{n})s::bigint)"
)

_NO_ANSWER = " select heard.conversation_id, heard.id, null from heard"


@cache
def _save_statement(known: bool, replies: int) -> str:
    """The statement for a turn with this many replies: few variants in all, each prepared once per connection.

    Each reply has its own parameters: as arrays they cost the driver 100 us more, which is twice what they save.
    """
    said = _INSERT_REPLIES.format(rows=", ".join(_REPLY_ROW.format(n=n) for n in range(replies))) if replies else _NO_ANSWER
    return (_SAVE_KNOWN if known else _SAVE_NEW) + _RECORD + said


def load_for_update(db: Session, sealer: Sealer, inbound: InboundMessage, language: str) -> PersonThread:
    """The person's thread, locked until the transaction ends; a new one for a person who has never written."""
    params = {"sid": inbound.sid, "lookup": sealer.blind_index(inbound.sender)}
    row = driver_connection(db).execute(_LOAD, params).fetchone()
    if row is None:
        fresh = Conversation(channel=inbound.sender.channel.value, language=language)
        return PersonThread(None, fresh, False, None, None)
    return PersonThread(row[0], load(sealer.open(row[1])), row[2], row[3], row[4])


def save(
    db: Session,
    sealer: Sealer,
    thread: PersonThread,
    conversation: Conversation,
    inbound: InboundMessage,
    outgoing: list[OutgoingText],
    *,
    opted_out: bool,
    rules: tuple[str, ...],
    silence: str | None,
    now: datetime,
) -> SavedTurn:
    """Store the message, its replies and the conversation in one statement.

    Raises ConcurrentTurn if a unique key shows that another transaction was faster; then nothing is written.
    """
    frame = conversation.frame
    params: dict[str, Any] = {
        "id": thread.id,
        "now": now,
        "line": inbound.to,
        "state": sealer.seal(conversation.dump()),
        "version": frame.version or None if frame else None,
        "step": frame.step if frame else None,
        "holder": conversation.holder.value,
        "danger": conversation.in_danger,
        "opted_out": opted_out,
        "timeout_at": conversation.timeout_at,
        "sid": inbound.sid,
        "body": sealer.seal(inbound.body),
        "media": sealer.seal_json([[m.url, m.content_type] for m in inbound.media]) if inbound.media else None,
        "at": inbound.received_at,
        "rules": json.dumps(rules) if rules else None,
        "silence": silence,
        "address": None,
        "in_segments": int(inbound.extra.get("NumSegments", "1") or 1),
    }
    if thread.id is None or thread.unreachable:
        # Stores the address again if it was deleted: a person in danger must be reachable by telephone.
        params["address"] = sealer.seal_address(inbound.sender)
    if thread.id is None:
        params |= {"channel": inbound.sender.channel.value, "lookup": sealer.blind_index(inbound.sender)}
    for number, out in enumerate(outgoing):
        params |= _reply_params(sealer, out, number)
    row = _execute_once(db, _save_statement(thread.id is not None, len(outgoing)), params)
    return SavedTurn(row[0], row[1], tuple(row[2] or ()))


def _reply_params(sealer: Sealer, out: OutgoingText, number: int) -> dict[str, Any]:
    return {
        f"body{number}": sealer.seal(out.body),
        f"lane{number}": out.lane,
        f"key{number}": out.key,
        f"state{number}": out.state,
        f"due{number}": out.due_at,
        f"segments{number}": out.segments,
    }


def _execute_once(db: Session, statement: str, params: dict[str, Any]) -> Any:
    try:
        row = driver_connection(db).execute(statement, params).fetchone()
    except UniqueViolation as error:
        raise ConcurrentTurn from error
    if row is None:
        raise ConcurrentTurn
    return row
