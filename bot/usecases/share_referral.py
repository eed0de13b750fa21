"""A link by which an agency reads one referral and tells what became of it, made only with the person's consent.

The link names the referral's number and when it was made, and nothing else. It opens nothing once 30 days are over, once
the person takes their consent back, or once what is kept of them is deleted: the ledger is asked at each look. Where they
agree again later, a new link is made: the old one may lie with somebody whom they had in mind when they took it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.orm import Session

from bot.domain.referral import OPEN, Teller
from bot.storage import audits, consents, referrals
from bot.storage.consents import AGENCY, SHARE
from bot.storage.referrals import Destination
from bot.storage.tables import Referral
from bot.usecases.record_referral import Refused

GOOD_FOR: Final = timedelta(days=30)
PATH: Final = "/referrals/"


@dataclass(frozen=True, slots=True)
class Shared:
    """What an agency is shown: no name, no number, no word of the person's. `told` is the kind and the outcome of what the
    agency itself told last; ("", "") where it has told nothing. What others told is not for its eyes."""

    id: int
    need: str
    service: str
    made_at: datetime
    state: str
    is_open: bool
    told: tuple[str, str]


def scopes(destination: Destination) -> tuple[str, str | None]:
    """The scopes of the consent ledger that release a referral: for this service, and for all of its agency (if known)."""
    return f"{SHARE}{destination.slug}", f"{AGENCY}{destination.agency}" if destination.agency else None


def may_share(db: Session, referral: Referral, now: datetime) -> bool:
    """Whether the person has released this referral to its agency, and until later than now."""
    destination = referrals.destination(db, referral.service_id)
    if destination is None:
        return False
    service, agency = scopes(destination)
    return consents.holds(db, referral.conversation_id, service, now, wider=agency)


def make_link(db: Session, public_url: str, secret_key: str, referral_id: int, staff_id: int, now: datetime) -> str:
    """The whole address for the agency. Whoever has it can read and answer this referral: it is a secret. Audited.

    Raises Refused where the referral is unknown or over, or the person has not agreed.
    """
    row = referrals.lock(db, referral_id)
    if row is None:
        raise Refused("unknown")
    if row.state not in OPEN:
        raise Refused("over", row.state)
    if not may_share(db, row, now):
        raise Refused("not_agreed")
    row.shared_at = now
    referrals.record(db, row, "shared", Teller.WORKER.value, now, staff_id=staff_id)
    audits.record(db, staff_id, "referral_shared", now, row.conversation_id, detail=f"referral {row.id}")
    return f"{public_url}{PATH}{_serializer(secret_key).dumps([row.id, int(now.timestamp())])}"


def open_link(db: Session, secret_key: str, token: str, now: datetime) -> Shared | None:
    """What the link's last part shows; None for every reason for which it shows nothing, so that nobody learns which."""
    read = _read(secret_key, token, now)
    row = referrals.get(db, read[0]) if read is not None else None
    if read is None or row is None or not may_share(db, row, now) or _was_taken_back(db, row, since=read[1]):
        return None
    destination = referrals.destination(db, row.service_id)
    last = referrals.last_event(db, row.id, by=Teller.AGENCY.value)
    return Shared(
        id=row.id,
        need=row.need,
        service=destination.name if destination else "",
        made_at=row.made_at,
        state=row.state,
        is_open=row.state in OPEN,
        told=(last.kind, last.outcome or "") if last else ("", ""),
    )


def _was_taken_back(db: Session, referral: Referral, since: datetime) -> bool:
    """Whether the person took the release back since then. The link knows whole seconds: in doubt it stays closed."""
    destination = referrals.destination(db, referral.service_id)
    if destination is None:
        return True
    service, agency = scopes(destination)
    back = consents.taken_back(db, referral.conversation_id, service, wider=agency)
    return back is not None and back.at >= since


def _read(secret_key: str, token: str, now: datetime) -> tuple[int, datetime] | None:
    """The referral's number and when the link was made; None for a link that is not ours or too old."""
    # The house's clock, and not the one that itsdangerous would read by itself: a demo's may be pushed.
    try:
        referral_id, seconds = _serializer(secret_key).loads(token)
        made_at = datetime.fromtimestamp(seconds, UTC)
    except (BadData, TypeError, ValueError, OverflowError):
        return None
    return (int(referral_id), made_at) if now - made_at <= GOOD_FOR else None


def _serializer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(secret_key, salt="warmline referral")
