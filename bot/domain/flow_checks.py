"""What must be true of a flow before it is published, beyond that it can be read.

Errors would leave a person without an answer; warnings are for the author to judge. Wording and
translations are checked in `flow_wording.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import cached_property

from bot.domain.engine import MOST_STEPS
from bot.domain.flow_answers import compared, kinds_of, options_of, questions, saved, used
from bot.domain.flow_expressions import NAMES, names_in, template_problems, unfit
from bot.domain.flow_rendering import rendering_problems
from bot.domain.flow_texts import conditions, texts
from bot.domain.flow_translations import Translation
from bot.domain.flow_turns import deepest_run, ends_in_silence, longest_turn
from bot.domain.flow_ways import circles, leaders, leads_to_human, reachable, runs
from bot.domain.flow_wording import wording_problems
from bot.domain.flow_yaml import Lines, Path, Problem, Severity
from bot.domain.machine import ends
from bot.domain.script import Ask, CheckIn, Handoff, Run, Say, Script, Step, Wait
from bot.domain.suggestion import nearest
from bot.domain.understanding import words_of

__all__ = ["check", "saved"]

UNIVERSAL_WORDS = frozenset(["back", "menu", "person"])
"""They mean the same at every step, so a choice never hears them."""
_ASKS_FOR_YES = re.compile(r"\b(?:reply|text|send|answer|responda|escriba|env[ií]e)\s+[\"']?(?:YES|S[IÍ])\b", re.IGNORECASE)
ANYONE = "anyone"
"""The team that a handoff is for where it is for no special one; it always exists."""
_MOST_SHOWN = 8
MOST_OPEN = 15
"""Flows within one another: one less than `converse` can hold, for one more may be called by a word at any time."""
_LONGEST_WAIT = timedelta(days=5 * 365)
"""A length that no calendar holds would fail only when somebody gets there."""
_KEPT_AS = {int: "it is kept as a number", bool: "it is true or false", str: "it is kept as words"}
_YES = "Telephone companies take YES for an opt-in, and may not pass it on."


def check(
    script: Script,
    translations: Mapping[str, Translation],
    others: Mapping[str, Script],
    *,
    file: str = "",
    lines: Lines | None = None,
    languages: Collection[str] = (),
    teams: Collection[str] | None = None,
) -> list[Problem]:
    """Everything that is doubtful about this flow, in the order of the lines; an empty list is a clean flow.

    `translations` are those of this flow by language, without the fuzzy ones; `others` the flows it lives
    with, by name (its own may be among them). `lines` from `flow_reader.lines_of` names the places; without
    it all are line 1. `languages` are those of the line: safety texts must be there in each. `teams` are the names
    of the teams there are; None where that is not known.
    """
    checks = _Checks(script, others, file or f"{script.flow}.yaml", lines or Lines())
    found = [
        *checks.reachability(),
        *checks.ways_on(),
        *checks.loops(),
        *checks.turns(),
        *checks.lengths_of_time(),
        *checks.other_flows(),
        *checks.human(),
        *checks.words(),
        *checks.teams(teams),
        *checks.answers(),
        *checks.expressions(),
        *rendering_problems(script, translations, checks.asked, checks.problem),
        *wording_problems(script, translations, checks.known, checks.problem, numbers=checks.numbers, languages=languages),
    ]
    return sorted(found, key=lambda problem: (problem.line, problem.severity))


class _Checks:
    def __init__(self, script: Script, others: Mapping[str, Script], file: str, lines: Lines) -> None:
        self.script = script
        self.flows = {**others, script.flow: script}
        self.file = file
        self.lines = lines
        self.reachable = reachable(script)

    def problem(self, path: Path, what: str, remedy: str, severity: Severity = Severity.ERROR) -> Problem:
        return Problem(self.file, self.lines.of(path), what, remedy, severity)

    # Ways.

    def reachability(self) -> Iterator[Problem]:
        for name in self.script.steps:
            if name not in self.reachable:
                yield self.problem(("steps", name), f"No way leads to `{name}`.", "Lead to it, or delete it.")

    def ways_on(self) -> Iterator[Problem]:
        for name, step in self.script.steps.items():
            path: Path = ("steps", name)
            if _stops_short(step):
                yield self.problem(path, *_no_way_on(name, step))
            for at, branch in enumerate(step.next):
                is_last = at == len(step.next) - 1
                if is_last and branch.when is not None:
                    what = f"`{name}` has no way on where none of its conditions holds."
                    yield self.problem((*path, "next", at), what, "Add a last line with `go` and without `when`.")
                elif not is_last and branch.when is None:
                    what = f"`{name}` always takes this way, so those below it are never taken."
                    yield self.problem((*path, "next", at), what, "Move it to the end, or give it a `when`.")

    def loops(self) -> Iterator[Problem]:
        for circle in circles(self.script, self.flows):
            names = [*circle, circle[0]]
            shown = names if len(names) <= _MOST_SHOWN else [*names[:_MOST_SHOWN], "...", names[0]]
            what = f"{' > '.join(shown)} is a circle that never waits for the person."
            yield self.problem(("steps", circle[0]), what, "Let one of these steps ask, or lead elsewhere.")

    def turns(self) -> Iterator[Problem]:
        """Turns that go on for longer than the engine lets them, and turns in which nothing is said."""
        steps, first = longest_turn(self.script)
        if steps > MOST_STEPS:
            what = f"From `{first}` on {steps} steps may follow one another before the person is asked anything."
            yield self.problem(("steps", first), what, f"Ask something in between: {MOST_STEPS} are the most in one turn.")
        if deepest_run(self.script.flow, self.flows) > MOST_OPEN:
            what = f"More than {MOST_OPEN} flows run within one another here."
            yield self.problem(("flow",), what, "Let some of them lead on by themselves.")
        if not self._is_run:
            for name in ends_in_silence(self.script):
                what = f"Behind `{name}` the flow may end without a word, and whoever wrote hears nothing."
                yield self.problem(("steps", name), what, "Say something before the `end`.", Severity.WARNING)

    @cached_property
    def _is_run(self) -> bool:
        """Whether other flows run this one: then they go on where it ends."""
        steps = (step for script in self.flows.values() for step in script.steps.values())
        return any(isinstance(step, Run) and step.run == self.script.flow for step in steps)

    def lengths_of_time(self) -> Iterator[Problem]:
        for name, step in self.script.steps.items():
            lengths: list[tuple[Path, timedelta]] = []
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

    def other_flows(self) -> Iterator[Problem]:
        for name, step in self.script.steps.items():
            path: Path = ("steps", name)
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
        return {name for name in self.flows if self.script.flow in runs(name, self.flows)}

    def _known_flow(self, path: Path, name: str) -> Iterator[Problem]:
        if name not in self.flows:
            near = nearest(name, self.flows)
            hint = f"Did you mean `{near}`?" if near else "Write that flow first, and publish it along with this one."
            yield self.problem(path, f"There is no flow `{name}`.", hint)

    def human(self) -> Iterator[Problem]:
        if not leads_to_human(self.script.flow, self.flows):
            what = "No way of this flow leads to a human."
            yield self.problem(("flow",), what, "Add a step with `handoff`.", Severity.WARNING)

    def teams(self, teams: Collection[str] | None) -> Iterator[Problem]:
        """Hand-offs to nobody: the call reaches whoever is on duty, but perhaps not who was meant."""
        if teams is None:
            return
        there = {*teams, ANYONE}
        for name, step in self.script.steps.items():
            if isinstance(step, Handoff) and step.handoff.team not in there:
                near = nearest(step.handoff.team, there)
                known = f"It is one of: {', '.join(sorted(there))}."
                remedy = f"Did you mean `{near}`?" if near else known
                what = f"There is no team `{step.handoff.team}`, so `{name}` calls whoever is on duty."
                yield self.problem(("steps", name, "handoff", "team"), what, remedy, Severity.WARNING)

    # Words and answers.

    def words(self) -> Iterator[Problem]:
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
    def asked(self) -> dict[str, list[Ask]]:
        """The answers that may be kept when this flow runs, its own and those of flows around and inside it, each with
        the questions that ask for it.
        """
        near = runs(self.script.flow, self.flows) | leaders(self.script.flow, self.flows)
        return questions(self.flows[name] for name in near if name in self.flows)

    @property
    def known(self) -> set[str]:
        return set(self.asked)

    @cached_property
    def numbers(self) -> set[str]:
        return {name for name, kind in kinds_of(questions(self.flows.values())).items() if kind is int}

    def answers(self) -> Iterator[Problem]:
        for path, condition in conditions(self.script):
            yield from self._known_names(path, condition, self.known, is_condition=True)
            yield from self._compared(path, condition)
        for _, path, source in texts(self.script):
            yield from self._known_names(path, source, self.known, is_condition=False)
        yield from self._unused()

    @cached_property
    def _options(self) -> dict[str, set[str]]:
        return options_of(self.flows.values())

    @cached_property
    def _kinds(self) -> dict[str, type]:
        return kinds_of(questions(self.flows.values()))

    def _compared(self, path: Path, condition: str) -> Iterator[Problem]:
        """Comparisons that never hold, because the answer is another choice or another kind of thing."""
        for name, value in compared(condition):
            if isinstance(value, str) and name in self._options and value not in self._options[name]:
                near = nearest(value, self._options[name])
                known = f"It is one of: {', '.join(sorted(self._options[name]))}."
                yield self.problem(path, f"`{name}` is never `{value}`.", f"Did you mean `{near}`?" if near else known)
            kind = self._kinds.get(name)
            if kind is not None and isinstance(value, (str, int)) and isinstance(value, str) is not (kind is str):
                yield self.problem(path, f"`{name}` is never {value!r}: {_KEPT_AS[kind]}.", _write_it(name, value, kind))

    def expressions(self) -> Iterator[Problem]:
        """What runs, but what no text to a person needs, and what may do harm."""
        for path, condition in conditions(self.script):
            if not template_problems(condition, is_condition=True):
                for what, remedy in unfit(condition, self.numbers, is_condition=True):
                    yield self.problem(path, f"In the condition `{condition[:80]}`: {what}", remedy)
        for context, path, source in texts(self.script):
            if "{" in source and not template_problems(source):
                for what, remedy in unfit(source, self.numbers):
                    yield self.problem(path, f"In the text `{context}`: {what}", remedy)

    def _known_names(self, path: Path, source: str, known: set[str], *, is_condition: bool) -> Iterator[Problem]:
        for name in sorted(names_in(source, is_condition=is_condition) - known):
            yield self.problem(path, f"No answer is kept as `{name}`.", self._kept_how(name, known))

    def _kept_how(self, name: str, known: set[str]) -> str:
        step = self.script.steps.get(name)
        if isinstance(step, Ask) and not step.choices and not step.save:
            return f"Open the step `{name}` and keep its answer as `{name}` (`save`)."
        near = nearest(name, known | NAMES)
        return f"Did you mean `{near}`?" if near else "Put a text in quotes, or keep an answer with `save`."

    def _unused(self) -> Iterator[Problem]:
        in_use = {name for script in self.flows.values() for name in used(script)}
        for name, step in self.script.steps.items():
            if isinstance(step, Ask) and step.save and step.save not in in_use:
                what = f"Nothing uses the answer `{step.save}`."
                remedy = "Do not ask what is not needed, or use it (in a `when`, a `because` or a text)."
                yield self.problem(("steps", name, "save"), what, remedy, Severity.WARNING)


def _write_it(name: str, value: str | int, kind: type) -> str:
    if kind is bool:
        return f"Write `{name}` where it should be yes, and `not {name}` where it should be no."
    if kind is int:
        return f"Leave the quotes away: `{name} == {value}`." if str(value).isdecimal() else "Compare it with a number."
    return f"Put it in quotes: `{name} == '{value}'`."


def _stops_short(step: Step) -> bool:
    """Whether the flow just ends here, without an outcome that somebody chose."""
    if step.next or ends(step) or isinstance(step, Handoff):
        return False
    if isinstance(step, Ask) and step.choices:
        return not all(choice.go for choice in step.choices.values())
    return True


def _no_way_on(name: str, step: Step) -> tuple[str, str]:
    """What is wrong with a step that stops short, and what to do about it."""
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
