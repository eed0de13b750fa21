"""Changes a value in the file by rewriting as little of its text as possible.

Unchanged parts are copied letter by letter, with quotes, comments, anchors and aliases. Whether the result is right is not
decided here: `document.py` reads it back and compares.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from bot.domain.flows.editing import emitting
from bot.domain.flows.editing.places import (
    YamlAlias,
    YamlEntry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    column_of,
    line_end,
    line_start,
    to_data,
    walk_nodes,
)

Plain = dict[str, object]
_COMMENT = re.compile(r"(?:^|(?<=[\s,\[{]))(#[^\n]*)", re.MULTILINE)


def is_same(one: object, other: object) -> bool:
    """Whether two values mean the same. Choices are picked by number, so their order counts too."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys() or _choice_names(one.get("choices")) != _choice_names(other.get("choices")):
            return False
        return all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def is_same_under(name: str, one: object, other: object) -> bool:
    """Whether two values under this key mean the same."""
    return is_same({name: one}, {name: other})


def _choice_names(choices: object) -> list[object]:
    return list(choices) if isinstance(choices, dict) else []


def entry_start(text: str, entry: YamlEntry) -> int:
    """Where an entry begins, counting comments directly above it that are not indented deeper."""
    start = line_start(text, entry.key.anchor_start)
    at = entry.key.anchor_start - start
    while start > 0:
        above = line_start(text, start - 1)
        row = text[above:start]
        if not row.lstrip().startswith("#") or len(row) - len(row.lstrip(" ")) > at:
            break
        start = above
    return start


def has_own_line(text: str, entry: YamlEntry) -> bool:
    """Whether only space stands before the entry on its line."""
    start = entry.key.anchor_start
    return not text[line_start(text, start) : start].strip(" ")


