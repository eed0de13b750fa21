"""The vocabulary of a case: needs, encounters, how it ended, and measures of the household on day 0, 30, 60 and 90.

An unknown is never counted as a success: a missing, unsure or declined answer stays what it is.
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
"""Code -> label on a page."""

CODE_BY_NAME: Mapping[str, NeedCode] = {
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
    # No category fits these, and a guess would be counted as if the person had said it.
    "youth": NeedCode.OTHER,
    "health": NeedCode.OTHER,
    "legal": NeedCode.OTHER,
    "other": NeedCode.OTHER,
}
"""The names of needs in our flows and directory -> code."""

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
KNOWN_VALUES = frozenset({"yes", "no"})

DAYS = (0, 30, 60, 90)
WINDOW_BEFORE, WINDOW_AFTER = timedelta(days=7), timedelta(days=14)
"""How long before and after a day an answer still counts for that day."""


def need_code(need: str) -> NeedCode:
    """The code of a need as a flow names it; OTHER for a name that is not in CODE_OF."""
    return CODE_BY_NAME.get(need, NeedCode.OTHER)


def measure_day(opened_at: datetime, at: datetime) -> int | None:
    """The day (one of DAYS) for which an answer given at `at` counts, or None; both times are aware.

    A day's window is from 7 days before it to 14 days after it; that of day 0 begins when the case is opened.
    """
    age = at - opened_at
    if age < timedelta():
        return None
    return next((day for day in DAYS if -WINDOW_BEFORE <= age - timedelta(days=day) <= WINDOW_AFTER), None)


def nearest_day(opened_at: datetime, at: datetime) -> int | None:
    """Like `measure_day`, but for an answer between two windows the nearest day that is at most 14 days off.

    What a person says between two check-ins is worth more than an empty field; anything further off would be a guess.
    """
    if (day := measure_day(opened_at, at)) is not None or at < opened_at:
        return day
    off = {day: abs(at - opened_at - timedelta(days=day)) for day in DAYS}
    nearest = min(off, key=lambda day: off[day])
    return nearest if off[nearest] <= WINDOW_AFTER else None


def days_begun(opened_at: datetime, at: datetime) -> tuple[int, ...]:
    """The days for which an answer can be recorded at `at`: not those whose window has not begun."""
    return tuple(day for day in DAYS if day == 0 or at - opened_at >= timedelta(days=day) - WINDOW_BEFORE)


@dataclass(frozen=True, slots=True)
class MeasureAnswer:
    """One answer on one day; `name` is a key of MEASURES, `value` a key of VALUES."""

    day: int
    name: str
    value: str


class Trend(StrEnum):
    """How a household is developing in one measure."""

    BETTER = "better"
    STEADY = "steady"
    WORSE = "worse"
    NOT_YET = "not_yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MeasureCourse:
    """The first and the newest known answer of one measure; None where there is none."""

    first: MeasureAnswer | None = None
    newest: MeasureAnswer | None = None

    @property
    def trend(self) -> Trend:
        """UNKNOWN unless two days are known: one answer shows no trend."""
        if self.first is None or self.newest is None or self.first.day == self.newest.day:
            return Trend.UNKNOWN
        was, is_now = self.first.value == "yes", self.newest.value == "yes"
        if was == is_now:
            return Trend.STEADY if is_now else Trend.NOT_YET
        return Trend.BETTER if is_now else Trend.WORSE


def courses_by_measure(measures: Iterable[MeasureAnswer]) -> dict[str, MeasureCourse]:
    """For each of MEASURES the first and the newest known answer; unsure, declined and missing answers are not known."""
    known = sorted((each for each in measures if each.value in KNOWN_VALUES), key=lambda each: each.day)
    found: dict[str, MeasureCourse] = {}
    for name in MEASURES:
        answers = [each for each in known if each.name == name]
        found[name] = MeasureCourse(answers[0], answers[-1]) if answers else MeasureCourse()
    return found
