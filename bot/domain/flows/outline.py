"""A flow's steps as rows, read from the plain YAML: works even while the flow is not valid yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.flows.language.script import STEP_KINDS
from bot.domain.flows.language.yaml_source import LineIndex, load_yaml

UNKNOWN = "unknown"
_SUMMARY_PATHS = {
    "ask": ("ask",), "say": ("say",), "end": ("end",), "refer": ("refer", "need"), "referral": ("referral", "outcome"),
    "check_in": ("check_in", "flow"), "measure": ("measure", "name"), "handoff": ("handoff", "team"), "run": ("run",),
    "wait": ("wait",), "consent": ("consent",), "erase": ("erase",),
}  # fmt: skip
"""Path to the few words by which an author recognises a step."""


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """One step in file order. `kind` is a key of STEP_KINDS, or `unknown`."""

    name: str
    kind: str
    words: str
    line: int


@dataclass(frozen=True, slots=True)
class Outline:
    """`head` is everything but the steps; `steps` are the steps as plain data, by name."""

    head: Mapping[str, Any]
    rows: tuple[OutlineRow, ...]
    steps: Mapping[str, Mapping[str, Any]]


def read_outline(source: str, file: str) -> Outline:
    """The outline of a flow file. Raises FlowError where it is no YAML; an invalid step is still a row."""
    data, lines = load_yaml(source, file)
    whole: Mapping[str, Any] = data if isinstance(data, dict) else {}
    given = whole.get("steps")
    steps = given if isinstance(given, dict) else {}
    rows = tuple(_row(name, step, lines) for name, step in steps.items())
    head = {key: value for key, value in whole.items() if key != "steps"}
    return Outline(head, rows, {name: step for name, step in steps.items() if isinstance(step, dict)})


def kind_of(step: object) -> str:
    """The kind of a step, by its key."""
    return next((kind for kind in STEP_KINDS if kind in step), UNKNOWN) if isinstance(step, dict) else UNKNOWN


def _row(name: str, step: object, lines: LineIndex) -> OutlineRow:
    kind = kind_of(step)
    value: object = step
    for key in _SUMMARY_PATHS.get(kind, ()):
        value = value.get(key) if isinstance(value, dict) else None
    words = value if isinstance(value, str) else ""
    return OutlineRow(name, kind, " ".join(words.split())[:120], lines.of(("steps", name)))
