"""What must be true of a flow before it is published, beyond that it can be read.

Errors would leave a person without an answer; warnings are for the author to judge. Wording and
translations are checked in `flow_wording.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import nodes

from bot.domain.flow import ENVIRONMENT
from bot.domain.flow_reader import NAMES, names_in
from bot.domain.flow_texts import conditions, texts
from bot.domain.flow_translations import Translation
from bot.domain.flow_wording import wording_problems
from bot.domain.flow_yaml import Lines, Path, Problem, Severity
from bot.domain.machine import ends, leads_to
from bot.domain.script import Ask, CheckIn, Handoff, Run, Script, Step, Wait
from bot.domain.suggestion import nearest
from bot.domain.understanding import words_of

UNIVERSAL_WORDS = frozenset(["back", "menu", "person"])
"""They mean the same at every step, so a choice never hears them."""
_ASKS_FOR_YES = re.compile(r"\b(?:reply|text|send|answer|responda|escriba|env[ií]e)\s+[\"']?(?:YES|S[IÍ])\b", re.IGNORECASE)
_YES = "Telephone companies take YES for an opt-in, and may not pass it on."


def check(
    script: Script,
    translations: Mapping[str, Translation],
    others: Mapping[str, Script],
    *,
    file: str = "",
    lines: Lines | None = None,
) -> list[Problem]:
    """Everything that is doubtful about this flow, in the order of the lines; an empty list is a clean flow.

    `translations` are those of this flow by language, without the fuzzy ones; `others` the flows it lives
    with, by name (its own may be among them). `lines` from `flow_reader.lines_of` names the places; without
    it all are line 1.
    """
    checks = _Checks(script, others, file or f"{script.flow}.yaml", lines or Lines())
    found = [
        *checks.reachability(),
        *checks.ways_on(),
        *checks.loops(),
        *checks.other_flows(),
        *checks.human(),
        *checks.words(),
        *checks.answers(),
        *wording_problems(script, translations, checks.known_answers(), checks.problem),
    ]
    return sorted(found, key=lambda problem: (problem.line, problem.severity))


class _Checks:
    def __init__(self, script: Script, others: Mapping[str, Script], file: str, lines: Lines) -> None:
        self.script = script
        self.flows = {**others, script.flow: script}
        self.file = file
        self.lines = lines
        self.reachable = _reachable(script)

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
                what = f"After `{name}` nothing follows, and the person gets no answer."
                yield self.problem(path, what, "Give it a `next`, or an `end` with the outcome.")
            for at, branch in enumerate(step.next):
                is_last = at == len(step.next) - 1
                if is_last and branch.when is not None:
                    what = f"`{name}` has no way on where none of its conditions holds."
                    yield self.problem((*path, "next", at), what, "Add a last line with `go` and without `when`.")
                elif not is_last and branch.when is None:
                    what = f"`{name}` always takes this way, so those below it are never taken."
                    yield self.problem((*path, "next", at), what, "Move it to the end, or give it a `when`.")

    def loops(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for name in self.script.steps:
            circle = self._circle(name, seen)
            if circle:
                seen |= set(circle)
                what = f"{' > '.join([*circle, circle[0]])} is a circle that never waits for the person."
                yield self.problem(("steps", circle[0]), what, "Let one of these steps ask, or lead elsewhere.")

    def _circle(self, start: str, seen: set[str]) -> list[str]:
        """The shortest circle through `start` on which nothing waits, in the order of the way."""
        before: dict[str, str] = {}
        waiting = [start]
        while waiting:
            here = waiting.pop(0)
            if here in seen or self._waits(self.script.steps[here]):
                continue
            for way in leads_to(self.script.steps[here]):
                if way == start:
                    circle = [here]
                    while circle[0] != start:
                        circle.insert(0, before[circle[0]])
                    return circle
                if way not in before:
                    before[way] = here
                    waiting.append(way)
        return []

    def _waits(self, step: Step) -> bool:
        if isinstance(step, Run):
            other = self.flows.get(step.run)
            return other is None or any(isinstance(inner, (Ask, Wait)) for inner in other.steps.values())
        return isinstance(step, (Ask, Wait))

    # Other flows.

    def other_flows(self) -> Iterator[Problem]:
        for name, step in self.script.steps.items():
            path: Path = ("steps", name)
            if isinstance(step, CheckIn):
                yield from self._known_flow((*path, "check_in", "flow"), step.check_in.flow)
            if isinstance(step, Run):
                yield from self._known_flow((*path, "run"), step.run)
                if self.script.flow in _runs(step.run, self.flows):
                    what = f"`{step.run}` leads back into this flow, and so on without end."
                    yield self.problem((*path, "run"), what, "Let the inner flow end; it comes back by itself.")

    def _known_flow(self, path: Path, name: str) -> Iterator[Problem]:
        if name not in self.flows:
            near = nearest(name, self.flows)
            hint = f"Did you mean `{near}`?" if near else "Write that flow first."
            yield self.problem(path, f"There is no flow `{name}`.", hint)

    def human(self) -> Iterator[Problem]:
        if not _leads_to_human(self.script.flow, self.flows, set()):
            what = "No way of this flow leads to a human."
            yield self.problem(("flow",), what, "Add a step with `handoff`.", Severity.WARNING)

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

    def known_answers(self) -> set[str]:
        """The answers that may be kept when this flow runs: its own, and those of flows around and inside
        it.
        """
        inside = _runs(self.script.flow, self.flows)
        around = {name for name in self.flows if self.script.flow in _leads_into(name, self.flows)}
        return {name for flow in inside | around | {self.script.flow} if flow in self.flows
                for name in saved(self.flows[flow])}  # fmt: skip

    def answers(self) -> Iterator[Problem]:
        known = self.known_answers()
        options = _options(self.flows.values())
        for path, condition in conditions(self.script):
            yield from self._known_names(path, condition, known, is_condition=True)
            for name, value in _compared(condition):
                if name in options and value not in options[name]:
                    near = nearest(value, options[name])
                    hint = f"Did you mean `{near}`?" if near else f"It is one of: {', '.join(sorted(options[name]))}."
                    yield self.problem(path, f"`{name}` is never `{value}`.", hint)
        for _, path, source in texts(self.script):
            yield from self._known_names(path, source, known, is_condition=False)
        yield from self._unused(known)

    def _known_names(self, path: Path, source: str, known: set[str], *, is_condition: bool) -> Iterator[Problem]:
        for name in sorted(names_in(source, is_condition=is_condition) - known):
            near = nearest(name, known | NAMES)
            hint = f"Did you mean `{near}`?" if near else "Put a text in quotes, or keep an answer with `save`."
            yield self.problem(path, f"No answer is kept as `{name}`.", hint)

    def _unused(self, known: set[str]) -> Iterator[Problem]:
        used = {name for script in self.flows.values() for name in _used(script)}
        for name, step in self.script.steps.items():
            if isinstance(step, Ask) and step.save and step.save not in used:
                what = f"Nothing uses the answer `{step.save}`."
                remedy = "Do not ask what is not needed, or use it (in a `when`, a `because` or a text)."
                yield self.problem(("steps", name, "save"), what, remedy, Severity.WARNING)


def saved(script: Script) -> dict[str, Ask]:
    """The names under which a flow keeps answers, each with a step that asks for it."""
    kept: dict[str, Ask] = {}
    for name, step in script.steps.items():
        if isinstance(step, Ask) and (step.save or step.choices):
            kept[step.save or name] = step
    return kept


def _used(script: Script) -> Iterator[str]:
    for _, condition in conditions(script):
        yield from names_in(condition, is_condition=True)
    for _, _, source in texts(script):
        yield from names_in(source)


def _options(scripts: Iterable[Script]) -> dict[str, set[str]]:
    """For answers that are always one of some choices: which."""
    options: dict[str, set[str]] = {}
    free: set[str] = set()
    for script in scripts:
        for name, step in script.steps.items():
            if isinstance(step, Ask) and step.choices:
                options.setdefault(step.save or name, set()).update(step.choices)
            elif isinstance(step, Ask) and step.save:
                free.add(step.save)
    return {name: choices for name, choices in options.items() if name not in free}


def _compared(condition: str) -> Iterator[tuple[str, str]]:
    """The answers that a condition compares with texts: `need == 'rent'`, `need in ['rent', 'food']`."""
    tree = ENVIRONMENT.parse(f"{{{{ ({condition}\n) }}}}")
    for compare in tree.find_all(nodes.Compare):
        for operand in compare.ops:
            values: list[Any] = getattr(operand.expr, "items", [operand.expr])
            if isinstance(compare.expr, nodes.Name) and operand.op in {"eq", "ne", "in", "notin"}:
                for value in values:
                    if isinstance(value, nodes.Const) and isinstance(value.value, str):
                        yield compare.expr.name, value.value


def _reachable(script: Script) -> set[str]:
    found = {script.start}
    waiting = [script.start]
    while waiting:
        for way in leads_to(script.steps[waiting.pop()]):
            if way not in found:
                found.add(way)
                waiting.append(way)
    return found


def _stops_short(step: Step) -> bool:
    """Whether the flow just ends here, without an outcome that somebody chose."""
    if step.next or ends(step) or isinstance(step, Handoff):
        return False
    if isinstance(step, Ask) and step.choices:
        return not all(choice.go for choice in step.choices.values())
    return True


def _runs(name: str, flows: Mapping[str, Script]) -> set[str]:
    """The flows that run inside this one, at any depth, without itself unless it is run again; `name` is
    included.
    """
    return _closure(name, flows, (Run,))


def _leads_into(name: str, flows: Mapping[str, Script]) -> set[str]:
    return _closure(name, flows, (Run, CheckIn))


def _closure(name: str, flows: Mapping[str, Script], kinds: tuple[type[Step], ...]) -> set[str]:
    found = {name}
    waiting = [name]
    while waiting:
        script = flows.get(waiting.pop())
        for step in script.steps.values() if script else ():
            if isinstance(step, kinds):
                other = step.run if isinstance(step, Run) else step.check_in.flow if isinstance(step, CheckIn) else ""
                if other and other not in found:
                    found.add(other)
                    waiting.append(other)
    return found


def _leads_to_human(name: str, flows: Mapping[str, Script], seen: set[str]) -> bool:
    if name not in flows or name in seen:
        return False
    script = flows[name]
    for step_name in _reachable(script):
        step = script.steps[step_name]
        if isinstance(step, Handoff) or (isinstance(step, Ask) and step.not_understood.go is None):
            return True
        if isinstance(step, Run) and _leads_to_human(step.run, flows, seen | {name}):
            return True
    return False
