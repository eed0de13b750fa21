"""What the page of a case shows beside the case itself: check-ins, what became of referrals, the consent ledger, and the
agencies that somebody could agree to share with; and what a worker wrote down a moment ago."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bot.domain.referral import ReferralState
from bot.storage.case_tables import CaseTask, Encounter
from bot.storage.consents import AGENCY
from bot.storage.directory_tables import Organization, Service
from bot.storage.tables import CheckIn, Consent, Conversation, Person, Referral, ReferralEvent

MOST = 200


def sealed_name(db: Session, conversation_id: int) -> str | None:
    """The sealed name of the conversation's person."""
    rows = select(Person.sealed_name).join(Conversation, Conversation.person_id == Person.id)
    return db.scalar(rows.where(Conversation.id == conversation_id))


def check_ins(db: Session, conversation_ids: Collection[int]) -> list[CheckIn]:
    """Check-ins of these conversations, the newest made first."""
    rows = select(CheckIn).where(CheckIn.conversation_id.in_(conversation_ids))
    return list(db.scalars(rows.order_by(CheckIn.id.desc()).limit(MOST)))


def referral_events(db: Session, conversation_ids: Collection[int]) -> dict[int, list[ReferralEvent]]:
    """What happened to the referrals of these conversations, oldest first, by referral."""
    mine = select(Referral.id).where(Referral.conversation_id.in_(conversation_ids))
    rows = select(ReferralEvent).where(ReferralEvent.referral_id.in_(mine)).order_by(ReferralEvent.id)
    found: dict[int, list[ReferralEvent]] = {}
    for row in db.scalars(rows):
        found.setdefault(row.referral_id, []).append(row)
    return found


def ledger(db: Session, conversation_ids: Collection[int]) -> list[Consent]:
    """The entries of the consent ledger, newest first."""
    rows = select(Consent).where(Consent.conversation_id.in_(conversation_ids)).order_by(Consent.id.desc())
    return list(db.scalars(rows.limit(MOST)))


def agencies(db: Session, conversation_ids: Collection[int]) -> dict[str, str]:
    """`<source>/<key>` -> name of the organizations to which these conversations were referred, by name."""
    referred = exists().where(Referral.service_id == Service.id, Referral.conversation_id.in_(conversation_ids))
    rows = select(Organization.source, Organization.key, Organization.name)
    rows = rows.where(exists().where(Service.organization_id == Organization.id, referred)).order_by(Organization.name)
    return {f"{row.source}/{row.key}": row.name for row in db.execute(rows)}


def agency_names(db: Session, slugs: Collection[str]) -> dict[str, str]:
    """The names of these organizations, as far as the directory knows them."""
    slug = Organization.source + "/" + Organization.key
    rows = db.execute(select(slug, Organization.name).where(slug.in_(slugs)))
    return {row[0]: row[1] for row in rows}


def was_shared(db: Session, conversation_id: int, agency: str) -> bool:
    """Whether the ledger of this conversation has ever named the agency."""
    rows = select(Consent.id).where(Consent.conversation_id == conversation_id, Consent.scope == f"{AGENCY}{agency}")
    return db.scalar(rows.limit(1)) is not None


# -- a moment ago --


def referred_since(
    db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, since: datetime
) -> int | None:
    """The number of this very referral by this worker, made at or after `since` and not taken back."""
    rows = select(Referral.id).where(
        Referral.conversation_id == conversation_id,
        Referral.service_id == service_id,
        Referral.need == need,
        Referral.made_by == staff_id,
        Referral.made_at >= since,
        Referral.state != ReferralState.ENTERED_IN_ERROR.value,
    )
    return db.scalar(rows.order_by(Referral.id.desc()).limit(1))


def met_between(db: Session, case_id: int, staff_id: int, since: datetime, until: datetime) -> list[Encounter]:
    """Encounters of this worker in this case, from `since` to `until`, both included."""
    rows = select(Encounter).where(Encounter.case_id == case_id, Encounter.staff_id == staff_id)
    return list(db.scalars(rows.where(Encounter.at.between(since, until)).limit(MOST)))


def tasks_since(db: Session, conversation_id: int, staff_id: int, since: datetime) -> list[CaseTask]:
    """Tasks about this conversation that this worker wrote down at or after `since` and nobody has done."""
    rows = select(CaseTask).where(CaseTask.conversation_id == conversation_id, CaseTask.made_by == staff_id)
    rows = rows.where(CaseTask.made_at >= since, CaseTask.done_at.is_(None))
    return list(db.scalars(rows.order_by(CaseTask.id.desc()).limit(MOST)))
