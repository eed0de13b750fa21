"""`Did you mean ...?`"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

from rapidfuzz import fuzz, process


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most likely meant by this one, or None where nothing is near."""
    found = process.extractOne(word, list(known), scorer=fuzz.ratio, score_cutoff=60)
    return found[0] if found else None


def fit_name(words: str, taken: Container[str]) -> str:
    """A name for a flow, a step or a choice made of any words: `A place to sleep` is `a_place_to_sleep`."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:36].strip("_") or "unnamed"
    name = name if name[0].isalpha() else f"n_{name}"
    number, found = 2, name
    while found in taken:
        found, number = f"{name[:36]}_{number}", number + 1
    return found
