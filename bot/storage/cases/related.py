"""What a case page shows beside the case itself: check-ins, referral outcomes, the consent ledger, and the agencies that
the person could agree to share with; and what a social worker recorded a moment ago, to catch duplicates."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bot.domain.referrals import ReferralState
from bot.storage.people.consents import AGENCY_PREFIX
from bot.storage.tables.cases import CaseTask, Encounter
from bot.storage.tables.directory import Organization, Service
from bot.storage.tables.residents import CheckIn, Consent, Conversation, Person, Referral, ReferralEvent

MAX_ROWS = 200


def sealed_name(db: Session, conversation_id: int) -> str | None:
    """The sealed name of the conversation's person; None if unknown."""
    rows = select(Person.sealed_name).join(Conversation, Conversation.person_id == Person.id)
    return db.scalar(rows.where(Conversation.id == conversation_id))


def list_check_ins(db: Session, conversation_ids: Collection[int]) -> list[CheckIn]:
    """Check-ins of these conversations, most recently created first."""
    rows = select(CheckIn).where(CheckIn.conversation_id.in_(conversation_ids))
    return list(db.scalars(rows.order_by(CheckIn.id.desc()).limit(MAX_ROWS)))


def referral_events(db: Session, conversation_ids: Collection[int]) -> dict[int, list[ReferralEvent]]:
    """Referral id -> its events, oldest first, for all referrals of these conversations."""
    mine = select(Referral.id).where(Referral.conversation_id.in_(conversation_ids))
    rows = select(ReferralEvent).where(ReferralEvent.referral_id.in_(mine)).order_by(ReferralEvent.id)
    found: dict[int, list[ReferralEvent]] = {}
    for row in db.scalars(rows):
        found.setdefault(row.referral_id, []).append(row)
    return found


def list_consents(db: Session, conversation_ids: Collection[int]) -> list[Consent]:
    """The entries of the consent ledger, newest first."""
    rows = select(Consent).where(Consent.conversation_id.in_(conversation_ids)).order_by(Consent.id.desc())
    return list(db.scalars(rows.limit(MAX_ROWS)))


def referred_agencies(db: Session, conversation_ids: Collection[int]) -> dict[str, str]:
    """`<source>/<key>` -> name of the organizations that these conversations were referred to, ordered by name."""
    referred = exists().where(Referral.service_id == Service.id, Referral.conversation_id.in_(conversation_ids))
    rows = select(Organization.source, Organization.key, Organization.name)
    rows = rows.where(exists().where(Service.organization_id == Organization.id, referred)).order_by(Organization.name)
    return {f"{row.source}/{row.key}": row.name for row in db.execute(rows)}


def agency_names(db: Session, slugs: Collection[str]) -> dict[str, str]:
    """The names of those of these organizations that are in the directory."""
    slug = Organization.source + "/" + Organization.key
    rows = db.execute(select(slug, Organization.name).where(slug.in_(slugs)))
    return {row[0]: row[1] for row in rows}


def has_consent_entry(db: Session, conversation_id: int, agency: str) -> bool:
    """Whether the ledger of this conversation has ever named the agency."""
    rows = select(Consent.id).where(Consent.conversation_id == conversation_id, Consent.scope == f"{AGENCY_PREFIX}{agency}")
    return db.scalar(rows.limit(1)) is not None


# -- a moment ago --


def find_referral_since(
    db: Session, conversation_id: int, service_id: int, need: str, staff_id: int, since: datetime
) -> int | None:
    """The id of this same referral by this social worker, made at or after `since` and not withdrawn."""
    rows = select(Referral.id).where(
        Referral.conversation_id == conversation_id,
        Referral.service_id == service_id,
        Referral.need == need,
        Referral.made_by == staff_id,
        Referral.made_at >= since,
        Referral.state != ReferralState.ENTERED_IN_ERROR.value,
    )
    return db.scalar(rows.order_by(Referral.id.desc()).limit(1))


def list_encounters_between(db: Session, case_id: int, staff_id: int, since: datetime, until: datetime) -> list[Encounter]:
    """Encounters of this social worker in this case, from `since` to `until`, both inclusive."""
    rows = select(Encounter).where(Encounter.case_id == case_id, Encounter.staff_id == staff_id)
    return list(db.scalars(rows.where(Encounter.at.between(since, until)).limit(MAX_ROWS)))


def list_open_tasks_since(db: Session, conversation_id: int, staff_id: int, since: datetime) -> list[CaseTask]:
    """Open tasks about this conversation that this social worker created at or after `since`."""
    rows = select(CaseTask).where(CaseTask.conversation_id == conversation_id, CaseTask.made_by == staff_id)
    rows = rows.where(CaseTask.made_at >= since, CaseTask.done_at.is_(None))
    return list(db.scalars(rows.order_by(CaseTask.id.desc()).limit(MAX_ROWS)))
