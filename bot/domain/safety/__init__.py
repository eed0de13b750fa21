"""Safety: what a person's message says about danger, and the reviewed texts we answer with.

Rules and texts are data that a clinician reviews (the folder `safety/`); this package compiles and applies them. It knows
no flows, keywords or storage, writes no texts of its own, and never lowers what a rule has raised.
"""

from __future__ import annotations

from bot.domain.safety.answers import read_direct_answer
from bot.domain.safety.assessing import assess
from bot.domain.safety.levels import (
    Assessment,
    Danger,
    DirectAnswer,
    Level,
    Urgency,
    must_alert_staff,
    urgency_of,
)
from bot.domain.safety.lined_yaml import SafetyRuleError
from bot.domain.safety.reading import read_rules
from bot.domain.safety.rules import SafetyRules
from bot.domain.safety.texts import ReviewedTexts, read_texts, reply_key

__all__ = [
    "Assessment",
    "Danger",
    "DirectAnswer",
    "Level",
    "ReviewedTexts",
    "SafetyRuleError",
    "SafetyRules",
    "Urgency",
    "assess",
    "must_alert_staff",
    "read_direct_answer",
    "read_rules",
    "read_texts",
    "reply_key",
    "urgency_of",
]
