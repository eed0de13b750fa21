"""`&name` and `*name`: what is marked in a step that goes is handed on to the first that copies it."""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain.flow_editing import emitting
from bot.domain.flow_editing.places import Alias, Mapping, Node, column, data_of, line_end, line_start, walk

Edit = tuple[int, int, str]
"""From which offset to which, and the text that stands there from now on."""


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with all these edits, which do not overlap."""
    parts, at = [], 0
    for start, end, new in sorted(edits):
        parts += [text[at:start], new]
        at = max(at, end)
    return "".join([*parts, text[at:]])


class Anchors:
    """What is marked in a file, and what copies it."""

    def __init__(self, text: str, root: Node) -> None:
        self._text = text
        self._copies: dict[int, list[Alias]] = {}
        self._marked: dict[int, Node] = {}
        for node in walk(root):
            if isinstance(node, Alias) and node.of is not None:
                self._copies.setdefault(id(node.of), []).append(node)
                self._marked[id(node.of)] = node.of
        self.shared = frozenset(self._copies)

    def handed_on(self, node: Node, start: int, end: int, lines: str) -> list[Edit]:
        """The edits that let copies outside of these offsets keep their meaning, once `lines` stands there instead."""
        edits: list[Edit] = []
        for inner in walk(node):
            copies = [copy for copy in self._copies.get(id(inner), []) if not start <= copy.start < end]
            if copies and f"&{inner.anchor}" not in lines.replace(",", " ").split():
                edits.append(self._defined_at(copies[0], inner))
        return edits

    def swapped(self, start: int, end: int, target: int) -> list[Edit]:
        """The edits after which each mark still stands before its copies, once the lines from `start` to `end` have
        moved to `target`.
        """

        def place(at: int) -> tuple[int, int]:
            return (target, at) if start <= at < end else (at, end if at == target else 0)

        edits: list[Edit] = []
        for key, copies in self._copies.items():
            node = self._marked[key]
            first = min([node, *copies], key=lambda one: place(one.anchor_start))
            if isinstance(first, Alias):
                edits += [self._defined_at(first, node), (*self._whole(node), f"*{node.anchor}")]
        return edits

    def _whole(self, node: Node) -> tuple[int, int]:
        return node.anchor_start, node.end

    def _defined_at(self, copy: Alias, node: Node) -> Edit:
        """The first copy becomes the marked one."""
        raw = self._text[node.start : node.end]
        mark = f"&{node.anchor}"
        if isinstance(node, Mapping) and not node.inline:
            start = line_start(self._text, copy.start)
            row = self._text[start : line_end(self._text, copy.start)]
            shift = len(row) - len(row.lstrip(" -")) + emitting.INDENT - column(self._text, node.start)
            first = line_start(self._text, node.start)
            rows = self._text[first : node.end].split("\n")
            return copy.start, copy.end, "\n".join([mark, *(_shifted(row, shift) for row in rows)])
        flat = raw if "\n" not in raw and raw else emitting.one_line(data_of(node))
        return copy.start, copy.end, f"{mark} {flat}"


def _shifted(row: str, by: int) -> str:
    if not row.strip():
        return row
    return " " * by + row if by >= 0 else row[min(-by, len(row) - len(row.lstrip(" "))) :]
