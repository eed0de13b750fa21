"""Links for setting a staff password: the invitation to a new account, and the reset of a forgotten password.

A link works once and for a limited time. It carries the account's id and a hash of its key. Setting a password changes
the key, which invalidates all older links without a table of links.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from bot.domain.messages.message import Channel, OutboxLane
from bot.storage.sealing import Sealer
from bot.storage.staff import accounts, audits, staff, staff_threads
from bot.storage.tables.staff import Staff


class LinkPurpose(StrEnum):
    INVITATION = "invitation"
    FORGOTTEN = "forgotten"


LINK_LIFETIME = {LinkPurpose.INVITATION: timedelta(hours=72), LinkPurpose.FORGOTTEN: timedelta(hours=1)}
LINK_PATH = "/sign-in/link/"
_RESET_MAIL_INTERVAL = timedelta(minutes=5)
"""At most one reset mail per account in this time, so that a stranger cannot flood a staff member's mailbox."""


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
    key = accounts.key_of_active(db, staff_id)
    if key is None or not hmac.compare_digest(_key_hash(secret_key, key), str(key_print)):
        return None
    return PasswordLink(int(staff_id), purpose)


def queue_reset_mail(
    db: Session,
    sealer: Sealer,
    email: str,
    public_url: str,
    secret_key: str,
    now: datetime,
    write: Callable[[str, str], str],
) -> int | None:
    """Queue and audit an e-mail with a link for choosing a new password; returns the outbox row's id, to be woken after
    the commit. `write` makes its text from the first name and the link.

    None if no active staff member has this e-mail address, or if one was queued for them in the last five minutes.
    """
    member = staff.find_by_email(db, email)
    if member is None or not member.active or member.left_at is not None:
        return None
    if accounts.has_recent_act(db, member.id, "password_link", now - _RESET_MAIL_INTERVAL):
        return None
    audits.record(db, member.id, "password_link", now, detail=LinkPurpose.FORGOTTEN.value)
    body = write(member.called, make_link(public_url, secret_key, member, LinkPurpose.FORGOTTEN))
    subject = staff_threads.StaffMessageSubject("password_link")
    return staff_threads.enqueue(db, sealer, member, Channel.EMAIL, "", body, OutboxLane.REPLY, now, subject)


def _key_hash(secret_key: str, key: str) -> str:
    return hmac.digest(secret_key.encode(), f"link {key}".encode(), "sha256").hex()[:32]


def _serializer(secret_key: str, purpose: LinkPurpose) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt=f"warmline link {purpose.value}")
