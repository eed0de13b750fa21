"""Whether the keys fit the database, and moving it to new ones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from bot.domain.message import Address, Channel
from bot.storage.case_tables import CaseTask, Encounter
from bot.storage.sealing import CannotOpen, Sealer
from bot.storage.staff_tables import Note, Staff, StaffThread
from bot.storage.tables import Canary, Conversation, Handoff, Message, Person

_VALUE = "warmline"
_ADDRESS = Address(Channel.WEB, "canary")
SEALED: tuple[tuple[type, InstrumentedAttribute[int], InstrumentedAttribute[Any]], ...] = (
    (Person, Person.id, Person.sealed_name),
    (Conversation, Conversation.id, Conversation.sealed_state),
    (Conversation, Conversation.id, Conversation.sealed_address),
    (Message, Message.id, Message.sealed_body),
    (Message, Message.id, Message.sealed_media),
    (Handoff, Handoff.id, Handoff.sealed_because),
    (Staff, Staff.id, Staff.sealed_phone),
    (Staff, Staff.id, Staff.tf_totp_secret),
    (StaffThread, StaffThread.id, StaffThread.sealed_address),
    (Note, Note.id, Note.sealed_body),
    (Encounter, Encounter.id, Encounter.sealed_note),
    (CaseTask, CaseTask.id, CaseTask.sealed_what),
)


def check(db: Session, sealer: Sealer) -> None:
    """See that ENCRYPTION_KEYS and SECRET_KEY are those of this database; the first start writes the known value.

    Raises CannotOpen naming the variable: a wrong key would make every known person a stranger, and lock their words.
    """
    canary = db.scalar(select(Canary).limit(1))
    if canary is None:
        db.add(Canary(sealed_value=sealer.seal(_VALUE), lookup=sealer.index(_ADDRESS)))
        return
    try:
        sealer.open(canary.sealed_value)
    except CannotOpen:
        raise CannotOpen(
            "ENCRYPTION_KEYS does not open this database. Set the keys it was made with (older ones at the end)."
        ) from None
    if canary.lookup != sealer.index(_ADDRESS):
        raise CannotOpen(
            "SECRET_KEY is not the one this database was made with, so nobody would be found by their number. "
            "Set it back, or run `warmline keys reindex` to change it on purpose."
        )


def reseal(db: Session, sealer: Sealer, number: int, after: int, limit: int = 500) -> int | None:
    """Seal a portion of column `number` of SEALED anew under the newest key: rows with an id over `after`.

    Returns the last id done, or None at the column's end. The caller commits each portion, so that a rotation of years of
    texts neither locks the line nor starts from the beginning when it is broken off.
    """
    table, key, column = SEALED[number]
    rows = db.execute(select(key, column).where(key > after).order_by(key).limit(limit).with_for_update()).all()
    for row_id, sealed in rows:
        if sealed is not None:
            db.execute(update(table).where(key == row_id).values({column.key: sealer.reseal(sealed)}))
    return rows[-1][0] if rows else None


def reindex(db: Session, sealer: Sealer) -> int:
    """Compute every blind index anew, after SECRET_KEY was changed on purpose. Returns how many conversations."""
    rows = db.execute(select(Conversation.id, Conversation.sealed_address, Conversation.lookup)).all()
    for row_id, sealed, lookup in rows:
        if not lookup.startswith(b"erased "):
            index = sealer.index(sealer.open_address(sealed))
            db.execute(update(Conversation).where(Conversation.id == row_id).values(lookup=index))
    for staff_id, phone in db.execute(select(Staff.id, Staff.sealed_phone).where(Staff.sealed_phone.is_not(None))).all():
        index = sealer.index(sealer.open_address(phone or ""))
        db.execute(update(Staff).where(Staff.id == staff_id).values(phone_lookup=index))
    db.execute(update(Canary).values(lookup=sealer.index(_ADDRESS), sealed_value=sealer.seal(_VALUE)))
    return len(rows)
