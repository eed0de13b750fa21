"""Links for setting a staff password: the invitation to a new account, and the reset of a forgotten password.

A link works once and for a limited time. It carries the account's id and a hash of its key. Setting a password changes
the key, which invalidates all older links without a table of links.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.tables.staff import Staff


class LinkPurpose(StrEnum):
    INVITATION = "invitation"
    FORGOTTEN = "forgotten"


LINK_LIFETIME = {LinkPurpose.INVITATION: timedelta(hours=72), LinkPurpose.FORGOTTEN: timedelta(hours=1)}
LINK_PATH = "/sign-in/link/"


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """The content of a valid link."""

    staff_id: int
    purpose: LinkPurpose


def make_link(public_url: str, secret_key: str, staff: Staff, purpose: LinkPurpose = LinkPurpose.INVITATION) -> str:
    """The address to send to this member of staff. It is a secret: it allows to set their password."""
    token = _serializer(secret_key, purpose).dumps([staff.id, _key_hash(secret_key, staff.fs_uniquifier)])
    return f"{public_url}{LINK_PATH}{purpose.value[0]}{token}"


def verify_link(db: Session, secret_key: str, token: str) -> PasswordLink | None:
    """Read the last part of a link. None where it is forged, too old, used, or its owner has left."""
    purpose = next((each for each in LinkPurpose if token[:1] == each.value[0]), None)
    if purpose is None:
        return None
    try:
        staff_id, key_print = _serializer(secret_key, purpose).loads(
            token[1:], max_age=int(LINK_LIFETIME[purpose].total_seconds())
        )
    except (BadSignature, TypeError, ValueError):
        return None
    key = db.scalar(select(Staff.fs_uniquifier).where(Staff.id == staff_id, Staff.active, Staff.left_at.is_(None)))
    if key is None or not hmac.compare_digest(_key_hash(secret_key, key), str(key_print)):
        return None
    return PasswordLink(int(staff_id), purpose)


def _key_hash(secret_key: str, key: str) -> str:
    return hmac.digest(secret_key.encode(), f"link {key}".encode(), "sha256").hex()[:32]


def _serializer(secret_key: str, purpose: LinkPurpose) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt=f"warmline link {purpose.value}")
