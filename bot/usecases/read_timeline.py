"""A conversation as its social worker reads it: the texts of both sides, and between them what happened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from bot.domain.delivery import State, rule_for
from bot.storage import inbox
from bot.storage.sealing import Sealer

PAGE = 100
"""Texts on one page; the earlier ones are a press away."""

_FAILED = frozenset({State.FAILED.value, State.UNDELIVERED.value, State.DROPPED.value, State.CANCELED.value})


class By(StrEnum):
    """Who wrote a text."""

    PERSON = "person"
    LINE = "line"
    ME = "me"
    COLLEAGUE = "colleague"


@dataclass(frozen=True, slots=True)
class Said:
    """One text. `body` is "" where the words were deleted or there were none; `media` are content types.

    `meaning` says why it did not arrive, for staff; `rules` are the ids of the safety rules that it met.
    """

    id: int
    by: By
    name: str
    body: str
    deleted: bool
    at: datetime
    state: str
    failed: bool
    meaning: str
    media: tuple[str, ...]
    rules: tuple[str, ...]
    silence: str
    is_text: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a handoff. `by` is a name of staff, "" for the line itself; `names` are those that `detail` names."""

    id: int
    handoff_id: int
    kind: str
    by: str
    detail: Mapping[str, Any]
    names: Mapping[int, str]
    at: datetime
    is_text: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A text of a social worker's that leaves later."""

    id: int
    body: str
    due_at: datetime
    name: str
    is_mine: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Oldest first. `earlier` is the row before which the page before this one begins, or None. `names` are those of
    everybody on it, and of those who were asked for with it."""

    entries: tuple[Said | Happened, ...]
    planned: tuple[Planned, ...] = ()
    earlier: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)


def read_timeline(
    db: Session,
    sealer: Sealer,
    conversation_id: int,
    reader_id: int,
    now: datetime,
    before: int | None = None,
    also: Collection[int | None] = (),
) -> Timeline:
    """The newest page of the conversation, or the one before row `before`; `planned` are left out of it. `also` are staff
    whose names the caller needs: one statement for all."""
    planned = inbox.planned(db, conversation_id, now)
    rows = inbox.texts(db, conversation_id, before, PAGE + 1)
    more, rows = len(rows) > PAGE, rows[-PAGE:]
    events = inbox.events(db, conversation_id)
    writers = {row.staff_id for row in rows}.union(row.staff_id for row in planned)
    names = inbox.names(db, writers.union(_named(events), also))
    waiting = {row.id for row in planned}
    said = [_said(sealer, row, reader_id, names) for row in rows if row.id not in waiting]
    since = rows[0].at if rows and more else None
    until = rows[-1].at if rows and before is not None else None
    happened = [
        _happened(event, names)
        for event in events
        if (since is None or event.at >= since) and (until is None or event.at <= until)
    ]
    return Timeline(
        entries=_in_order(said, happened),
        planned=tuple(_planned(sealer, row, reader_id, names) for row in planned),
        earlier=rows[0].id if more else None,
        names=names,
    )


def _in_order(said: Sequence[Said], happened: Sequence[Happened]) -> tuple[Said | Happened, ...]:
    # What happened because of a text has the same moment as the text, and stands below it.
    both: list[Said | Happened] = [*said, *happened]
    return tuple(sorted(both, key=lambda each: (each.at, isinstance(each, Happened), each.id)))


def _said(sealer: Sealer, row: inbox.Text, reader_id: int, names: Mapping[int, str]) -> Said:
    failed = row.outbound and row.state in _FAILED
    return Said(
        id=row.id,
        by=_by(row, reader_id),
        name=names.get(row.staff_id or 0, ""),
        body=sealer.open(row.sealed_body) if row.sealed_body else "",
        deleted=row.sealed_body is None,
        at=row.at,
        state=row.state,
        failed=failed,
        meaning=rule_for(row.error_code).meaning if failed and row.error_code else "",
        media=tuple(_content_types(sealer, row)),
        rules=tuple(row.rules or ()),
        silence=row.silence or "",
    )


def _by(row: inbox.Text, reader_id: int) -> By:
    if not row.outbound:
        return By.PERSON
    if row.staff_id is None:
        return By.LINE
    return By.ME if row.staff_id == reader_id else By.COLLEAGUE


def _content_types(sealer: Sealer, row: inbox.Text) -> Iterable[str]:
    for item in sealer.open_json(row.sealed_media) if row.sealed_media else ():
        yield str(item[1] if isinstance(item, list) else item.get("content_type", ""))


def _planned(sealer: Sealer, row: inbox.PlannedText, reader_id: int, names: Mapping[int, str]) -> Planned:
    body = sealer.open(row.sealed_body) if row.sealed_body else ""
    return Planned(row.id, body, row.due_at, names.get(row.staff_id, ""), row.staff_id == reader_id)


def _named(events: Iterable[inbox.Event]) -> set[int | None]:
    """Every member of staff whom an event names: who did it, and those in its detail."""
    named: set[int | None] = set()
    for event in events:
        named |= {event.staff_id, *staff_in(event.detail)}
    return named


def staff_in(detail: Mapping[str, Any]) -> list[int]:
    """The ids of staff in an event's detail: the fields `staff`, `to` and `by`, each an id or a list of ids."""
    found: list[int] = []
    for key in ("staff", "to", "by", "from"):
        value = detail.get(key)
        found += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int)]
    return found


def _happened(event: inbox.Event, names: Mapping[int, str]) -> Happened:
    mentioned = {each: names[each] for each in staff_in(event.detail) if each in names}
    by = names.get(event.staff_id or 0, "")
    return Happened(event.id, event.handoff_id, event.kind, by, event.detail, mentioned, event.at)
