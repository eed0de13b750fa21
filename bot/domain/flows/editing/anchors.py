"""`&name` and `*name`: when an anchored value is removed, the anchor passes to the first alias that copies it."""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain.flows.editing import emitting
from bot.domain.flows.editing.places import (
    YamlAlias,
    YamlMapping,
    YamlNode,
    column_of,
    line_end,
    line_start,
    to_data,
    walk_nodes,
)

Edit = tuple[int, int, str]
"""Start offset, end offset, replacement text."""


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Applies the edits, which must not overlap."""
    parts, at = [], 0
    for start, end, new in sorted(edits):
        parts += [text[at:start], new]
        at = max(at, end)
    return "".join([*parts, text[at:]])


class Anchors:
    """The anchors of a file, and the aliases that copy them."""

    def __init__(self, text: str, root: YamlNode) -> None:
        self._text = text
        self._copies: dict[int, list[YamlAlias]] = {}
        self._marked: dict[int, YamlNode] = {}
        for node in walk_nodes(root):
            if isinstance(node, YamlAlias) and node.target is not None:
                self._copies.setdefault(id(node.target), []).append(node)
                self._marked[id(node.target)] = node.target
        self.shared = frozenset(self._copies)

    def edits_for_replacement(self, node: YamlNode, start: int, end: int, lines: str) -> list[Edit]:
        """The edits that keep aliases outside of these offsets valid once `lines` replaces the span."""
        edits: list[Edit] = []
        for inner in walk_nodes(node):
            copies = [copy for copy in self._copies.get(id(inner), []) if not start <= copy.start < end]
            if copies and f"&{inner.anchor}" not in lines.replace(",", " ").split():
                edits.append(self._define_at(copies[0], inner))
        return edits

    def edits_for_move(self, start: int, end: int, target: int) -> list[Edit]:
        """The edits that keep each anchor before its aliases once the lines from `start` to `end` have moved to `target`."""

        def place(at: int) -> tuple[int, int]:
            return (target, at) if start <= at < end else (at, end if at == target else 0)

        edits: list[Edit] = []
        for key, copies in self._copies.items():
            node = self._marked[key]
            first = min([node, *copies], key=lambda one: place(one.anchor_start))
            if isinstance(first, YamlAlias):
                edits += [self._define_at(first, node), (*self._span(node), f"*{node.anchor}")]
        return edits

    def _span(self, node: YamlNode) -> tuple[int, int]:
        return node.anchor_start, node.end

    def _define_at(self, copy: YamlAlias, node: YamlNode) -> Edit:
        """Makes the first alias the anchored value."""
        raw = self._text[node.start : node.end]
        mark = f"&{node.anchor}"
        if isinstance(node, YamlMapping) and not node.inline:
            start = line_start(self._text, copy.start)
            row = self._text[start : line_end(self._text, copy.start)]
            shift = len(row) - len(row.lstrip(" -")) + emitting.INDENT - column_of(self._text, node.start)
            first = line_start(self._text, node.start)
            rows = self._text[first : node.end].split("\n")
            return copy.start, copy.end, "\n".join([mark, *(_shift_row(row, shift) for row in rows)])
        flat = raw if "\n" not in raw and raw else emitting.one_line(to_data(node))
        return copy.start, copy.end, f"{mark} {flat}"


def _shift_row(row: str, by: int) -> str:
    if not row.strip():
        return row
    return " " * by + row if by >= 0 else row[min(-by, len(row) - len(row.lstrip(" "))) :]
