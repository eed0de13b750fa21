"""The replies that social workers send with one press are filled in at the first start, and kept by supervisors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from bot.domain.canned import LONGEST_TITLE, read_seeds, slug_of
from bot.domain.segments import LONGEST_BODY
from bot.storage import audits, canned_replies
from bot.storage.canned_replies import Stored
from bot.usecases.line import ROOT


def seed(db: Session, now: datetime, root: Path = ROOT) -> int:
    """Fill an empty table with `words/replies.yaml`; returns how many rows were added.

    A table that holds anything is left alone: what a supervisor has changed or removed must not come back.
    Raises SafetyRuleError where the file cannot be read.
    """
    # Two hosts that start together fill it one after the other, and the second finds it done.
    canned_replies.one_at_a_time(db)
    if not canned_replies.is_empty(db):
        return 0
    seeds = read_seeds((root / "words/replies.yaml").read_text("utf-8"), "words/replies.yaml")
    for each in seeds:
        for language, body in each.bodies.items():
            canned_replies.add(db, each.slug, language, each.title, body, None, now)
    return sum(len(each.bodies) for each in seeds)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply in the languages that it has. `team` is a slug, or "" for all teams."""

    slug: str
    title: str
    team: str
    bodies: Mapping[str, str]


class Unfit(Exception):
    """A reply that cannot be kept. `problems`: a sentence for each field (title, team, body_en, ...; "" for all)."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("a canned reply cannot be kept")
        self.problems = problems


def read_all(db: Session) -> list[Reply]:
    """Every reply with its languages, by title."""
    return _together(canned_replies.everything(db))


def read_one(db: Session, slug: str) -> Reply | None:
    found = _together(canned_replies.find(db, slug))
    return found[0] if found else None


def keep(db: Session, by: int, reply: Reply, teams: Sequence[str], now: datetime) -> str:
    """Add a reply (its slug is "") or change one; returns the slug. A language left empty is removed from it.

    `teams` are the slugs that there are. Raises Unfit, and nothing is changed.
    """
    _refuse_unfit(reply, teams)
    slug = reply.slug or slug_of(reply.title)
    canned_replies.one_at_a_time(db)
    rows = canned_replies.rows(db, slug)
    if bool(rows) != bool(reply.slug):
        raise Unfit(_gone_or_taken(reply))
    for language, body in reply.bodies.items():
        row = rows.get(language)
        if row is None and body:
            canned_replies.add(db, slug, language, reply.title, body, reply.team or None, now)
        elif row is not None and body:
            canned_replies.change(db, row, reply.title, body, reply.team or None, now)
        elif row is not None:
            canned_replies.remove(db, row)
    audits.record(db, by, "reply_changed" if rows else "reply_added", now, detail=slug)
    return slug


def remove(db: Session, by: int, slug: str, now: datetime) -> bool:
    """Remove a reply in all languages; False where somebody has removed it already."""
    canned_replies.one_at_a_time(db)
    rows = canned_replies.rows(db, slug)
    for row in rows.values():
        canned_replies.remove(db, row)
    if rows:
        audits.record(db, by, "reply_removed", now, detail=slug)
    return bool(rows)


def _refuse_unfit(reply: Reply, teams: Sequence[str]) -> None:
    problems = {}
    if not slug_of(reply.title):
        problems["title"] = "Give it a short title, by which your colleagues find it."
    elif len(reply.title) > LONGEST_TITLE:
        problems["title"] = f"The title has {len(reply.title)} characters. {LONGEST_TITLE} is the most."
    if reply.team and reply.team not in teams:
        problems["team"] = "There is no such team any more. Choose one of the list, or all teams."
    for language, body in reply.bodies.items():
        if len(body) > LONGEST_BODY:
            problems[f"body_{language}"] = f"This has {len(body):,} characters. {LONGEST_BODY:,} is the most."
    if not any(reply.bodies.values()):
        problems[f"body_{next(iter(reply.bodies))}"] = "Write the reply in one language at least."
    if problems:
        raise Unfit(problems)


def _gone_or_taken(reply: Reply) -> dict[str, str]:
    if reply.slug:
        return {"": "Somebody has removed this reply meanwhile. To have it again, add it as a new one."}
    return {"title": "There is a reply with this title already. Change that one, or choose another title."}


def _together(rows: Sequence[Stored]) -> list[Reply]:
    by_slug: dict[str, list[Stored]] = {}
    for row in rows:
        by_slug.setdefault(row.slug, []).append(row)
    return [
        Reply(slug, each[0].title, each[0].team or "", {row.language: row.body for row in each})
        for slug, each in by_slug.items()
    ]
