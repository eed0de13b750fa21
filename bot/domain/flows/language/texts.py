"""All texts of a script, for the person and for the social worker, and the conditions between steps."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.flows.language.script import Ask, Handoff, Measure, Refer, Say, Script, Step, TellReferral
from bot.domain.flows.language.yaml_source import YamlPath


def translatable_texts(script: Script) -> list[tuple[str, str, str]]:
    """Every translatable text: (context, source text, step). The title's step is empty.

    The words of a choice are one entry, joined by ", ": a translator writes what people say in their language.
    """
    found = [("title", script.title, "")]
    for name, step in script.steps.items():
        found += [(context, source, name) for context, _, source in _texts_for_person(name, step)]
    return found


def templates(script: Script) -> Iterator[tuple[str, YamlPath, str]]:
    """Every template of the script as (context, path, source): what is said, and what only staff reads."""
    for name, step in script.steps.items():
        for context, path, source in _texts_for_person(name, step):
            if ".choices." not in context:
                yield context, path, source
        yield from _texts_for_staff(name, step)


def conditions(script: Script) -> Iterator[tuple[YamlPath, str]]:
    """Every `when`, with its path."""
    for name, step in script.steps.items():
        for at, branch in enumerate(step.next):
            if branch.when is not None:
                yield ("steps", name, "next", at, "when"), branch.when


def _texts_for_person(name: str, step: Step) -> Iterator[tuple[str, YamlPath, str]]:
    path: YamlPath = ("steps", name)
    if isinstance(step, Ask):
        yield f"{name}.ask", (*path, "ask"), step.ask
        for key, choice in step.choices.items():
            at = f"{name}.choices.{key}"
            yield f"{at}.label", (*path, "choices", key, "label"), choice.label
            if choice.words:
                yield f"{at}.words", (*path, "choices", key, "words"), ", ".join(choice.words)
        if step.not_understood.say:
            yield f"{name}.not_understood.say", (*path, "not_understood", "say"), step.not_understood.say
    if isinstance(step, (Say, Handoff)) and step.say:
        yield f"{name}.say", (*path, "say"), step.say


def _texts_for_staff(name: str, step: Step) -> Iterator[tuple[str, YamlPath, str]]:
    path: YamlPath = ("steps", name)
    if isinstance(step, Refer):
        yield f"{name}.refer.need", (*path, "refer", "need"), step.refer.need
        if step.refer.near:
            yield f"{name}.refer.near", (*path, "refer", "near"), step.refer.near
    if isinstance(step, TellReferral) and step.referral.which:
        yield f"{name}.which", (*path, "referral", "which"), step.referral.which
    if isinstance(step, Measure):
        yield f"{name}.measure", (*path, "measure", "value"), step.measure.value
    if isinstance(step, Handoff) and step.handoff.because:
        yield f"{name}.because", (*path, "handoff", "because"), step.handoff.because
    if isinstance(step, Handoff) and step.handoff.community:
        yield f"{name}.community", (*path, "handoff", "community"), step.handoff.community
