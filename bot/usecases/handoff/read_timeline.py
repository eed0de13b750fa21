"""Read a conversation for social workers: the texts of both sides, and the events between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from bot.domain.messages.delivery import DeliveryState, rule_for
from bot.storage.handoff import inbox
from bot.storage.sealing import Sealer

PAGE = 100
"""Texts on one page."""

_FAILED = frozenset(
    {DeliveryState.FAILED.value, DeliveryState.UNDELIVERED.value, DeliveryState.DROPPED.value, DeliveryState.CANCELED.value}
)


class TextAuthor(StrEnum):
    """Who wrote a text."""

    PERSON = "person"
    LINE = "line"
    ME = "me"
    COLLEAGUE = "colleague"


@dataclass(frozen=True, slots=True)
class TimelineText:
    """One text. `body` is "" where it was erased or empty; `media` are content types.

    `meaning` says why it did not arrive, for staff; `rules` are the ids of the safety rules that fired.
    """

    id: int
    by: TextAuthor
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
class TimelineEvent:
    """One event of a handoff. `by` is a name of staff, "" for Warmline itself; `names` are of the staff in `detail`."""

    id: int
    handoff_id: int
    kind: str
    by: str
    detail: Mapping[str, Any]
    names: Mapping[int, str]
    at: datetime
    is_text: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class ScheduledText:
    """A scheduled text of a social worker."""

    id: int
    body: str
    due_at: datetime
    name: str
    is_mine: bool


@dataclass(frozen=True, slots=True)
class ConversationTimeline:
    """Oldest first. The previous page has the rows before `earlier`; None on the first. `names` are of all staff on the
    page, and of those that the caller asked for."""

    entries: tuple[TimelineText | TimelineEvent, ...]
    planned: tuple[ScheduledText, ...] = ()
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
) -> ConversationTimeline:
    """The newest page of the conversation, or the one before row `before`. `also` are staff whose names the caller needs:
    one statement reads all names."""
    planned = inbox.list_planned(db, conversation_id, now)
    rows = inbox.list_texts(db, conversation_id, before, PAGE + 1)
    more, rows = len(rows) > PAGE, rows[-PAGE:]
    events = inbox.list_events(db, conversation_id)
    writers = {row.staff_id for row in rows}.union(row.staff_id for row in planned)
    names = inbox.staff_names(db, writers.union(_named_staff(events), also))
    waiting = {row.id for row in planned}
    said = [_timeline_text(sealer, row, reader_id, names) for row in rows if row.id not in waiting]
    since = rows[0].at if rows and more else None
    until = rows[-1].at if rows and before is not None else None
    happened = [
        _timeline_event(event, names)
        for event in events
        if (since is None or event.at >= since) and (until is None or event.at <= until)
    ]
    return ConversationTimeline(
        entries=_in_order(said, happened),
        planned=tuple(_scheduled_text(sealer, row, reader_id, names) for row in planned),
        earlier=rows[0].id if more else None,
        names=names,
    )


def _in_order(said: Sequence[TimelineText], happened: Sequence[TimelineEvent]) -> tuple[TimelineText | TimelineEvent, ...]:
    # An event caused by a text has the same time as the text, and goes below it.
    both: list[TimelineText | TimelineEvent] = [*said, *happened]
    return tuple(sorted(both, key=lambda each: (each.at, isinstance(each, TimelineEvent), each.id)))


def _timeline_text(sealer: Sealer, row: inbox.SealedText, reader_id: int, names: Mapping[int, str]) -> TimelineText:
    failed = row.outbound and row.state in _FAILED
    return TimelineText(
        id=row.id,
        by=_author(row, reader_id),
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


def _author(row: inbox.SealedText, reader_id: int) -> TextAuthor:
    if not row.outbound:
        return TextAuthor.PERSON
    if row.staff_id is None:
        return TextAuthor.LINE
    return TextAuthor.ME if row.staff_id == reader_id else TextAuthor.COLLEAGUE


def _content_types(sealer: Sealer, row: inbox.SealedText) -> Iterable[str]:
    for item in sealer.open_json(row.sealed_media) if row.sealed_media else ():
        yield str(item[1] if isinstance(item, list) else item.get("content_type", ""))


def _scheduled_text(sealer: Sealer, row: inbox.SealedPlannedText, reader_id: int, names: Mapping[int, str]) -> ScheduledText:
    body = sealer.open(row.sealed_body) if row.sealed_body else ""
    return ScheduledText(row.id, body, row.due_at, names.get(row.staff_id, ""), row.staff_id == reader_id)


def _named_staff(events: Iterable[inbox.HandoffHistoryEvent]) -> set[int | None]:
    """All staff whom these events name: who did it, and those in its detail."""
    named: set[int | None] = set()
    for event in events:
        named |= {event.staff_id, *staff_ids_in(event.detail)}
    return named


def staff_ids_in(detail: Mapping[str, Any]) -> list[int]:
    """The ids of staff in an event's detail: the fields `staff`, `to`, `by` and `from`, each an id or a list of ids."""
    found: list[int] = []
    for key in ("staff", "to", "by", "from"):
        value = detail.get(key)
        found += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int)]
    return found


def _timeline_event(event: inbox.HandoffHistoryEvent, names: Mapping[int, str]) -> TimelineEvent:
    mentioned = {each: names[each] for each in staff_ids_in(event.detail) if each in names}
    by = names.get(event.staff_id or 0, "")
    return TimelineEvent(event.id, event.handoff_id, event.kind, by, event.detail, mentioned, event.at)
