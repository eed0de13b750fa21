"""Checks of a valid flow before it is published.

An error would leave a person without a reply; warnings are for the author to judge. Wording and translations are checked
in `flow_wording.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import cached_property

from bot.domain.flows.checks.reachability import can_reach_human, find_loops, flows_leading_to, flows_run_by, reachable
from bot.domain.flows.checks.rendering import rendering_problems
from bot.domain.flows.checks.saved_answers import (
    answer_choices,
    answer_types,
    compared_values,
    questions_by_answer,
    saved_answers,
    used_answers,
)
from bot.domain.flows.checks.turn_length import MAX_STEPS_PER_TURN, deepest_run, ends_in_silence, longest_turn
from bot.domain.flows.checks.wording import wording_problems
from bot.domain.flows.language.expressions import NAMES, names_in, template_problems, unpublishable_parts
from bot.domain.flows.language.machine import can_end
from bot.domain.flows.language.script import Ask, CheckIn, Handoff, Run, Say, Script, Step, Wait
from bot.domain.flows.language.texts import conditions, templates
from bot.domain.flows.language.translations import Translations
from bot.domain.flows.language.yaml_source import FlowProblem, LineIndex, Severity, YamlPath
from bot.domain.listening.understanding import words_of
from bot.domain.suggestion import nearest

__all__ = ["check_flow", "saved_answers"]

UNIVERSAL_WORDS = frozenset(["back", "menu", "person"])
"""Keywords at every step, so a choice never receives them."""
_ASKS_FOR_YES = re.compile(r"\b(?:reply|text|send|answer|responda|escriba|env[ií]e)\s+[\"']?(?:YES|S[IÍ])\b", re.IGNORECASE)
ANYONE_TEAM = "anyone"
"""The team of a handoff that is for no particular team; it always exists."""
_MAX_NAMES_SHOWN = 8
MAX_NESTED_FLOWS = 15
"""Nested flows: one less than `converse` allows, because a keyword may start one more at any time."""
_LONGEST_WAIT = timedelta(days=5 * 365)
"""A duration beyond the calendar would fail only when a person reaches the step."""
_KEPT_AS = {int: "it is kept as a number", bool: "it is true or false", str: "it is kept as words"}
_YES = "Telephone companies take YES for an opt-in, and may not pass it on."


def check_flow(
    script: Script,
    translations: Mapping[str, Translations],
    others: Mapping[str, Script],
    *,
    file: str = "",
    lines: LineIndex | None = None,
    languages: Collection[str] = (),
    teams: Collection[str] | None = None,
) -> list[FlowProblem]:
    """All errors and warnings about this flow, in the order of the lines.

    `translations` are by language, without fuzzy ones. `others` are all flows by name (this one may be among them). `lines`
    come from `reader.lines_of`; without them every problem is in line 1. `languages` are Warmline's: safety texts must
    exist in each. `teams` are the names of the existing teams; None skips that check.
    """
    checks = _FlowChecker(script, others, file or f"{script.flow}.yaml", lines or LineIndex())
    found = [
        *checks.reachability(),
        *checks.branches(),
        *checks.loops(),
        *checks.turns(),
        *checks.lengths_of_time(),
        *checks.other_flows(),
        *checks.way_to_human(),
        *checks.choice_words(),
        *checks.teams(teams),
        *checks.answers(),
        *checks.expressions(),
        *rendering_problems(script, translations, checks.questions, checks.problem),
        *wording_problems(
            script,
            translations,
            checks.known_answers,
            checks.problem,
            number_answers=checks.number_answers,
            languages=languages,
        ),
    ]
    return sorted(found, key=lambda problem: (problem.line, problem.severity))


class _FlowChecker:
    def __init__(self, script: Script, others: Mapping[str, Script], file: str, lines: LineIndex) -> None:
        self.script = script
        self.flows = {**others, script.flow: script}
        self.file = file
        self.lines = lines
        self.reachable = reachable(script)

    def problem(self, path: YamlPath, what: str, remedy: str, severity: Severity = Severity.ERROR) -> FlowProblem:
        return FlowProblem(self.file, self.lines.of(path), what, remedy, severity)

    # Ways.

    def reachability(self) -> Iterator[FlowProblem]:
        for name in self.script.steps:
            if name not in self.reachable:
                yield self.problem(("steps", name), f"No way leads to `{name}`.", "Lead to it, or delete it.")

    def branches(self) -> Iterator[FlowProblem]:
        for name, step in self.script.steps.items():
            path: YamlPath = ("steps", name)
            if _lacks_next(step):
                yield self.problem(path, *_missing_next(name, step))
            for at, branch in enumerate(step.next):
                is_last = at == len(step.next) - 1
                if is_last and branch.when is not None:
                    what = f"`{name}` has no way on where none of its conditions holds."
                    yield self.problem((*path, "next", at), what, "Add a last line with `go` and without `when`.")
                elif not is_last and branch.when is None:
                    what = f"`{name}` always takes this way, so those below it are never taken."
                    yield self.problem((*path, "next", at), what, "Move it to the end, or give it a `when`.")

    def loops(self) -> Iterator[FlowProblem]:
        for circle in find_loops(self.script, self.flows):
            names = [*circle, circle[0]]
            shown = names if len(names) <= _MAX_NAMES_SHOWN else [*names[:_MAX_NAMES_SHOWN], "...", names[0]]
            what = f"{' > '.join(shown)} is a circle that never waits for the person."
            yield self.problem(("steps", circle[0]), what, "Let one of these steps ask, or lead elsewhere.")

    def turns(self) -> Iterator[FlowProblem]:
        """Turns with more steps than the engine allows, and turns in which nothing is said."""
        steps, first = longest_turn(self.script)
        if steps > MAX_STEPS_PER_TURN:
            what = f"From `{first}` on {steps} steps may follow one another before the person is asked anything."
            yield self.problem(
                ("steps", first), what, f"Ask something in between: {MAX_STEPS_PER_TURN} are the most in one turn."
            )
        if deepest_run(self.script.flow, self.flows) > MAX_NESTED_FLOWS:
            what = f"More than {MAX_NESTED_FLOWS} flows run within one another here."
            yield self.problem(("flow",), what, "Let some of them lead on by themselves.")
        if not self._is_run:
            for name in ends_in_silence(self.script):
                what = f"Behind `{name}` the flow may end without a word, and whoever wrote hears nothing."
                yield self.problem(("steps", name), what, "Say something before the `end`.", Severity.WARNING)

    @cached_property
    def _is_run(self) -> bool:
        """Whether other flows run this one; they go on when it ends."""
        steps = (step for script in self.flows.values() for step in script.steps.values())
        return any(isinstance(step, Run) and step.run == self.script.flow for step in steps)

    def lengths_of_time(self) -> Iterator[FlowProblem]:
        for name, step in self.script.steps.items():
            lengths: list[tuple[YamlPath, timedelta]] = []
            if isinstance(step, Ask) and step.wait:
                lengths = [(("wait", "after"), step.wait.after)]
            elif isinstance(step, Wait):
                lengths = [(("wait",), step.wait)]
            elif isinstance(step, CheckIn):
                lengths = [(("check_in", "after", at), after) for at, after in enumerate(step.check_in.after)]
            for path, length in lengths:
                if length > _LONGEST_WAIT:
                    what = f"`{name}` waits for {length.days:,} days."
                    yield self.problem(("steps", name, *path), what, f"{_LONGEST_WAIT.days:,} days are the most.")

    # Other flows.

    def other_flows(self) -> Iterator[FlowProblem]:
        for name, step in self.script.steps.items():
            path: YamlPath = ("steps", name)
            if isinstance(step, CheckIn):
                yield from self._known_flow((*path, "check_in", "flow"), step.check_in.flow)
            if isinstance(step, Run):
                yield from self._known_flow((*path, "run"), step.run)
                if step.run in self._running_this:
                    what = f"`{step.run}` leads back into this flow, and so on without end."
                    yield self.problem((*path, "run"), what, "Let the inner flow end; it comes back by itself.")

    @cached_property
    def _running_this(self) -> set[str]:
        """The flows that run this one at any depth, and itself."""
        return {name for name in self.flows if self.script.flow in flows_run_by(name, self.flows)}

    def _known_flow(self, path: YamlPath, name: str) -> Iterator[FlowProblem]:
        if name not in self.flows:
            near = nearest(name, self.flows)
            hint = f"Did you mean `{near}`?" if near else "Write that flow first, and publish it along with this one."
            yield self.problem(path, f"There is no flow `{name}`.", hint)

    def way_to_human(self) -> Iterator[FlowProblem]:
        if not can_reach_human(self.script.flow, self.flows):
            what = "No way of this flow leads to a human."
            yield self.problem(("flow",), what, "Add a step with `handoff`.", Severity.WARNING)

    def teams(self, teams: Collection[str] | None) -> Iterator[FlowProblem]:
        """Handoffs to a team that does not exist: they reach the social workers on duty, perhaps not the right ones."""
        if teams is None:
            return
        there = {*teams, ANYONE_TEAM}
        for name, step in self.script.steps.items():
            if isinstance(step, Handoff) and step.handoff.team not in there:
                near = nearest(step.handoff.team, there)
                known = f"It is one of: {', '.join(sorted(there))}."
                remedy = f"Did you mean `{near}`?" if near else known
                what = f"There is no team `{step.handoff.team}`, so `{name}` calls whoever is on duty."
                yield self.problem(("steps", name, "handoff", "team"), what, remedy, Severity.WARNING)

    # Words and answers.

    def choice_words(self) -> Iterator[FlowProblem]:
        for name, step in self.script.steps.items():
            if not isinstance(step, Ask):
                continue
            if _ASKS_FOR_YES.search(step.ask):
                yield self.problem(("steps", name, "ask"), _YES, "Let people reply a number.", Severity.WARNING)
            for key, choice in step.choices.items():
                path = ("steps", name, "choices", key)
                if words_of(choice.label) == ["yes"]:
                    yield self.problem((*path, "label"), _YES, "Say it in other words.", Severity.WARNING)
                for word in choice.words:
                    if " ".join(words_of(word)) in UNIVERSAL_WORDS:
                        what = f"`{word}` means the same at every step, so this choice never hears it alone."
                        yield self.problem((*path, "words"), what, "Take it out.", Severity.WARNING)

    @cached_property
    def questions(self) -> dict[str, list[Ask]]:
        """Answer -> its questions, for answers that may exist when this flow runs: its own, and those of outer and inner
        flows.
        """
        near = flows_run_by(self.script.flow, self.flows) | flows_leading_to(self.script.flow, self.flows)
        return questions_by_answer(self.flows[name] for name in near if name in self.flows)

    @property
    def known_answers(self) -> set[str]:
        return set(self.questions)

    @cached_property
    def number_answers(self) -> set[str]:
        return {name for name, kind in answer_types(questions_by_answer(self.flows.values())).items() if kind is int}

    def answers(self) -> Iterator[FlowProblem]:
        for path, condition in conditions(self.script):
            yield from self._known_names(path, condition, self.known_answers, is_condition=True)
            yield from self._comparisons(path, condition)
        for _, path, source in templates(self.script):
            yield from self._known_names(path, source, self.known_answers, is_condition=False)
        yield from self._unused()

    @cached_property
    def _options(self) -> dict[str, set[str]]:
        return answer_choices(self.flows.values())

    @cached_property
    def _kinds(self) -> dict[str, type]:
        return answer_types(questions_by_answer(self.flows.values()))

    def _comparisons(self, path: YamlPath, condition: str) -> Iterator[FlowProblem]:
        """Comparisons that never hold, because the answer has no such choice or another type."""
        for name, value in compared_values(condition):
            if isinstance(value, str) and name in self._options and value not in self._options[name]:
                near = nearest(value, self._options[name])
                known = f"It is one of: {', '.join(sorted(self._options[name]))}."
                yield self.problem(path, f"`{name}` is never `{value}`.", f"Did you mean `{near}`?" if near else known)
            kind = self._kinds.get(name)
            if kind is not None and isinstance(value, (str, int)) and isinstance(value, str) is not (kind is str):
                yield self.problem(
                    path, f"`{name}` is never {value!r}: {_KEPT_AS[kind]}.", _comparison_remedy(name, value, kind)
                )

    def expressions(self) -> Iterator[FlowProblem]:
        """Expressions that would run, but that no text needs or that may do harm."""
        for path, condition in conditions(self.script):
            if not template_problems(condition, is_condition=True):
                for what, remedy in unpublishable_parts(condition, self.number_answers, is_condition=True):
                    yield self.problem(path, f"In the condition `{condition[:80]}`: {what}", remedy)
        for context, path, source in templates(self.script):
            if "{" in source and not template_problems(source):
                for what, remedy in unpublishable_parts(source, self.number_answers):
                    yield self.problem(path, f"In the text `{context}`: {what}", remedy)

    def _known_names(self, path: YamlPath, source: str, known: set[str], *, is_condition: bool) -> Iterator[FlowProblem]:
        for name in sorted(names_in(source, is_condition=is_condition) - known):
            yield self.problem(path, f"No answer is kept as `{name}`.", self._unknown_answer_remedy(name, known))

    def _unknown_answer_remedy(self, name: str, known: set[str]) -> str:
        step = self.script.steps.get(name)
        if isinstance(step, Ask) and not step.choices and not step.save:
            return f"Open the step `{name}` and keep its answer as `{name}` (`save`)."
        near = nearest(name, known | NAMES)
        return f"Did you mean `{near}`?" if near else "Put a text in quotes, or keep an answer with `save`."

    def _unused(self) -> Iterator[FlowProblem]:
        in_use = {name for script in self.flows.values() for name in used_answers(script)}
        for name, step in self.script.steps.items():
            if isinstance(step, Ask) and step.save and step.save not in in_use:
                what = f"Nothing uses the answer `{step.save}`."
                remedy = "Do not ask what is not needed, or use it (in a `when`, a `because` or a text)."
                yield self.problem(("steps", name, "save"), what, remedy, Severity.WARNING)


def _comparison_remedy(name: str, value: str | int, kind: type) -> str:
    if kind is bool:
        return f"Write `{name}` where it should be yes, and `not {name}` where it should be no."
    if kind is int:
        return f"Leave the quotes away: `{name} == {value}`." if str(value).isdecimal() else "Compare it with a number."
    return f"Put it in quotes: `{name} == '{value}'`."


def _lacks_next(step: Step) -> bool:
    """Whether the flow ends here without an outcome that the author chose."""
    if step.next or can_end(step) or isinstance(step, Handoff):
        return False
    if isinstance(step, Ask) and step.choices:
        return not all(choice.go for choice in step.choices.values())
    return True


def _missing_next(name: str, step: Step) -> tuple[str, str]:
    """(what, remedy) for a step that leads nowhere."""
    if isinstance(step, Ask) and step.choices:
        loose = [f"`{key}`" for key, choice in step.choices.items() if not choice.go]
        if len(loose) == 1:
            return f"The choice {loose[0]} of `{name}` leads nowhere.", (
                "Choose where it leads (`go`), or where the step goes on (`next`)."
            )
        listed = f"{', '.join(loose[:-1])} and {loose[-1]}"
        return f"The choices {listed} of `{name}` lead nowhere.", (
            "Choose where each leads (`go`), or where the step goes on (`next`)."
        )
    what = f"After `{name}` nothing follows, and the person gets no answer."
    if isinstance(step, Say):
        return what, "Choose where it goes on (`next`), or end it with an outcome (`end`)."
    return what, "Choose where it goes on (`next`), be it a step that ends the flow with an outcome (`end`)."
