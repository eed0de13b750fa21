"""A social worker records the name of a person."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.sealing import Sealer
from bot.storage.staff import audits
from bot.storage.tables.residents import Conversation, Person

LONGEST_NAME = 80


def name_person(db: Session, sealer: Sealer, conversation_id: int, staff_id: int, name: str, now: datetime) -> None:
    """Seal and store the name (cut at 80 characters); an empty one removes it. The audit never holds it.

    Does nothing for a person who was erased: a form sent late must not bring their data back.
    """
    row = db.get_one(Conversation, conversation_id)
    person = db.get_one(Person, row.person_id, with_for_update=True)
    if person.erased_at is not None:
        return
    kept = " ".join(name.split())[:LONGEST_NAME]
    person.sealed_name = sealer.seal(kept) if kept else None
    audits.record(db, staff_id, "person_named", now, conversation_id, None, "set" if kept else "taken away")
