"""Where a turn reads flows and services: published ones from PostgreSQL, or drafts from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from sqlalchemy.orm import Session

from bot.domain.flows.language.flow import Flow, FlowFailed
from bot.domain.languages import locale_of
from bot.storage import rosters
from bot.storage.flows import flows
from bot.storage.staff import staff
from bot.usecases.directory import search_services

UTC_ZONE = ZoneInfo("UTC")


class Library(Protocol):
    """What `converse` needs. Methods raise FlowFailed for a flow that does not exist."""

    is_live: bool
    """Whether real people are texted from it. The failure of a draft that is tried raises no alarm."""

    def flow(self, version: int) -> Flow: ...

    def published(self, name: str) -> Flow: ...

    def menu(self) -> Flow: ...

    def services(
        self, need: str, near: str | None, limit: int, language: str, now: datetime, skip: tuple[int, ...] = ()
    ) -> tuple[tuple[int, str], ...]:
        """At most `limit` services as (id, card), best first, without those of `skip`, which the person has been told."""
        ...

    def presence(self, team: str, language: str, now: datetime) -> Presence: ...


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether any social worker is on duty, so that the first reply after a call for a human is true.

    `when` is the next planned shift in the city's time, like "Mon 8 AM"; "" where none is planned. An installation without
    any staff (a demo of the flows, a draft) counts as attended, since its texts promise nothing.
    """

    attended: bool = True
    next_shift: str = ""


CompileFlow = Callable[[flows.StoredFlow], Flow]


class FlowCache:
    """Compiled flow versions, for the life of the process. A version never changes, so no entry becomes stale.

    Two threads that miss at the same time both compile; the second result replaces an equal first.
    """

    def __init__(self, compile_flow: CompileFlow) -> None:
        self._compile = compile_flow
        self._flows: dict[int, Flow] = {}

    def get(self, db: Session, version: int) -> Flow:
        flow = self._flows.get(version)
        if flow is None:
            stored = flows.load_version(db, version)
            if stored is None:
                raise FlowFailed("?", "-", f"there is no flow version {version}")
            flow = self._flows[version] = self._compile(stored)
        return flow

    def compile(self, stored: flows.StoredFlow) -> Flow:
        """Compile a version that is not published, without caching it. Raises FlowError where it cannot be read."""
        return self._compile(stored)


class PublishedLibrary:
    """The published flows and the directory, through one session. A new one is made for each turn.

    The published versions are read once, by one statement, so that flows published together take effect together. Read
    flow by flow, a turn could enter the old version of A and then the new one of B.
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
            self._holding = flows.current_versions(self._db)
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
        return search_services.offer_to_person(self._db, need, near, limit, language, self._zone, now, skip)

    def presence(self, team: str, language: str, now: datetime) -> Presence:
        if not staff.has_active_staff(self._db):
            return Presence()
        roster = rosters.load_cached(self._db, self._zone)
        # If no one of the team is on duty, staff of other teams are alerted for it (bot/domain/handoff/escalation.py).
        if roster.places_on_duty(now):
            return Presence()
        begins = roster.next_on_duty(now)
        return Presence(False, weekday_and_hour(begins, self._zone, language) if begins else "")


def weekday_and_hour(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Weekday and time in the words of a text: "Mon 8 AM", "lun 8:30 a.m."."""
    local = at.astimezone(zone)
    pattern = "EEE h a" if local.minute == 0 else "EEE h:mm a"
    # Babel puts a narrow no-break space before AM, which plain SMS does not have.
    return " ".join(format_datetime(local, pattern, locale=locale_of(language)).split())


class DraftLibrary:
    """Unpublished flows from files or drafts, for `talk`, the transcripts and the studio's trials."""

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
