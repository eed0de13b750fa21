"""Referrals of people to services, and their outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.referrals import OPEN_STATES, ReferralState
from bot.domain.staff.permissions import ANYONE
from bot.storage.database import driver_connection
from bot.storage.people.people import Viewer
from bot.storage.tables.cases import CaseTask
from bot.storage.tables.directory import Organization, Service
from bot.storage.tables.residents import Conversation, Referral, ReferralEvent

AGENCY_REFUSED = "agency_refused"
"""Reason of a task that Warmline creates: an agency refused, so a social worker must look for other help."""
BY_SYSTEM = "line"
"""The author of an event that Warmline itself made."""
_OPEN = [state.value for state in OPEN_STATES]

_VIEW = """
select r.id, r.conversation_id, c.person_id, p.sealed_name, coalesce(s.name, ''), r.need, r.place, r.state, r.outcome,
       r.reported_by, r.made_at, r.updated_at, r.closed_at, r.shared_at, r.made_by,
       (select count(*) from referral_event e where e.referral_id = r.id and e.outcome = 'not_reached')
  from referral r
  join conversation c on c.id = r.conversation_id
  join person p on p.id = c.person_id
  left join service s on s.id = r.service_id
 where {which}
"""
_OF_CONVERSATION = _VIEW.format(which="r.conversation_id = %s order by r.made_at desc, r.place, r.id")
# As in `bot.domain.staff.permissions.may_see`: the viewer may see a handoff of the conversation.
_OPEN_FOR_VIEWER = _VIEW.format(
    which="""r.closed_at is null and r.state = any(%(open)s)
   and exists (select 1 from handoff h where h.conversation_id = r.conversation_id
                and (h.team = any(%(teams)s) or h.owner_id = %(me)s or h.offered_to_id = %(me)s
                     or exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s)))
 order by r.made_at, r.id limit %(limit)s offset %(offset)s"""
)


@dataclass(frozen=True, slots=True)
class ReferralRow:
    """A referral for a page. `service` is "" if it has left the directory; `not_reached` counts reports that person and
    agency had not reached each other. Times are aware UTC."""

    id: int
    conversation_id: int
    person_id: int
    sealed_name: str | None
    service: str
    need: str
    place: int
    state: str
    outcome: str | None
    reported_by: str | None
    made_at: datetime
    updated_at: datetime | None
    closed_at: datetime | None
    shared_at: datetime | None
    made_by: int | None
    not_reached: int


@dataclass(frozen=True, slots=True)
class ReferralDestination:
    """The service of a referral. `agency` is `<source>/<key>` of the organization that offers it, "" if unknown."""

    name: str
    slug: str
    agency: str
    is_offered: bool


def add_offered(
    db: Session, conversation_id: int, need: str, near: str | None, services: Iterable[int], now: datetime
) -> None:
    """Add a referral for each service that was texted, in the state `requested`, numbered as in the texts."""
    first = _next_place(db, conversation_id, now)
    rows = [
        Referral(
            conversation_id=conversation_id,
            service_id=service,
            need=need,
            near=near,
            state=ReferralState.REQUESTED.value,
            made_at=now,
            place=place,
        )
        for place, service in enumerate(services, first)
    ]
    db.add_all(rows)
    db.flush()
    for row in rows:
        _add_event(db, row, "requested", BY_SYSTEM, now)


def add_by_staff(db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, now: datetime) -> Referral:
    """Add a referral made by a social worker."""
    row = Referral(
        conversation_id=conversation_id,
        service_id=service_id,
        need=need,
        state=ReferralState.REQUESTED.value,
        made_at=now,
        made_by=staff_id,
        place=_next_place(db, conversation_id, now),
    )
    db.add(row)
    db.flush()
    _add_event(db, row, "requested", "worker", now, staff_id=staff_id)
    return row


def _next_place(db: Session, conversation_id: int, now: datetime) -> int:
    """The next free number. One turn may offer services for two needs: the person sees one list, so numbering continues."""
    of_this_moment = (Referral.conversation_id == conversation_id, Referral.made_at == now)
    return (db.scalar(select(func.max(Referral.place)).where(*of_this_moment)) or 0) + 1


def get(db: Session, referral_id: int) -> Referral | None:
    """The referral, not locked, or None."""
    return db.get(Referral, referral_id) if 0 < referral_id < 2**63 else None


def lock(db: Session, referral_id: int) -> Referral | None:
    """The referral, freshly read and locked until the transaction ends; None if there is none (any more).

    The conversation is locked first, as in a turn, which may be recording what the person reported: the other order would
    deadlock.
    """
    found = get(db, referral_id)
    if found is None or lock_conversation(db, found.conversation_id) is None:
        return None
    rows = select(Referral).where(Referral.id == referral_id).with_for_update(key_share=True)
    return db.scalar(rows.execution_options(populate_existing=True))


def lock_conversation(db: Session, conversation_id: int) -> Conversation | None:
    """The conversation's row, locked and freshly read."""
    rows = select(Conversation).where(Conversation.id == conversation_id).with_for_update(key_share=True)
    return db.scalar(rows.execution_options(populate_existing=True))


def list_for_conversation(db: Session, conversation_id: int) -> list[ReferralRow]:
    """All referrals of a conversation, the newest offer first, each offer in the order of its numbers."""
    db.flush()
    return [ReferralRow(*row) for row in driver_connection(db).execute(_OF_CONVERSATION, (conversation_id,)).fetchall()]


