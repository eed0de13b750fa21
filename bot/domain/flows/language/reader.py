"""Reads a flow file: YAML to a `Script`, with every problem named by file, line and remedy.

Here are the checks that need only this file; those that need other flows, translations or judgement are in
`flow_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from bot.domain.flows.language.complaints import explain_error
from bot.domain.flows.language.expressions import FILTERS, FUNCTIONS, NAMES, names_in, template_problems
from bot.domain.flows.language.script import STEP_KINDS, Ask, End, Model, Refer, Script, Step
from bot.domain.flows.language.texts import conditions, templates, translatable_texts
from bot.domain.flows.language.translations import build_po, read_translations
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, LineIndex, Severity, YamlPath, load_yaml
from bot.domain.listening.understanding import words_of
from bot.domain.suggestion import nearest

__all__ = [
    "FILTERS",
    "FUNCTIONS",
    "NAMES",
    "FlowError",
    "FlowProblem",
    "LineIndex",
    "Severity",
    "build_po",
    "json_schema",
    "lines_of",
    "names_in",
    "read_flow",
    "read_translations",
    "template_problems",
    "translatable_texts",
]  # fmt: skip

MAX_CHOICES = 9
"""A choice is picked by one digit."""
CARRIER_WORDS = frozenset(
    [
        "stop",
        "stopall",
        "unsubscribe",
        "end",
        "cancel",
        "quit",
        "revoke",
        "optout",
        "start",
        "unstop",
        "help",
        "info",
    ]
)
"""Words that telephone companies answer themselves: as an answer they would opt a person out, or never arrive."""

_KIND_ORDER = (
    "ask",
    "handoff",
    "refer",
    "referral",
    "check_in",
    "measure",
    "run",
    "consent",
    "erase",
    "decide",
    "say",
    "wait",
    "end",
)
"""The first of these keys decides the kind of a step with two of them: a handoff may `say`, an ask may `wait`."""


def read_flow(text: str | bytes, file: str) -> Script:
    """The flow of this file. Raises FlowError with all its problems; `file` is only its name in them."""
    data, lines = load_yaml(text, file)
    return _FlowReader(file, lines).read(data)


def lines_of(text: str | bytes, file: str = "") -> LineIndex:
    """The line of every value of a file that `read_flow` has read."""
    return load_yaml(text, file)[1]


class _FlowReader:
    def __init__(self, file: str, lines: LineIndex) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[FlowProblem] = []

    def read(self, data: object) -> Script:
        if not isinstance(data, dict):
            self._add((), "A flow file is a list of `name: value` lines.", "Begin with `flow:` and its name.")
            raise FlowError(self.problems)
        given = data.get("steps")
        names = [str(name) for name in given] if isinstance(given, dict) else []
        steps = self._steps(given)
        script = self._script(data, steps)
        # The valid part is checked even if the rest is invalid, so that the author sees all problems at once.
        readable = script or _partial_script(data, steps)
        self._check_targets(readable, names)
        self._check_choices(readable)
        self._check_texts(readable)
        if script is None or self.problems:
            raise FlowError(self.problems)
        return script

    def _add(self, path: YamlPath, what: str, remedy: str) -> None:
        self.problems.append(FlowProblem(self.file, self.lines.of(path), what, remedy))

    # Shape.

    def _steps(self, data: object) -> dict[str, Step]:
        """The valid steps. Each is read by the model of its own kind, so that errors are about that kind only."""
        steps: dict[str, Step] = {}
        for name, value in data.items() if isinstance(data, dict) else ():
            path = ("steps", name)
            model = self._kind_of(value, path)
            if model is not None:
                try:
                    steps[name] = model.model_validate(value)
                except ValidationError as error:
                    self._explain(error, path, model)
                except OverflowError:
                    self._add(path, f"A length of time in `{name}` is too long.", "Keep it under some years.")
        return steps

    def _kind_of(self, value: object, path: YamlPath) -> type[Step] | None:
        known = ", ".join(f"`{kind}`" for kind in _KIND_ORDER)
        if not isinstance(value, dict):
            self._add(path, f"`{path[-1]}` is not a step.", f"Give it one of {known}.")
            return None
        kinds = [kind for kind in _KIND_ORDER if kind in value]
        if not kinds:
            near = _nearest_of(value, _KIND_ORDER)
            hint = f"Did you mean `{near[1]}` where it says `{near[0]}`?" if near else f"Give it one of {known}."
            self._add(path, f"`{path[-1]}` does nothing.", hint)
            return None
        model = STEP_KINDS[kinds[0]]
        for other in kinds[1:]:
            if other not in model.model_fields:
                what = f"`{path[-1]}` does two things, `{kinds[0]}` and `{other}`."
                self._add((*path, other), what, "Make two steps of it, and lead from one to the other with `next`.")
                return None
        return model

    def _script(self, data: dict[str, object], steps: dict[str, Step]) -> Script | None:
        given = data.get("steps")
        if isinstance(given, dict) and given:
            # Invalid steps are already reported; a placeholder lets their names be checked.
            data = {**data, "steps": {name: steps.get(name, End(end="-")) for name in given}}
        try:
            return Script.model_validate(data)
        except ValidationError as error:
            self._explain(error, (), Script)
            return None

    def _explain(self, error: ValidationError, path: YamlPath, model: type[Model]) -> None:
        for found in error.errors():
            where = (*path, *(part for part in found["loc"] if part != "[key]"))
            what, remedy = explain_error(found, where, model)
            self._add(where, what, remedy)

    # References, choices and texts.

    def _check_targets(self, script: Script, steps: Sequence[str]) -> None:
        for path, name in step_references(script):
            if isinstance(name, str) and name not in steps:
                near = nearest(name, steps)
                hint = f"Did you mean `{near}`?" if near else "Write the step, or lead to another one."
                self._add(path, f"There is no step `{name}`.", hint)

    def _check_choices(self, script: Script) -> None:
        for name, step in script.steps.items():
            if not isinstance(step, Ask):
                continue
            path = ("steps", name, "choices")
            if len(step.choices) > MAX_CHOICES:
                what = f"`{name}` has {len(step.choices)} choices."
                self._add(path, what, f"Keep it to {MAX_CHOICES}; ask in two steps where there are more.")
            for key, choice in step.choices.items():
                for field, word in (("label", choice.label), *(("words", word) for word in choice.words)):
                    if " ".join(words_of(word)) in CARRIER_WORDS:
                        what = f"`{word}` can't be an answer: telephone companies take it as a command."
                        self._add((*path, key, field), what, "Choose another word.")

    def _check_texts(self, script: Script) -> None:
        for context, path, source in templates(script):
            for problem in template_problems(source):
                self._add(
                    path,
                    f"The text `{context}` can't be filled in: {problem}",
                    "Correct what is in {{ }} or {% %}.",
                )
        for path, condition in conditions(script):
            for problem in template_problems(condition, is_condition=True):
                self._add(path, f"The condition `{condition}` can't be read: {problem}", _CONDITION_HINT)


_CONDITION_HINT = "Write it like `need == 'rent'` or `court_date and days_until(court_date) <= 7`."


def _partial_script(data: dict[str, object], steps: dict[str, Step]) -> Script:
    """The valid part of a script; not used outside this module."""
    known: dict[str, Any] = {"start": data.get("start"), "steps": steps}
    return Script.model_construct(**known)


def step_references(script: Script) -> Iterator[tuple[YamlPath, str]]:
    """Every reference to a step, with its path."""
    yield ("start",), script.start
    for name, step in script.steps.items():
        path = ("steps", name)
        for at, branch in enumerate(step.next):
            yield (*path, "next", at, "go"), branch.go
        if isinstance(step, Refer):
            yield (*path, "none"), step.none
        if isinstance(step, Ask):
            for key, choice in step.choices.items():
                if choice.go:
                    yield (*path, "choices", key, "go"), choice.go
            if step.not_understood.go:
                yield (*path, "not_understood", "go"), step.not_understood.go
            if step.wait:
                yield (*path, "wait", "go"), step.wait.go


def _nearest_of(words: Iterable[str], known: Sequence[str]) -> tuple[str, str] | None:
    return next(((word, near) for word in words if (near := nearest(word, known))), None)


# The JSON Schema for editors.

_DURATION = {"type": "string", "pattern": "^[0-9]+[smhdw]$", "examples": ["30m", "2h", "7d"]}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a flow file (draft 2020-12), for editors that complete and validate."""
    made = Script.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated from bot/domain/flows/language/script.py; a test keeps the two the same.",
        **_as_typed(made),
    }


def _as_typed(part: Any) -> Any:
    """The schema of what authors type, where it differs from the models: durations, and the short form of `next`."""
    if isinstance(part, list):
        return [_as_typed(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("format") == "duration":
        return {**{key: value for key, value in part.items() if key in {"title", "description"}}, **_DURATION}
    made = {key: _as_typed(value) for key, value in part.items()}
    properties = made.get("properties")
    if isinstance(properties, dict) and isinstance(properties.get("next"), dict):
        branches = {key: value for key, value in properties["next"].items() if key != "default"}
        properties["next"] = {"anyOf": [{"type": "string", "description": "The step that follows."}, branches]}
    return made
