"""Who could take a handoff: the staff as a ladder needs to know them, with their load and who knew the person last."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.handoff import HELD
from bot.domain.ladder import Candidate
from bot.domain.permissions import ANYONE, Role
from bot.domain.roster import Roster
from bot.storage.staff_tables import CallOut, HandoffEvent, Membership, Staff, Team
from bot.storage.tables import Conversation, Handoff

_ANSWERING = {Role.SOCIAL_WORKER.value, Role.SUPERVISOR.value}


def of_team(db: Session, team: str, roster: Roster, conversation_id: int, now: datetime) -> list[Candidate]:
    """Everybody who may answer, as candidates for a handoff of this team at `now`.

    For a team that has nobody in it (a flow names one that was never filled), everybody counts as being in it: a
    misspelt team must not mean that nobody comes.
    """
    # Who works here may need help as well: nobody is called for themselves.
    themselves = db.scalar(select(Conversation.lookup).where(Conversation.id == conversation_id))
    staff = [one for one in _answering(db) if one.phone_lookup is None or one.phone_lookup != themselves]
    members = set(db.scalars(select(Membership.staff_id).join(Team, Team.id == Membership.team_id).where(Team.slug == team)))
    members &= {one.id for one in staff}
    open_to_all = team == ANYONE or not members
    on_duty = roster.places(now, None if open_to_all else team)
    anywhere = on_duty if open_to_all else roster.places(now)
    loads, knows = _loads(db), last_worker(db, conversation_id)
    return [
        Candidate(
            staff_id=one.id,
            on_duty=one.id in on_duty or (one.id in anywhere and one.id not in members),
            in_team=open_to_all or one.id in members,
            is_supervisor=any(role.name == Role.SUPERVISOR.value for role in one.roles),
            place=on_duty.get(one.id, 99),
            languages=tuple(one.languages),
            skills=tuple(one.skills),
            communities=tuple(one.communities),
            load=loads.get(one.id, 0),
            capacity=one.capacity,
            knows=one.id == knows,
        )
        for one in staff
    ]


def _answering(db: Session) -> list[Staff]:
    rows = db.scalars(select(Staff).where(Staff.active, Staff.left_at.is_(None)).order_by(Staff.id))
    return [one for one in rows if any(role.name in _ANSWERING for role in one.roles)]


def _loads(db: Session) -> Counter[int]:
    """How many people each has, or is just being called for: in a surge the calls go round, or one telephone gets thirty
    alerts while others lie still."""
    rows = db.execute(
        select(Handoff.owner_id, func.count())
        .where(Handoff.owner_id.is_not(None), Handoff.state.in_(HELD))
        .group_by(Handoff.owner_id)
    )
    open_calls = select(CallOut.staff_id, func.count().label("called")).where(CallOut.answer.is_(None))
    called = Counter({row.staff_id: row.called for row in db.execute(open_calls.group_by(CallOut.staff_id))})
    return Counter({owner: count for owner, count in rows if owner is not None}) + called


def last_worker(db: Session, conversation_id: int) -> int | None:
    """Who took a handoff of this person last."""
    taken = select(HandoffEvent.staff_id).where(
        HandoffEvent.conversation_id == conversation_id, HandoffEvent.kind.in_(("claimed", "took_over"))
    )
    return db.scalar(taken.order_by(HandoffEvent.id.desc()).limit(1))
