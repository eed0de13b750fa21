"""A link with which an agency reads one referral and reports its outcome, made only with the person's consent.

The link holds only the referral's id and its own time. It stops working after 30 days, when the person withdraws consent,
or when they are erased: the ledger is read at each use. If they consent again later, a new link is needed, since the old
one may be in the hands of someone for whom they withdrew it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from bot.domain.referrals import OPEN_STATES, Reporter
from bot.storage import referrals
from bot.storage.people import consents
from bot.storage.people.consents import AGENCY_PREFIX, SHARE_PREFIX
from bot.storage.referrals import ReferralDestination
from bot.storage.staff import audits
from bot.storage.tables.residents import Referral
from bot.usecases.referrals.record_referral import lock_referral, refused

LINK_LIFETIME: Final = timedelta(days=30)
LINK_PATH: Final = "/referrals/"


@dataclass(frozen=True, slots=True)
class SharedReferral:
    """What an agency sees: no name, number or text of the person. `told` is the kind and outcome of the agency's own last
    report, ("", "") where there is none; reports of others are not shown."""

    id: int
    need: str
    service: str
    made_at: datetime
    state: str
    is_open: bool
    told: tuple[str, str]


def consent_scopes(destination: ReferralDestination) -> tuple[str, str | None]:
    """The consent scopes that allow to share a referral: for this service, and for its whole agency (if known)."""
    return f"{SHARE_PREFIX}{destination.slug}", f"{AGENCY_PREFIX}{destination.agency}" if destination.agency else None


def may_share(db: Session, referral: Referral, now: datetime) -> bool:
    """Whether the person's consent to share this referral with its agency is in force."""
    destination = referrals.find_destination(db, referral.service_id)
    if destination is None:
        return False
    service, agency = consent_scopes(destination)
    return consents.is_agreed(db, referral.conversation_id, service, now, wider_scope=agency)


def make_link(
    db: Session, public_url: str, secret_key: str, referral_id: int, staff_id: int, now: datetime, *,
    conversation_id: int | None = None,
) -> str:  # fmt: skip
    """The address for the agency. It is a secret: with it this referral can be read and answered. Audited.

    Raises Refused where the referral is unknown or over, or of another conversation than this one (if it is given), or the
    person has not agreed.
    """
    row = lock_referral(db, referral_id, conversation_id)
    if row.state not in OPEN_STATES:
        raise refused("over", row.state)
    if not may_share(db, row, now):
        raise refused("not_agreed")
    row.shared_at = now
    referrals.add_event_and_touch(db, row, "shared", Reporter.WORKER.value, now, staff_id=staff_id)
    audits.record(db, staff_id, "referral_shared", now, row.conversation_id, detail=f"referral {row.id}")
    return f"{public_url}{LINK_PATH}{_serializer(secret_key).dumps([row.id, int(now.timestamp())])}"


def open_link(db: Session, secret_key: str, token: str, now: datetime) -> SharedReferral | None:
    """What the last part of a link shows; None where it is invalid, whatever the reason, so that none is revealed."""
    read = _read_token(secret_key, token, now)
    row = referrals.get(db, read[0]) if read is not None else None
    if read is None or row is None or not may_share(db, row, now) or _was_withdrawn(db, row, since=read[1]):
        return None
    destination = referrals.find_destination(db, row.service_id)
    last = referrals.find_last_event(db, row.id, by=Reporter.AGENCY.value)
    return SharedReferral(
        id=row.id,
        need=row.need,
        service=destination.name if destination else "",
        made_at=row.made_at,
        state=row.state,
        is_open=row.state in OPEN_STATES,
        told=(last.kind, last.outcome or "") if last else ("", ""),
    )


def _was_withdrawn(db: Session, referral: Referral, since: datetime) -> bool:
    """Whether the person has withdrawn consent since then. Links have whole seconds: in doubt they stay closed."""
    destination = referrals.find_destination(db, referral.service_id)
    if destination is None:
        return True
    service, agency = consent_scopes(destination)
    back = consents.last_withdrawal(db, referral.conversation_id, service, wider_scope=agency)
    return back is not None and back.at >= since


def _read_token(secret_key: str, token: str, now: datetime) -> tuple[int, datetime] | None:
    """The referral's id and when the link was made; None for a forged or expired link."""
    # Warmline's clock, not the one that itsdangerous would read: a demo's clock may be shifted.
    try:
        referral_id, seconds = _serializer(secret_key).loads(token)
        made_at = datetime.fromtimestamp(seconds, UTC)
    except (BadData, TypeError, ValueError, OverflowError):
        return None
    return (int(referral_id), made_at) if now - made_at <= LINK_LIFETIME else None


def _serializer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="warmline referral")
