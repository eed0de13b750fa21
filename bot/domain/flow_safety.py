"""Which texts of a flow people's safety hangs on: they must be there in every language of the line."""

from __future__ import annotations

import re

from bot.domain.flow_texts import messages
from bot.domain.safety.levels import Urgency
from bot.domain.script import Handoff, Script

_NUMBERS = re.compile(r"(?<!\d)(?:911|988)(?!\d)")


def safety_texts(script: Script) -> frozenset[str]:
    """The contexts of the safety texts: all that is said and understood in a flow with `safety: true`, what names 911 or
    988, and what is said where a human is called at once.
    """
    return frozenset(
        context
        for context, source, step in messages(script)
        if context != "title" and (script.safety or _NUMBERS.search(source) or _calls_at_once(script, step))
    )


def _calls_at_once(script: Script, name: str) -> bool:
    step = script.steps.get(name)
    return isinstance(step, Handoff) and step.handoff.urgency is Urgency.NOW
