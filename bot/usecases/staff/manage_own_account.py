"""Staff members read and change their own account: name, languages, alert channels and telephone.

Passwords and second factors are the sign-in's (bot/web/sign_in).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.sealing import Sealer
from bot.storage.staff import audits, staff
from bot.storage.staff.staff import DuplicateStaff as DuplicateStaff
from bot.storage.staff.staff import InvalidPhone as InvalidPhone
from bot.storage.tables.staff import Staff


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """A staff member's own account. `called` is the first name that people are told if `tells_name`; `phone_end` is the last
    four characters of the telephone, or "". `needs_proof`: there is a password or an authenticator to ask for."""

    name: str
    email: str
    called: str
    tells_name: bool
    languages: tuple[str, ...]
    alerts_by_text: bool
    alerts_by_email: bool
    alerts_by_voice: bool
    phone_end: str
    has_password: bool
    has_second_factor: bool
    needs_proof: bool
    recovery_codes_left: int


def read_own(db: Session, sealer: Sealer, staff_id: int) -> OwnAccount:
    """The account of the staff member who is signed in. Raises LookupError for an unknown id."""
    row = _require(db, staff_id)
    phone = staff.phone_of(sealer, row)
    return OwnAccount(
        name=row.name,
        email=row.email,
        called=row.called,
        tells_name=row.tells_name,
        languages=tuple(row.languages),
        alerts_by_text=row.alerts_by_text,
        alerts_by_email=row.alerts_by_email,
        alerts_by_voice=row.alerts_by_voice,
        phone_end=phone.value[-4:] if phone else "",
        has_password=bool(row.password),
        has_second_factor=bool(row.tf_totp_secret and row.tf_primary_method),
        needs_proof=bool(row.password or row.tf_totp_secret),
        recovery_codes_left=len(row.mf_recovery_codes or []),
    )


def change_self(
    db: Session, staff_id: int, called: str, tells_name: bool, languages: Collection[str], now: datetime
) -> None:
    """Change the name that people are told, whether they are told it, and the languages. Audited.

    Raises LookupError for an unknown id.
    """
    row = _require(db, staff_id)
    row.called, row.tells_name, row.languages = called, tells_name, list(languages)
    audits.record(db, staff_id, "account_changed", now, detail="called tells_name languages")


def change_alerts(db: Session, staff_id: int, *, by_text: bool, by_email: bool, by_voice: bool, now: datetime) -> None:
    """Change the channels of alerts. Audited. Raises LookupError for an unknown id."""
    row = _require(db, staff_id)
    row.alerts_by_text, row.alerts_by_email, row.alerts_by_voice = by_text, by_email, by_voice
    audits.record(db, staff_id, "account_changed", now, detail="alerts_by_text alerts_by_email alerts_by_voice")


def change_phone(db: Session, sealer: Sealer, staff_id: int, typed: str, now: datetime) -> None:
    """Change the telephone; "" removes it. Audited. Raises InvalidPhone, DuplicateStaff, and LookupError for an unknown
    id."""
    staff.set_phone(db, sealer, _require(db, staff_id), typed)
    audits.record(db, staff_id, "account_changed", now, detail="telephone")


def _require(db: Session, staff_id: int) -> Staff:
    found = staff.get(db, staff_id)
    if found is None:
        raise LookupError(f"There is no member of staff {staff_id}.")
    return found
