"""The history of one conversation by day, for the timeline on a person's page.

A page of the timeline covers whole days, so that the texts of a day are counted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from bot.domain.messages.delivery import DeliveryState
from bot.storage.database import driver_connection

SAFE_CONTACT_CHANGED = "safe_contact_changed"
"""The audit act that is part of the person's history too."""
MAX_ROWS = 500
"""The most rows of one kind on one page."""
_UNDELIVERED_STATES = [DeliveryState.FAILED.value, DeliveryState.UNDELIVERED.value]
_UNSENT_STATES = [*_UNDELIVERED_STATES, DeliveryState.DROPPED.value, DeliveryState.CANCELED.value]

_DAYS = """
select distinct (at at time zone %(zone)s)::date from (
  select at from message where conversation_id = %(id)s
  union all select at from handoff_event where conversation_id = %(id)s
  union all select opened_at from handoff where conversation_id = %(id)s
  union all select c.raised_at from call_out c join handoff h on h.id = c.handoff_id where h.conversation_id = %(id)s
  union all select at from note where conversation_id = %(id)s
  union all select made_at from referral where conversation_id = %(id)s
  union all select coalesce(asked_at, ended_at, due_at) from check_in
             where conversation_id = %(id)s and coalesce(asked_at, ended_at, due_at) <= %(now)s
  union all select at from consent where conversation_id = %(id)s
  union all select at from outcome where conversation_id = %(id)s
  union all select asked_at from erasure where conversation_id = %(id)s
  union all select at from audit where conversation_id = %(id)s and act = %(act)s
) as everything where at < %(before)s order by 1 desc limit %(limit)s
"""

# One statement for all kinds, because a separate statement for each costs more than reading the rows. Each part returns its
# kind (a field of TimelineRows), time, row id, and the other fields of its class as JSON.
_BETWEEN = """
(select 'texts' as kind, max(at) as at, 0::bigint as id, json_build_object(
          'heard', count(*) filter (where not outbound),
          'said', count(*) filter (where outbound and staff_id is null),
          'written', count(*) filter (where outbound and staff_id is not null),
          'pictures', count(*) filter (where not outbound and sealed_media is not null)) as what
   from message
  where conversation_id = %(id)s and at >= %(since)s and at < %(before)s and state <> all(%(not_said)s)
  group by (at at time zone %(zone)s)::date)
union all
(select 'lost', max(at), coalesce(error_code, 0), json_build_object('code', error_code, 'count', count(*))
   from message
  where conversation_id = %(id)s and at >= %(since)s and at < %(before)s and outbound and state = any(%(lost)s)
  group by (at at time zone %(zone)s)::date, error_code)
union all
(select 'handoffs', opened_at, id,
        json_build_object('id', id, 'reason', reason, 'dangers', dangers, 'team', team, 'urgency', urgency)
   from handoff
  where conversation_id = %(id)s and opened_at >= %(since)s and opened_at < %(before)s
  order by opened_at, id limit %(most)s)
union all
(select 'events', e.at, e.id, json_build_object(
          'id', e.id, 'handoff_id', e.handoff_id, 'kind', e.kind, 'detail', e.detail, 'by', coalesce(s.name, ''))
   from handoff_event e left join staff s on s.id = e.staff_id
  where e.conversation_id = %(id)s and e.at >= %(since)s and e.at < %(before)s
  order by e.at, e.id limit %(most)s)
union all
(select 'call_outs', c.raised_at, c.id,
        json_build_object('handoff_id', c.handoff_id, 'tier', c.tier, 'answer', c.answer, 'name', s.name)
   from call_out c join handoff h on h.id = c.handoff_id join staff s on s.id = c.staff_id
  where h.conversation_id = %(id)s and c.raised_at >= %(since)s and c.raised_at < %(before)s
  order by c.raised_at, c.id limit %(most)s)
union all
(select 'notes', n.at, n.id, json_build_object('sealed_body', n.sealed_body, 'by', coalesce(s.name, ''))
   from note n left join staff s on s.id = n.staff_id
  where n.conversation_id = %(id)s and n.at >= %(since)s and n.at < %(before)s
  order by n.at, n.id limit %(most)s)
union all
(select 'referrals', r.made_at, r.id,
        json_build_object('need', r.need, 'near', r.near, 'state', r.state, 'service', coalesce(s.name, ''))
   from referral r left join service s on s.id = r.service_id
  where r.conversation_id = %(id)s and r.made_at >= %(since)s and r.made_at < %(before)s
  order by r.made_at, r.id limit %(most)s)
union all
(select 'check_ins', moment, id, json_build_object('flow', flow, 'state', state)
   from (select *, coalesce(asked_at, ended_at, due_at) as moment from check_in where conversation_id = %(id)s) as known
  where moment >= %(since)s and moment < %(before)s and moment <= %(now)s
  order by moment, id limit %(most)s)
union all
(select 'consents', at, id, json_build_object('scope', scope, 'choice', choice, 'method', method)
   from consent
  where conversation_id = %(id)s and at >= %(since)s and at < %(before)s
  order by at, id limit %(most)s)
union all
(select 'outcomes', at, id, json_build_object('flow', flow, 'outcome', outcome)
   from outcome
  where conversation_id = %(id)s and at >= %(since)s and at < %(before)s
  order by at, id limit %(most)s)
union all
(select 'erasures', asked_at, id, json_build_object('is_done', done_at is not null)
   from erasure
  where conversation_id = %(id)s and asked_at >= %(since)s and asked_at < %(before)s
  order by asked_at, id limit %(most)s)
union all
(select 'changes', a.at, a.id, json_build_object('detail', a.detail, 'by', coalesce(s.name, ''))
   from audit a left join staff s on s.id = a.staff_id
  where a.conversation_id = %(id)s and a.at >= %(since)s and a.at < %(before)s and a.act = %(act)s
  order by a.at, a.id limit %(most)s)
order by at, id
"""

