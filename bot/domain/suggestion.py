"""`Did you mean ...?`"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

from rapidfuzz import fuzz, process


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to this one, or None if none is close."""
    found = process.extractOne(word, list(known), scorer=fuzz.ratio, score_cutoff=60)
    return found[0] if found else None


def name_from_text(words: str, taken: Container[str]) -> str:
    """A valid name for a flow, step or choice from any text: `A place to sleep` becomes `a_place_to_sleep`."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:36].strip("_") or "unnamed"
    name = name if name[0].isalpha() else f"n_{name}"
    number, found = 2, name
    while found in taken:
        found, number = f"{name[:36]}_{number}", number + 1
    return found
