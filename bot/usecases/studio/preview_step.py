"""Previews a step as the phone would show it, in each language, with its cost; for an admin who is still typing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from bot.domain.flows.language.flow import ENVIRONMENT
from bot.domain.flows.language.reader import names_in, template_problems
from bot.domain.flows.outline import kind_of
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.messages import readability
from bot.domain.messages.segments import fold_for_sms, measure_segments

_SAMPLE_DAY = "2026-09-30"
_FAILURES = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, RecursionError)


@dataclass(frozen=True, slots=True)
class PreviewBubble:
    """One text as sent. `cost` is in hundredths of a cent."""

    text: str
    segments: int
    encoding: str
    characters: int
    cost: int
    is_source: bool
    """Whether it is not translated, and the source is shown instead."""


@dataclass(frozen=True, slots=True)
class StepPreview:
    """A step's bubbles in each language, and advice about the wording."""

    bubbles: Mapping[str, tuple[PreviewBubble, ...]]
    advice: tuple[str, ...]
    budget: int


def preview(
    name: str,
    step: Mapping[str, Any],
    texts: Mapping[str, Mapping[str, str]],
    *,
    languages: Sequence[str],
    budget: int,
    price: int,
    line_name: str,
) -> StepPreview:
    """`texts` are language -> context -> text; `price` is that of one segment, in hundredths of a cent."""
    bubbles = {
        language: tuple(_bubbles(name, step, texts.get(language, {}), language, price, line_name))
        for language in (SOURCE_LANGUAGE, *languages)
    }
    return StepPreview(bubbles, tuple(_advice(name, step, bubbles, budget)), budget)


def _bubbles(
    name: str, step: Mapping[str, Any], texts: Mapping[str, str], language: str, price: int, line_name: str
) -> list[PreviewBubble]:
    found = []
    for parts in _step_texts(name, step):
        rows, is_source = [], False
        for context, source, prefix in parts:
            told = source if language == SOURCE_LANGUAGE else texts.get(context, "")
            is_source = is_source or (language != SOURCE_LANGUAGE and not told)
            rows.append(f"{prefix}{_with_samples(told or source, line_name)}")
        text = "\n".join(rows)
        size = measure_segments(fold_for_sms(text))
        found.append(PreviewBubble(text, size.segments, size.encoding, size.characters, size.segments * price, is_source))
    return found


def _step_texts(name: str, step: Mapping[str, Any]) -> list[list[tuple[str, str, str]]]:
    """The texts of a step, each as its parts: (context, source, prefix)."""
    kind, sent = kind_of(step), []
    if kind == "ask" and step.get("ask"):
        parts = [(f"{name}.ask", str(step["ask"]), "")]
        choices = step.get("choices")
        for number, (key, choice) in enumerate((choices if isinstance(choices, dict) else {}).items(), 1):
            label = str(choice.get("label") or key) if isinstance(choice, dict) else str(key)
            parts.append((f"{name}.choices.{key}.label", label, f"{number} "))
        sent.append(parts)
        sorry = step.get("not_understood")
        if isinstance(sorry, dict) and sorry.get("say"):
            sent.append([(f"{name}.not_understood.say", str(sorry["say"]), "")])
    elif kind in ("say", "handoff") and step.get("say"):
        sent.append([(f"{name}.say", str(step["say"]), "")])
    return sent


def _with_samples(text: str, line_name: str) -> str:
    """The text with sample values for answers; unchanged if it can't be filled in."""
    if "{" not in text or template_problems(text):
        return text
    for sample in (None, _SAMPLE_DAY):
        names = {name: sample or f"[{name}]" for name in names_in(text)}
        try:
            return str(
                ENVIRONMENT.from_string(text).render({**names, "line_name": line_name, "language": SOURCE_LANGUAGE})
            ).strip()
        except _FAILURES:
            continue
    return text


def _advice(name: str, step: Mapping[str, Any], bubbles: Mapping[str, tuple[PreviewBubble, ...]], budget: int) -> list[str]:
    advice = []
    for language, found in bubbles.items():
        for bubble in found:
            if bubble.segments > budget:
                advice.append(f"{language}: {bubble.segments} segments, and this flow allows {budget}. Say it shorter.")
            if bubble.encoding != "GSM-7" and language == SOURCE_LANGUAGE:
                advice.append("A character is not in the alphabet of SMS, so a segment holds 70 characters, not 160.")
        if language != SOURCE_LANGUAGE and any(bubble.is_source for bubble in found):
            advice.append(f"{language}: not translated. People who write in it would get the English words.")
    spoken = [source for parts in _step_texts(name, step) for context, source, _ in parts if ".choices." not in context]
    for source in spoken:
        for why in template_problems(source):
            advice.append(f"It can't be filled in: {why}")
        advice += [
            f"A sentence has {len(readability.words(one))} words. Make two of it."
            for one in readability.long_sentences(source)
        ]
    grade = readability.school_grade(spoken)
    if grade is not None and grade > readability.MAX_GRADE:
        advice.append(f"It reads like school grade {grade:.0f}. Aim for {readability.MAX_GRADE:.0f} or less.")
    return advice
