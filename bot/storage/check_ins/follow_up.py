"""The follow-up lists: check-ins, tasks and referrals without an outcome, for all people whom a staff member may see.

`bot.domain.staff.permissions.may_see` applies: the viewer must be allowed to see a handoff of the conversation. A
conversation
without any handoff belongs to no team, so everyone who does follow-up sees its check-ins and tasks, without the name:
otherwise no social worker would ever see what Warmline leaves to a human.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.referrals import OPEN_STATES
from bot.domain.staff.permissions import ANYONE
from bot.storage.database import driver_connection
from bot.storage.people.people import Viewer
from bot.storage.tables.cases import CaseFile, CaseTask, Encounter
from bot.storage.tables.residents import CheckInEvent, Conversation, Message, Person
from bot.storage.tables.staff import HandoffEvent

_STAFF_EVENTS = ("claimed", "took_over", "closed", "handed_back")


class FollowUpList(StrEnum):
    """The lists in the page's order: what a human must do comes before what Warmline does by itself."""

    TASKS = "tasks"
    OVERDUE = "overdue"
    ASKED = "asked"
    TODAY = "today"
    WEEK = "week"
    REFERRALS = "referrals"


@dataclass(frozen=True, slots=True)
class FollowUpQuery:
    """The viewer and the time limits. Times are aware UTC: planned check-ins count as overdue before `overdue_before`, as
    today's before `today_until`, and are listed before `horizon`."""

    viewer: Viewer
    only_mine: bool
    overdue_before: datetime
    today_until: datetime
    horizon: datetime


@dataclass(frozen=True, slots=True)
class FollowUpRow:
    """One list entry. `what` is a flow, a kind of task or a need; `at` is when it is due, was asked or was offered; `whose`
    is the name of the assigned staff member, "" if none; `is_known`: the viewer may see a handoff and so the name."""

    id: int
    conversation_id: int
    sealed_name: str | None
    is_known: bool
    what: str
    reason: str
    at: datetime
    whose: str
    is_mine: bool
    after_crisis: bool
    services: list[str]


_KNOWN = """exists (select from handoff h where h.conversation_id = r.conversation_id
   and (h.team = any(%(teams)s) or h.owner_id = %(me)s or h.offered_to_id = %(me)s
        or exists (select from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s)))"""
_VISIBLE = f"({_KNOWN} or not exists (select from handoff h where h.conversation_id = r.conversation_id))"
# An entry without an assignee belongs to the staff who had a handoff of the person or own the household's case.
_MINE = """(not %(only_mine)s or r.{own} = %(me)s or r.{own} is null and (
   exists (select from handoff h where h.conversation_id = r.conversation_id and h.owner_id = %(me)s)
   or exists (select from case_file f where f.person_id = c.person_id and f.closed_at is null and f.owner_id = %(me)s)))"""
_PERSON_JOIN = "join conversation c on c.id = r.conversation_id join person p on p.id = c.person_id and p.erased_at is null"
_PAGE = "limit %(limit)s offset %(offset)s"

_CHECK_INS = f"from check_in r {_PERSON_JOIN} where r.due_at is not null and {_VISIBLE} and {_MINE.format(own='made_by')}"
_CONDITIONS = {
    FollowUpList.OVERDUE: "r.state = 'planned' and r.due_at < %(late)s",
    FollowUpList.ASKED: "r.state = 'asked'",
    FollowUpList.TODAY: "r.state = 'planned' and r.due_at >= %(late)s and r.due_at < %(tonight)s",
    FollowUpList.WEEK: "r.state = 'planned' and r.due_at >= %(tonight)s and r.due_at < %(horizon)s",
}
_CHECK_IN_LIST = f"""
select r.id, r.conversation_id, p.sealed_name, {_KNOWN}, r.flow, coalesce(r.reason, ''),
       {{at}}, coalesce((select s.name from staff s where s.id = r.made_by), ''), coalesce(r.made_by = %(me)s, false),
       r.after_crisis, '{{{{}}}}'::text[]
  {_CHECK_INS} and {{which}} order by r.due_at, r.id {_PAGE}
"""  # noqa: S608
_TASKS = f"from case_task r {_PERSON_JOIN} where r.done_at is null and {_VISIBLE} and {_MINE.format(own='staff_id')}"
_REFERRALS = f"""from referral r {_PERSON_JOIN}
 where r.closed_at is null and r.state = any(%(open)s) and {_KNOWN} and {_MINE.format(own="made_by")}"""

_LISTS = {
    **{
        kind: _CHECK_IN_LIST.format(
            which=which, at="coalesce(r.asked_at, r.due_at)" if kind is FollowUpList.ASKED else "r.due_at"
        )
        for kind, which in _CONDITIONS.items()
    },
    FollowUpList.TASKS: f"""
select r.id, r.conversation_id, p.sealed_name, {_KNOWN}, r.kind, coalesce(r.reason, ''), r.due_at,
       coalesce((select s.name from staff s where s.id = r.staff_id), ''), coalesce(r.staff_id = %(me)s, false), false,
       '{{}}'::text[]
  {_TASKS} order by coalesce(r.staff_id = %(me)s, false) desc, r.due_at, r.id {_PAGE}
""",  # noqa: S608
    FollowUpList.REFERRALS: f"""
select min(r.id), r.conversation_id, p.sealed_name, true, min(r.need), '', r.made_at, '', false, false,
       array_agg(coalesce((select s.name from service s where s.id = r.service_id), '') order by r.place)
  {_REFERRALS} group by r.conversation_id, p.sealed_name, r.made_at order by r.made_at, min(r.id) {_PAGE}
""",  # noqa: S608
}
_COUNTS = f"""
select {", ".join(f"count(*) filter (where {which})" for which in _CONDITIONS.values())} {_CHECK_INS}
"""
_COUNT_TASKS = f"select count(*) {_TASKS}"
_COUNT_REFERRALS = f"select count(distinct (r.conversation_id, r.made_at)) {_REFERRALS}"

