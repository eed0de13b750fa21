"""The safety files of the repository, compiled once for all tests of the safety check."""

from __future__ import annotations

from functools import cache

from bot.domain.safety import ReviewedTexts, SafetyRules, read_rules, read_texts
from tests.paths import ROOT


@cache
def rule_files() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted((ROOT / "safety").glob("rules.*.yaml"))}


@cache
def rules() -> SafetyRules:
    return read_rules(rule_files())


@cache
def texts() -> ReviewedTexts:
    return read_texts((ROOT / "safety" / "texts.yaml").read_text("utf-8"), "safety/texts.yaml")
