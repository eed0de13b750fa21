"""The levels of danger, and the result of assessing a person's message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How severe the danger is, the worst highest. It decides which staff are alerted and how soon (see docs/safety.md)."""

    NONE = 0
    NEED = 1
    DISTRESS = 2
    ACTIVE = 3
    IMMINENT = 4
    IN_PROGRESS = 5


class Danger(StrEnum):
    """The kind of danger. CHILD: a child is hurt or in danger. DISTRESS: despair without a named danger."""

    SELF_HARM = "self_harm"
    DOMESTIC_VIOLENCE = "domestic_violence"
    VIOLENCE = "violence"
    OVERDOSE = "overdose"
    CHILD = "child"
    MEDICAL = "medical"
    DISTRESS = "distress"


class DirectAnswer(StrEnum):
    """The answer to the direct question. Every direct question is worded so that YES means danger."""

    NO = "no"
    YES = "yes"
    UNSURE = "unsure"
    UNCLEAR = "unclear"


class Urgency(StrEnum):
    """How soon a social worker must look at it."""

    NOW = "now"
    MINUTES = "minutes"
    QUARTER_HOUR = "quarter_hour"
    THIS_SHIFT = "this_shift"
    ROUTINE = "routine"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules found in a person's message.

    `dangers` come worst first; `rules` are the ids of the rules that counted, worst first.
    `ask` names a danger in doubt: ask one direct question before anything else.
    `about_other` says that another person seems to be in danger, not the one who writes.
    """

    level: Level = Level.NONE
    dangers: tuple[Danger, ...] = ()
    rules: tuple[str, ...] = ()
    ask: Danger | None = None
    about_other: bool = False


_URGENCIES = {
    Level.IN_PROGRESS: Urgency.NOW,
    Level.IMMINENT: Urgency.MINUTES,
    Level.ACTIVE: Urgency.QUARTER_HOUR,
    Level.DISTRESS: Urgency.THIS_SHIFT,
    Level.NEED: Urgency.ROUTINE,
    Level.NONE: Urgency.ROUTINE,
}


def must_alert_staff(assessment: Assessment) -> bool:
    """Whether a social worker must be alerted although the person has not asked: level ACTIVE and above."""
    return assessment.level >= Level.ACTIVE


def urgency_of(assessment: Assessment) -> Urgency:
    """How soon a social worker must look at this assessment."""
    return _URGENCIES[assessment.level]
