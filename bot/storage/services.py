"""What people can be referred to. Only checked facts are texted, and none past the day of their next review."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage.tables import Service

_FIND = text(
    """
    select id, cards from service
     where needs @> :need and verified and review_by > :now
       and (zips = '[]' or exists (select from jsonb_array_elements_text(zips) as prefix
                                    where starts_with(:near, prefix)))
     order by zips = '[]', id
     limit :most
    """
)


def find(db: Session, need: str, near: str | None, limit: int, language: str, now: datetime) -> tuple[tuple[int, str], ...]:
    """Services for a need near a ZIP as (id, card), the most local first; cards in `language`, or in English."""
    rows = db.execute(_FIND, {"need": Jsonb([need]), "near": near or "", "now": now, "most": limit})
    return tuple((row.id, row.cards.get(language) or row.cards["en"]) for row in rows)


def replace_all(db: Session, services: list[dict[str, Any]]) -> None:
    """Make the table hold these services; one that is kept by its slug keeps its id, which referrals name."""
    for service in services:
        statement = insert(Service).values(service)
        changes = {name: value for name, value in service.items() if name != "slug"}
        db.execute(statement.on_conflict_do_update(index_elements=[Service.slug], set_=changes))
    db.execute(delete(Service).where(Service.slug.not_in([service["slug"] for service in services])))
