"""Warnings about the roster of the next two weeks, before a gap leaves a person without an answer."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.languages import english_name
from bot.domain.roster.duty import DutyPeriod, OverlapKind, Roster, TimeSpan
from bot.domain.roster.rows import is_over
from bot.domain.staff.permissions import Permission, is_allowed
from bot.storage import rosters
from bot.storage.staff import staff
from bot.storage.tables.staff import Staff

LOOK_AHEAD = timedelta(days=14)


class RosterFault(StrEnum):
    """Kinds of roster problems, the worst first."""

    NO_STAFF = "nobody"
    """No member of any team is on duty."""
    UNCOVERED = "uncovered"
    """A shift is planned, but its owner is away or it is a holiday, and no one else of the team is on duty."""
    NO_PHONE = "no_phone"
    CANNOT_ANSWER = "cannot_answer"
    LEFT = "gone"
    NO_LANGUAGE = "no_language"
    GAP = "hole"
    """No shift of the team is planned."""
    TWO_TEAMS = "two_teams"
    SAME_POSITION = "same_place"
    NOT_A_MEMBER = "not_a_member"


GRAVE_FAULTS = frozenset(
    {RosterFault.NO_STAFF, RosterFault.UNCOVERED, RosterFault.NO_PHONE, RosterFault.CANNOT_ANSWER, RosterFault.LEFT}
)
"""With these, a person who needs a human may get none."""


@dataclass(frozen=True, slots=True)
class RosterWarning:
    """One problem to fix. `text` is a sentence without times; `spans` say when, in order; `team` is a slug or ""."""

    fault: RosterFault
    text: str
    team: str = ""
    spans: tuple[TimeSpan, ...] = ()

    @property
    def is_grave(self) -> bool:
        return self.fault in GRAVE_FAULTS


def check(
    db: Session, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, ahead: timedelta = LOOK_AHEAD
) -> tuple[RosterWarning, ...]:
    """All problems from `now` on, the worst first. `languages` are those that Warmline speaks, like en, es."""
    roster = rosters.load(db, zone)
    people = {member.id: member for member in staff.list_active(db)}
    teams = {team.slug: team.name for team in staff.list_teams(db)}
    when = TimeSpan(now, now + ahead)
    spells = roster.duty_periods(when.start, when.end)
    found = [
        *_gap_warnings(roster, teams, when),
        *_staff_warnings(spells, people, teams, rosters.team_members(db)),
        *_departed_warnings(db, now),
        *_language_warnings(roster, people, languages, when),
        *_overlap_warnings(roster, people, teams, when),
    ]
    order = list(RosterFault)
    return tuple(sorted(found, key=lambda one: (order.index(one.fault), one.team, one.text)))


def added_warnings(before: Iterable[RosterWarning], after: Iterable[RosterWarning]) -> tuple[RosterWarning, ...]:
    """The warnings, or spans of a warning, that a change has added."""
    old: dict[tuple[RosterFault, str, str], tuple[TimeSpan, ...]] = {
        (one.fault, one.team, one.text): one.spans for one in before
    }
    found = []
    for one in after:
        spans = old.get((one.fault, one.team, one.text))
        if spans is None:
            found.append(one)
        elif fresh := _subtract_spans(one.spans, spans):
            found.append(dataclasses.replace(one, spans=fresh))
    return tuple(found)


def _gap_warnings(roster: Roster, teams: dict[str, str], when: TimeSpan) -> Iterator[RosterWarning]:
    nobody = roster.gaps(None, when.start, when.end)
    if nobody:
        yield RosterWarning(RosterFault.NO_STAFF, "Nobody of any team is on.", spans=nobody)
    planned = dataclasses.replace(roster, absences=(), holidays=())
    for slug, name in teams.items():
        holes = roster.gaps(slug, when.start, when.end)
        never = planned.gaps(slug, when.start, when.end)
        if uncovered := _subtract_spans(holes, never):
            text = f"{name}: a shift is planned, but its owner is away or it is a holiday, and nobody else is on."
            yield RosterWarning(RosterFault.UNCOVERED, text, slug, uncovered)
        if unplanned := _subtract_spans(holes, uncovered):
            yield RosterWarning(RosterFault.GAP, f"{name}: nobody is on.", slug, unplanned)


def _staff_warnings(
    spells: Iterable[DutyPeriod], people: dict[int, Staff], teams: dict[str, str], members: dict[str, frozenset[int]]
) -> Iterator[RosterWarning]:
    """Problems of those on duty: no telephone, no permission to answer, or not a member of the team."""
    of: dict[tuple[int, str], list[TimeSpan]] = defaultdict(list)
    for spell in spells:
        of[spell.staff, spell.team].append(TimeSpan(spell.start, spell.end))
    for staff_id in sorted({number for number, _ in of}):
        member = people[staff_id]
        spans = _merge_spans(span for (number, _), found in of.items() if number == staff_id for span in found)
        if not member.sealed_phone:
            text = f"{member.name} is on and has no telephone here, so alerts by text or voice cannot reach them."
            yield RosterWarning(RosterFault.NO_PHONE, text, spans=spans)
        if not is_allowed(staff.roles_of(member), Permission.ANSWER):
            yield RosterWarning(
                RosterFault.CANNOT_ANSWER, f"{member.name} is on, but their role may not answer anybody.", spans=spans
            )
    for (staff_id, slug), found in sorted(of.items()):
        if staff_id not in members.get(slug, frozenset()):
            text = f"{people[staff_id].name} is on for {teams[slug]} without belonging to it."
            yield RosterWarning(RosterFault.NOT_A_MEMBER, text, slug, _merge_spans(found))


def _departed_warnings(db: Session, now: datetime) -> Iterator[RosterWarning]:
    seen = set()
    for entry in rosters.list_entries(db):
        if entry.kind in ("shift", "extra") and not entry.is_present and not is_over(entry.row, now):
            who = (entry.staff, entry.team)
            if who not in seen:
                seen.add(who)
                yield RosterWarning(
                    RosterFault.LEFT, f"{entry.staff} no longer works here; nobody holds their shifts for {entry.team}."
                )


def _language_warnings(
    roster: Roster, people: dict[int, Staff], languages: tuple[str, ...], when: TimeSpan
) -> Iterator[RosterWarning]:
    nobody = roster.gaps(None, when.start, when.end)
    for language in languages:
        speak = {number for number, member in people.items() if language in member.languages}
        speakers = dataclasses.replace(
            roster,
            weekly=tuple(shift for shift in roster.weekly if shift.staff in speak),
            extra=tuple(shift for shift in roster.extra if shift.staff in speak),
        )
        spans = _subtract_spans(speakers.gaps(None, when.start, when.end), nobody)
        if spans:
            name = english_name(language)
            yield RosterWarning(RosterFault.NO_LANGUAGE, f"Nobody who is on speaks {name}.", spans=spans)


def _overlap_warnings(
    roster: Roster, people: dict[int, Staff], teams: dict[str, str], when: TimeSpan
) -> Iterator[RosterWarning]:
    found: dict[tuple[RosterFault, str, str], list[TimeSpan]] = defaultdict(list)
    for one in roster.overlaps(when.start, when.end):
        name, other = people[one.one.staff].name, people[one.other.staff].name
        if one.kind is OverlapKind.TWO_TEAMS:
            both = " and ".join(sorted({teams[one.one.team], teams[one.other.team]}))
            key = (RosterFault.TWO_TEAMS, f"{name} is on for {both} at once.", "")
        else:
            both = " and ".join(sorted((name, other)))
            text = f"{teams[one.one.team]}: {both} are both on place {one.one.place}."
            key = (RosterFault.SAME_POSITION, text, one.one.team)
        found[key].append(TimeSpan(one.start, one.end))
    for (fault, text, team), spans in found.items():
        yield RosterWarning(fault, text, team, _merge_spans(spans))


def _merge_spans(spans: Iterable[TimeSpan]) -> tuple[TimeSpan, ...]:
    """The same time in as few spans as possible, in order."""
    found: list[TimeSpan] = []
    for span in sorted(spans, key=lambda one: one.start):
        if found and span.start <= found[-1].end:
            found[-1] = TimeSpan(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def _subtract_spans(spans: Iterable[TimeSpan], taken: Iterable[TimeSpan]) -> tuple[TimeSpan, ...]:
    """`spans` without `taken`."""
    left = list(spans)
    for gone in taken:
        left = [
            TimeSpan(start, end)
            for span in left
            for start, end in ((span.start, min(span.end, gone.start)), (max(span.start, gone.end), span.end))
            if start < end
        ]
    return tuple(left)
