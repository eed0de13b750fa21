"""How a flow reads and what it costs: translations, segments, characters and reading level."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError

from bot.domain import readability
from bot.domain.flow import RUN_TIME, SOURCE
from bot.domain.flow_expressions import names_in, template_problems, unfit
from bot.domain.flow_rendering import SAMPLES, MakeProblem, fill
from bot.domain.flow_safety import safety_texts
from bot.domain.flow_texts import messages
from bot.domain.flow_translations import Translation
from bot.domain.flow_yaml import Path, Problem, Severity
from bot.domain.script import Ask, Handoff, Say, Script
from bot.domain.segments import fold_for_sms, measure


def wording_problems(
    script: Script,
    translations: Mapping[str, Translation],
    known: set[str],
    problem: MakeProblem,
    *,
    numbers: Collection[str] = (),
    languages: Collection[str] = (),
) -> Iterator[Problem]:
    """What is doubtful about the words of a flow.

    `known` are the answers that may be kept when it runs, `numbers` those that are numbers, and `languages` those of the
    line, into which safety texts must be translated.
    """
    wording = _Wording(script, known, problem, numbers, languages)
    for language in dict.fromkeys([*translations, *(one for one in languages if one != SOURCE)]):
        yield from wording.translation(language, translations.get(language, {}))
    for language in (SOURCE, *translations):
        yield from wording.segments(language, translations.get(language, {}))
    yield from wording.characters()
    yield from wording.reading_level()


class _Wording:
    def __init__(
        self, script: Script, known: set[str], problem: MakeProblem, numbers: Collection[str], languages: Collection[str]
    ) -> None:
        self.script = script
        self.known = known
        self.problem = problem
        self.numbers = numbers
        self.languages = languages
        self.messages = messages(script)
        self.safety = safety_texts(script)

    # Translations.

    def translation(self, language: str, translation: Translation) -> Iterator[Problem]:
        is_spoken = language in self.languages
        if not translation:
            if any(context != "title" for context, _, _ in self.messages):
                yield self._untranslated(language, len(self.safety) if is_spoken else 0)
            return
        old = {context for context, _ in translation}
        for context, source, _ in self.messages:
            if context == "title":
                # No person ever reads it; a translation that is given is kept all the same.
                continue
            path = path_of(context)
            told = translation.get((context, source))
            if told is None:
                state = "was made from an older text" if context in old else "is missing, or stale (fuzzy)"
                yield self._missing(language, context, state, is_spoken and context in self.safety)
            elif ".choices." not in context:
                yield from self._translated_template(path, language, context, source, told)
        known = {context for context, _, _ in self.messages}
        for context in sorted(old - known):
            what = f"The {_named(language)} translation holds `{context}`, which is not in this flow."
            yield self.problem(("flow",), what, "Delete that entry.", Severity.WARNING)

    def _untranslated(self, language: str, safety: int) -> Problem:
        what = f"Nothing of this flow is translated into {_named(language)}."
        if not safety:
            remedy = "Translate it on the page Translations, or give a translator the file that is exported there."
            return self.problem(("flow",), what, remedy, Severity.WARNING)
        count = "one of its texts is" if safety == 1 else f"{safety} of its texts are"
        what = f"{what[:-1]}, and {count} about safety."
        return self.problem(("flow",), what, "Have at least these translated: they must reach everybody.")

    def _missing(self, language: str, context: str, state: str, is_safety: bool) -> Problem:
        if is_safety:
            what = f"The {_named(language)} translation of `{context}` {state}, and it is a safety text."
            remedy = "Have it translated and checked; safety texts are published in each language of the line or not at all."
            return self.problem(path_of(context), what, remedy)
        what = f"The {_named(language)} translation of `{context}` {state}."
        remedy = "Have it translated; until then the source is sent."
        return self.problem(path_of(context), what, remedy, Severity.WARNING)

    def _translated_template(self, path: Path, language: str, context: str, source: str, told: str) -> Iterator[Problem]:
        if "{" not in told and "{" not in source:
            return
        place = f"The {_named(language)} translation of `{context}`"
        broken = template_problems(told)
        for why in broken:
            yield self.problem(path, f"{place} can't be filled in: {why}", "Copy what is in {{ }} from the source.")
        if broken or template_problems(source):
            return
        for why, remedy in unfit(told, self.numbers):
            yield self.problem(path, f"{place}: {why}", remedy)
        for name in sorted(names_in(told) - self.known):
            yield self.problem(path, f"{place} names `{name}`, which nobody answers.", "Copy it from the source.")
        for name in sorted(names_in(source) - names_in(told)):
            yield self.problem(path, f"{place} leaves out `{name}`.", "Is that meant?", Severity.WARNING)

    # What a text costs.

    def segments(self, language: str, translation: Translation) -> Iterator[Problem]:
        """Texts over the budget, as the SMS carrier sends them (with folded accents)."""
        for context, path, text in self._sent(language, translation):
            count = _segments(text)
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
        if "{" not in text or template_problems(text):
            return text
        try:
            return fill(text, {**self._samples, "language": language})
        except RUN_TIME:
            # What fails is named by flow_rendering; here only the length matters.
            return text

    @cached_property
    def _samples(self) -> dict[str, Any]:
        answers: dict[str, object] = dict.fromkeys(self.known, "a few words")
        for name, step in self.script.steps.items():
            if isinstance(step, Ask):
                answers[step.save or name] = max(step.choices, key=len) if step.choices else SAMPLES[step.answer][0]
        fixed = {"line_name": "Warmline", "channel": "sms", "today": "2026-09-30", "days_until": lambda day: 30}
        return {**answers, **fixed}

    def characters(self) -> Iterator[Problem]:
        """Characters of the source that may make a segment hold 70 characters in place of 160."""
        for context, source, _ in self.messages:
            if context == "title" or context.endswith(".words"):
                continue
            odd = [char for char in dict.fromkeys(source) if not _is_plain(char)]
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


@lru_cache(maxsize=1_000)
def _named(language: str) -> str:
    """The English name of a language; its code where Babel knows none. Kept, for it is asked for each text of a flow."""
    try:
        return Locale.parse(language).get_display_name("en") or f"`{language}`"
    except (UnknownLocaleError, ValueError):
        return f"`{language}`"


@lru_cache(maxsize=20_000)
def _segments(text: str) -> int:
    """Segments as the SMS carrier sends it; kept, for the same texts are counted again by every check of every page."""
    return measure(fold_for_sms(text)).segments


@lru_cache(maxsize=2_000)
def _is_plain(char: str) -> bool:
    return measure(char).encoding == "GSM-7"


def path_of(context: str) -> Path:
    """The place in the file of a translatable text: `need.choices.rent.label` is below steps, need,
    choices, rent.
    """
    return ("title",) if context == "title" else ("steps", *context.split("."))
