"""Which texts of a flow matter for people's safety: they must exist in every language of Warmline."""

from __future__ import annotations

import re

from bot.domain.flows.language.script import Handoff, Script
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.safety.levels import Urgency

_NUMBERS = re.compile(r"(?<!\d)(?:911|988)(?!\d)")


def safety_texts(script: Script) -> frozenset[str]:
    """The contexts of the safety texts: all texts of a flow with `safety: true`, texts that name 911 or 988, and texts of
    steps that call a human at once.
    """
    return frozenset(
        context
        for context, source, step in translatable_texts(script)
        if context != "title" and (script.safety or _NUMBERS.search(source) or _calls_human_now(script, step))
    )


def _calls_human_now(script: Script, name: str) -> bool:
    step = script.steps.get(name)
    return isinstance(step, Handoff) and step.handoff.urgency is Urgency.NOW
