"""YAML as an admin means it: every value keeps its line, and `no` is a word, not a boolean.

Problems are told to somebody who is no programmer: where, what, and what to do. All of them at once, where
the file can be read at all, because a person who mends one line at a time gives up at the fifth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import yaml
from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

LARGEST = 1_000_000
"""Bytes of a file; the largest real flows are some hundred times smaller."""
MOST_VALUES = 200_000
"""Values once aliases are written out; ten short lines of nested aliases can stand for billions. 2,000 questions with all
their choices are some 80,000."""
DEEPEST = 40

Path = tuple[str | int, ...]
"""Where a value stands: `("steps", "zip", "next", 0, "go")`."""


class Severity(StrEnum):
    """An error keeps a flow from being published; a warning is for the author's judgement."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in words for an admin: where (line from 1), what, and what to do about it."""

    file: str
    line: int
    what: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what} {self.remedy}".rstrip()


class FlowError(ValueError):
    """A file that can't be used; holds every problem that was found, in the order of the lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


class Lines:
    """The line (from 1) of every value of a file; a path that is not in the file has the line of what is
    around it.
    """

    def __init__(self, lines: Mapping[Path, int] | None = None) -> None:
        self._lines = dict(lines or {})

    def of(self, path: Path) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def load(text: str | bytes, file: str) -> tuple[object, Lines]:
    """The file's content (mappings, lists, texts, booleans, nothing) and its lines. Raises FlowError."""
    root = _composed(_decoded(text, file), file)
    builder = _Builder(file)
    try:
        value = builder.build(root, (), 0)
    except RecursionError:
        builder.problems.append(Problem(file, 1, "The file is nested too deeply.", "Take some levels out."))
        value = None
    if builder.problems:
        raise FlowError(builder.problems)
    return value, Lines(builder.lines)


def _decoded(text: str | bytes, file: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > LARGEST:
        raise FlowError(
            [Problem(file, 1, f"The file has {size:,} bytes.", f"Keep it under {LARGEST:,}; make two flows of it.")]
        )
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FlowError(
            [Problem(file, line, "A character here is not UTF-8.", "Save the file with the encoding UTF-8.")]
        ) from error


_BRACKET = re.compile(r"[\[\]{}]")
_DASHES = re.compile(rf"(?:[-?] +){{{DEEPEST}}}")


def _is_too_deep(text: str) -> bool:
    """Whether brackets or dashes are nested so deeply that libyaml itself would run out of time or stack."""
    depth = 0
    for bracket in _BRACKET.findall(text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        if depth > 2 * DEEPEST:
            return True
    return bool(_DASHES.search(text))


def _composed(text: str, file: str) -> Node:
    if _is_too_deep(text):
        raise FlowError([Problem(file, 1, "The file is nested too deeply.", "Take some levels out.")])
    try:
        # libyaml, not PyYAML's own parser, which stops at the question mark of `{ask: Which ZIP?, answer: zip}`.
        root: Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except MarkedYAMLError as error:
        raise FlowError([_syntax_problem(text, file, error)]) from error
    except ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        what = "A character here can't be part of a text (an invisible control character)."
        raise FlowError([Problem(file, line, what, "Delete it and type the line again.")]) from error
    except RecursionError as error:
        raise FlowError([Problem(file, 1, "The file is nested too deeply.", "Take some levels out.")]) from error
    if root is None:
        raise FlowError([Problem(file, 1, "The file is empty.", "Begin with `flow:` and the name of the flow.")])
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
"""What libyaml says -> what an admin is told. The first that fits is taken."""


def _syntax_problem(text: str, file: str, error: MarkedYAMLError) -> Problem:
    said = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    rows = text.splitlines()
    if line <= len(rows) and rows[line - 1][: len(rows[line - 1]) - len(rows[line - 1].lstrip())].count("\t"):
        said = "tab character"
    for sign, what, remedy in _SYNTAX:
        if sign in said:
            return Problem(file, line, what, remedy)
    return Problem(file, line, "This can't be read as YAML.", "Compare it with the lines around it.")


class _Builder:
    """Turns YAML nodes into plain values and writes down the line of each."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {(): 1}
        self.problems: list[Problem] = []
        self._values = 0
        self._full = False

    def build(self, node: Node, path: Path, depth: int) -> object:
        self._values += 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            if not self._full:
                self._complain(node, "The file is nested or copies itself (& and *) too much.", "Write it out simply.")
            self._full = True
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        tag = str(node.tag)
        if not tag.startswith("tag:yaml.org,2002:") or "python" in tag:
            self._complain(node, f"`{tag}` is not known here.", "Take it out, or put the text in quotes.")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, at), depth + 1) for at, item in enumerate(node.value) if not self._full]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if self._full:
                break
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, "A name is expected here.", "Begin with a name and a colon; quote { and [.")
                continue
            key = key_node.value
            line = key_node.start_mark.line + 1
            if key in result:
                first = self.lines[(*path, key)]
                what = f"`{key}` stands here a second time; the first is in line {first}."
                self._complain(key_node, what, "Give it another name, or delete one of the two.")
                continue
            self.lines[(*path, key)] = line
            result[key] = self.build(value_node, (*path, key), depth + 1)
        return result

    def _scalar(self, node: Node) -> str | bool | None:
        # YAML 1.1 reads `no`, `on` and 0631 as false, true and 409. Here a plain value is what was typed;
        # numbers are made of it where a number is expected.
        value = str(node.value)
        if not getattr(node, "style", None):
            if value in {"", "~", "null"}:
                return None
            if value in {"true", "false"}:
                return value == "true"
        return value

    def _complain(self, node: Node, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, what, remedy))
