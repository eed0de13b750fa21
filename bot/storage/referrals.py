"""Services that people were referred to, what became of each, and those of which it is not known yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.domain.permissions import ANYONE
from bot.domain.referral import OPEN, ReferralState
from bot.storage.case_tables import CaseTask
from bot.storage.database import plain
from bot.storage.directory_tables import Organization, Service
from bot.storage.people import Viewer
from bot.storage.tables import Conversation, Referral, ReferralEvent

AGENCY_REFUSED = "agency_refused"
"""Why the line itself made a task: an agency will not help, so somebody must look for other help."""
LINE = "line"
"""Who did it, where no human did."""
_OPEN = [state.value for state in OPEN]

_KNOWN = """
select r.id, r.conversation_id, c.person_id, p.sealed_name, coalesce(s.name, ''), r.need, r.place, r.state, r.outcome,
       r.told_by, r.made_at, r.updated_at, r.closed_at, r.shared_at, r.made_by,
       (select count(*) from referral_event e where e.referral_id = r.id and e.outcome = 'not_reached')
  from referral r
  join conversation c on c.id = r.conversation_id
  join person p on p.id = c.person_id
  left join service s on s.id = r.service_id
 where {which}
"""
_OF_CONVERSATION = _KNOWN.format(which="r.conversation_id = %s order by r.made_at desc, r.place, r.id")
# The rule of `bot.domain.permissions.may_see`: a handoff of the conversation is theirs to see.
_WAITING = _KNOWN.format(
    which="""r.closed_at is null and r.state = any(%(open)s)
   and exists (select 1 from handoff h where h.conversation_id = r.conversation_id
                and (h.team = any(%(teams)s) or h.owner_id = %(me)s or h.offered_to_id = %(me)s
                     or exists (select 1 from call_out o where o.handoff_id = h.id and o.staff_id = %(me)s)))
 order by r.made_at, r.id limit %(limit)s offset %(offset)s"""
)


@dataclass(frozen=True, slots=True)
class Known:
    """A referral for a page. `service` is "" where it has left the directory; `not_reached` counts how often somebody told
    that person and agency had not found each other. Times are aware UTC."""

    id: int
    conversation_id: int
    person_id: int
    sealed_name: str | None
    service: str
    need: str
    place: int
    state: str
    outcome: str | None
    told_by: str | None
    made_at: datetime
    updated_at: datetime | None
    closed_at: datetime | None
    shared_at: datetime | None
    made_by: int | None
    not_reached: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a referral leads. `agency` is `<source>/<key>` of the organization that offers the service, "" if not known."""

    name: str
    slug: str
    agency: str
    is_offered: bool


def offer(db: Session, conversation_id: int, need: str, near: str | None, services: Iterable[int], now: datetime) -> None:
    """A referral for each service that was texted, in the state `requested`, numbered as in the texts."""
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
        _note(db, row, "requested", LINE, now)


def add(db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, now: datetime) -> Referral:
    """A referral that a social worker made by hand."""
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
    _note(db, row, "requested", "worker", now, staff_id=staff_id)
    return row


def _next_place(db: Session, conversation_id: int, now: datetime) -> int:
    """One turn may offer for two needs: the person sees one row of texts, so the numbers go on."""
    of_this_moment = (Referral.conversation_id == conversation_id, Referral.made_at == now)
    return (db.scalar(select(func.max(Referral.place)).where(*of_this_moment)) or 0) + 1


def get(db: Session, referral_id: int) -> Referral | None:
    """The referral; not locked."""
    return db.get(Referral, referral_id) if 0 < referral_id < 2**63 else None


def lock(db: Session, referral_id: int) -> Referral | None:
    """The referral, locked and fresh until the transaction ends; None where there is none (any more).

    The conversation first, as in a turn, which may be about to write down what the person told: the other way round the
    two would wait for each other.
    """
    found = get(db, referral_id)
    if found is None or lock_conversation(db, found.conversation_id) is None:
        return None
    rows = select(Referral).where(Referral.id == referral_id).with_for_update(key_share=True)
    return db.scalar(rows.execution_options(populate_existing=True))


def lock_conversation(db: Session, conversation_id: int) -> Conversation | None:
    """The conversation's row, locked and fresh."""
    rows = select(Conversation).where(Conversation.id == conversation_id).with_for_update(key_share=True)
    return db.scalar(rows.execution_options(populate_existing=True))


def of_conversation(db: Session, conversation_id: int) -> list[Known]:
    """All referrals of a conversation, the newest offer first, each offer in the order of its texts."""
    db.flush()
    return [Known(*row) for row in plain(db).execute(_OF_CONVERSATION, (conversation_id,)).fetchall()]


