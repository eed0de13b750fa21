"""Where a turn finds its flows and services: the published ones in PostgreSQL, or drafts straight from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from sqlalchemy.orm import Session

from bot.domain.flow import Flow, FlowFailed
from bot.storage import flows, rosters, staff
from bot.usecases import search_directory

UTC_ZONE = ZoneInfo("UTC")


class Library(Protocol):
    """What `converse` asks for. Raises FlowFailed for a flow that is not there."""

    is_live: bool
    """Whether people are texted from it. A draft that fails while it is tried is no trouble of the running line."""

    def flow(self, version: int) -> Flow: ...

    def published(self, name: str) -> Flow: ...

    def menu(self) -> Flow: ...

    def services(
        self, need: str, near: str | None, limit: int, language: str, now: datetime, skip: tuple[int, ...] = ()
    ) -> tuple[tuple[int, str], ...]:
        """At most `limit` services as (id, card), the best first, without those of `skip`, which were told already."""
        ...

    def presence(self, team: str, language: str, now: datetime) -> Presence: ...


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether anybody is on duty, so that the first words after a call for a human are true.

    `when` is the next planned shift in the city's own time, like "Mon 8 AM"; "" where none is planned. A line that has no
    staff at all (a demo of the flows, a draft) counts as attended: its texts promise nothing anyhow.
    """

    attended: bool = True
    when: str = ""


Compile = Callable[[flows.StoredFlow], Flow]


class FlowCache:
    """Compiled versions, for the life of the process: a version never changes, so it never grows stale.

    Two threads that miss at the same time both compile; the second result replaces an equal first.
    """

    def __init__(self, compile_flow: Compile) -> None:
        self._compile = compile_flow
        self._flows: dict[int, Flow] = {}

    def get(self, db: Session, version: int) -> Flow:
        flow = self._flows.get(version)
        if flow is None:
            stored = flows.load(db, version)
            if stored is None:
                raise FlowFailed("?", "-", f"there is no flow version {version}")
            flow = self._flows[version] = self._compile(stored)
        return flow

    def compile(self, stored: flows.StoredFlow) -> Flow:
        """A version that is not published, and is not kept. Raises FlowError where it cannot be read."""
        return self._compile(stored)


class StoredLibrary:
    """The published flows and the directory, through one session. Made anew for each turn, and never kept for the next.

    Which versions hold is read once, when it is first asked, by one statement: flows that are published together are
    entered together. Asked flow by flow, a turn could enter A as it was and then run B as it has just become.
    """

    is_live = True

    def __init__(self, db: Session, cache: FlowCache, zone: ZoneInfo = UTC_ZONE) -> None:
        self._db, self._cache, self._zone = db, cache, zone
        self._holding: dict[str, int] | None = None

    def flow(self, version: int) -> Flow:
        return self._cache.get(self._db, version)

    def published(self, name: str) -> Flow:
        version = self._current().get(name)
        if version is None:
            raise FlowFailed(name, "-", "this flow was never published")
        return self.flow(version)

    def _current(self) -> dict[str, int]:
        if self._holding is None:
            self._holding = flows.current(self._db)
        return self._holding

    def menu(self) -> Flow:
        for version in self._current().values():
            flow = self.flow(version)
            if flow.script.menu:
                return flow
        raise FlowFailed("?", "-", "no published flow has `menu: true`")

    def services(
        self, need: str, near: str | None, limit: int, language: str, now: datetime, skip: tuple[int, ...] = ()
    ) -> tuple[tuple[int, str], ...]:
        return search_directory.offer(self._db, need, near, limit, language, self._zone, now, skip)

    def presence(self, team: str, language: str, now: datetime) -> Presence:
        """Who is on duty, from the roster as it is at this moment."""
        if not staff.is_anybody_here(self._db):
            return Presence()
        roster = rosters.of_turn(self._db, self._zone)
        # Where the team itself is off, whoever is on is called for it (bot/domain/ladder.py).
        if roster.places(now):
            return Presence()
        begins = roster.next_on(now)
        return Presence(False, hour_of_week(begins, self._zone, language) if begins else "")


def hour_of_week(at: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment in the coming days as a text says it: "Mon 8 AM", "lun 8:30 a.m."."""
    local = at.astimezone(zone)
    locale = "es_US" if language == "es" else "en_US"
    pattern = "EEE h a" if local.minute == 0 else "EEE h:mm a"
    # The library parts hour and AM with a narrow space, which no plain SMS has.
    return " ".join(format_datetime(local, pattern, locale=locale).split())


class DraftLibrary:
    """Flows that were only read, from files or from drafts; what `talk`, the transcripts and the studio's phone use."""

    is_live = False

    def __init__(
        self,
        drafts: Mapping[str, Flow],
        cards: Callable[[str, str | None, int, str, datetime], tuple[tuple[int, str], ...]],
    ) -> None:
        self._drafts = dict(drafts)
        self._by_version = {flow.version: flow for flow in drafts.values()}
        self._cards = cards

    def flow(self, version: int) -> Flow:
        if version not in self._by_version:
            raise FlowFailed("?", "-", f"there is no draft {version}")
        return self._by_version[version]

    def published(self, name: str) -> Flow:
        if name not in self._drafts:
            raise FlowFailed(name, "-", "there is no such flow")
        return self._drafts[name]

    def menu(self) -> Flow:
        for flow in self._drafts.values():
            if flow.script.menu:
                return flow
        raise FlowFailed("?", "-", "no flow has `menu: true`")

    def services(
        self, need: str, near: str | None, limit: int, language: str, now: datetime, skip: tuple[int, ...] = ()
    ) -> tuple[tuple[int, str], ...]:
        found = self._cards(need, near, limit + len(skip), language, now)
        return tuple(one for one in found if one[0] not in skip)[:limit]

    def presence(self, team: str, language: str, now: datetime) -> Presence:
        return Presence()
