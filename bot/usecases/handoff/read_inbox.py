"""Read the inbox: the open handoffs that one member of staff may see, most urgent first.

It holds no text of a transcript and no telephone number: an inbox is open on a screen that others can see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy.orm import Session

from bot.domain.handoff.states import HELD_STATES, UNCLAIMED_STATES, HandoffState
from bot.domain.safety.levels import Urgency
from bot.domain.staff.permissions import may_see_handoff
from bot.storage.handoff import inbox
from bot.storage.sealing import Sealer

_URGENCY_ORDER = {urgency.value: place for place, urgency in enumerate(Urgency)}


class InboxReader(Protocol):
    """The member of staff who reads: their id, and the slugs of their teams."""

    @property
    def id(self) -> int: ...

    @property
    def teams(self) -> Collection[str]: ...


class InboxSection(StrEnum):
    """The sections of the inbox, in the order of the page."""

    OFFERED = "offered"
    MINE = "mine"
    WAITING = "waiting"
    OTHERS = "others"
    HANDED_BACK = "handed_back"


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """One open handoff. `first_name` is "" where unknown; `owner`, `offered_to` and `calling` are names of staff.

    `reachable` is False where texts to the person are blocked. Times are aware UTC.
    """

    id: int
    conversation_id: int
    section: InboxSection
    first_name: str
    urgency: str
    team: str
    language: str
    community: str
    reason: str
    dangers: tuple[str, ...]
    state: str
    reachable: bool
    opened_at: datetime
    limit_at: datetime | None
    unanswered_since: datetime | None
    owner: str
    owner_is_me: bool
    offered_to: str
    calling: tuple[str, ...]
    i_am_called: bool
    tier: int

    @property
    def is_waiting(self) -> bool:
        return self.state in UNCLAIMED_STATES


@dataclass(frozen=True, slots=True)
class Inbox:
    """`version` changes with the inbox; `teams` (slug -> name) and `languages` are the choices of the filter."""

    version: str
    sections: Mapping[InboxSection, tuple[InboxEntry, ...]]
    teams: Mapping[str, str]
    languages: tuple[str, ...]

    @property
    def order(self) -> tuple[InboxSection, ...]:
        """The sections from the top. An unclaimed handoff of a person in danger comes first, on small screens too."""
        if any(each.urgency == Urgency.NOW for each in self.sections[InboxSection.WAITING]):
            return (InboxSection.WAITING, *(section for section in InboxSection if section is not InboxSection.WAITING))
        return tuple(InboxSection)

    @property
    def total(self) -> int:
        return sum(len(entries) for entries in self.sections.values())


def read_versions(db: Session, handoff_ids: Collection[int]) -> tuple[str, Mapping[int, str]]:
    """The version of the inbox, and handoff id -> version of its page, for these handoffs. A version changes with what its
    page shows; open consoles ask for them all the time, so nothing else is read."""
    return inbox.inbox_version(db), inbox.handoff_versions(db, handoff_ids)


def read_inbox(db: Session, sealer: Sealer, reader: InboxReader, team: str = "", language: str = "") -> Inbox:
    """What `reader` may see, filtered by team or language where given."""
    # Read before the rows: a change in between then counts as changed at the next poll, and is not missed.
    version = inbox.inbox_version(db)
    seen = [row for row in inbox.list_open(db, reader.id) if is_visible_to(reader, row, was_called=row.was_called)]
    names = inbox.staff_names(db, {each for row in seen for each in (row.owner_id, row.offered_to_id, *row.calling)})
    entries = [_entry(row, reader.id, names, sealer) for row in seen]
    shown = [each for each in entries if team in ("", each.team) and language in ("", each.language)]
    shown.sort(key=lambda each: (_URGENCY_ORDER.get(each.urgency, 0), each.opened_at, each.id))
    return Inbox(
        version=version,
        sections={section: tuple(each for each in shown if each.section is section) for section in InboxSection},
        teams={slug: name for slug, name in inbox.team_names(db).items() if slug in {each.team for each in entries}},
        languages=tuple(sorted({each.language for each in entries})),
    )


class HandoffAccess(Protocol):
    """The fields of a handoff that decide who may see it."""

    @property
    def team(self) -> str: ...

    @property
    def owner_id(self) -> int | None: ...

    @property
    def offered_to_id(self) -> int | None: ...


def is_visible_to(reader: InboxReader, handoff: HandoffAccess, *, was_called: bool) -> bool:
    """Whether they may see this handoff: it is their team's, their own, was offered to them, or they were alerted for it."""
    return may_see_handoff(
        handoff.team, reader.teams, is_alerted=was_called or reader.id in (handoff.owner_id, handoff.offered_to_id)
    )


def _entry(one: inbox.InboxHandoff, reader_id: int, names: Mapping[int, str], sealer: Sealer) -> InboxEntry:
    return InboxEntry(
        id=one.id,
        conversation_id=one.conversation_id,
        section=_section(one.state, one.owner_id, one.offered_to_id, reader_id),
        first_name=first_name(sealer, one.sealed_name),
        urgency=one.urgency,
        team=one.team,
        language=one.language,
        community=one.community or "",
        reason=one.reason,
        dangers=tuple(one.dangers),
        state=one.state,
        reachable=one.reachable and not one.opted_out and one.unreachable is None,
        opened_at=one.opened_at,
        limit_at=one.limit_at,
        unanswered_since=one.unanswered_since,
        owner=names.get(one.owner_id or 0, ""),
        owner_is_me=one.owner_id == reader_id,
        offered_to=names.get(one.offered_to_id or 0, ""),
        calling=tuple(names.get(each, "") for each in dict.fromkeys(one.calling)),
        i_am_called=reader_id in one.calling,
        tier=one.tier,
    )


def _section(state: str, owner_id: int | None, offered_to_id: int | None, reader_id: int) -> InboxSection:
    if offered_to_id == reader_id:
        return InboxSection.OFFERED
    if state == HandoffState.HANDED_BACK:
        return InboxSection.HANDED_BACK
    if state not in HELD_STATES:
        return InboxSection.WAITING
    return InboxSection.MINE if owner_id == reader_id else InboxSection.OTHERS


def first_name(sealer: Sealer, sealed_name: str | None) -> str:
    """The first word of a stored name, or ""."""
    return sealer.open(sealed_name).partition(" ")[0] if sealed_name else ""
