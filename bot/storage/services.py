"""What people can be referred to. Only checked facts are texted, and none past the date on which it must be looked at again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage.tables import Service


def find(
    db: Session, need: str, near: str | None, limit: int, language: str, now: datetime
) -> tuple[tuple[int, str], ...]:
    """Services for a need near a ZIP as (id, card), the most local first; cards in `language`, or in English."""
    prefixes = func.jsonb_array_elements_text(Service.zips).table_valued("prefix")
    serves = select(literal(1)).select_from(prefixes).where(literal(near or "").startswith(prefixes.c.prefix)).exists()
    everywhere = func.jsonb_array_length(Service.zips) == 0
    rows = db.execute(
        select(Service.id, Service.cards)
        .where(Service.needs.contains([need]), Service.verified, Service.review_by > now, or_(everywhere, serves))
        .order_by(everywhere, Service.id)
        .limit(limit)
    )
    return tuple((row.id, row.cards.get(language) or row.cards["en"]) for row in rows)


def replace_all(db: Session, services: list[dict[str, Any]]) -> None:
    """Make the table hold these services; one that is kept by its slug keeps its id, which referrals name."""
    for service in services:
        statement = insert(Service).values(service)
        changes = {name: value for name, value in service.items() if name != "slug"}
        db.execute(statement.on_conflict_do_update(index_elements=[Service.slug], set_=changes))
    db.execute(delete(Service).where(Service.slug.not_in([service["slug"] for service in services])))
