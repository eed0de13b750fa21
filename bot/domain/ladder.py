"""Who is called for a handoff, in which order, by which ways, and for how long before the next rung.

Pure: the roster, the staff and their load come in as candidates, a rung comes out. Rules: domain.md 4.3 (who must have said
"I have it" by when) and the order that every help line keeps: one worker, another one, a supervisor, everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.domain.handoff import DANGEROUS
from bot.domain.safety.levels import Urgency
from bot.domain.understanding import words_of

WORKERS_BEFORE_SUPERVISOR: Final = 2
REPEATS_AT_FULL_PACE: Final = 5
"""After so many rungs for everybody the pace slows to a third: a telephone that rings for ever is switched off."""

_LASTS: Final = {
    Urgency.NOW: timedelta(minutes=2),
    Urgency.MINUTES: timedelta(minutes=2),
    Urgency.QUARTER_HOUR: timedelta(minutes=5),
    Urgency.THIS_SHIFT: timedelta(minutes=20),
    Urgency.ROUTINE: timedelta(hours=1),
}


class Way(StrEnum):
    """How an alert reaches a worker; the console shows it in any case."""

    TEXT = "text"
    EMAIL = "email"
    VOICE = "voice"


class Who(StrEnum):
    """Whom a rung calls."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"
    EVERYBODY = "everybody"
    """Those on duty and the supervisors; where a life may hang on it, later all who can answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member of staff, as far as a ladder needs to know. `knows` is whether they talked with the person last."""

    staff_id: int
    on_duty: bool
    in_team: bool
    is_supervisor: bool
    place: int = 1
    languages: tuple[str, ...] = ("en",)
    skills: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    load: int = 0
    capacity: int = 4
    knows: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the handoff asks for. `skills` are those that its dangers call for."""

    urgency: Urgency
    language: str = "en"
    community: str | None = None
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rung:
    """Call these now, by these ways, and climb on after `lasts` where nobody takes it. `staff` may be empty: nobody can be
    called, and the next look is after `lasts`."""

    who: Who
    staff: tuple[int, ...]
    ways: frozenset[Way]
    lasts: timedelta


def by_match(wanted: Wanted, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first: who knows the person, speaks their language, is of the community they asked for, has the skill, is not
    full, and then the on-call order and the lighter load."""

    def key(one: Candidate) -> tuple[object, ...]:
        full = one.load >= one.capacity
        return (
            not (one.knows and not full),
            wanted.language not in one.languages,
            wanted.community is not None and wanted.community not in one.communities,
            bool(wanted.skills) and not set(wanted.skills) & set(one.skills),
            full,
            one.place,
            one.load,
            one.staff_id,
        )

    return sorted(candidates, key=key)


def named_community(wish: str, communities: Iterable[str]) -> str | None:
    """The first of the staff's communities that a person's wish names, as the staff page writes it.

    Whole words, whatever the case and the accents: "someone Bosnian, please" names "Bosnian".
    """
    said = f" {' '.join(words_of(wish))} "
    found = [one for one in dict.fromkeys(communities) if one and f" {' '.join(words_of(one))} " in said]
    # The longest is the most exact: "North St. Louis" says more than "St. Louis".
    return max(found, key=len, default=None)


def next_rung(wanted: Wanted, candidates: Sequence[Candidate], called: Collection[int], number: int) -> Rung | None:
    """The rung that is climbed as the `number`th (from 1), where `called` were called before or have passed.

    None: it is not dangerous and nobody is on duty, so the handoff rests until a shift begins.
    """
    dangerous = wanted.urgency in DANGEROUS
    on_duty = [one for one in candidates if one.on_duty and one.in_team]
    if not dangerous and not on_duty and not any(one.on_duty for one in candidates):
        return None
    if wanted.urgency is not Urgency.NOW:
        fresh = [one for one in by_match(wanted, on_duty) if one.staff_id not in called and not one.is_supervisor]
        if fresh and number <= WORKERS_BEFORE_SUPERVISOR:
            return _rung(Who.WORKER, fresh[:1], wanted.urgency, number)
        supervisors = [one for one in _supervisors(candidates, dangerous) if one.staff_id not in called]
        if supervisors:
            return _rung(Who.SUPERVISOR, by_match(wanted, supervisors), wanted.urgency, number)
    return _rung(Who.EVERYBODY, by_match(wanted, _everybody(candidates, dangerous, number)), wanted.urgency, number)


def _supervisors(candidates: Sequence[Candidate], dangerous: bool) -> list[Candidate]:
    """Those of the team who are on duty; in danger, where none is, those who are at home."""
    mine = [one for one in candidates if one.is_supervisor and one.in_team]
    return [one for one in mine if one.on_duty] or (mine if dangerous else [])


def _everybody(candidates: Sequence[Candidate], dangerous: bool, number: int) -> list[Candidate]:
    if not dangerous:
        return [one for one in candidates if one.on_duty]
    called = [one for one in candidates if (one.on_duty and one.in_team) or one.is_supervisor]
    return called if called and number <= 1 else list(candidates)


def _rung(who: Who, staff: Iterable[Candidate], urgency: Urgency, number: int) -> Rung:
    ways = {Way.TEXT, Way.EMAIL}
    if urgency is Urgency.NOW or (urgency is Urgency.MINUTES and who is not Who.WORKER):
        ways.add(Way.VOICE)
    lasts = _LASTS[urgency]
    if who is Who.EVERYBODY and number > REPEATS_AT_FULL_PACE + WORKERS_BEFORE_SUPERVISOR:
        lasts *= 3
    return Rung(who, tuple(one.staff_id for one in staff), frozenset(ways), lasts)
