"""A published flow, ready to run: its script, its translations, its compiled texts and its machine.

Made once for each version and kept; everything here only reads after that, so threads share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import TemplateError

from bot.domain.flow_sandbox import ENVIRONMENT as ENVIRONMENT
from bot.domain.machine import Machine
from bot.domain.script import Ask, Script
from bot.domain.segments import LONGEST_BODY
from bot.domain.understanding import Matcher, Option

Translations = Mapping[str, Mapping[tuple[str, str], str]]
"""Language -> (context, source text) -> text. The context is `<step>.<field>`."""


SOURCE = "en"
"""The language in which flows are written."""


RUN_TIME = (
    TemplateError, ArithmeticError, AttributeError, TypeError, ValueError, LookupError, RecursionError, SyntaxError,
    MemoryError, AssertionError,
)  # fmt: skip
"""What a text or a condition may raise while it is filled in; SyntaxError where Python finds it nested too deeply,
AssertionError where Jinja's `truncate` is given less room than its dots take."""


class FlowFailed(Exception):
    """A flow could not go on at run time: which flow, which step and why, never a person's words."""

    def __init__(self, flow: str, step: str, why: str) -> None:
        super().__init__(f"{flow}/{step}: {why}")
        self.flow, self.step = flow, step


def days_until(today: date, day: object) -> int | None:
    """Whole days from the line's today to an answered date; None where there is no date, negative when it has passed."""
    return (date.fromisoformat(day) - today).days if isinstance(day, str) and day else None


class Flow:
    """One version of one flow. `version` is the identifier of its row (0 for a file that was never published)."""

    def __init__(
        self, script: Script, translations: Translations, version: int = 0, timezone: ZoneInfo | None = None,
        line_name: str = "Warmline",
    ) -> None:  # fmt: skip
        self.script = script
        self.version = version
        self.machine = Machine(script)
        self._translations = translations
        self._timezone = timezone or ZoneInfo("America/Chicago")
        self._line_name = line_name
        # Bounded by what the script holds: texts times languages.
        self._template = lru_cache(maxsize=None)(ENVIRONMENT.from_string)
        self._expression = lru_cache(maxsize=None)(ENVIRONMENT.compile_expression)
        self._matcher = lru_cache(maxsize=None)(self._build_matcher)

    @property
    def name(self) -> str:
        return self.script.flow

    @property
    def languages(self) -> frozenset[str]:
        """The languages that it speaks: the one it is written in, and those into which anything of it is translated."""
        return frozenset({SOURCE, *(language for language, texts in self._translations.items() if texts)})

    def today(self, now: datetime) -> date:
        """The date at the line's own place."""
        return now.astimezone(self._timezone).date()

    def translated(self, context: str, source: str, language: str) -> str:
        """The text in this language, or the source text where nobody has translated it."""
        return self._translations.get(language, {}).get((context, source)) or source

    def text(self, context: str, source: str, language: str, answers: Mapping[str, Any], now: datetime) -> str:
        """A text of the flow, in the person's language, with what is known filled in. Raises FlowFailed.

        It has LONGEST_BODY characters at most. More can only come of what people themselves wrote at length, and that is
        cut rather than refused: they are still owed an answer.
        """
        template = self.translated(context, source, language)
        if "{" not in template:
            return template
        names = self._names(answers, language, now)
        return str(self._guarded(context, lambda: self._template(template).render(names))).strip()[:LONGEST_BODY]

    def holds(self, step: str, condition: str, language: str, answers: Mapping[str, Any], now: datetime) -> bool:
        """Whether a condition is true of the answers; what was never answered counts as nothing. Raises FlowFailed."""
        names = self._names(answers, language, now)
        return bool(self._guarded(step, lambda: self._expression(condition)(names)))

    def matcher(self, step: str, language: str) -> Matcher:
        """Reads free text as one of the step's choices, by the words of both the person's language and the source."""
        return self._matcher(step, language)

    def _build_matcher(self, step: str, language: str) -> Matcher:
        ask = self.script.steps[step]
        assert isinstance(ask, Ask)
        return Matcher([self._option(step, name, choice, language) for name, choice in ask.choices.items()])

    def _option(self, step: str, name: str, choice: Any, language: str) -> Option:
        at = f"{step}.choices.{name}"
        labels = dict.fromkeys([self.translated(f"{at}.label", choice.label, language), choice.label])
        source = ", ".join(choice.words)
        spoken = [self.translated(f"{at}.words", source, other) for other in (language, *self._translations)]
        words = dict.fromkeys(w.strip() for text in [*spoken, source] for w in text.split(",") if w.strip())
        return Option(name, next(iter(labels)), (*list(labels)[1:], *words))

    def _names(self, answers: Mapping[str, Any], language: str, now: datetime) -> dict[str, Any]:
        today = self.today(now)
        return {
            **answers,
            "language": language,
            "line_name": self._line_name,
            "today": today.isoformat(),
            "days_until": lambda day: days_until(today, day),
        }

    def _guarded(self, step: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except RUN_TIME as error:
            raise FlowFailed(self.name, step, type(error).__name__) from error
