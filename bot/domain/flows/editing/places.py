"""Locates each value of a flow file in its text, so that an edit changes only those characters.

PyYAML's nodes do not say where an alias stands, and the end of a block is known only after the comments that follow it; so
the tree is built from the parser's events.
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

from bot.domain.refused import Refused

_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_COLON = re.compile(r"[ \t]*:")
_EMPTY = frozenset({"", "~", "null"})


@dataclass(eq=False, slots=True)
class YamlNode:
    """A value and its location: `start` and `end` are offsets in the text, without the anchor and without what follows."""

    start: int
    end: int
    anchor: str | None = None
    anchor_start: int = 0
    """Where the value begins including its anchor; `start` if it has none."""
    inline: bool = False
    """Whether it stands inside { } or [ ], or is one of them."""


@dataclass(eq=False, slots=True)
class YamlScalar(YamlNode):
    text: str = ""
    style: str | None = None
    """One of `'`, `"`, `>`, `|`, or None if it is plain."""

    @property
    def is_block(self) -> bool:
        return self.style in {">", "|"}


@dataclass(eq=False, slots=True)
class YamlEntry:
    """A key and its value. `colon` is the offset after the key's colon."""

    key: YamlScalar
    value: YamlNode
    colon: int = 0


@dataclass(eq=False, slots=True)
class YamlMapping(YamlNode):
    entries: list[YamlEntry] = field(default_factory=list)

    def get(self, name: str) -> YamlEntry | None:
        return next((entry for entry in self.entries if entry.key.text == name), None)


@dataclass(eq=False, slots=True)
class YamlSequence(YamlNode):
    items: list[YamlNode] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class YamlAlias(YamlNode):
    """`*name`, a copy of the node anchored as `&name`."""

    name: str = ""
    target: YamlNode | None = None


def parse_tree(text: str) -> YamlMapping:
    """The tree of a file that `flow_yaml.load` can read. Raises Refused if it is not a mapping."""
    try:
        root = _TreeReader(text).read()
    except (YAMLError, RecursionError) as error:
        raise Refused("The file can't be read as YAML. Correct it in the YAML view first.") from error
    if not isinstance(root, YamlMapping):
        raise Refused("The file holds no flow. Begin with `flow:` and its name.")
    return root


def _start_offset(event: Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.index


def _end_offset(event: Event) -> int:
    assert event.end_mark is not None
    return event.end_mark.index


class _TreeReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self.anchors: dict[str, YamlNode] = {}

    def read(self) -> YamlNode | None:
        for event in self.events:
            if isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent)):
                return self._node(event, inline=False)
        return None

    def _node(self, event: Event, *, inline: bool) -> YamlNode:
        if isinstance(event, AliasEvent):
            name = event.anchor or ""
            return YamlAlias(
                _start_offset(event), _end_offset(event), None, _start_offset(event), True, name, self.anchors.get(name)
            )
        node = self._empty_node(event, inline)
        if node.anchor is not None:
            self.anchors[node.anchor] = node
        if isinstance(node, YamlMapping):
            self._fill_mapping(node)
        elif isinstance(node, YamlSequence):
            self._fill_sequence(node)
        return node

    def _empty_node(self, event: Event, inline: bool) -> YamlNode:
        """The node of this event, without its contents."""
        whole, end = _start_offset(event), _end_offset(event)
        anchor: str | None = getattr(event, "anchor", None)
        marked = _ANCHOR.match(self.text, whole) if anchor else None
        start = marked.end() if marked else whole
        if isinstance(event, ScalarEvent):
            style = event.style or None
            if style in {">", "|"}:
                end = start + len(self.text[start:end].rstrip())
            return YamlScalar(start, end, anchor, whole, inline, event.value, style)
        if isinstance(event, MappingStartEvent):
            return YamlMapping(start, end, anchor, whole, inline or bool(event.flow_style))
        return YamlSequence(start, end, anchor, whole, inline or bool(getattr(event, "flow_style", False)))

    def _fill_mapping(self, node: YamlMapping) -> None:
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                if node.inline:
                    node.end = _end_offset(event)
                break
            key = self._node(event, inline=node.inline)
            value = self._node(next(self.events), inline=node.inline)
            if not isinstance(key, YamlScalar):
                raise Refused("A name in the file is no plain word. Correct it in the YAML view first.")
            colon = _COLON.match(self.text, key.end)
            behind = colon.end() if colon else key.end
            if isinstance(value, YamlScalar) and value.start == value.end:
                value.start = value.end = behind
            node.entries.append(YamlEntry(key, value, behind))
        if not node.inline and node.entries:
            node.start = node.entries[0].key.anchor_start
            node.end = max(entry.value.end for entry in node.entries)

    def _fill_sequence(self, node: YamlSequence) -> None:
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                if node.inline:
                    node.end = _end_offset(event)
                break
            node.items.append(self._node(event, inline=node.inline))
        if not node.inline and node.items:
            node.start = self.text.index("-", node.start)
            node.end = max(item.end for item in node.items)


def to_data(node: YamlNode | None, depth: int = 0) -> object:
    """The value as `flow_yaml.load` reads it, with aliases resolved."""
    if isinstance(node, YamlAlias):
        return to_data(node.target, depth + 1) if depth < 40 else None
    if isinstance(node, YamlMapping):
        return {entry.key.text: to_data(entry.value, depth + 1) for entry in node.entries}
    if isinstance(node, YamlSequence):
        return [to_data(item, depth + 1) for item in node.items]
    if isinstance(node, YamlScalar):
        if node.style is None:
            if node.text in _EMPTY:
                return None
            if node.text in {"true", "false"}:
                return node.text == "true"
        return node.text
    return None


def walk_nodes(node: YamlNode) -> Iterator[YamlNode]:
    """The node and everything in it, in file order; does not follow aliases."""
    yield node
    if isinstance(node, YamlMapping):
        for entry in node.entries:
            yield entry.key
            yield from walk_nodes(entry.value)
    elif isinstance(node, YamlSequence):
        for item in node.items:
            yield from walk_nodes(item)


def line_start(text: str, at: int) -> int:
    """The offset at which the line of this offset begins."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """The offset after the line of this offset, including its line break."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def column_of(text: str, at: int) -> int:
    """The distance from the beginning of the line."""
    return at - line_start(text, at)
