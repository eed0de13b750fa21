"""The escalation policy: which staff are alerted for a handoff, in which order, by which channels, and how long each tier
lasts.

Pure: the roster, the staff and their load come in as candidates, a tier comes out. Rules: how soon a handoff
must be claimed (`states.py`), and the usual order of help lines: one social worker, another one, a supervisor, all staff.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from bot.domain.handoff.states import DANGEROUS_URGENCIES
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.listening.understanding import words_of
from bot.domain.safety.levels import Urgency

WORKERS_BEFORE_SUPERVISOR: Final = 2
REPEATS_AT_FULL_PACE: Final = 5
"""After this many tiers for all staff the pace slows to a third: people switch off a telephone that rings without end."""

_DURATIONS: Final = {
    Urgency.NOW: timedelta(minutes=2),
    Urgency.MINUTES: timedelta(minutes=2),
    Urgency.QUARTER_HOUR: timedelta(minutes=5),
    Urgency.THIS_SHIFT: timedelta(minutes=20),
    Urgency.ROUTINE: timedelta(hours=1),
}


class AlertChannel(StrEnum):
    """A channel for an alert. The console shows the alert in any case."""

    TEXT = "text"
    EMAIL = "email"
    VOICE = "voice"


class TierAudience(StrEnum):
    """Which staff a tier alerts."""

    SOCIAL_WORKER = "worker"
    SUPERVISOR = "supervisor"
    ALL_STAFF = "everybody"
    """Staff on duty and supervisors; in danger, from the second tier on, all who may answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member of staff, as far as the policy needs to know. `knows_person`: they talked with the person last."""

    staff_id: int
    on_duty: bool
    in_team: bool
    is_supervisor: bool
    on_call_place: int = 1
    languages: tuple[str, ...] = (SOURCE_LANGUAGE,)
    skills: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()
    load: int = 0
    capacity: int = 4
    knows_person: bool = False


@dataclass(frozen=True, slots=True)
class HandoffRequirements:
    """What the handoff asks for. `skills` are those that its dangers require."""

    urgency: Urgency
    language: str = SOURCE_LANGUAGE
    community: str | None = None
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tier:
    """Alert these staff now, by these channels, and escalate after `duration` if none of them claims it. `staff` may be
    empty: no one can be alerted, and the policy is asked again after `duration`."""

    audience: TierAudience
    staff: tuple[int, ...]
    channels: frozenset[AlertChannel]
    duration: timedelta


def sort_by_match(requirements: HandoffRequirements, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first: staff who know the person, speak their language, are of the community they asked for, have the skill, are
    below capacity, and then by on-call order and lighter load."""

    def key(one: Candidate) -> tuple[object, ...]:
        full = one.load >= one.capacity
        return (
            not (one.knows_person and not full),
            requirements.language not in one.languages,
            requirements.community is not None and requirements.community not in one.communities,
            bool(requirements.skills) and not set(requirements.skills) & set(one.skills),
            full,
            one.on_call_place,
            one.load,
            one.staff_id,
        )

    return sorted(candidates, key=key)


def named_community(wish: str, communities: Iterable[str]) -> str | None:
    """The community among the staff's that a person's wish names, spelled as on the staff page; None for none.

    Matched by whole words, ignoring case and accents: "someone Bosnian, please" names "Bosnian".
    """
    padded = f" {' '.join(words_of(wish))} "
    found = [one for one in dict.fromkeys(communities) if one and f" {' '.join(words_of(one))} " in padded]
    # The longest is the most specific: "North St. Louis" before "St. Louis".
    return max(found, key=len, default=None)


def next_tier(
    requirements: HandoffRequirements, candidates: Sequence[Candidate], alerted: Collection[int], number: int
) -> Tier | None:
    """The tier that comes as the `number`th (from 1), when the staff in `alerted` were alerted before or have passed.

    None: it is not dangerous and no one is on duty, so the handoff waits until a shift begins.
    """
    dangerous = requirements.urgency in DANGEROUS_URGENCIES
    on_duty = [one for one in candidates if one.on_duty and one.in_team]
    if not dangerous and not on_duty and not any(one.on_duty for one in candidates):
        return None
    if requirements.urgency is not Urgency.NOW:
        fresh = [
            one for one in sort_by_match(requirements, on_duty) if one.staff_id not in alerted and not one.is_supervisor
        ]
        if fresh and number <= WORKERS_BEFORE_SUPERVISOR:
            return _tier(TierAudience.SOCIAL_WORKER, fresh[:1], requirements.urgency, number)
        supervisors = [one for one in _supervisors(candidates, dangerous) if one.staff_id not in alerted]
        if supervisors:
            return _tier(TierAudience.SUPERVISOR, sort_by_match(requirements, supervisors), requirements.urgency, number)
    return _tier(
        TierAudience.ALL_STAFF,
        sort_by_match(requirements, _all_staff(candidates, dangerous, number)),
        requirements.urgency,
        number,
    )


def _supervisors(candidates: Sequence[Candidate], dangerous: bool) -> list[Candidate]:
    """Supervisors of the team who are on duty; in danger, where none is, also those off duty."""
    mine = [one for one in candidates if one.is_supervisor and one.in_team]
    return [one for one in mine if one.on_duty] or (mine if dangerous else [])


def _all_staff(candidates: Sequence[Candidate], dangerous: bool, number: int) -> list[Candidate]:
    if not dangerous:
        return [one for one in candidates if one.on_duty]
    called = [one for one in candidates if (one.on_duty and one.in_team) or one.is_supervisor]
    return called if called and number <= 1 else list(candidates)


def _tier(audience: TierAudience, staff: Iterable[Candidate], urgency: Urgency, number: int) -> Tier:
    ways = {AlertChannel.TEXT, AlertChannel.EMAIL}
    if urgency is Urgency.NOW or (urgency is Urgency.MINUTES and audience is not TierAudience.SOCIAL_WORKER):
        ways.add(AlertChannel.VOICE)
    lasts = _DURATIONS[urgency]
    if audience is TierAudience.ALL_STAFF and number > REPEATS_AT_FULL_PACE + WORKERS_BEFORE_SUPERVISOR:
        lasts *= 3
    return Tier(audience, tuple(one.staff_id for one in staff), frozenset(ways), lasts)
