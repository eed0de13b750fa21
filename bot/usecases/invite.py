"""Links by which somebody of the staff sets a password: the invitation to a new account, and the help for a forgotten one.

A link is good once and for a while. It carries the account's number and a print of its key: whoever sets a password gets
a new key, and so every older link is spent without a table of links.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.storage.staff_tables import Staff


class Purpose(StrEnum):
    INVITATION = "invitation"
    FORGOTTEN = "forgotten"


GOOD_FOR = {Purpose.INVITATION: timedelta(hours=72), Purpose.FORGOTTEN: timedelta(hours=1)}
PATH = "/sign-in/link/"


@dataclass(frozen=True, slots=True)
class Invited:
    """Whose link this is, and what it is for."""

    staff_id: int
    purpose: Purpose


def make_link(public_url: str, secret_key: str, staff: Staff, purpose: Purpose = Purpose.INVITATION) -> str:
    """The whole address to send to this member of staff. Whoever has it can set their password: it is a secret."""
    token = _serializer(secret_key, purpose).dumps([staff.id, _print(secret_key, staff.fs_uniquifier)])
    return f"{public_url}{PATH}{purpose.value[0]}{token}"


def verify(db: Session, secret_key: str, token: str) -> Invited | None:
    """Whose the link's last part is; None for one that is forged, too old, spent, or of somebody who has left."""
    purpose = next((each for each in Purpose if token[:1] == each.value[0]), None)
    if purpose is None:
        return None
    try:
        staff_id, key_print = _serializer(secret_key, purpose).loads(
            token[1:], max_age=int(GOOD_FOR[purpose].total_seconds())
        )
    except (BadSignature, TypeError, ValueError):
        return None
    key = db.scalar(select(Staff.fs_uniquifier).where(Staff.id == staff_id, Staff.active, Staff.left_at.is_(None)))
    if key is None or not hmac.compare_digest(_print(secret_key, key), str(key_print)):
        return None
    return Invited(int(staff_id), purpose)


def _print(secret_key: str, key: str) -> str:
    return hmac.digest(secret_key.encode(), f"link {key}".encode(), "sha256").hex()[:32]


def _serializer(secret_key: str, purpose: Purpose) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt=f"warmline link {purpose.value}")