def waiting(db: Session, viewer: Viewer, limit: int = 50, offset: int = 0) -> list[Known]:
    """Referrals whose outcome nobody has told, of people whom the viewer may see, the oldest first."""
    db.flush()
    given = {"open": _OPEN, "me": viewer.staff_id, "teams": [*viewer.teams, ANYONE], "limit": limit, "offset": offset}
    return [Known(*row) for row in plain(db).execute(_WAITING, given).fetchall()]


def last_offer(db: Session, conversation_id: int) -> list[Referral]:
    """The referrals that were made at the same moment, the newest such, by place; nothing where there never was one."""
    newest = select(func.max(Referral.made_at)).where(Referral.conversation_id == conversation_id)
    return _made_at(db, conversation_id, db.scalar(newest))


def last_open_offer(db: Session, conversation_id: int) -> list[Referral]:
    """The newest offer of which something is still to be learned: all of its referrals, by place, locked.

    The caller holds the conversation's lock, as every turn does.
    """
    conditions = (Referral.conversation_id == conversation_id, Referral.closed_at.is_(None), Referral.state.in_(_OPEN))
    newest = select(func.max(Referral.made_at)).where(*conditions)
    return _made_at(db, conversation_id, db.scalar(newest), lock=True)


def open_choices(db: Session, conversation_id: int) -> list[tuple[int, str]]:
    """(number, service) of what is still open in the newest open offer, for "which one?": the numbers are those that
    `bot.usecases.record_referral.by_person` understands, whatever was closed or has left the directory meanwhile."""
    conditions = (Referral.conversation_id == conversation_id, Referral.closed_at.is_(None), Referral.state.in_(_OPEN))
    newest = select(func.max(Referral.made_at)).where(*conditions).scalar_subquery()
    rows = select(Referral.place, Service.name).join(Service, Service.id == Referral.service_id)
    found = db.execute(rows.where(*conditions, Referral.made_at == newest).order_by(Referral.place))
    return [(place, name) for place, name in found]


def _made_at(db: Session, conversation_id: int, moment: datetime | None, *, lock: bool = False) -> list[Referral]:
    if moment is None:
        return []
    rows = select(Referral).where(Referral.conversation_id == conversation_id, Referral.made_at == moment)
    rows = rows.order_by(Referral.place, Referral.id)
    if lock:
        rows = rows.with_for_update(key_share=True).execution_options(populate_existing=True)
    return list(db.scalars(rows))


def record(
    db: Session, referral: Referral, kind: str, by: str, now: datetime, *, outcome: str | None = None,
    staff_id: int | None = None,
) -> None:  # fmt: skip
    """Write down what happened (a key of `bot.domain.referral.EVENTS`), and that the referral has changed."""
    referral.updated_at = now
    _note(db, referral, kind, by, now, outcome=outcome, staff_id=staff_id)


def _note(
    db: Session, referral: Referral, kind: str, by: str, now: datetime, *, outcome: str | None = None,
    staff_id: int | None = None,
) -> None:  # fmt: skip
    event = ReferralEvent(referral_id=referral.id, kind=kind, by=by, staff_id=staff_id, outcome=outcome, at=now)
    db.add(event)


def events(db: Session, referral_id: int) -> list[ReferralEvent]:
    """What happened to a referral, oldest first."""
    return list(db.scalars(select(ReferralEvent).where(ReferralEvent.referral_id == referral_id).order_by(ReferralEvent.id)))


def last_event(db: Session, referral_id: int, by: str | None = None) -> ReferralEvent | None:
    """The newest thing that happened to it, or that this teller told."""
    rows = select(ReferralEvent).where(ReferralEvent.referral_id == referral_id)
    if by is not None:
        rows = rows.where(ReferralEvent.by == by)
    return db.scalar(rows.order_by(ReferralEvent.id.desc()).limit(1))


def destination(db: Session, service_id: int) -> Destination | None:
    """Where a referral to this service leads; None where the service has left the directory."""
    columns = (Service.name, Service.slug, Service.status, Service.gone_at, Organization.source, Organization.key)
    rows = select(*columns).outerjoin(Organization, Organization.id == Service.organization_id)
    found = db.execute(rows.where(Service.id == service_id)).one_or_none()
    if found is None:
        return None
    agency = f"{found.source}/{found.key}" if found.source else ""
    return Destination(found.name, found.slug, agency, found.status == "active" and found.gone_at is None)


def ask_worker(db: Session, referral: Referral, now: datetime) -> None:
    """A task for the worker who made the referral, or for anybody's of the team: look for other help. Due at once.

    One at a time for each person: three refusals of one offer are one thing to do. The caller holds the conversation.
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
