"""The rows of an instance that has run for a while: one in five conversations had a handoff, and thirty are open.

A few texts, numbers and states are really sealed and then reused for all rows. The number of people per day does not depend
on the size: only the stored data grows, not today's activity.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from benchmarks import team
from benchmarks.team import Team
from bot.domain.conversation.state import Conversation, Holder
from bot.domain.messages.message import Address, Channel

OPEN = 30
"""Handoffs that are open: a third waits, a third is the viewer's, a third is with others."""
TEXTS, TEXTS_OF_OPEN = 10, 40
"""Texts in a conversation, and in one that a human has now."""
PHONE = "+13145559999"
"""The telephone of the person whose page the viewer opens."""

_PEOPLE = """
insert into person (sealed_name, created_at)
select (%(names)s::text[])[1 + n %% %(kinds)s], now() - (%(people)s - n) * interval '10 minutes'
  from generate_series(1, %(people)s) n order by n
"""
_CONVERSATIONS = """
insert into conversation (person_id, channel, lookup, sealed_address, line, sealed_state, holder, in_danger, opted_out,
                          created_at, updated_at)
select id, 'sms', substring(sha256(('person ' || id)::bytea) for 16), (%(addresses)s::text[])[1 + id %% %(kinds)s],
       '+13145550100', (%(states)s::text[])[1 + id %% %(kinds)s], 'bot', false, false, created_at, created_at
  from person order by id
"""
_MESSAGES = """
insert into message (conversation_id, outbound, sid, sealed_body, at, state, lane, segments)
select c.id, n %% 2 = 0, case when n %% 2 = 1 then 'SM' || md5(c.id || '.' || n) end,
       (%(bodies)s::text[])[1 + (c.id + n) %% %(kinds)s], c.created_at + n * interval '20 seconds',
       case when n %% 2 = 1 then 'received' else 'delivered' end, case when n %% 2 = 0 then 'reply' end, 1
  from conversation c, generate_series(1, %(texts)s) n order by c.id, n
"""
_OUTCOMES = (
    "insert into outcome (conversation_id, flow, outcome, at) select id, 'intake', 'saved', created_at from conversation"
)
_HANDOFFS = """
insert into handoff (conversation_id, message_id, reason, team, urgency, sealed_because, dangers, reachable, state,
                     opened_at, updated_at, language, owner_id, tier, limit_at, alerted_at, claimed_at, spoke_at, closed_at,
                     disposition)
select c.id, (select max(id) from message where conversation_id = c.id), 'danger', %(team)s, 'quarter_hour',
       (%(bodies)s::text[])[1 + c.id %% %(kinds)s], '["self_harm"]', true, 'closed', c.created_at,
       c.created_at + interval '40 minutes', 'en', (%(workers)s::bigint[])[1 + (c.id / 5) %% %(many)s], 1,
       c.created_at + interval '15 minutes', c.created_at, c.created_at + interval '3 minutes',
       c.created_at + interval '5 minutes', c.created_at + interval '40 minutes', 'resolved'
  from conversation c where c.id %% 5 = 0 order by c.id
"""
_OPEN = """
update handoff
   set state = case place %% 3 when 0 then 'alerted' else 'with_human' end,
       owner_id = case place %% 3 when 0 then null when 1 then %(viewer)s else owner_id end,
       claimed_at = case place %% 3 when 0 then null else claimed_at end,
       spoke_at = case place %% 3 when 0 then null else spoke_at end, closed_at = null, disposition = null
  from (select id as newest, row_number() over (order by id desc) as place from handoff) as counted
 where id = newest and place <= %(open)s
"""
_MORE_TEXTS = """
insert into message (conversation_id, outbound, sid, sealed_body, at, state, lane, segments)
select h.conversation_id, n %% 2 = 0, case when n %% 2 = 1 then 'SM' || md5(h.conversation_id || '.' || n) end,
       (%(bodies)s::text[])[1 + (h.id + n) %% %(kinds)s], h.opened_at + n * interval '30 seconds',
       case when n %% 2 = 1 then 'received' else 'delivered' end, case when n %% 2 = 0 then 'reply' end, 1
  from handoff h, generate_series(%(texts)s + 1, %(most)s) n where h.state <> 'closed' order by h.id, n
"""
_EVENTS = """
insert into handoff_event (handoff_id, conversation_id, staff_id, kind, detail, at)
select id, conversation_id, case when kind in ('claimed', 'closed') then owner_id end, kind,
       case kind when 'opened' then '{"reason": "danger", "urgency": "quarter_hour", "team": "crisis"}'::jsonb else '{}' end,
       opened_at + place * interval '2 minutes'
  from handoff, unnest(array['opened', 'called', 'claimed', 'closed']) with ordinality as happened (kind, place)
 where kind in ('opened', 'called') or (kind = 'claimed' and owner_id is not null) or (kind = 'closed' and state = 'closed')
 order by id, place
"""
_CALL_OUTS = """
insert into call_out (handoff_id, staff_id, tier, raised_at, answer, answered_at)
select id, coalesce(owner_id, %(viewer)s), 1, opened_at, case when owner_id is not null then 'took' end, claimed_at
  from handoff order by id
"""
_NOTES = """
insert into note (conversation_id, handoff_id, staff_id, sealed_body, at)
select conversation_id, id, coalesce(owner_id, %(viewer)s), (%(bodies)s::text[])[1 + id %% %(kinds)s], updated_at
  from handoff order by id
"""
_AUDITS = """
insert into audit (staff_id, act, conversation_id, handoff_id, detail, at)
select coalesce(owner_id, %(viewer)s), 'read_transcript', conversation_id, id, 'page', opened_at + n * interval '1 minute'
  from handoff, generate_series(1, 10) n order by id, n
"""
_ALERTS = """
with thread as (
    insert into staff_thread (staff_id, channel, line, sealed_address)
    values (%(viewer)s, 'sms', %(pool)s, (%(addresses)s::text[])[1]) returning id)
insert into message (staff_thread_id, handoff_id, outbound, sealed_body, at, state, lane, key, segments)
select thread.id, handoff.id, true, (%(bodies)s::text[])[1], opened_at, 'delivered', 'crisis', 'alert', 2
  from handoff, thread
"""
_KNOWN = """
update conversation set lookup = %(lookup)s
 where id = (select conversation_id from handoff where owner_id = %(viewer)s and state <> 'closed' order by id desc limit 1)
returning id, (select max(id) from handoff where conversation_id = conversation.id)
"""
_ALL = (
    _PEOPLE, _CONVERSATIONS, _MESSAGES, _OUTCOMES, _HANDOFFS, _OPEN, _MORE_TEXTS, _EVENTS, _CALL_OUTS, _NOTES, _AUDITS,
    _ALERTS,
)  # fmt: skip
KINDS = 50
"""How many different sealed values of each kind there are."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Ids of rows: a conversation of the viewer's and its handoff; every open handoff."""

    conversation: int
    handoff: int
    open: tuple[int, ...]