def list_open(db: Session, viewer: Viewer, limit: int = 50, offset: int = 0) -> list[ReferralRow]:
    """Open referrals of people whom the viewer may see, oldest first."""
    db.flush()
    given = {"open": _OPEN, "me": viewer.staff_id, "teams": [*viewer.teams, ANYONE], "limit": limit, "offset": offset}
    return [ReferralRow(*row) for row in driver_connection(db).execute(_OPEN_FOR_VIEWER, given).fetchall()]


def list_last_offer(db: Session, conversation_id: int) -> list[Referral]:
    """The referrals of the newest offer (made at the same time), by number; [] if there never was one."""
    newest = select(func.max(Referral.made_at)).where(Referral.conversation_id == conversation_id)
    return _list_made_at(db, conversation_id, db.scalar(newest))


def lock_last_open_offer(db: Session, conversation_id: int) -> list[Referral]:
    """All referrals of the newest offer that has an open one, by number, locked.

    The caller holds the conversation's lock, as every turn does.
    """
    conditions = (Referral.conversation_id == conversation_id, Referral.closed_at.is_(None), Referral.state.in_(_OPEN))
    newest = select(func.max(Referral.made_at)).where(*conditions)
    return _list_made_at(db, conversation_id, db.scalar(newest), lock=True)


def list_open_choices(db: Session, conversation_id: int) -> list[tuple[int, str]]:
    """(number, service name) of the open referrals of the newest open offer, for the question "which one?".

    `bot.usecases.referrals.record_referral.by_person` understands these numbers, even if others of the offer were closed
    meanwhile.
    """
    conditions = (Referral.conversation_id == conversation_id, Referral.closed_at.is_(None), Referral.state.in_(_OPEN))
    newest = select(func.max(Referral.made_at)).where(*conditions).scalar_subquery()
    rows = select(Referral.place, Service.name).join(Service, Service.id == Referral.service_id)
    found = db.execute(rows.where(*conditions, Referral.made_at == newest).order_by(Referral.place))
    return [(place, name) for place, name in found]


def _list_made_at(db: Session, conversation_id: int, moment: datetime | None, *, lock: bool = False) -> list[Referral]:
    if moment is None:
        return []
    rows = select(Referral).where(Referral.conversation_id == conversation_id, Referral.made_at == moment)
    rows = rows.order_by(Referral.place, Referral.id)
    if lock:
        rows = rows.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list(db.scalars(rows))


def add_event_and_touch(
    db: Session, referral: Referral, kind: str, by: str, now: datetime, *, outcome: str | None = None,
    staff_id: int | None = None,
) -> None:  # fmt: skip
    """Add an event (`kind` is a key of `bot.domain.referrals.EVENTS`) and mark the referral as changed."""
    referral.updated_at = now
    _add_event(db, referral, kind, by, now, outcome=outcome, staff_id=staff_id)


def _add_event(
    db: Session, referral: Referral, kind: str, by: str, now: datetime, *, outcome: str | None = None,
    staff_id: int | None = None,
) -> None:  # fmt: skip
    event = ReferralEvent(referral_id=referral.id, kind=kind, by=by, staff_id=staff_id, outcome=outcome, at=now)
    db.add(event)


def list_events(db: Session, referral_id: int) -> list[ReferralEvent]:
    """The referral's events, oldest first."""
    return list(db.scalars(select(ReferralEvent).where(ReferralEvent.referral_id == referral_id).order_by(ReferralEvent.id)))


def find_last_event(db: Session, referral_id: int, by: str | None = None) -> ReferralEvent | None:
    """The referral's newest event, or the newest one by this author; or None."""
    rows = select(ReferralEvent).where(ReferralEvent.referral_id == referral_id)
    if by is not None:
        rows = rows.where(ReferralEvent.by == by)
    return db.scalar(rows.order_by(ReferralEvent.id.desc()).limit(1))


def find_destination(db: Session, service_id: int) -> ReferralDestination | None:
    """The service and agency of a referral; None if the service has left the directory."""
    columns = (Service.name, Service.slug, Service.status, Service.gone_at, Organization.source, Organization.key)
    rows = select(*columns).outerjoin(Organization, Organization.id == Service.organization_id)
    found = db.execute(rows.where(Service.id == service_id)).one_or_none()
    if found is None:
        return None
    agency = f"{found.source}/{found.key}" if found.source else ""
    return ReferralDestination(found.name, found.slug, agency, found.status == "active" and found.gone_at is None)


def add_agency_refused_task(db: Session, referral: Referral, now: datetime) -> None:
    """Add a task to look for other help, due now, for the social worker who made the referral or else anyone on the team.

    At most one open at a time per conversation: three refusals of one offer are one task. The caller has locked the
    conversation.
    """
    same = (CaseTask.conversation_id == referral.conversation_id, CaseTask.reason == AGENCY_REFUSED)
    if db.scalar(select(CaseTask.id).where(*same, CaseTask.done_at.is_(None)).limit(1)) is None:
        db.add(
            CaseTask(
                conversation_id=referral.conversation_id,
                kind="other",
                reason=AGENCY_REFUSED,
                due_at=now,
                staff_id=referral.made_by,
                made_at=now,
            )
        )
