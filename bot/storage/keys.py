"""Checking that the keys match the database, and re-encrypting it with new ones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from bot.domain.messages.message import Address, Channel
from bot.storage.sealing import Sealer, UnsealError
from bot.storage.tables.cases import CaseTask, Encounter
from bot.storage.tables.residents import Canary, Conversation, Handoff, Message, Person
from bot.storage.tables.staff import Note, Staff, StaffThread

_VALUE = "warmline"
_ADDRESS = Address(Channel.WEB, "canary")
SEALED_COLUMNS: tuple[tuple[type, InstrumentedAttribute[int], InstrumentedAttribute[Any]], ...] = (
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


def verify(db: Session, sealer: Sealer) -> None:
    """Check that ENCRYPTION_KEYS and SECRET_KEY are those of this database; the first start stores the known value.

    Raises UnsealError naming the variable: with a wrong key no person would be recognised and no text could be read.
    """
    canary = db.scalar(select(Canary).limit(1))
    if canary is None:
        db.add(Canary(sealed_value=sealer.seal(_VALUE), lookup=sealer.blind_index(_ADDRESS)))
        return
    try:
        sealer.open(canary.sealed_value)
    except UnsealError:
        raise UnsealError(
            "ENCRYPTION_KEYS does not open this database. Set the keys it was made with (older ones at the end)."
        ) from None
    if canary.lookup != sealer.blind_index(_ADDRESS):
        raise UnsealError(
            "SECRET_KEY is not the one this database was made with, so nobody would be found by their number. "
            "Set it back, or run `warmline keys reindex` to change it on purpose."
        )


def reseal_batch(db: Session, sealer: Sealer, column_number: int, after: int, limit: int = 500) -> int | None:
    """Seal a batch of column `column_number` of SEALED_COLUMNS again under the newest key: rows with ids above `after`.

    Returns the last id done, or None at the column's end. The caller commits each batch, so that rotating years of texts
    does not block Warmline and an interrupted rotation does not start over.
    """
    table, key, column = SEALED_COLUMNS[column_number]
    rows = db.execute(select(key, column).where(key > after).order_by(key).limit(limit).with_for_update()).all()
    for row_id, sealed in rows:
        if sealed is not None:
            db.execute(update(table).where(key == row_id).values({column.key: sealer.reseal(sealed)}))
    return rows[-1][0] if rows else None


def reindex(db: Session, sealer: Sealer) -> int:
    """Recompute every blind index after SECRET_KEY was changed on purpose. Returns the number of conversations."""
    rows = db.execute(select(Conversation.id, Conversation.sealed_address, Conversation.lookup)).all()
    for row_id, sealed, lookup in rows:
        if not lookup.startswith(b"erased "):
            index = sealer.blind_index(sealer.open_address(sealed))
            db.execute(update(Conversation).where(Conversation.id == row_id).values(lookup=index))
    for staff_id, phone in db.execute(select(Staff.id, Staff.sealed_phone).where(Staff.sealed_phone.is_not(None))).all():
        index = sealer.blind_index(sealer.open_address(phone or ""))
        db.execute(update(Staff).where(Staff.id == staff_id).values(phone_lookup=index))
    db.execute(update(Canary).values(lookup=sealer.blind_index(_ADDRESS), sealed_value=sealer.seal(_VALUE)))
    return len(rows)