class Patcher:
    """Writes new values over the nodes of one text, which must end with a line break."""

    def __init__(self, text: str, shared: frozenset[int]) -> None:
        """`shared` are the ids of the nodes that an alias copies."""
        self.text = text
        self._shared = shared

    # Mappings in indented lines.

    def mapping_lines(self, node: YamlMapping, new: Plain, *, is_ordered: bool = False) -> str | None:
        """The lines of a mapping with these values instead of its own, from the line of its first key to the end of its last
        line; None if it is not written in lines of its own.
        """
        if node.inline or not node.entries or not all(has_own_line(self.text, entry) for entry in node.entries):
            return None
        at = column_of(self.text, node.entries[0].key.anchor_start)
        names = _renamed_keys(node, new)
        sources = {
            names[entry.key.text]: (entry, *span) for entry, span in zip(node.entries, self._spans(node), strict=True)
        }
        rows: list[str] = []
        for key in _merged_order(list(sources), list(new), is_ordered=is_ordered):
            if key in sources:
                rows.append(self.entry_text(*sources[key], new[key], key))
                continue
            # A new entry goes above the empty lines that end the previous one.
            bare = rows[-1].rstrip("\n") + "\n" if rows else ""
            blank = rows.pop()[len(bare) :] if rows else ""
            rows += [bare, emitting.entry(key, new[key], at) + "\n", blank]
            rows = ["".join(rows)]
        return "".join(rows)

    def _spans(self, node: YamlMapping) -> list[tuple[int, int]]:
        """The span of each entry, including comments above it; joined they are the lines of the mapping."""
        starts = [entry_start(self.text, entry) for entry in node.entries]
        # Whatever stands above the first key belongs to the parent key.
        starts[0] = line_start(self.text, node.entries[0].key.anchor_start)
        return list(zip(starts, [*starts[1:], line_end(self.text, node.end)], strict=True))

    def entry_text(self, entry: YamlEntry, start: int, end: int, new: object, name: str) -> str:
        """The text from `start` to `end`, which holds this entry, with another value and perhaps another key."""
        key = entry.key
        head = self.text[start : key.anchor_start]
        written = self.text[key.anchor_start : key.end] if key.text == name else emitting.scalar(name, key.style)
        if is_same_under(name, to_data(entry.value), new):
            return head + written + self.text[key.end : end]
        body = self._text_after_key(entry, new)
        last = line_end(self.text, entry.value.end)
        remarks = self.lost_comments(entry, last, body)
        space = head[len(head.rstrip(" ")) :]
        above = "".join(f"{space}{remark}\n" for remark in remarks)
        return head[: len(head) - len(space)] + above + space + written + self.text[key.end : entry.colon] + body + (
            self.text[last:end]
        )  # fmt: skip

    def lost_comments(self, entry: YamlEntry, last: int, body: str) -> list[str]:
        """Comments in the old lines that are missing from the new ones."""
        masked = list(self.text[entry.colon : last])
        for inner in walk_nodes(entry.value):
            if isinstance(inner, YamlScalar):
                for at in range(inner.start - entry.colon, inner.end - entry.colon):
                    masked[at] = "\n" if masked[at] == "\n" else "x"
        return [mark.group(1).rstrip() for mark in _COMMENT.finditer("".join(masked)) if mark.group(1).rstrip() not in body]

    # Values after a key.

    def _text_after_key(self, entry: YamlEntry, new: object) -> str:
        """The text after the colon, to the end of the last line, for this value."""
        node, name = entry.value, entry.key.text
        at = column_of(self.text, entry.key.anchor_start)
        gap = self._gap(entry)
        lines: str | None = None
        if not node.inline and "\n" in gap and new:
            if isinstance(node, YamlMapping) and isinstance(new, dict):
                lines = self.mapping_lines(node, new, is_ordered=name == "choices")
            elif isinstance(node, YamlSequence) and isinstance(new, list):
                lines = self._sequence_lines(node, new)
        if lines is not None:
            return gap[: gap.rfind("\n") + 1] + lines
        body = self._on_one_line(entry, new, gap, at)
        if body is None:
            body = emitting.after_key(name, new, at, node.style if isinstance(node, YamlScalar) else None)
            if "#" in gap:
                # The comment between the key and its value stays; the value begins on a line of its own.
                fresh = body if body.startswith("\n") else "\n" + " " * (at + emitting.INDENT) + body.lstrip(" ")
                body = gap[: gap.rfind("\n")] + fresh
        tail = self.text[node.end : line_end(self.text, node.end)]
        # A comment after a value that goes on in further lines would become part of the text.
        return body + (tail if "\n" not in body or (node.inline and "\n" in gap) else "\n")

    def _gap(self, entry: YamlEntry) -> str:
        """The text between the colon and the value, without an anchor that aliases use: the anchor is passed on to them."""
        node = entry.value
        if node.anchor is None or id(node) not in self._shared:
            return self.text[entry.colon : node.start]
        marked = self.text[node.anchor_start : node.start].partition(node.anchor)[2]
        gap = self.text[entry.colon : node.anchor_start].rstrip(" ") + marked
        return gap if gap[:1] in {" ", "\n"} else f" {gap}"

    def _on_one_line(self, entry: YamlEntry, new: object, gap: str, at: int) -> str | None:
        """A value in { } or [ ] with new content in the same style; None if it does not fit on the line."""
        node = entry.value
        before = len(gap) - gap.rfind("\n") - 1 if "\n" in gap else column_of(self.text, entry.colon) + len(gap)
        if isinstance(node, YamlMapping) and node.inline and isinstance(new, dict) and new:
            flat = self.inline_text(node, new, is_ordered=entry.key.text == "choices")
            return gap + flat if before + len(flat) <= emitting.WIDTH else None
        is_flat = isinstance(new, list) and new and not any(isinstance(one, (dict, list)) for one in new)
        if isinstance(node, YamlSequence) and node.inline and isinstance(new, list) and is_flat:
            items = self._inline_items(node, new)
            if "\n" not in gap and before + sum(map(len, items)) + 2 * len(items) > emitting.WIDTH:
                gap = "\n" + " " * (at + emitting.INDENT)
                before = at + emitting.INDENT
            return gap + emitting.wrapped_list(items, before)
        return None

    # Lists in indented lines.

    def _sequence_lines(self, node: YamlSequence, new: list[object]) -> str | None:
        """The lines of a list with these items; None if its dashes do not stand on lines of their own."""
        starts = [line_start(self.text, item.anchor_start) for item in node.items]
        heads = [self.text[start : item.anchor_start] for start, item in zip(starts, node.items, strict=True)]
        if not heads or not all(re.fullmatch(r" *- +", head) for head in heads):
            return None
        ends = [*starts[1:], line_end(self.text, node.end)]
        at = heads[0].index("-")
        rows: list[str] = []
        old = [repr(to_data(item)) for item in node.items]
        matcher = SequenceMatcher(None, old, [repr(one) for one in new], autojunk=False)
        for act, low, high, left, right in matcher.get_opcodes():
            if act == "equal":
                rows.append(self.text[starts[low] : ends[high - 1]])
                continue
            for number, one in enumerate(new[left:right], low):
                is_known = number < high
                rows.append(self._item_text(node.items[number], one, heads[number], ends[number]) if is_known
                            else emitting.item(one, at) + "\n")  # fmt: skip
        return "".join(rows)

    def _item_text(self, node: YamlNode, new: object, head: str, end: int) -> str:
        tail = self.text[node.end : end]
        is_free = node.anchor is None or id(node) not in self._shared
        if is_free and isinstance(node, YamlMapping) and isinstance(new, dict) and new:
            flat = self.inline_text(node, new) if node.inline else ""
            if flat and len(head) + len(flat) <= emitting.WIDTH:
                return head + flat + tail
            lines = None if node.inline else self._text_after_dash(node, new, head)
            if lines is not None:
                return lines + self.text[line_end(self.text, node.end) : end]
        if is_free and isinstance(node, YamlScalar) and isinstance(new, str) and not node.is_block:
            return head + emitting.block_scalar(new, node.style) + tail
        return emitting.item(new, head.index("-")) + "\n" + "".join(
            f"{' ' * head.index('-')}{row.strip()}\n" for row in tail.split("\n") if row.strip()
        )  # fmt: skip

    def _text_after_dash(self, node: YamlMapping, new: Plain, head: str) -> str | None:
        """`- when: ...` and its further lines: a mapping whose dash counts as a space."""
        dash = line_start(self.text, node.start) + head.index("-")
        bare = Patcher(self.text[:dash] + " " + self.text[dash + 1 :], self._shared)
        lines = bare.mapping_lines(node, new)
        if lines is None or lines[: len(head)].strip():
            return None
        return head + lines[len(head) :]

    # Values within { } and [ ].

    def inline_text(self, node: YamlNode | None, new: object, *, is_ordered: bool = False) -> str:
        """The value on one line; what equals the node is copied."""
        name = "choices" if is_ordered else ""
        if node is not None and is_same_under(name, to_data(node), new) and self._can_be_copied(node):
            return self.text[node.anchor_start : node.end]
        if isinstance(new, dict):
            names = _renamed_keys(node, new) if isinstance(node, YamlMapping) else {}
            known = {names[entry.key.text]: entry for entry in node.entries} if isinstance(node, YamlMapping) else {}
            order = _merged_order(list(known), list(new), is_ordered=is_ordered)
            return "{" + ", ".join(self._inline_pair(known.get(key), key, new[key]) for key in order) + "}"
        if isinstance(new, list):
            return "[" + ", ".join(self._inline_items(node, new)) + "]"
        return emitting.scalar(new, node.style if isinstance(node, YamlScalar) else None)

    def _inline_pair(self, entry: YamlEntry | None, name: str, new: object) -> str:
        is_copied = entry is not None and entry.key.text == name
        key = self.text[entry.key.start : entry.key.end] if entry and is_copied else emitting.scalar(name)
        return f"{key}: {self.inline_text(entry.value if entry else None, new, is_ordered=name == 'choices')}"

    def _inline_items(self, node: YamlNode | None, new: list[object]) -> list[str]:
        items = node.items if isinstance(node, YamlSequence) else []
        known: dict[str, YamlNode] = {}
        for one in items:
            known.setdefault(repr(to_data(one)), one)
        beside: list[YamlNode | None] = list(items) if len(items) == len(new) else [None] * len(new)
        return [self.inline_text(known.get(repr(one), other), one) for one, other in zip(new, beside, strict=True)]

    def _can_be_copied(self, node: YamlNode) -> bool:
        raw = self.text[node.anchor_start : node.end]
        return isinstance(node, YamlAlias) or (node.inline and bool(raw) and "\n" not in raw)


def _renamed_keys(node: YamlMapping, new: Plain) -> dict[str, str]:
    """The key of each entry -> its new key, which differs only if exactly one key was renamed."""
    names = {entry.key.text: entry.key.text for entry in node.entries}
    removed = [entry for entry in node.entries if entry.key.text not in new]
    added = [key for key in new if key not in names]
    if len(removed) == len(added) == 1 and is_same(to_data(removed[0].value), new[added[0]]):
        names[removed[0].key.text] = added[0]
    return names


def _merged_order(old: list[str], new: list[str], *, is_ordered: bool) -> list[str]:
    """The keys in the order to write: as in the file, with new ones after those they follow."""
    if is_ordered:
        return new
    wanted = set(new)
    order = [key for key in old if key in wanted]
    for number, key in enumerate(new):
        if key not in order:
            before = next((known for known in reversed(new[:number]) if known in order), None)
            order.insert(order.index(before) + 1 if before is not None else 0, key)
    return order