_PLANNED = """
select flow, due_at from check_in
 where conversation_id = %(id)s and due_at > %(now)s and state = 'planned' order by due_at limit 20
"""

_NEEDS = "select need from referral where conversation_id = %(id)s order by id desc limit 50"


@dataclass(frozen=True, slots=True)
class DayTexts:
    """The texts of one day: how many came from the person (`heard`), Warmline (`said`) and social workers (`written`).

    `at` is the time of the last one.
    """

    at: datetime
    heard: int
    said: int
    written: int
    pictures: int


@dataclass(frozen=True, slots=True)
class UndeliveredTexts:
    """Texts of one day that did not arrive, all with the same carrier error code; `at` is the time of the last one."""

    at: datetime
    code: int | None
    count: int


@dataclass(frozen=True, slots=True)
class TimelineHandoff:
    """A handoff was opened."""

    at: datetime
    id: int
    reason: str
    dangers: Sequence[str]
    team: str
    urgency: str


@dataclass(frozen=True, slots=True)
class TimelineEventRow:
    """An event of a handoff. `by` is the staff member's name, "" for Warmline itself."""

    at: datetime
    id: int
    handoff_id: int
    kind: str
    detail: Mapping[str, Any]
    by: str


@dataclass(frozen=True, slots=True)
class TimelineCallOut:
    """A staff member was called."""

    at: datetime
    handoff_id: int
    tier: int
    answer: str | None
    name: str


@dataclass(frozen=True, slots=True)
class TimelineNote:
    """A note; its body is None if it was deleted."""

    at: datetime
    sealed_body: str | None
    by: str


@dataclass(frozen=True, slots=True)
class TimelineReferral:
    """A service was offered; `service` is "" if it has left the directory."""

    at: datetime
    need: str
    near: str | None
    state: str
    service: str


@dataclass(frozen=True, slots=True)
class TimelineCheckIn:
    """A check-in fell due."""

    at: datetime
    flow: str
    state: str


