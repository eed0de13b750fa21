"""What people can be referred to from directory/*.yaml. Only checked facts are texted, and none past the day of their next
review. What was imported is found by listings.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage import listings
from bot.storage.directory_tables import Service

_FIND = text(
    """
    select id, cards, zips <> '[]' as is_local from service
     where origin = 'files' and needs @> :need and verified and review_by > :now
       and accepting is not false and status = 'active' and id <> all(:skip)
       and (zips = '[]' or exists (select from jsonb_array_elements_text(zips) as prefix
                                    where starts_with(:near, prefix)))
     order by zips = '[]', id
    """
)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A service whose card two people have read. `is_local`: it serves the ZIP that was asked for, not everybody."""

    id: int
    cards: dict[str, str]
    is_local: bool


def find(db: Session, need: str, near: str | None, now: datetime, skip: tuple[int, ...] = ()) -> list[Reviewed]:
    """Services for a need near a ZIP, the most local first, without those of `skip`."""
    rows = db.execute(_FIND, {"need": Jsonb([need]), "near": near or "", "now": now, "skip": list(skip)})
    return [Reviewed(row.id, row.cards, row.is_local) for row in rows]


def replace_all(db: Session, services: list[dict[str, Any]]) -> None:
    """Make the table hold these services of the files; one that is kept by its slug keeps its id, which referrals name.

    What was imported or written in the console is left alone.
    """
    for service in services:
        statement = insert(Service).values(service)
        changes = {name: value for name, value in service.items() if name != "slug"}
        db.execute(statement.on_conflict_do_update(index_elements=[Service.slug], set_=changes))
    slugs = [service["slug"] for service in services]
    db.execute(delete(Service).where(Service.origin == "files", Service.slug.not_in(slugs)))
    db.flush()
    kept = db.execute(text("select id from service where origin = 'files' order by id")).scalars()
    listings.refresh(db, list(kept))
