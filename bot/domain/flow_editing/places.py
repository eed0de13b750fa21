"""Where each value of a flow file stands in its text, so that a change touches these characters and no others.

PyYAML's nodes do not tell where an alias stands, and the end of a block is found only behind the comments that follow
it; so the tree is built from the parser's events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    YAMLError,
)

from bot.domain.flow_editing.unfit import Unfit

_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_COLON = re.compile(r"[ \t]*:")
_EMPTY = frozenset({"", "~", "null"})


@dataclass(eq=False, slots=True)
class Node:
    """A value and its place: `start` and `end` are offsets in the text, without the anchor and without what follows."""

    start: int
    end: int
    anchor: str | None = None
    anchor_start: int = 0
    """Where the value begins with its anchor; `start` where it has none."""
    inline: bool = False
    """Whether it stands within { } or [ ], or is one of them."""


@dataclass(eq=False, slots=True)
class Scalar(Node):
    text: str = ""
    style: str | None = None
    """One of `'`, `"`, `>`, `|`, or None where it is plain."""

    @property
    def is_block(self) -> bool:
        return self.style in {">", "|"}


@dataclass(eq=False, slots=True)
class Entry:
    """A name and its value. `colon` is the offset behind the name's colon."""

    key: Scalar
    value: Node
    colon: int = 0


@dataclass(eq=False, slots=True)
class Mapping(Node):
    entries: list[Entry] = field(default_factory=list)

    def get(self, name: str) -> Entry | None:
        """The entry of this name, or None."""
        return next((entry for entry in self.entries if entry.key.text == name), None)


@dataclass(eq=False, slots=True)
class Sequence(Node):
    items: list[Node] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Alias(Node):
    """`*name`, a copy of the node that is marked `&name`."""

    name: str = ""
    of: Node | None = None


def read(text: str) -> Mapping:
    """The tree of a file that `flow_yaml.load` has read already. Raises Unfit where it is no mapping."""
    try:
        root = _Reader(text).read()
    except (YAMLError, RecursionError) as error:
        raise Unfit("The file can't be read as YAML. Correct it in the YAML view first.") from error
    if not isinstance(root, Mapping):
        raise Unfit("The file holds no flow. Begin with `flow:` and its name.")
    return root


def _start(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.index


def _end(event: Event) -> int:
    assert event.end_mark is not None
    return event.end_mark.index


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self.anchors: dict[str, Node] = {}

    def read(self) -> Node | None:
        for event in self.events:
            if isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent)):
                return self._node(event, inline=False)
        return None

    def _node(self, event: Event, *, inline: bool) -> Node:
        if isinstance(event, AliasEvent):
            name = event.anchor or ""
            return Alias(_start(event), _end(event), None, _start(event), True, name, self.anchors.get(name))
        node = self._named(event, inline)
        if node.anchor is not None:
            self.anchors[node.anchor] = node
        if isinstance(node, Mapping):
            self._fill_mapping(node)
        elif isinstance(node, Sequence):
            self._fill_sequence(node)
        return node

    def _named(self, event: Event, inline: bool) -> Node:
        """The node of this event, without what is in it."""
        whole, end = _start(event), _end(event)
        anchor: str | None = getattr(event, "anchor", None)
        marked = _ANCHOR.match(self.text, whole) if anchor else None
        start = marked.end() if marked else whole
        if isinstance(event, ScalarEvent):
            style = event.style or None
            if style in {">", "|"}:
                end = start + len(self.text[start:end].rstrip())
            return Scalar(start, end, anchor, whole, inline, event.value, style)
        if isinstance(event, MappingStartEvent):
            return Mapping(start, end, anchor, whole, inline or bool(event.flow_style))
        return Sequence(start, end, anchor, whole, inline or bool(getattr(event, "flow_style", False)))

    def _fill_mapping(self, node: Mapping) -> None:
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                if node.inline:
                    node.end = _end(event)
                break
            key = self._node(event, inline=node.inline)
            value = self._node(next(self.events), inline=node.inline)
            if not isinstance(key, Scalar):
                raise Unfit("A name in the file is no plain word. Correct it in the YAML view first.")
            colon = _COLON.match(self.text, key.end)
            behind = colon.end() if colon else key.end
            if isinstance(value, Scalar) and value.start == value.end:
                value.start = value.end = behind
            node.entries.append(Entry(key, value, behind))
        if not node.inline and node.entries:
            node.start = node.entries[0].key.anchor_start
            node.end = max(entry.value.end for entry in node.entries)

    def _fill_sequence(self, node: Sequence) -> None:
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                if node.inline:
                    node.end = _end(event)
                break
            node.items.append(self._node(event, inline=node.inline))
        if not node.inline and node.items:
            node.start = self.text.index("-", node.start)
            node.end = max(item.end for item in node.items)


def data_of(node: Node | None, depth: int = 0) -> object:
    """The value as `flow_yaml.load` reads it, with aliases written out."""
    if isinstance(node, Alias):
        return data_of(node.of, depth + 1) if depth < 40 else None
    if isinstance(node, Mapping):
        return {entry.key.text: data_of(entry.value, depth + 1) for entry in node.entries}
    if isinstance(node, Sequence):
        return [data_of(item, depth + 1) for item in node.items]
    if isinstance(node, Scalar):
        if node.style is None:
            if node.text in _EMPTY:
                return None
            if node.text in {"true", "false"}:
                return node.text == "true"
        return node.text
    return None


def walk(node: Node) -> Iterator[Node]:
    """The node and all that stands in it, in the order of the file; what an alias copies is not entered."""
    yield node
    if isinstance(node, Mapping):
        for entry in node.entries:
            yield entry.key
            yield from walk(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from walk(item)


def line_start(text: str, at: int) -> int:
    """The offset at which the line of this offset begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """The offset behind the line of this offset, its line break included."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def column(text: str, at: int) -> int:
    """How far from the beginning of its line."""
    return at - line_start(text, at)