_SERVICES = """
select id, name from service
 where verified and status = 'active' and gone_at is null and review_by > %(now)s
   and (%(need)s = '' or needs @> jsonb_build_array(%(need)s::text))
   and (%(words)s = '' or name ilike %(words)s)
   and (%(near)s = '' or zips = '[]' or exists (select from jsonb_array_elements_text(zips) as prefix
                                                 where starts_with(%(near)s, prefix)))
 order by zips = '[]', name, id limit %(limit)s
"""


def count_rows(db: Session, query: FollowUpQuery) -> dict[FollowUpList, int]:
    """How many entries each list has."""
    db.flush()
    given = _sql_values(query)
    found = dict(zip(_CONDITIONS, driver_connection(db).execute(_COUNTS, given).fetchone() or (), strict=False))
    tasks, referrals = (
        driver_connection(db).execute(query, given).fetchone() or (0,) for query in (_COUNT_TASKS, _COUNT_REFERRALS)
    )
    return {**dict.fromkeys(FollowUpList, 0), **found, FollowUpList.TASKS: tasks[0], FollowUpList.REFERRALS: referrals[0]}


def list_rows(db: Session, query: FollowUpQuery, which: FollowUpList, limit: int, offset: int = 0) -> list[FollowUpRow]:
    """A page of one list, the longest waiting first; the viewer's own tasks come before others."""
    db.flush()
    given = _sql_values(query) | {"limit": limit, "offset": offset}
    return [FollowUpRow(*row) for row in driver_connection(db).execute(_LISTS[which], given).fetchall()]


def _sql_values(query: FollowUpQuery) -> dict[str, Any]:
    return {
        "me": query.viewer.staff_id,
        "teams": [*query.viewer.teams, ANYONE],
        "only_mine": query.only_mine,
        "late": query.overdue_before,
        "tonight": query.today_until,
        "horizon": query.horizon,
        "open": [state.value for state in OPEN_STATES],
    }


def conversation_exists(db: Session, conversation_id: int) -> bool:
    """Whether there is such a conversation and its person has not been erased."""
    rows = select(Conversation.id).join(Person, Person.id == Conversation.person_id)
    return db.scalar(rows.where(Conversation.id == conversation_id, Person.erased_at.is_(None))) is not None


def events_by_check_in(db: Session, check_in_ids: list[int]) -> dict[int, list[CheckInEvent]]:
    """Check-in id -> its events, oldest first."""
    found: dict[int, list[CheckInEvent]] = {each: [] for each in check_in_ids}
    query = select(CheckInEvent).where(CheckInEvent.check_in_id.in_(check_in_ids))
    for row in db.scalars(query.order_by(CheckInEvent.at, CheckInEvent.id)):
        found[row.check_in_id].append(row)
    return found


def has_call_task(db: Session, conversation_id: int) -> bool:
    """Whether there is an open task to telephone this person."""
    calls = (CaseTask.conversation_id == conversation_id, CaseTask.kind == "call", CaseTask.done_at.is_(None))
    return db.scalar(select(CaseTask.id).where(*calls).limit(1)) is not None


def last_staff_contact_at(db: Session, conversation_id: int) -> datetime | None:
    """When a social worker last wrote to the person, met them, or acted on their handoff (UTC); None if never."""
    wrote = select(func.max(Message.at)).where(
        Message.conversation_id == conversation_id, Message.outbound, Message.staff_id.is_not(None)
    )
    acted = select(func.max(HandoffEvent.at)).where(
        HandoffEvent.conversation_id == conversation_id,
        HandoffEvent.kind.in_(_STAFF_EVENTS),
        HandoffEvent.staff_id.is_not(None),
    )
    met = (
        select(func.max(Encounter.at))
        .join(CaseFile, CaseFile.id == Encounter.case_id)
        .join(Conversation, Conversation.person_id == CaseFile.person_id)
        .where(Conversation.id == conversation_id)
    )
    return max(filter(None, (db.scalar(wrote), db.scalar(acted), db.scalar(met))), default=None)


def find_services(db: Session, need: str, words: str, near: str, now: datetime, limit: int = 20) -> list[tuple[int, str]]:
    """Services that a person may be referred to now, as (id, name); those that serve ZIP `near` only come first."""
    pattern = "%" + words.replace("\\", "").replace("%", "").replace("_", " ") + "%" if words else ""
    given = {"need": need, "words": pattern, "near": near, "now": now, "limit": limit}
    return [(row[0], row[1]) for row in driver_connection(db).execute(_SERVICES, given).fetchall()]