@dataclass(frozen=True, slots=True)
class TimelineConsent:
    """An entry of the consent ledger."""

    at: datetime
    scope: str
    choice: str
    method: str


@dataclass(frozen=True, slots=True)
class TimelineOutcome:
    """A flow ended."""

    at: datetime
    flow: str
    outcome: str


@dataclass(frozen=True, slots=True)
class TimelineErasure:
    """The person asked for their data to be deleted."""

    at: datetime
    is_done: bool


@dataclass(frozen=True, slots=True)
class SafeContactChange:
    """The safe contact was changed. `by` is the staff member's name, "" for Warmline itself."""

    at: datetime
    detail: str
    by: str


@dataclass(frozen=True, slots=True)
class TimelineRows:
    """What happened from `since` to `before` (exclusive), each kind oldest first; sealed columns are still sealed.

    Times are aware UTC.
    """

    texts: Sequence[DayTexts]
    lost: Sequence[UndeliveredTexts]
    handoffs: Sequence[TimelineHandoff]
    events: Sequence[TimelineEventRow]
    call_outs: Sequence[TimelineCallOut]
    notes: Sequence[TimelineNote]
    referrals: Sequence[TimelineReferral]
    check_ins: Sequence[TimelineCheckIn]
    consents: Sequence[TimelineConsent]
    outcomes: Sequence[TimelineOutcome]
    erasures: Sequence[TimelineErasure]
    changes: Sequence[SafeContactChange]


_ROW_CLASSES: Mapping[str, type] = {
    "texts": DayTexts,
    "lost": UndeliveredTexts,
    "handoffs": TimelineHandoff,
    "events": TimelineEventRow,
    "call_outs": TimelineCallOut,
    "notes": TimelineNote,
    "referrals": TimelineReferral,
    "check_ins": TimelineCheckIn,
    "consents": TimelineConsent,
    "outcomes": TimelineOutcome,
    "erasures": TimelineErasure,
    "changes": SafeContactChange,
}
"""Field of TimelineRows -> the class of its rows."""


def list_days(db: Session, conversation_id: int, before: datetime, now: datetime, zone: str, limit: int) -> list[date]:
    """The newest days, in time zone `zone` (the city's), on which anything happened in this conversation before `before`."""
    given = {
        "id": conversation_id, "before": before, "now": now, "zone": zone, "limit": limit, "act": SAFE_CONTACT_CHANGED,
    }  # fmt: skip
    return [row[0] for row in driver_connection(db).execute(_DAYS, given).fetchall()]


def rows_between(
    db: Session, conversation_id: int, since: datetime, before: datetime, now: datetime, zone: str
) -> TimelineRows:
    """All rows from `since` to `before` (aware UTC, both midnight in the city; `before` exclusive)."""
    given = {
        "id": conversation_id, "since": since, "before": before, "now": now, "zone": zone, "most": MAX_ROWS,
        "act": SAFE_CONTACT_CHANGED, "lost": _UNDELIVERED_STATES, "not_said": _UNSENT_STATES,
    }  # fmt: skip
    found: dict[str, list[Any]] = {kind: [] for kind in _ROW_CLASSES}
    for kind, at, _, what in driver_connection(db).execute(_BETWEEN, given).fetchall():
        found[kind].append(_ROW_CLASSES[kind](at=at, **what))
    return TimelineRows(**found)


def planned_check_ins(db: Session, conversation_id: int, now: datetime) -> list[tuple[str, datetime]]:
    """The check-ins still to come, as (flow, due time), the next one first."""
    return driver_connection(db).execute(_PLANNED, {"id": conversation_id, "now": now}).fetchall()


def list_needs(db: Session, conversation_id: int) -> list[str]:
    """The needs that services were offered for, newest first, without duplicates."""
    rows = driver_connection(db).execute(_NEEDS, {"id": conversation_id}).fetchall()
    return list(dict.fromkeys(row[0] for row in rows))
