"""The location of a ZIP code, and the distance between two points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, hypot, radians

import zipcodes

_MILES_A_DEGREE = 69.09


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """The center of a ZIP code's area, in degrees; `zone` is a name of the IANA time zone database."""

    zip: str
    latitude: float
    longitude: float
    zone: str
    city: str
    state: str


# The library loads its table at the first call, which takes half a second. Each search through it takes a millisecond, so
# results are cached.
@lru_cache(maxsize=4096)
def find_zip(code: str) -> ZipPlace | None:
    """The place of a ZIP code such as 63101 or 63101-1234; None for anything that is not a United States ZIP code."""
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
    # Military ZIP codes are at 0, 0 in the table, in the Gulf of Guinea.
    if not (latitude or longitude):
        return None
    return ZipPlace(digits, latitude, longitude, str(row["timezone"]), str(row["city"]), str(row["state"]))


def miles_between(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The distance in miles between two points in degrees. For points within a few hundred miles the error is below 1 %.

    Equirectangular projection: longitude is scaled by the cosine of the mean latitude.
    """
    up = other_latitude - latitude
    aside = ((other_longitude - longitude + 180) % 360 - 180) * cos(radians((latitude + other_latitude) / 2))
    return hypot(up, aside) * _MILES_A_DEGREE
