"""The ladder of danger and the answer that a reading of a person's words gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How bad it is, worst highest. The number decides who is woken and how soon (see docs/safety.md)."""

    NONE = 0
    NEED = 1
    DISTRESS = 2
    ACTIVE = 3
    IMMINENT = 4
    IN_PROGRESS = 5


class Danger(StrEnum):
    """What kind of danger. CHILD: a child is hurt or in danger. DISTRESS: no named danger, at the end of one's rope."""

    SELF_HARM = "self_harm"
    DOMESTIC_VIOLENCE = "domestic_violence"
    VIOLENCE = "violence"
    OVERDOSE = "overdose"
    CHILD = "child"
    MEDICAL = "medical"
    DISTRESS = "distress"


class DirectAnswer(StrEnum):
    """The answer to the one direct question. Every direct question is worded so that YES means danger."""

    NO = "no"
    YES = "yes"
    UNSURE = "unsure"
    UNCLEAR = "unclear"


class Urgency(StrEnum):
    """How soon a person must look at it."""

    NOW = "now"
    MINUTES = "minutes"
    QUARTER_HOUR = "quarter_hour"
    THIS_SHIFT = "this_shift"
    ROUTINE = "routine"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules read in a person's words.

    `dangers` come worst first; `rules` are the ids of the rules that counted, worst first.
    `ask` names the danger in doubt: ask one direct question before anything else.
    `about_other` says that the danger is another person's, as far as the words tell.
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


def alerts_human(assessment: Assessment) -> bool:
    """True when a social worker must be alerted without the person asking: level ACTIVE and over."""
    return assessment.level >= Level.ACTIVE


def urgency(assessment: Assessment) -> Urgency:
    """How soon a social worker must look at this assessment."""
    return _URGENCIES[assessment.level]
