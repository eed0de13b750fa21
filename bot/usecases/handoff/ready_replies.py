"""Ready replies of social workers: loaded from a file at the first start, then edited by supervisors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from bot.domain.handoff.ready_replies import MAX_TITLE_LENGTH, read_seeds, slug_of
from bot.domain.messages.segments import MAX_BODY_LENGTH
from bot.domain.refused import InvalidForm
from bot.paths import ROOT
from bot.storage.handoff import ready_replies
from bot.storage.handoff.ready_replies import ReadyReplyRow
from bot.storage.staff import audits


def seed_if_empty(db: Session, now: datetime, root: Path = ROOT) -> int:
    """Fill an empty table with `words/replies.yaml`; returns how many rows were added.

    A table with any row is left alone: what a supervisor has changed or removed must not come back.
    Raises SafetyRuleError where the file cannot be read.
    """
    # Two hosts that start together take turns, and the second finds the table filled.
    ready_replies.lock_changes(db)
    if not ready_replies.is_empty(db):
        return 0
    seeds = read_seeds((root / "words/replies.yaml").read_text("utf-8"), "words/replies.yaml")
    for each in seeds:
        for language, body in each.bodies.items():
            ready_replies.add(db, each.slug, language, each.title, body, None, now)
    return sum(len(each.bodies) for each in seeds)


@dataclass(frozen=True, slots=True)
class ReadyReply:
    """One ready reply in all its languages. `team` is a slug, or "" for all teams."""

    slug: str
    title: str
    team: str
    bodies: Mapping[str, str]


def read_all(db: Session) -> list[ReadyReply]:
    """All ready replies, by title."""
    return _group_by_slug(ready_replies.list_all(db))


def read_one(db: Session, slug: str) -> ReadyReply | None:
    found = _group_by_slug(ready_replies.find(db, slug))
    return found[0] if found else None


def save(db: Session, by: int, reply: ReadyReply, teams: Sequence[str], now: datetime) -> str:
    """Add a reply (its slug is "") or change one; returns the slug. An empty body removes that language.

    `teams` are the existing slugs. Raises InvalidForm (title, team, body_en, ...) and changes nothing.
    """
    _check_reply(reply, teams)
    slug = reply.slug or slug_of(reply.title)
    ready_replies.lock_changes(db)
    rows = ready_replies.rows_by_language(db, slug)
    if bool(rows) != bool(reply.slug):
        raise InvalidForm(_conflict_problem(reply))
    for language, body in reply.bodies.items():
        row = rows.get(language)
        if row is None and body:
            ready_replies.add(db, slug, language, reply.title, body, reply.team or None, now)
        elif row is not None and body:
            ready_replies.update(db, row, reply.title, body, reply.team or None, now)
        elif row is not None:
            ready_replies.remove(db, row)
    audits.record(db, by, "reply_changed" if rows else "reply_added", now, detail=slug)
    return slug


def remove(db: Session, by: int, slug: str, now: datetime) -> bool:
    """Remove a reply in all languages; False where it was removed before."""
    ready_replies.lock_changes(db)
    rows = ready_replies.rows_by_language(db, slug)
    for row in rows.values():
        ready_replies.remove(db, row)
    if rows:
        audits.record(db, by, "reply_removed", now, detail=slug)
    return bool(rows)


def _check_reply(reply: ReadyReply, teams: Sequence[str]) -> None:
    problems = {}
    if not slug_of(reply.title):
        problems["title"] = "Give it a short title, by which your colleagues find it."
    elif len(reply.title) > MAX_TITLE_LENGTH:
        problems["title"] = f"The title has {len(reply.title)} characters. {MAX_TITLE_LENGTH} is the most."
    if reply.team and reply.team not in teams:
        problems["team"] = "There is no such team any more. Choose one of the list, or all teams."
    for language, body in reply.bodies.items():
        if len(body) > MAX_BODY_LENGTH:
            problems[f"body_{language}"] = f"This has {len(body):,} characters. {MAX_BODY_LENGTH:,} is the most."
    if not any(reply.bodies.values()):
        problems[f"body_{next(iter(reply.bodies))}"] = "Write the reply in one language at least."
    if problems:
        raise InvalidForm(problems)


def _conflict_problem(reply: ReadyReply) -> dict[str, str]:
    if reply.slug:
        return {"": "Somebody has removed this reply meanwhile. To have it again, add it as a new one."}
    return {"title": "There is a reply with this title already. Change that one, or choose another title."}


def _group_by_slug(rows: Sequence[ReadyReplyRow]) -> list[ReadyReply]:
    by_slug: dict[str, list[ReadyReplyRow]] = {}
    for row in rows:
        by_slug.setdefault(row.slug, []).append(row)
    return [
        ReadyReply(slug, each[0].title, each[0].team or "", {row.language: row.body for row in each})
        for slug, each in by_slug.items()
    ]
