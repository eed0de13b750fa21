"""The safety net: what a person's words say about danger, and the reviewed words we answer with.

Rules and texts are data that a clinician reads (the folder `safety/`); this package compiles and applies them.
No flow, keyword or storage belongs here; nothing here writes its own words or lowers what a rule has raised.
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
    alerts_human,
    urgency,
)
from bot.domain.safety.lined_yaml import SafetyRuleError
from bot.domain.safety.reading import read_rules
from bot.domain.safety.rules import Rules
from bot.domain.safety.texts import Texts, read_texts, reply_key

__all__ = [
    "Assessment",
    "Danger",
    "DirectAnswer",
    "Level",
    "Rules",
    "SafetyRuleError",
    "Texts",
    "Urgency",
    "alerts_human",
    "assess",
    "read_direct_answer",
    "read_rules",
    "read_texts",
    "reply_key",
    "urgency",
]
