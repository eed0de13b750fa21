"""What is wrong with the roster of the next two weeks, told before it leaves somebody unanswered."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from babel import Locale
from sqlalchemy.orm import Session

from bot.domain.permissions import Permission, allowed
from bot.domain.roster import Clash, Roster, Span, Spell
from bot.domain.roster_rows import is_over
from bot.storage import rosters, staff
from bot.storage.staff_tables import Staff

AHEAD = timedelta(days=14)


class Fault(StrEnum):
    """What is wrong, the worst first."""

    NOBODY = "nobody"
    """Nobody of any team is on."""
    UNCOVERED = "uncovered"
    """A shift is planned, but its owner is away or it falls on a holiday, and nobody else of the team is on."""
    NO_PHONE = "no_phone"
    CANNOT_ANSWER = "cannot_answer"
    GONE = "gone"
    NO_LANGUAGE = "no_language"
    HOLE = "hole"
    """No shift of the team is planned."""
    TWO_TEAMS = "two_teams"
    SAME_PLACE = "same_place"
    NOT_A_MEMBER = "not_a_member"


GRAVE = frozenset({Fault.NOBODY, Fault.UNCOVERED, Fault.NO_PHONE, Fault.CANNOT_ANSWER, Fault.GONE})
"""Somebody who needs a human may be left without one."""


@dataclass(frozen=True, slots=True)
class Warned:
    """One thing to mend. `text` is a sentence without times; `spans` say when, in order; `team` a slug or ""."""

    fault: Fault
    text: str
    team: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def is_grave(self) -> bool:
        return self.fault in GRAVE


def check(
    db: Session, zone: ZoneInfo, languages: tuple[str, ...], now: datetime, ahead: timedelta = AHEAD
) -> tuple[Warned, ...]:
    """All that is wrong from now on, the worst first. `languages` are the line's, like en, es."""
    roster = rosters.load(db, zone)
    people = {member.id: member for member in staff.all_active(db)}
    teams = {team.slug: team.name for team in staff.teams(db)}
    when = Span(now, now + ahead)
    spells = roster.spells(when.start, when.end)
    found = [
        *_holes(roster, teams, when),
        *_of_people(spells, people, teams, rosters.members(db)),
        *_gone(db, now),
        *_languages(roster, people, languages, when),
        *_overlaps(roster, people, teams, when),
    ]
    order = list(Fault)
    return tuple(sorted(found, key=lambda one: (order.index(one.fault), one.team, one.text)))


def only_new(before: Iterable[Warned], after: Iterable[Warned]) -> tuple[Warned, ...]:
    """What a change has brought: the warnings, or the spans of one, that were not there before."""
    old: dict[tuple[Fault, str, str], tuple[Span, ...]] = {(one.fault, one.team, one.text): one.spans for one in before}
    found = []
    for one in after:
        spans = old.get((one.fault, one.team, one.text))
        if spans is None:
            found.append(one)
        elif fresh := _minus(one.spans, spans):
            found.append(dataclasses.replace(one, spans=fresh))
    return tuple(found)


def _holes(roster: Roster, teams: dict[str, str], when: Span) -> Iterator[Warned]:
    nobody = roster.holes(None, when.start, when.end)
    if nobody:
        yield Warned(Fault.NOBODY, "Nobody of any team is on.", spans=nobody)
    planned = dataclasses.replace(roster, away=(), holidays=())
    for slug, name in teams.items():
        holes = roster.holes(slug, when.start, when.end)
        never = planned.holes(slug, when.start, when.end)
        if uncovered := _minus(holes, never):
            text = f"{name}: a shift is planned, but its owner is away or it is a holiday, and nobody else is on."
            yield Warned(Fault.UNCOVERED, text, slug, uncovered)
        if unplanned := _minus(holes, uncovered):
            yield Warned(Fault.HOLE, f"{name}: nobody is on.", slug, unplanned)


def _of_people(
    spells: Iterable[Spell], people: dict[int, Staff], teams: dict[str, str], members: dict[str, frozenset[int]]
) -> Iterator[Warned]:
    """What is wrong with those who are on: they cannot be called, may not answer, or see nothing of that team."""
    of: dict[tuple[int, str], list[Span]] = defaultdict(list)
    for spell in spells:
        of[spell.staff, spell.team].append(Span(spell.start, spell.end))
    for staff_id in sorted({number for number, _ in of}):
        member = people[staff_id]
        spans = _joined(span for (number, _), found in of.items() if number == staff_id for span in found)
        if not member.sealed_phone:
            text = f"{member.name} is on and has no telephone here, so alerts by text or voice cannot reach them."
            yield Warned(Fault.NO_PHONE, text, spans=spans)
        if not allowed(staff.roles(member), Permission.ANSWER):
            yield Warned(Fault.CANNOT_ANSWER, f"{member.name} is on, but their role may not answer anybody.", spans=spans)
    for (staff_id, slug), found in sorted(of.items()):
        if staff_id not in members.get(slug, frozenset()):
            text = f"{people[staff_id].name} is on for {teams[slug]} without belonging to it."
            yield Warned(Fault.NOT_A_MEMBER, text, slug, _joined(found))


def _gone(db: Session, now: datetime) -> Iterator[Warned]:
    seen = set()
    for entry in rosters.entries(db):
        if entry.kind in ("shift", "extra") and not entry.is_present and not is_over(entry.row, now):
            who = (entry.staff, entry.team)
            if who not in seen:
                seen.add(who)
                yield Warned(Fault.GONE, f"{entry.staff} no longer works here; nobody holds their shifts for {entry.team}.")


def _languages(roster: Roster, people: dict[int, Staff], languages: tuple[str, ...], when: Span) -> Iterator[Warned]:
    nobody = roster.holes(None, when.start, when.end)
    for language in languages:
        speak = {number for number, member in people.items() if language in member.languages}
        speakers = dataclasses.replace(
            roster,
            weekly=tuple(shift for shift in roster.weekly if shift.staff in speak),
            extra=tuple(shift for shift in roster.extra if shift.staff in speak),
        )
        spans = _minus(speakers.holes(None, when.start, when.end), nobody)
        if spans:
            name = Locale("en").languages.get(language, language)
            yield Warned(Fault.NO_LANGUAGE, f"Nobody who is on speaks {name}.", spans=spans)


def _overlaps(roster: Roster, people: dict[int, Staff], teams: dict[str, str], when: Span) -> Iterator[Warned]:
    found: dict[tuple[Fault, str, str], list[Span]] = defaultdict(list)
    for one in roster.overlaps(when.start, when.end):
        name, other = people[one.one.staff].name, people[one.other.staff].name
        if one.clash is Clash.TWO_TEAMS:
            both = " and ".join(sorted({teams[one.one.team], teams[one.other.team]}))
            key = (Fault.TWO_TEAMS, f"{name} is on for {both} at once.", "")
        else:
            both = " and ".join(sorted((name, other)))
            text = f"{teams[one.one.team]}: {both} are both on place {one.one.place}."
            key = (Fault.SAME_PLACE, text, one.one.team)
        found[key].append(Span(one.start, one.end))
    for (fault, text, team), spans in found.items():
        yield Warned(fault, text, team, _joined(spans))


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same time in as few spans as can be, in order."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def _minus(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """What is left of some spans without others."""
    left = list(spans)
    for gone in taken:
        left = [
            Span(start, end)
            for span in left
            for start, end in ((span.start, min(span.end, gone.start)), (max(span.start, gone.end), span.end))
            if start < end
        ]
    return tuple(left)
