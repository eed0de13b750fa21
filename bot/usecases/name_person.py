"""A social worker writes down what a person is called."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage import audits
from bot.storage.sealing import Sealer
from bot.storage.tables import Conversation, Person

LONGEST = 80


def name_person(db: Session, sealer: Sealer, conversation_id: int, staff_id: int, name: str, now: datetime) -> None:
    """Seal and keep the name (cut at 80 characters); an empty one takes it away. The audit never holds it.

    Does nothing for a person who has been deleted: what they took back must not come back by a late form.
    """
    row = db.get_one(Conversation, conversation_id)
    person = db.get_one(Person, row.person_id, with_for_update=True)
    if person.erased_at is not None:
        return
    kept = " ".join(name.split())[:LONGEST]
    person.sealed_name = sealer.seal(kept) if kept else None
    audits.record(db, staff_id, "person_named", now, conversation_id, None, "set" if kept else "taken away")
