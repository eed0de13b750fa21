"""How a flow reads and what it costs: translations, segments, characters and reading level."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

from bot.domain.flows.checks.rendering import SAMPLES, MakeProblem, render
from bot.domain.flows.checks.safety_texts import safety_texts
from bot.domain.flows.language.expressions import names_in, template_problems, unpublishable_parts
from bot.domain.flows.language.flow import RENDER_ERRORS
from bot.domain.flows.language.script import Ask, Handoff, Say, Script
from bot.domain.flows.language.texts import translatable_texts
from bot.domain.flows.language.translations import Translations
from bot.domain.flows.language.yaml_source import FlowProblem, Severity, YamlPath
from bot.domain.languages import SOURCE_LANGUAGE, english_name
from bot.domain.messages import readability
from bot.domain.messages.segments import fold_for_sms, measure_segments


def wording_problems(
    script: Script,
    translations: Mapping[str, Translations],
    known_answers: set[str],
    problem: MakeProblem,
    *,
    number_answers: Collection[str] = (),
    languages: Collection[str] = (),
) -> Iterator[FlowProblem]:
    """All errors and warnings about the texts of a flow.

    `known_answers` are those that may exist when it runs, `number_answers` those that are numbers, and `languages` those of
    Warmline, into which safety texts must be translated.
    """
    wording = _WordingChecker(script, known_answers, problem, number_answers, languages)
    for language in dict.fromkeys([*translations, *(one for one in languages if one != SOURCE_LANGUAGE)]):
        yield from wording.translation(language, translations.get(language, {}))
    for language in (SOURCE_LANGUAGE, *translations):
        yield from wording.segments(language, translations.get(language, {}))
    yield from wording.characters()
    yield from wording.reading_level()


class _WordingChecker:
    def __init__(
        self, script: Script, known: set[str], problem: MakeProblem, numbers: Collection[str], languages: Collection[str]
    ) -> None:
        self.script = script
        self.known_answers = known
        self.problem = problem
        self.number_answers = numbers
        self.languages = languages
        self.messages = translatable_texts(script)
        self.safety = safety_texts(script)

    # Translations.

    def translation(self, language: str, translation: Translations) -> Iterator[FlowProblem]:
        is_spoken = language in self.languages
        if not translation:
            if any(context != "title" for context, _, _ in self.messages):
                yield self._untranslated(language, len(self.safety) if is_spoken else 0)
            return
        old = {context for context, _ in translation}
        for context, source, _ in self.messages:
            if context == "title":
                # Persons never see it, so a translation is optional.
                continue
            path = path_of(context)
            translated = translation.get((context, source))
            if translated is None:
                state = "was made from an older text" if context in old else "is missing, or stale (fuzzy)"
                yield self._missing(language, context, state, is_spoken and context in self.safety)
            elif ".choices." not in context:
                yield from self._translated_template(path, language, context, source, translated)
        known = {context for context, _, _ in self.messages}
        for context in sorted(old - known):
            what = f"The {_language_name(language)} translation holds `{context}`, which is not in this flow."
            yield self.problem(("flow",), what, "Delete that entry.", Severity.WARNING)

    def _untranslated(self, language: str, safety: int) -> FlowProblem:
        what = f"Nothing of this flow is translated into {_language_name(language)}."
        if not safety:
            remedy = "Translate it on the page Translations, or give a translator the file that is exported there."
            return self.problem(("flow",), what, remedy, Severity.WARNING)
        count = "one of its texts is" if safety == 1 else f"{safety} of its texts are"
        what = f"{what[:-1]}, and {count} about safety."
        return self.problem(("flow",), what, "Have at least these translated: they must reach everybody.")

    def _missing(self, language: str, context: str, state: str, is_safety: bool) -> FlowProblem:
        if is_safety:
            what = f"The {_language_name(language)} translation of `{context}` {state}, and it is a safety text."
            remedy = "Have it translated and checked; safety texts are published in each language of the line or not at all."
            return self.problem(path_of(context), what, remedy)
        what = f"The {_language_name(language)} translation of `{context}` {state}."
        remedy = "Have it translated; until then the source is sent."
        return self.problem(path_of(context), what, remedy, Severity.WARNING)

    def _translated_template(
        self, path: YamlPath, language: str, context: str, source: str, translated: str
    ) -> Iterator[FlowProblem]:
        if "{" not in translated and "{" not in source:
            return
        place = f"The {_language_name(language)} translation of `{context}`"
        broken = template_problems(translated)
        for why in broken:
            yield self.problem(path, f"{place} can't be filled in: {why}", "Copy what is in {{ }} from the source.")
        if broken or template_problems(source):
            return
        for why, remedy in unpublishable_parts(translated, self.number_answers):
            yield self.problem(path, f"{place}: {why}", remedy)
        for name in sorted(names_in(translated) - self.known_answers):
            yield self.problem(path, f"{place} names `{name}`, which nobody answers.", "Copy it from the source.")
        for name in sorted(names_in(source) - names_in(translated)):
            yield self.problem(path, f"{place} leaves out `{name}`.", "Is that meant?", Severity.WARNING)

    # What a text costs.

    def segments(self, language: str, translation: Translations) -> Iterator[FlowProblem]:
        """Texts with more segments than the flow allows, as sent by SMS (with folded accents)."""
        for context, path, text in self._sent_texts(language, translation):
            count = _segments(text)
            if count > self.script.segments:
                budget = self.script.segments
                what = f"`{context}` takes {count} segments in `{language}`, and this flow allows {budget}."
                yield self.problem(path, what, "Say it shorter, or in two steps.")

    def _sent_texts(self, language: str, translation: Translations) -> Iterator[tuple[str, YamlPath, str]]:
        """Every text as it is sent: a question with its numbered choices below it, filled in with sample answers."""

        def translated(context: str, source: str) -> str:
            return translation.get((context, source)) or source

        for name, step in self.script.steps.items():
            path: YamlPath = ("steps", name)
            if isinstance(step, Ask):
                rows = [self._rendered(translated(f"{name}.ask", step.ask), language)]
                for number, (key, choice) in enumerate(step.choices.items(), 1):
                    rows.append(f"{number} {translated(f'{name}.choices.{key}.label', choice.label)}")
                yield f"{name}.ask", (*path, "ask"), "\n".join(rows)
                if sorry := step.not_understood.say:
                    context = f"{name}.not_understood.say"
                    yield (
                        context,
                        (*path, "not_understood", "say"),
                        self._rendered(translated(context, sorry), language),
                    )
            elif isinstance(step, (Say, Handoff)) and step.say:
                yield f"{name}.say", (*path, "say"), self._rendered(translated(f"{name}.say", step.say), language)

    def _rendered(self, text: str, language: str) -> str:
        if "{" not in text or template_problems(text):
            return text
        try:
            return render(text, {**self._samples, "language": language})
        except RENDER_ERRORS:
            # flow_rendering reports the failure; here only the length matters.
            return text

    @cached_property
    def _samples(self) -> dict[str, Any]:
        answers: dict[str, object] = dict.fromkeys(self.known_answers, "a few words")
        for name, step in self.script.steps.items():
            if isinstance(step, Ask):
                answers[step.save or name] = max(step.choices, key=len) if step.choices else SAMPLES[step.answer][0]
        fixed = {"line_name": "Warmline", "channel": "sms", "today": "2026-09-30", "days_until": lambda day: 30}
        return {**answers, **fixed}

    def characters(self) -> Iterator[FlowProblem]:
        """Source characters outside GSM-7, with which a segment holds 70 characters instead of 160."""
        for context, source, _ in self.messages:
            if context == "title" or context.endswith(".words"):
                continue
            odd = [char for char in dict.fromkeys(source) if not _is_plain(char)]
            if odd:
                what = f"`{context}` holds {' '.join(odd)}, which is not in the alphabet of SMS."
                remedy = "Use plain characters: straight quotes, a short dash, no emoji."
                yield self.problem(path_of(context), what, remedy, Severity.WARNING)

    # How it reads.

    def reading_level(self) -> Iterator[FlowProblem]:
        """School grade of the whole flow, and sentences that are too long; for English only."""
        spoken = [(context, source) for context, source, _ in self.messages if context.endswith((".ask", ".say"))]
        grade = readability.school_grade(source for _, source in spoken)
        if grade is not None and grade > readability.MAX_GRADE:
            what = f"This flow reads like school grade {grade:.0f}."
            remedy = f"Aim for {readability.MAX_GRADE:.0f} or less: shorter sentences, everyday words."
            yield self.problem(("flow",), what, remedy, Severity.WARNING)
        for context, source in spoken:
            for sentence in readability.long_sentences(source):
                what = f"`{context}` has a sentence of {len(readability.words(sentence))} words."
                yield self.problem(path_of(context), what, "Make two of it.", Severity.WARNING)


def _language_name(language: str) -> str:
    """The English name of a language; its code, marked as one, where it has none."""
    name = english_name(language)
    return name if name != language else f"`{language}`"


@lru_cache(maxsize=20_000)
def _segments(text: str) -> int:
    """Segments as sent by SMS. Cached: every check on every page counts the same texts."""
    return measure_segments(fold_for_sms(text)).segments


@lru_cache(maxsize=2_000)
def _is_plain(char: str) -> bool:
    return measure_segments(char).encoding == "GSM-7"


def path_of(context: str) -> YamlPath:
    """The path of a translatable text: `need.choices.rent.label` gives steps, need, choices, rent, label."""
    return ("title",) if context == "title" else ("steps", *context.split("."))
