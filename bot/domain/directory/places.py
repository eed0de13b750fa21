"""Where a ZIP code is, and how far two points are from each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, hypot, radians

import zipcodes

_MILES_A_DEGREE = 69.09


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """The middle of a ZIP code's area, in degrees; `zone` is a name of the time zone database."""

    zip: str
    latitude: float
    longitude: float
    zone: str
    city: str
    state: str


# The library reads its table at the first question, which takes half a second, and keeps it; what it answers is kept here,
# as to look through that table takes a millisecond.
@lru_cache(maxsize=4096)
def of_zip(code: str) -> ZipPlace | None:
    """The place of a ZIP code such as 63101 or 63101-1234; None for anything that is not one of the United States."""
    digits = code.strip()[:5]
    if len(digits) != 5 or not (digits.isascii() and digits.isdigit()):
        return None
    found = zipcodes.matching(digits)
    if not found:
        return None
    row = found[0]
    try:
        latitude, longitude = float(row["lat"]), float(row["long"])
    except (TypeError, ValueError):
        return None
    # Military ZIP codes stand at 0, 0 in the table, in the Gulf of Guinea.
    if not (latitude or longitude):
        return None
    return ZipPlace(digits, latitude, longitude, str(row["timezone"]), str(row["city"]), str(row["state"]))


def miles(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The distance of two points in degrees, in miles, for points within a few hundred miles (error below one in a hundred).

    Longitude is shortened by the cosine of the latitude between them (the equirectangular projection).
    """
    up = other_latitude - latitude
    aside = ((other_longitude - longitude + 180) % 360 - 180) * cos(radians((latitude + other_latitude) / 2))
    return hypot(up, aside) * _MILES_A_DEGREE
