"""YAML as an admin means it: every value keeps its line number, and `no` is a word, not a boolean.

Problems are worded for an admin who is no programmer: where, what, and what to do. All are reported at once, as far as the
file can be read, because an admin who must fix them one by one gives up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import yaml
from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

MAX_BYTES = 1_000_000
"""Bytes of a file; the largest real flows are about a hundred times smaller."""
MAX_VALUES = 200_000
"""Values after aliases are expanded; ten short lines of nested aliases can expand to billions. 2,000 questions with all
their choices have about 80,000."""
MAX_DEPTH = 40

YamlPath = tuple[str | int, ...]
"""Where a value is: `("steps", "zip", "next", 0, "go")`."""


class Severity(StrEnum):
    """An error prevents publication; a warning is for the author to judge."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class FlowProblem:
    """One error or warning in words for an admin: where (line from 1), what, and what to do about it."""

    file: str
    line: int
    what: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what} {self.remedy}".rstrip()


class FlowError(ValueError):
    """The file can't be used; `problems` are all that were found, in the order of the lines."""

    def __init__(self, problems: Iterable[FlowProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


class LineIndex:
    """The line (from 1) of every value of a file; a path that is not in the file has the line of its nearest parent."""

    def __init__(self, lines: Mapping[YamlPath, int] | None = None) -> None:
        self._lines = dict(lines or {})

    def of(self, path: YamlPath) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def load_yaml(text: str | bytes, file: str) -> tuple[object, LineIndex]:
    """The file's content (mappings, lists, texts, booleans, None) and its lines. Raises FlowError."""
    root = _compose(_decode(text, file), file)
    builder = _YamlBuilder(file)
    try:
        value = builder.build(root, (), 0)
    except RecursionError:
        builder.problems.append(FlowProblem(file, 1, "The file is nested too deeply.", "Take some levels out."))
        value = None
    if builder.problems:
        raise FlowError(builder.problems)
    return value, LineIndex(builder.lines)


def _decode(text: str | bytes, file: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise FlowError(
            [FlowProblem(file, 1, f"The file has {size:,} bytes.", f"Keep it under {MAX_BYTES:,}; make two flows of it.")]
        )
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FlowError(
            [FlowProblem(file, line, "A character here is not UTF-8.", "Save the file with the encoding UTF-8.")]
        ) from error


_BRACKET = re.compile(r"[\[\]{}]")
_DASHES = re.compile(rf"(?:[-?] +){{{MAX_DEPTH}}}")


def _is_too_deep(text: str) -> bool:
    """Whether brackets or dashes are nested so deeply that libyaml itself would run out of time or stack."""
    depth = 0
    for bracket in _BRACKET.findall(text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        if depth > 2 * MAX_DEPTH:
            return True
    return bool(_DASHES.search(text))


def _compose(text: str, file: str) -> Node:
    if _is_too_deep(text):
        raise FlowError([FlowProblem(file, 1, "The file is nested too deeply.", "Take some levels out.")])
    try:
        # libyaml, not PyYAML's own parser, which stops at the question mark of `{ask: Which ZIP?, answer: zip}`.
        root: Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except MarkedYAMLError as error:
        raise FlowError([_syntax_problem(text, file, error)]) from error
    except ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        what = "A character here can't be part of a text (an invisible control character)."
        raise FlowError([FlowProblem(file, line, what, "Delete it and type the line again.")]) from error
    except RecursionError as error:
        raise FlowError([FlowProblem(file, 1, "The file is nested too deeply.", "Take some levels out.")]) from error
    if root is None:
        raise FlowError([FlowProblem(file, 1, "The file is empty.", "Begin with `flow:` and the name of the flow.")])
    return root


_SYNTAX = (
    ("tab character", "There is a tab here.", "Use spaces to indent, never tabs."),
    ("mapping values are not allowed", "A colon inside a text confuses the reader.",
     'Put the whole text in quotes: "Note: ...". If this line is a field, indent it like its neighbours.'),
    ("could not find expected ':'", "This line is not `name: value`.",
     "Add the colon, or indent the line so that it belongs to the text above."),
    ("found unexpected end of stream", "A quoted text is never closed.", "Add the missing quote."),
    ("found undefined alias", "`*` at the start of a value means a copy, and there is no such original.",
     "Put the text in quotes if it begins with *, or mark the original with &."),
    ("expected a single document", "There is a second document after `---`.", "Keep one flow in one file."),
    ("cannot start any token", "A text can't begin with @, ` or %.", "Put it in quotes."),
    ("block mapping did not find expected key", "This line fits neither the line above nor its block.",
     "Indent it like its neighbours; a text that begins with a quote must end with it."),
    ("block collection did not find expected '-'", "This line fits neither the list above nor its block.",
     "Begin it with a dash like its neighbours, or indent it like the line before the list."),
    ("flow sequence did not find", "A list in [ ] is not closed here.", "Add the missing comma or ]."),
    ("flow mapping did not find", "A block in { } is not closed here, or a text in it holds a comma or colon.",
     "Add the missing comma or }, or put the text in quotes."),
    ("flow node did not find", "A [ or { is never closed, or nothing follows a comma.", "Close it."),
    ("unknown escape character", "A backslash in a text in double quotes has no meaning here.",
     "Write two backslashes, or use single quotes."),
)  # fmt: skip
"""(Part of libyaml's message, what, remedy); the first match is used."""


def _syntax_problem(text: str, file: str, error: MarkedYAMLError) -> FlowProblem:
    said = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    rows = text.splitlines()
    if line <= len(rows) and rows[line - 1][: len(rows[line - 1]) - len(rows[line - 1].lstrip())].count("\t"):
        said = "tab character"
    for sign, what, remedy in _SYNTAX:
        if sign in said:
            return FlowProblem(file, line, what, remedy)
    return FlowProblem(file, line, "This can't be read as YAML.", "Compare it with the lines around it.")


class _YamlBuilder:
    """Turns YAML nodes into plain values and records the line of each."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[YamlPath, int] = {(): 1}
        self.problems: list[FlowProblem] = []
        self._values = 0
        self._full = False

    def build(self, node: Node, path: YamlPath, depth: int) -> object:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            if not self._full:
                self._add_problem(node, "The file is nested or copies itself (& and *) too much.", "Write it out simply.")
            self._full = True
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        tag = str(node.tag)
        if not tag.startswith("tag:yaml.org,2002:") or "python" in tag:
            self._add_problem(node, f"`{tag}` is not known here.", "Take it out, or put the text in quotes.")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, at), depth + 1) for at, item in enumerate(node.value) if not self._full]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: YamlPath, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if self._full:
                break
            if not isinstance(key_node, ScalarNode):
                self._add_problem(key_node, "A name is expected here.", "Begin with a name and a colon; quote { and [.")
                continue
            key = key_node.value
            line = key_node.start_mark.line + 1
            if key in result:
                first = self.lines[(*path, key)]
                what = f"`{key}` stands here a second time; the first is in line {first}."
                self._add_problem(key_node, what, "Give it another name, or delete one of the two.")
                continue
            self.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key), depth + 1)
        return result

    def _scalar(self, node: Node) -> str | bool | None:
        # YAML 1.1 reads `no`, `on` and 0631 as false, true and 409. Here a plain value is what was typed; the models convert
        # it where a number is expected.
        value = str(node.value)
        if not getattr(node, "style", None):
            if value in {"", "~", "null"}:
                return None
            if value in {"true", "false"}:
                return value == "true"
        return value

    def _add_problem(self, node: Node, what: str, remedy: str) -> None:
        self.problems.append(FlowProblem(self.file, node.start_mark.line + 1, what, remedy))
