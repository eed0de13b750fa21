"""A flow version, ready to run: its script, translations, compiled texts and state machine.

Built once per version and cached; only read after that, so threads share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import TemplateError

from bot.domain.flows.language.machine import FlowMachine
from bot.domain.flows.language.sandbox import ENVIRONMENT as ENVIRONMENT
from bot.domain.flows.language.script import Ask, Script
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.listening.understanding import ChoiceMatcher, Option
from bot.domain.messages.segments import MAX_BODY_LENGTH

Translations = Mapping[str, Mapping[tuple[str, str], str]]
"""Language -> (context, source text) -> text. The context is `<step>.<field>`."""

RENDER_ERRORS = (
    TemplateError, ArithmeticError, AttributeError, TypeError, ValueError, LookupError, RecursionError, SyntaxError,
    MemoryError, AssertionError,
)  # fmt: skip
"""What filling in a text or condition may raise; SyntaxError where it is nested too deeply for Python, AssertionError where
Jinja's `truncate` is given less length than its dots take."""


class FlowFailed(Exception):
    """A flow could not go on at run time. The text names flow, step and reason, never what a person wrote."""

    def __init__(self, flow: str, step: str, why: str) -> None:
        super().__init__(f"{flow}/{step}: {why}")
        self.flow, self.step = flow, step


def days_until(today: date, day: object) -> int | None:
    """Whole days from `today` to an answered date; None where there is no date, negative for a past one."""
    return (date.fromisoformat(day) - today).days if isinstance(day, str) and day else None


class Flow:
    """One version of one flow. `version` is the id of its row (0 for a file that was never published)."""

    def __init__(
        self, script: Script, translations: Translations, version: int = 0, timezone: ZoneInfo | None = None,
        line_name: str = "Warmline",
    ) -> None:  # fmt: skip
        self.script = script
        self.version = version
        self.machine = FlowMachine(script)
        self._translations = translations
        self._timezone = timezone or ZoneInfo("America/Chicago")
        self._line_name = line_name
        # Bounded by the script: texts times languages.
        self._template = lru_cache(maxsize=None)(ENVIRONMENT.from_string)
        self._expression = lru_cache(maxsize=None)(ENVIRONMENT.compile_expression)
        self._matcher = lru_cache(maxsize=None)(self._build_matcher)

    @property
    def name(self) -> str:
        return self.script.flow

    @property
    def languages(self) -> frozenset[str]:
        """The source language, and those into which any of its texts is translated."""
        return frozenset({SOURCE_LANGUAGE, *(language for language, texts in self._translations.items() if texts)})

    def today(self, now: datetime) -> date:
        """The date in Warmline's time zone."""
        return now.astimezone(self._timezone).date()

    def translated(self, context: str, source: str, language: str) -> str:
        """The text in this language, or the source text where there is no translation."""
        return self._translations.get(language, {}).get((context, source)) or source

    def text(self, context: str, source: str, language: str, answers: Mapping[str, Any], now: datetime) -> str:
        """A text of the flow in this language, with the answers filled in. Raises FlowFailed.

        At most MAX_BODY_LENGTH characters. Only a long answer of the person can exceed that; it is cut, so that they
        still get
        a reply.
        """
        template = self.translated(context, source, language)
        if "{" not in template:
            return template
        names = self._template_names(answers, language, now)
        return str(self._run_guarded(context, lambda: self._template(template).render(names))).strip()[:MAX_BODY_LENGTH]

    def holds(self, step: str, condition: str, language: str, answers: Mapping[str, Any], now: datetime) -> bool:
        """Whether a condition holds for the answers; a missing answer counts as undefined. Raises FlowFailed."""
        names = self._template_names(answers, language, now)
        return bool(self._run_guarded(step, lambda: self._expression(condition)(names)))

    def matcher(self, step: str, language: str) -> ChoiceMatcher:
        """Reads free text as one of the step's choices, by the words of all languages of the flow."""
        return self._matcher(step, language)

    def _build_matcher(self, step: str, language: str) -> ChoiceMatcher:
        ask = self.script.steps[step]
        assert isinstance(ask, Ask)
        return ChoiceMatcher([self._option(step, name, choice, language) for name, choice in ask.choices.items()])

    def _option(self, step: str, name: str, choice: Any, language: str) -> Option:
        at = f"{step}.choices.{name}"
        labels = dict.fromkeys([self.translated(f"{at}.label", choice.label, language), choice.label])
        source = ", ".join(choice.words)
        spoken = [self.translated(f"{at}.words", source, other) for other in (language, *self._translations)]
        words = dict.fromkeys(w.strip() for text in [*spoken, source] for w in text.split(",") if w.strip())
        return Option(name, next(iter(labels)), (*list(labels)[1:], *words))

    def _template_names(self, answers: Mapping[str, Any], language: str, now: datetime) -> dict[str, Any]:
        today = self.today(now)
        return {
            **answers,
            "language": language,
            "line_name": self._line_name,
            "today": today.isoformat(),
            "days_until": lambda day: days_until(today, day),
        }

    def _run_guarded(self, step: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except RENDER_ERRORS as error:
            raise FlowFailed(self.name, step, type(error).__name__) from error
