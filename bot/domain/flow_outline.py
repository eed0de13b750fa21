"""A flow's steps as rows, read from the plain file: what can be shown and mended even while the flow is not sound yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.flow_yaml import Lines, load
from bot.domain.script import STEP_KINDS

UNKNOWN = "unknown"
_WORDS = {
    "ask": ("ask",), "say": ("say",), "end": ("end",), "refer": ("refer", "need"), "referral": ("referral", "outcome"),
    "check_in": ("check_in", "flow"), "measure": ("measure", "name"), "handoff": ("handoff", "team"), "run": ("run",),
    "wait": ("wait",), "consent": ("consent",), "erase": ("erase",),
}  # fmt: skip
"""Where the few words stand by which a step is known again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One step in reading order. `kind` is a key of STEP_KINDS, or `unknown` for what is none."""

    name: str
    kind: str
    words: str
    line: int


@dataclass(frozen=True, slots=True)
class Outline:
    """`head` holds what stands beside the steps; `steps` the steps as plain data, by name."""

    head: Mapping[str, Any]
    rows: tuple[Row, ...]
    steps: Mapping[str, Mapping[str, Any]]


def outline(source: str, file: str) -> Outline:
    """The outline of a flow file. Raises FlowError where it is no YAML; a step that makes no sense is a row all the same."""
    data, lines = load(source, file)
    whole: Mapping[str, Any] = data if isinstance(data, dict) else {}
    given = whole.get("steps")
    steps = given if isinstance(given, dict) else {}
    rows = tuple(_row(name, step, lines) for name, step in steps.items())
    head = {key: value for key, value in whole.items() if key != "steps"}
    return Outline(head, rows, {name: step for name, step in steps.items() if isinstance(step, dict)})


def kind_of(step: object) -> str:
    """What a step does, by its key."""
    return next((kind for kind in STEP_KINDS if kind in step), UNKNOWN) if isinstance(step, dict) else UNKNOWN


def _row(name: str, step: object, lines: Lines) -> Row:
    kind = kind_of(step)
    value: object = step
    for key in _WORDS.get(kind, ()):
        value = value.get(key) if isinstance(value, dict) else None
    words = value if isinstance(value, str) else ""
    return Row(name, kind, " ".join(words.split())[:120], lines.of(("steps", name)))
