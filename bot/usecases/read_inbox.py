"""Reading for the inbox: the open handoffs that one member of staff may see, in the order in which they matter.

Nothing here holds a word of a transcript or a number: an inbox lies open on a screen in a room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy.orm import Session

from bot.domain.handoff import HELD, UNCLAIMED, HandoffState
from bot.domain.permissions import may_see
from bot.domain.safety.levels import Urgency
from bot.storage import inbox
from bot.storage.sealing import Sealer

_URGENCIES = {urgency.value: place for place, urgency in enumerate(Urgency)}


class Reader(Protocol):
    """Who reads: their number in the staff, and the slugs of their teams."""

    @property
    def id(self) -> int: ...

    @property
    def teams(self) -> Collection[str]: ...


class Section(StrEnum):
    """Under which heading a handoff stands, in the order of the page."""

    OFFERED = "offered"
    MINE = "mine"
    WAITING = "waiting"
    OTHERS = "others"
    HANDED_BACK = "handed_back"


@dataclass(frozen=True, slots=True)
class Entry:
    """One open handoff. `first_name` is "" where it is not known; `owner`, `offered_to` and `calling` are names of staff.

    `reachable` is False where texts to the person are blocked. Times are aware UTC.
    """

    id: int
    conversation_id: int
    section: Section
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
    rung: int

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has it yet."""
        return self.state in UNCLAIMED


@dataclass(frozen=True, slots=True)
class Inbox:
    """`version` is what the page stands at; `teams` are those that may be chosen (slug -> name), `languages` likewise."""

    version: str
    sections: Mapping[Section, tuple[Entry, ...]]
    teams: Mapping[str, str]
    languages: tuple[str, ...]

    @property
    def order(self) -> tuple[Section, ...]:
        """The headings from the top. Somebody in danger whom nobody has comes before everything, on a telephone too."""
        if any(each.urgency == Urgency.NOW for each in self.sections[Section.WAITING]):
            return (Section.WAITING, *(section for section in Section if section is not Section.WAITING))
        return tuple(Section)

    @property
    def total(self) -> int:
        return sum(len(entries) for entries in self.sections.values())


def read_inbox(db: Session, sealer: Sealer, reader: Reader, team: str = "", language: str = "") -> Inbox:
    """What `reader` sees, narrowed to one team or language where these are given."""
    # Before the rows: what changes in between makes the next question answer "changed", and nothing is missed.
    version = inbox.version(db)
    seen = [row for row in inbox.open_ones(db, reader.id) if sees(reader, row, was_called=row.was_called)]
    names = inbox.names(db, {each for row in seen for each in (row.owner_id, row.offered_to_id, *row.calling)})
    entries = [_entry(row, reader.id, names, sealer) for row in seen]
    shown = [each for each in entries if team in ("", each.team) and language in ("", each.language)]
    shown.sort(key=lambda each: (_URGENCIES.get(each.urgency, 0), each.opened_at, each.id))
    return Inbox(
        version=version,
        sections={section: tuple(each for each in shown if each.section is section) for section in Section},
        teams={slug: name for slug, name in inbox.team_names(db).items() if slug in {each.team for each in entries}},
        languages=tuple(sorted({each.language for each in entries})),
    )


class Answered(Protocol):
    """What of a handoff decides who may see it."""

    @property
    def team(self) -> str: ...

    @property
    def owner_id(self) -> int | None: ...

    @property
    def offered_to_id(self) -> int | None: ...


def sees(reader: Reader, one: Answered, *, was_called: bool) -> bool:
    """Whether this handoff is theirs to see: their team's, their own, offered to them, or they were called for it once."""
    return may_see(one.team, reader.teams, is_called=was_called or reader.id in (one.owner_id, one.offered_to_id))


def _entry(one: inbox.Open, me: int, names: Mapping[int, str], sealer: Sealer) -> Entry:
    return Entry(
        id=one.id,
        conversation_id=one.conversation_id,
        section=_section(one.state, one.owner_id, one.offered_to_id, me),
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
        owner_is_me=one.owner_id == me,
        offered_to=names.get(one.offered_to_id or 0, ""),
        calling=tuple(names.get(each, "") for each in dict.fromkeys(one.calling)),
        i_am_called=me in one.calling,
        rung=one.rung,
    )


def _section(state: str, owner_id: int | None, offered_to_id: int | None, me: int) -> Section:
    if offered_to_id == me:
        return Section.OFFERED
    if state == HandoffState.HANDED_BACK:
        return Section.HANDED_BACK
    if state not in HELD:
        return Section.WAITING
    return Section.MINE if owner_id == me else Section.OTHERS


def first_name(sealer: Sealer, sealed_name: str | None) -> str:
    """The first word of a stored name, or ""."""
    return sealer.open(sealed_name).partition(" ")[0] if sealed_name else ""
