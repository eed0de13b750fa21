"""What a case is made of: needs, meetings, how it ended, and how the household is on day 0, 30, 60 and 90.

What nobody knows is never counted as a success: an answer that is missing, unsure or declined stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class NeedCode(StrEnum):
    """The categories of social needs of the Gravity Project (FHIR SDOH Clinical Care), as other systems exchange them.

    Its category protective-factor is left out: a strength is not a need.
    """

    FOOD = "food-insecurity"
    HOUSING = "housing-instability"
    HOMELESS = "homelessness"
    BAD_HOUSING = "inadequate-housing"
    UTILITIES = "utility-insecurity"
    MONEY = "financial-insecurity"
    THINGS = "material-hardship"
    TRANSPORT = "transportation-insecurity"
    WORK = "employment-status"
    SCHOOL = "educational-attainment"
    STRESS = "stress"
    COMPANY = "social-connection"
    PARTNER_VIOLENCE = "intimate-partner-violence"
    ELDER_ABUSE = "elder-abuse"
    INSURANCE = "health-insurance-coverage-status"
    MEDICAL_COSTS = "medical-cost-burden"
    HEALTH_LITERACY = "personal-health-literacy"
    DIGITAL_ACCESS = "digital-access"
    DIGITAL_SKILLS = "digital-literacy"
    LANGUAGE = "language-access"
    VETERAN = "veteran-status"
    INCARCERATION = "incarceration-status"
    OTHER = "sdoh-category-unspecified"


NEEDS: Mapping[str, str] = {
    NeedCode.FOOD: "Food",
    NeedCode.HOUSING: "Keeping their home",
    NeedCode.HOMELESS: "A place to sleep",
    NeedCode.BAD_HOUSING: "A home fit to live in",
    NeedCode.UTILITIES: "Lights, heat or water",
    NeedCode.MONEY: "Money",
    NeedCode.THINGS: "Clothes, furniture, diapers",
    NeedCode.TRANSPORT: "Getting around",
    NeedCode.WORK: "Work",
    NeedCode.SCHOOL: "School and classes",
    NeedCode.STRESS: "Counseling and stress",
    NeedCode.COMPANY: "Company and community",
    NeedCode.PARTNER_VIOLENCE: "Safety from a partner",
    NeedCode.ELDER_ABUSE: "Safety of an older person",
    NeedCode.INSURANCE: "Health insurance",
    NeedCode.MEDICAL_COSTS: "Medical costs",
    NeedCode.HEALTH_LITERACY: "Understanding health care",
    NeedCode.DIGITAL_ACCESS: "Telephone or internet",
    NeedCode.DIGITAL_SKILLS: "Using a telephone or computer",
    NeedCode.LANGUAGE: "Help in their language",
    NeedCode.VETERAN: "Help for veterans",
    NeedCode.INCARCERATION: "After jail or prison",
    NeedCode.OTHER: "Another need",
}
"""Code -> what a page says."""

CODE_OF: Mapping[str, NeedCode] = {
    "rent": NeedCode.HOUSING,
    "housing": NeedCode.HOUSING,
    "shelter": NeedCode.HOMELESS,
    "repairs": NeedCode.BAD_HOUSING,
    "utilities": NeedCode.UTILITIES,
    "food": NeedCode.FOOD,
    "money": NeedCode.MONEY,
    "benefits": NeedCode.MONEY,
    "clothes": NeedCode.THINGS,
    "childcare": NeedCode.THINGS,
    "jobs": NeedCode.WORK,
    "classes": NeedCode.SCHOOL,
    "education": NeedCode.SCHOOL,
    "transport": NeedCode.TRANSPORT,
    "transportation": NeedCode.TRANSPORT,
    "counseling": NeedCode.STRESS,
    "safety": NeedCode.PARTNER_VIOLENCE,
    "elders": NeedCode.ELDER_ABUSE,
    "insurance": NeedCode.INSURANCE,
    "language": NeedCode.LANGUAGE,
    "veterans": NeedCode.VETERAN,
    "reentry": NeedCode.INCARCERATION,
    # The categories have no place of their own for these, and a guess would be counted as if somebody had said it.
    "youth": NeedCode.OTHER,
    "health": NeedCode.OTHER,
    "legal": NeedCode.OTHER,
    "other": NeedCode.OTHER,
}
"""The words by which our flows and directory name a need -> its code."""

NEED_OUTCOMES: Mapping[str, str] = {
    "met": "Met",
    "partly_met": "Partly met",
    "not_met": "Not met",
    "no_longer_needed": "No longer needed",
    "unknown": "Not known",
}
MODES: Mapping[str, str] = {
    "text": "By text",
    "phone": "By telephone",
    "in_person": "In person",
    "home_visit": "Home visit",
    "video": "By video",
    "other": "Another way",
}
"""How a social worker met or spoke with a household."""
OUTCOMES: Mapping[str, str] = {
    "steady": "The household is steady",
    "moved_away": "They moved away",
    "lost_touch": "We lost touch",
    "declined": "They did not want it any more",
    "died": "The person died",
    "other": "Something else",
}
"""How a case ends."""
TASK_KINDS: Mapping[str, str] = {"call": "Call them", "share": "Share a referral", "other": "Something else"}

MEASURES: Mapping[str, str] = {
    "housed": "Do they have a steady place to live?",
    "bills": "Can they pay their bills?",
    "safe": "Do they feel safe at home?",
}
MEASURE_NAMES: Mapping[str, str] = {"housed": "Housed", "bills": "Bills", "safe": "Safe"}
VALUES: Mapping[str, str] = {"yes": "Yes", "no": "No", "unsure": "Not sure", "declined": "Would not say"}
KNOWN = frozenset({"yes", "no"})

DAYS = (0, 30, 60, 90)
EARLY, LATE = timedelta(days=7), timedelta(days=14)
"""How long before and after its day an answer still counts for it."""


def code_of(need: str) -> NeedCode:
    """The code of a need as a flow names it; OTHER for a word that nobody has mapped."""
    return CODE_OF.get(need, NeedCode.OTHER)


def day_of(opened_at: datetime, at: datetime) -> int | None:
    """The day (of DAYS) that an answer given at `at` counts for, or None; both aware.

    From 7 days before the day to 14 days after it; day 0 only after the case began.
    """
    age = at - opened_at
    if age < timedelta():
        return None
    return next((day for day in DAYS if -EARLY <= age - timedelta(days=day) <= LATE), None)


def nearest_day(opened_at: datetime, at: datetime) -> int | None:
    """As `day_of`, and for an answer between two windows the nearest day that is at most 14 days off.

    What a person tells between two check-ins is worth more than an empty field; what is further off would be a guess.
    """
    if (day := day_of(opened_at, at)) is not None or at < opened_at:
        return day
    off = {day: abs(at - opened_at - timedelta(days=day)) for day in DAYS}
    nearest = min(off, key=lambda day: off[day])
    return nearest if off[nearest] <= LATE else None


def days_begun(opened_at: datetime, at: datetime) -> tuple[int, ...]:
    """The days for which an answer can be known at `at`; what lies ahead cannot be written down yet."""
    return tuple(day for day in DAYS if day == 0 or at - opened_at >= timedelta(days=day) - EARLY)


@dataclass(frozen=True, slots=True)
class Measured:
    """One answer on one day; `name` is of MEASURES, `value` of VALUES."""

    day: int
    name: str
    value: str


class Way(StrEnum):
    """Where a household is going in one respect."""

    BETTER = "better"
    STEADY = "steady"
    WORSE = "worse"
    NOT_YET = "not_yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Course:
    """The first and the newest day on which it was known; None where it never was."""

    first: Measured | None = None
    newest: Measured | None = None

    @property
    def way(self) -> Way:
        """UNKNOWN unless two days are known: one answer shows no way."""
        if self.first is None or self.newest is None or self.first.day == self.newest.day:
            return Way.UNKNOWN
        was, is_now = self.first.value == "yes", self.newest.value == "yes"
        if was == is_now:
            return Way.STEADY if is_now else Way.NOT_YET
        return Way.BETTER if is_now else Way.WORSE


def steadier(measures: Iterable[Measured]) -> dict[str, Course]:
    """For each of MEASURES the first and the newest known answer; unsure, declined and missing ones are not known."""
    known = sorted((each for each in measures if each.value in KNOWN), key=lambda each: each.day)
    found: dict[str, Course] = {}
    for name in MEASURES:
        mine = [each for each in known if each.name == name]
        found[name] = Course(mine[0], mine[-1]) if mine else Course()
    return found
