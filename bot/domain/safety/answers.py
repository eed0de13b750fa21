"""Reading the answer to the one direct question."""

from __future__ import annotations

from bot.domain.safety.levels import DirectAnswer
from bot.domain.safety.rules import Rules


def read_direct_answer(rules: Rules, text: str) -> DirectAnswer:
    """NO, YES or UNSURE where the whole message is a known way to say so, in any language; else UNCLEAR.

    YES always means danger: every direct question is worded that way. A longer answer is UNCLEAR on purpose: its words
    are assessed by the rules, and a person reads it.
    """
    words = rules.spelling.canonical(text[:200]).replace(".", " ").split()
    return rules.answers.get(f" {' '.join(words)} ", DirectAnswer.UNCLEAR)
