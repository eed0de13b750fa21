"""How a flow reads and what it costs: translations, segments, characters and reading level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from jinja2 import TemplateError

from bot.domain import readability
from bot.domain.flow import ENVIRONMENT
from bot.domain.flow_reader import names_in, template_problems
from bot.domain.flow_texts import messages
from bot.domain.flow_translations import Translation
from bot.domain.flow_yaml import Path, Problem, Severity
from bot.domain.script import AnswerKind, Ask, Handoff, Say, Script
from bot.domain.segments import fold_for_sms, measure

SOURCE_LANGUAGE = "en"
_SAMPLES: dict[AnswerKind, object] = {
    AnswerKind.ZIP: "63118", AnswerKind.NUMBER: 3, AnswerKind.DATE: "2026-09-30", AnswerKind.YES_NO: True,
    AnswerKind.TEXT: "a few words of the person", AnswerKind.PHONE: "+13145551234",
    AnswerKind.NAME: "Alexandra", AnswerKind.LANGUAGE: "en",
}  # fmt: skip


class MakeProblem(Protocol):
    def __call__(self, path: Path, what: str, remedy: str, severity: Severity = ...) -> Problem: ...


def wording_problems(
    script: Script, translations: Mapping[str, Translation], known: set[str], problem: MakeProblem
) -> Iterator[Problem]:
    """What is doubtful about the words of a flow. `known` are the answers that may be kept when it runs."""
    wording = _Wording(script, known, problem)
    for language, translation in translations.items():
        yield from wording.translation(language, translation)
    for language in (SOURCE_LANGUAGE, *translations):
        yield from wording.segments(language, translations.get(language, {}))
    yield from wording.characters()
    yield from wording.reading_level()


class _Wording:
    def __init__(self, script: Script, known: set[str], problem: MakeProblem) -> None:
        self.script = script
        self.known = known
        self.problem = problem
        self.messages = messages(script)

    # Translations.

    def translation(self, language: str, translation: Translation) -> Iterator[Problem]:
        if not translation:
            what = f"Nothing of this flow is translated into `{language}`."
            yield self.problem(("flow",), what, "Give the template to a translator.", Severity.WARNING)
            return
        old = {context for context, _ in translation}
        for context, source, _ in self.messages:
            path = path_of(context)
            told = translation.get((context, source))
            if told is None:
                state = "was made from an older text" if context in old else "is missing or marked as fuzzy"
                what = f"The `{language}` translation of `{context}` {state}."
                yield self.problem(path, what, "Have it translated; until then the source is sent.", Severity.WARNING)
            elif ".choices." not in context and context != "title":
                yield from self._translated_template(path, language, context, source, told)
        known = {context for context, _, _ in self.messages}
        for context in sorted(old - known):
            what = f"The `{language}` translation holds `{context}`, which is not in this flow."
            yield self.problem(("flow",), what, "Delete that entry.", Severity.WARNING)

    def _translated_template(self, path: Path, language: str, context: str, source: str, told: str) -> Iterator[Problem]:
        place = f"The `{language}` translation of `{context}`"
        broken = template_problems(told)
        for why in broken:
            yield self.problem(path, f"{place} can't be filled in: {why}", "Copy what is in {{ }} from the source.")
        if broken or template_problems(source):
            return
        for name in sorted(names_in(told) - self.known):
            yield self.problem(path, f"{place} names `{name}`, which nobody answers.", "Copy it from the source.")
        for name in sorted(names_in(source) - names_in(told)):
            yield self.problem(path, f"{place} leaves out `{name}`.", "Is that meant?", Severity.WARNING)

    # What a text costs.

    def segments(self, language: str, translation: Translation) -> Iterator[Problem]:
        """Texts over the budget, as the SMS carrier sends them (with folded accents)."""
        for context, path, text in self._sent(language, translation):
            count = measure(fold_for_sms(text)).segments
            if count > self.script.segments:
                budget = self.script.segments
                what = f"`{context}` takes {count} segments in `{language}`, and this flow allows {budget}."
                yield self.problem(path, what, "Say it shorter, or in two steps.")

    def _sent(self, language: str, translation: Translation) -> Iterator[tuple[str, Path, str]]:
        """Every text as it leaves: an ask with its numbered choices below it, the rest filled in with
        samples.
        """

        def told(context: str, source: str) -> str:
            return translation.get((context, source)) or source

        for name, step in self.script.steps.items():
            path: Path = ("steps", name)
            if isinstance(step, Ask):
                rows = [self._filled(told(f"{name}.ask", step.ask), language)]
                for number, (key, choice) in enumerate(step.choices.items(), 1):
                    rows.append(f"{number} {told(f'{name}.choices.{key}.label', choice.label)}")
                yield f"{name}.ask", (*path, "ask"), "\n".join(rows)
                if sorry := step.not_understood.say:
                    context = f"{name}.not_understood.say"
                    yield (
                        context,
                        (*path, "not_understood", "say"),
                        self._filled(told(context, sorry), language),
                    )
            elif isinstance(step, (Say, Handoff)) and step.say:
                yield f"{name}.say", (*path, "say"), self._filled(told(f"{name}.say", step.say), language)

    def _filled(self, text: str, language: str) -> str:
        if "{" not in text:
            return text
        try:
            return ENVIRONMENT.from_string(text).render(self._sample_names(language)).strip()
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError):
            # Broken templates are named by their own check; here only the length matters.
            return text

    def _sample_names(self, language: str) -> dict[str, Any]:
        answers: dict[str, object] = dict.fromkeys(self.known, "a few words")
        for name, step in self.script.steps.items():
            if isinstance(step, Ask):
                answers[step.save or name] = max(step.choices, key=len) if step.choices else _SAMPLES[step.answer]
        fixed = {
            "language": language,
            "line_name": "Warmline",
            "channel": "sms",
            "today": "2026-09-30",
            "days_until": lambda day: 30,
        }
        return {**answers, **fixed}

    def characters(self) -> Iterator[Problem]:
        """Characters of the source that may make a segment hold 70 characters in place of 160."""
        for context, source, _ in self.messages:
            if context == "title" or context.endswith(".words"):
                continue
            odd = [char for char in dict.fromkeys(source) if measure(char).encoding != "GSM-7"]
            if odd:
                what = f"`{context}` holds {' '.join(odd)}, which is not in the alphabet of SMS."
                remedy = "Use plain characters: straight quotes, a short dash, no emoji."
                yield self.problem(path_of(context), what, remedy, Severity.WARNING)

    # How it reads.

    def reading_level(self) -> Iterator[Problem]:
        """School grade over the whole flow, and sentences that are too long; for English only."""
        spoken = [(context, source) for context, source, _ in self.messages if context.endswith((".ask", ".say"))]
        grade = readability.grade(source for _, source in spoken)
        if grade is not None and grade > readability.HIGHEST_GRADE:
            what = f"This flow reads like school grade {grade:.0f}."
            remedy = f"Aim for {readability.HIGHEST_GRADE:.0f} or less: shorter sentences, everyday words."
            yield self.problem(("flow",), what, remedy, Severity.WARNING)
        for context, source in spoken:
            for sentence in readability.long_sentences(source):
                what = f"`{context}` has a sentence of {len(readability.words(sentence))} words."
                yield self.problem(path_of(context), what, "Make two of it.", Severity.WARNING)


def path_of(context: str) -> Path:
    """The place in the file of a translatable text: `need.choices.rent.label` is below steps, need,
    choices, rent.
    """
    return ("title",) if context == "title" else ("steps", *context.split("."))
