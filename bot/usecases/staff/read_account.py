"""Read the account of the staff member who is signed in."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.storage.staff import accounts
from bot.storage.staff.accounts import Account as Account


def find_signed_in(db: Session, session_key: str) -> Account | None:
    """The owner of this session; None if they were deactivated, have left, or their sessions were ended."""
    return accounts.find_active(db, session_key)