def fill(env: Mapping[str, str], staff: Team, conversations: int) -> Stored:
    """Fill the database of `env`, which must not contain any conversations yet."""
    given = words(env) | {
        "people": conversations, "kinds": KINDS, "texts": TEXTS, "most": TEXTS_OF_OPEN, "open": OPEN, "team": team.TEAM,
        "workers": list(staff.workers), "many": len(staff.workers), "viewer": staff.viewer, "pool": team.POOL[0],
        "lookup": team.sealer(env).blind_index(Address(Channel.SMS, PHONE)),
    }  # fmt: skip
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
        for statement in _ALL:
            db.execute(statement, given)
        found = db.execute(_KNOWN, given).fetchone()
        assert found, "too few conversations: the viewer has none"
        # As autovacuum leaves it: statistics, and pages whose rows are known to be visible.
        db.execute("vacuum analyze")
        rows = db.execute("select id from handoff where state <> 'closed' order by id").fetchall()
    return Stored(found[0], found[1], tuple(row[0] for row in rows))


def words(env: Mapping[str, str]) -> dict[str, list[str]]:
    """A few samples of everything that is sealed."""
    sealer = team.sealer(env)
    state = Conversation(answers={"zip": "63101", "household": 3}, turn=6, holder=Holder.BOT)
    return {
        "names": [sealer.seal(f"Resident{secrets.token_hex(3)} Example") for _ in range(KINDS)],
        "addresses": [sealer.seal_address(Address(Channel.SMS, f"+1314555{number:04d}")) for number in range(KINDS)],
        "states": [sealer.seal(state.dump()) for _ in range(KINDS)],
        # As long as texts are.
        "bodies": [sealer.seal(f"Made-up words {secrets.token_hex(30)}") for _ in range(KINDS)],
    }
