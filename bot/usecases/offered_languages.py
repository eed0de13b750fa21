"""The languages that staff are offered in lists, read once from words/languages.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.domain.safety.lined_yaml import read_yaml
from bot.paths import ROOT

FILE = "words/languages.yaml"


@dataclass(frozen=True, slots=True)
class OfferedLanguages:
    """Codes, in the order in which they are offered: for what staff speak, for what services speak, for translations."""

    staff: tuple[str, ...]
    services: tuple[str, ...]
    translations: tuple[str, ...]


@cache
def read_offered_languages(root: Path = ROOT) -> OfferedLanguages:
    """Read words/languages.yaml. Raises SafetyRuleError with file, line and problem, which prevents the start."""
    top = read_yaml((root / FILE).read_text("utf-8"), FILE)
    names = ("staff", "services", "translations")
    fields = top.fields(names)
    return OfferedLanguages(*(tuple(code for _, code in top.required(fields, name).texts()) for name in names))
