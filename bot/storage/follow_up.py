"""What is due for follow-up, over all people whom somebody may see: check-ins, tasks, offers without an outcome.

The rule of `bot.domain.permissions.may_see` holds: a handoff of the conversation is theirs to see. A conversation for which
no human was ever called belongs to no team, so that everybody who follows up gets its check-ins and tasks, without a name:
else what the line leaves to a human would be left to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.domain.permissions import ANYONE
from bot.domain.referral import OPEN
from bot.storage.case_tables import CaseTask
from bot.storage.database import plain
from bot.storage.people import Viewer
from bot.storage.tables import CheckInEvent, Conversation, Person


class Kind(StrEnum):
    """The lists, in the order of the page: what a human must do comes before what the line does by itself."""

    TASKS = "tasks"
    OVERDUE = "overdue"
    ASKED = "asked"
    TODAY = "today"
    WEEK = "week"
    REFERRALS = "referrals"


@dataclass(frozen=True, slots=True)
class Sight:
    """Who looks, and at what. Times are aware UTC: planned check-ins are overdue before `late`, of today before `tonight`,
    and listed before `horizon`."""

    viewer: Viewer
    only_mine: bool
    late: datetime
    tonight: datetime
    horizon: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One entry. `what` is a flow, a kind of task or a need; `at` when it is or was due, was asked or offered; `whose` the
    name of whose it is, "" for nobody's; `is_known`: a handoff of theirs may be seen, so their name may be, too."""

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
_SEES = f"({_KNOWN} or not exists (select from handoff h where h.conversation_id = r.conversation_id))"
# Whose nobody is named is theirs who had the person, or who keeps the household's case.
_MINE = """(not %(only_mine)s or r.{own} = %(me)s or r.{own} is null and (
   exists (select from handoff h where h.conversation_id = r.conversation_id and h.owner_id = %(me)s)
   or exists (select from case_file f where f.person_id = c.person_id and f.closed_at is null and f.owner_id = %(me)s)))"""
_OF = "join conversation c on c.id = r.conversation_id join person p on p.id = c.person_id and p.erased_at is null"
_PAGE = "limit %(limit)s offset %(offset)s"

_CHECK_INS = f"from check_in r {_OF} where r.due_at is not null and {_SEES} and {_MINE.format(own='made_by')}"
_WHICH = {
    Kind.OVERDUE: "r.state = 'planned' and r.due_at < %(late)s",
    Kind.ASKED: "r.state = 'asked'",
    Kind.TODAY: "r.state = 'planned' and r.due_at >= %(late)s and r.due_at < %(tonight)s",
    Kind.WEEK: "r.state = 'planned' and r.due_at >= %(tonight)s and r.due_at < %(horizon)s",
}
_ONE_KIND = f"""
select r.id, r.conversation_id, p.sealed_name, {_KNOWN}, r.flow, coalesce(r.reason, ''),
       {{at}}, coalesce((select s.name from staff s where s.id = r.made_by), ''), coalesce(r.made_by = %(me)s, false),
       r.after_crisis, '{{{{}}}}'::text[]
  {_CHECK_INS} and {{which}} order by r.due_at, r.id {_PAGE}
"""  # noqa: S608
_TASKS = f"from case_task r {_OF} where r.done_at is null and {_SEES} and {_MINE.format(own='staff_id')}"
_REFERRALS = f"""from referral r {_OF}
 where r.closed_at is null and r.state = any(%(open)s) and {_KNOWN} and {_MINE.format(own="made_by")}"""

_LISTS = {
    **{
        kind: _ONE_KIND.format(which=which, at="coalesce(r.asked_at, r.due_at)" if kind is Kind.ASKED else "r.due_at")
        for kind, which in _WHICH.items()
    },
    Kind.TASKS: f"""
select r.id, r.conversation_id, p.sealed_name, {_KNOWN}, r.kind, coalesce(r.reason, ''), r.due_at,
       coalesce((select s.name from staff s where s.id = r.staff_id), ''), coalesce(r.staff_id = %(me)s, false), false,
       '{{}}'::text[]
  {_TASKS} order by coalesce(r.staff_id = %(me)s, false) desc, r.due_at, r.id {_PAGE}
""",  # noqa: S608
    Kind.REFERRALS: f"""
select min(r.id), r.conversation_id, p.sealed_name, true, min(r.need), '', r.made_at, '', false, false,
       array_agg(coalesce((select s.name from service s where s.id = r.service_id), '') order by r.place)
  {_REFERRALS} group by r.conversation_id, p.sealed_name, r.made_at order by r.made_at, min(r.id) {_PAGE}
""",  # noqa: S608
}
_COUNTS = f"""
select {", ".join(f"count(*) filter (where {which})" for which in _WHICH.values())} {_CHECK_INS}
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


def counts(db: Session, sight: Sight) -> dict[Kind, int]:
    """How many entries each list has."""
    db.flush()
    given = _given(sight)
    found = dict(zip(_WHICH, plain(db).execute(_COUNTS, given).fetchone() or (), strict=False))
    tasks, referrals = (plain(db).execute(query, given).fetchone() or (0,) for query in (_COUNT_TASKS, _COUNT_REFERRALS))
    return {**dict.fromkeys(Kind, 0), **found, Kind.TASKS: tasks[0], Kind.REFERRALS: referrals[0]}


def rows(db: Session, sight: Sight, kind: Kind, limit: int, offset: int = 0) -> list[Row]:
    """A page of one list, what has waited longest first; of tasks one's own come before."""
    db.flush()
    given = _given(sight) | {"limit": limit, "offset": offset}
    return [Row(*row) for row in plain(db).execute(_LISTS[kind], given).fetchall()]


def _given(sight: Sight) -> dict[str, Any]:
    return {
        "me": sight.viewer.staff_id, "teams": [*sight.viewer.teams, ANYONE], "only_mine": sight.only_mine,
        "late": sight.late, "tonight": sight.tonight, "horizon": sight.horizon, "open": [state.value for state in OPEN],
    }  # fmt: skip


def exists(db: Session, conversation_id: int) -> bool:
    """Whether there is such a conversation, and its person was not deleted."""
    rows = select(Conversation.id).join(Person, Person.id == Conversation.person_id)
    return db.scalar(rows.where(Conversation.id == conversation_id, Person.erased_at.is_(None))) is not None


def events(db: Session, check_in_ids: list[int]) -> dict[int, list[CheckInEvent]]:
    """What happened to each of these check-ins, oldest first."""
    found: dict[int, list[CheckInEvent]] = {each: [] for each in check_in_ids}
    query = select(CheckInEvent).where(CheckInEvent.check_in_id.in_(check_in_ids))
    for row in db.scalars(query.order_by(CheckInEvent.at, CheckInEvent.id)):
        found[row.check_in_id].append(row)
    return found


def has_call_task(db: Session, conversation_id: int) -> bool:
    """Whether the line has left it to a human to telephone this person, and nobody has done it."""
    calls = (CaseTask.conversation_id == conversation_id, CaseTask.kind == "call", CaseTask.done_at.is_(None))
    return db.scalar(select(CaseTask.id).where(*calls).limit(1)) is not None


def services(db: Session, need: str, words: str, near: str, now: datetime, limit: int = 20) -> list[tuple[int, str]]:
    """Services to which a person may be referred now, as (id, name), those of their ZIP first."""
    pattern = "%" + words.replace("\\", "").replace("%", "").replace("_", " ") + "%" if words else ""
    given = {"need": need, "words": pattern, "near": near, "now": now, "limit": limit}
    return [(row[0], row[1]) for row in plain(db).execute(_SERVICES, given).fetchall()]
