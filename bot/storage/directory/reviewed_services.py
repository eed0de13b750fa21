"""Services from directory/*.yaml. Only checked services are texted, and none past its next review. Imported services are
found by listings.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bot.storage.directory import listings
from bot.storage.tables.directory import Service

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
class ReviewedService:
    """A service whose card two people have reviewed. `is_local`: it serves only certain ZIPs, among them the given one."""

    id: int
    cards: dict[str, str]
    is_local: bool


def find(db: Session, need: str, near: str | None, now: datetime, skip: tuple[int, ...] = ()) -> list[ReviewedService]:
    """Services for a need near a ZIP, local ones first, without those in `skip`."""
    rows = db.execute(_FIND, {"need": Jsonb([need]), "near": near or "", "now": now, "skip": list(skip)})
    return [ReviewedService(row.id, row.cards, row.is_local) for row in rows]


def replace_all(db: Session, services: list[dict[str, Any]]) -> None:
    """Replace the services from files; one whose slug stays keeps its id, which referrals refer to.

    Services that were imported or created in the console are not touched.
    """
    for service in services:
        statement = insert(Service).values(service)
        changes = {name: value for name, value in service.items() if name != "slug"}
        db.execute(statement.on_conflict_do_update(index_elements=[Service.slug], set_=changes))
    slugs = [service["slug"] for service in services]
    db.execute(delete(Service).where(Service.origin == "files", Service.slug.not_in(slugs)))
    db.flush()
    kept = db.execute(text("select id from service where origin = 'files' order by id")).scalars()
    listings.rebuild(db, list(kept))
