"""Reading the answer to the direct question about danger."""

from __future__ import annotations

from bot.domain.safety.levels import DirectAnswer
from bot.domain.safety.rules import SafetyRules


def read_direct_answer(rules: SafetyRules, text: str) -> DirectAnswer:
    """NO, YES or UNSURE where the whole message is a known way to say so, in any language; otherwise UNCLEAR.

    YES always means danger: every direct question is worded that way. A longer answer is UNCLEAR on purpose: its words
    are assessed by the rules, and a social worker reads it.
    """
    words = rules.spelling.canonical(text[:200]).replace(".", " ").split()
    return rules.answers.get(f" {' '.join(words)} ", DirectAnswer.UNCLEAR)
