"""A value of the file changed into another one by rewriting as little of its text as possible.

What did not change is copied letter by letter, with its quotes, its remarks and its `&` and `*`. Nothing here decides
whether the outcome is right: `document.py` reads it back and compares.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from bot.domain.flow_editing import emitting
from bot.domain.flow_editing.places import (
    Alias,
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    column,
    data_of,
    line_end,
    line_start,
    walk,
)

Plain = dict[str, object]
_REMARK = re.compile(r"(?:^|(?<=[\s,\[{]))(#[^\n]*)", re.MULTILINE)


def is_same(one: object, other: object) -> bool:
    """Whether two values mean the same. Choices are picked by their number, so their order counts too."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys() or _names(one.get("choices")) != _names(other.get("choices")):
            return False
        return all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other


def is_same_under(name: str, one: object, other: object) -> bool:
    """Whether two values that stand behind this name mean the same."""
    return is_same({name: one}, {name: other})


def _names(choices: object) -> list[object]:
    return list(choices) if isinstance(choices, dict) else []


def lead(text: str, entry: Entry) -> int:
    """Where an entry begins with the remarks directly above it, those that are not indented deeper than itself."""
    start = line_start(text, entry.key.anchor_start)
    at = entry.key.anchor_start - start
    while start > 0:
        above = line_start(text, start - 1)
        row = text[above:start]
        if not row.lstrip().startswith("#") or len(row) - len(row.lstrip(" ")) > at:
            break
        start = above
    return start


def has_own_line(text: str, entry: Entry) -> bool:
    """Whether nothing but space stands before the entry in its line."""
    start = entry.key.anchor_start
    return not text[line_start(text, start) : start].strip(" ")


class Patch:
    """Writes new values over the nodes of one text, which ends with a line break."""

    def __init__(self, text: str, shared: frozenset[int]) -> None:
        """`shared` are the ids of the nodes that an alias copies."""
        self.text = text
        self._shared = shared

    # Mappings in indented lines.

    def mapping(self, node: Mapping, new: Plain, *, is_ordered: bool = False) -> str | None:
        """The lines of a mapping with these values in place of its own, from the line of its first name to the end of
        its last line; None where it is not written in lines of its own.
        """
        if node.inline or not node.entries or not all(has_own_line(self.text, entry) for entry in node.entries):
            return None
        at = column(self.text, node.entries[0].key.anchor_start)
        names = _new_names(node, new)
        sources = {
            names[entry.key.text]: (entry, *span) for entry, span in zip(node.entries, self._spans(node), strict=True)
        }
        rows: list[str] = []
        for key in _order(list(sources), list(new), is_ordered=is_ordered):
            if key in sources:
                rows.append(self.entry(*sources[key], new[key], key))
                continue
            # A new entry goes above the empty lines that end the one before it.
            bare = rows[-1].rstrip("\n") + "\n" if rows else ""
            blank = rows.pop()[len(bare) :] if rows else ""
            rows += [bare, emitting.entry(key, new[key], at) + "\n", blank]
            rows = ["".join(rows)]
        return "".join(rows)

    def _spans(self, node: Mapping) -> list[tuple[int, int]]:
        """From where to where each entry goes, remarks above it included: joined they are the lines of the mapping."""
        starts = [lead(self.text, entry) for entry in node.entries]
        # What is above the first name belongs to the name above.
        starts[0] = line_start(self.text, node.entries[0].key.anchor_start)
        return list(zip(starts, [*starts[1:], line_end(self.text, node.end)], strict=True))

    def entry(self, entry: Entry, start: int, end: int, new: object, name: str) -> str:
        """The text from `start` to `end`, in which this entry stands, with another value and perhaps another name."""
        key = entry.key
        head = self.text[start : key.anchor_start]
        written = self.text[key.anchor_start : key.end] if key.text == name else emitting.scalar(name, key.style)
        if is_same_under(name, data_of(entry.value), new):
            return head + written + self.text[key.end : end]
        body = self._behind(entry, new)
        last = line_end(self.text, entry.value.end)
        remarks = self.lost_remarks(entry, last, body)
        space = head[len(head.rstrip(" ")) :]
        above = "".join(f"{space}{remark}\n" for remark in remarks)
        return head[: len(head) - len(space)] + above + space + written + self.text[key.end : entry.colon] + body + (
            self.text[last:end]
        )  # fmt: skip

    def lost_remarks(self, entry: Entry, last: int, body: str) -> list[str]:
        """Remarks within the old lines that are not in the new ones."""
        masked = list(self.text[entry.colon : last])
        for inner in walk(entry.value):
            if isinstance(inner, Scalar):
                for at in range(inner.start - entry.colon, inner.end - entry.colon):
                    masked[at] = "\n" if masked[at] == "\n" else "x"
        return [mark.group(1).rstrip() for mark in _REMARK.finditer("".join(masked)) if mark.group(1).rstrip() not in body]

    # Values behind a name.

    def _behind(self, entry: Entry, new: object) -> str:
        """What stands behind the colon, to the end of the last line, once the value is this one."""
        node, name = entry.value, entry.key.text
        at = column(self.text, entry.key.anchor_start)
        gap = self._gap(entry)
        lines: str | None = None
        if not node.inline and "\n" in gap and new:
            if isinstance(node, Mapping) and isinstance(new, dict):
                lines = self.mapping(node, new, is_ordered=name == "choices")
            elif isinstance(node, Sequence) and isinstance(new, list):
                lines = self._sequence(node, new)
        if lines is not None:
            return gap[: gap.rfind("\n") + 1] + lines
        body = self._on_one_line(entry, new, gap, at)
        if body is None:
            body = emitting.after_key(name, new, at, node.style if isinstance(node, Scalar) else None)
            if "#" in gap:
                # The remark between the name and its value stays; the value begins in a line of its own.
                fresh = body if body.startswith("\n") else "\n" + " " * (at + emitting.INDENT) + body.lstrip(" ")
                body = gap[: gap.rfind("\n")] + fresh
        tail = self.text[node.end : line_end(self.text, node.end)]
        # A remark behind a value that goes on in further lines would become part of the text.
        return body + (tail if "\n" not in body or (node.inline and "\n" in gap) else "\n")

    def _gap(self, entry: Entry) -> str:
        """What stands between the colon and the value, without a mark that others copy: it is handed on to them."""
        node = entry.value
        if node.anchor is None or id(node) not in self._shared:
            return self.text[entry.colon : node.start]
        marked = self.text[node.anchor_start : node.start].partition(node.anchor)[2]
        gap = self.text[entry.colon : node.anchor_start].rstrip(" ") + marked
        return gap if gap[:1] in {" ", "\n"} else f" {gap}"

    def _on_one_line(self, entry: Entry, new: object, gap: str, at: int) -> str | None:
        """A value in { } or [ ] with another content in the same manner; None where it does not fit so."""
        node = entry.value
        before = len(gap) - gap.rfind("\n") - 1 if "\n" in gap else column(self.text, entry.colon) + len(gap)
        if isinstance(node, Mapping) and node.inline and isinstance(new, dict) and new:
            flat = self.inline(node, new, is_ordered=entry.key.text == "choices")
            return gap + flat if before + len(flat) <= emitting.WIDTH else None
        is_flat = isinstance(new, list) and new and not any(isinstance(one, (dict, list)) for one in new)
        if isinstance(node, Sequence) and node.inline and isinstance(new, list) and is_flat:
            items = self._flat_items(node, new)
            if "\n" not in gap and before + sum(map(len, items)) + 2 * len(items) > emitting.WIDTH:
                gap = "\n" + " " * (at + emitting.INDENT)
                before = at + emitting.INDENT
            return gap + emitting.wrapped_list(items, before)
        return None

    # Lists in indented lines.

    def _sequence(self, node: Sequence, new: list[object]) -> str | None:
        """The lines of a list with these items; None where its dashes do not stand in lines of their own."""
        starts = [line_start(self.text, item.anchor_start) for item in node.items]
        heads = [self.text[start : item.anchor_start] for start, item in zip(starts, node.items, strict=True)]
        if not heads or not all(re.fullmatch(r" *- +", head) for head in heads):
            return None
        ends = [*starts[1:], line_end(self.text, node.end)]
        at = heads[0].index("-")
        rows: list[str] = []
        old = [repr(data_of(item)) for item in node.items]
        matcher = SequenceMatcher(None, old, [repr(one) for one in new], autojunk=False)
        for act, low, high, left, right in matcher.get_opcodes():
            if act == "equal":
                rows.append(self.text[starts[low] : ends[high - 1]])
                continue
            for number, one in enumerate(new[left:right], low):
                is_known = number < high
                rows.append(self._item(node.items[number], one, heads[number], ends[number]) if is_known
                            else emitting.item(one, at) + "\n")  # fmt: skip
        return "".join(rows)

    def _item(self, node: Node, new: object, head: str, end: int) -> str:
        tail = self.text[node.end : end]
        is_free = node.anchor is None or id(node) not in self._shared
        if is_free and isinstance(node, Mapping) and isinstance(new, dict) and new:
            flat = self.inline(node, new) if node.inline else ""
            if flat and len(head) + len(flat) <= emitting.WIDTH:
                return head + flat + tail
            lines = None if node.inline else self._behind_dash(node, new, head)
            if lines is not None:
                return lines + self.text[line_end(self.text, node.end) : end]
        if is_free and isinstance(node, Scalar) and isinstance(new, str) and not node.is_block:
            return head + emitting.block_scalar(new, node.style) + tail
        return emitting.item(new, head.index("-")) + "\n" + "".join(
            f"{' ' * head.index('-')}{row.strip()}\n" for row in tail.split("\n") if row.strip()
        )  # fmt: skip

    def _behind_dash(self, node: Mapping, new: Plain, head: str) -> str | None:
        """`- when: ...` and its further lines: a mapping, whose dash counts as a space."""
        dash = line_start(self.text, node.start) + head.index("-")
        bare = Patch(self.text[:dash] + " " + self.text[dash + 1 :], self._shared)
        lines = bare.mapping(node, new)
        if lines is None or lines[: len(head)].strip():
            return None
        return head + lines[len(head) :]

    # Values within { } and [ ].

    def inline(self, node: Node | None, new: object, *, is_ordered: bool = False) -> str:
        """The value on one line; what is the same as in the node is copied."""
        name = "choices" if is_ordered else ""
        if node is not None and is_same_under(name, data_of(node), new) and self._can_be_copied(node):
            return self.text[node.anchor_start : node.end]
        if isinstance(new, dict):
            names = _new_names(node, new) if isinstance(node, Mapping) else {}
            known = {names[entry.key.text]: entry for entry in node.entries} if isinstance(node, Mapping) else {}
            order = _order(list(known), list(new), is_ordered=is_ordered)
            return "{" + ", ".join(self._pair(known.get(key), key, new[key]) for key in order) + "}"
        if isinstance(new, list):
            return "[" + ", ".join(self._flat_items(node, new)) + "]"
        return emitting.scalar(new, node.style if isinstance(node, Scalar) else None)

    def _pair(self, entry: Entry | None, name: str, new: object) -> str:
        is_copied = entry is not None and entry.key.text == name
        key = self.text[entry.key.start : entry.key.end] if entry and is_copied else emitting.scalar(name)
        return f"{key}: {self.inline(entry.value if entry else None, new, is_ordered=name == 'choices')}"

    def _flat_items(self, node: Node | None, new: list[object]) -> list[str]:
        items = node.items if isinstance(node, Sequence) else []
        known: dict[str, Node] = {}
        for one in items:
            known.setdefault(repr(data_of(one)), one)
        beside: list[Node | None] = list(items) if len(items) == len(new) else [None] * len(new)
        return [self.inline(known.get(repr(one), other), one) for one, other in zip(new, beside, strict=True)]

    def _can_be_copied(self, node: Node) -> bool:
        raw = self.text[node.anchor_start : node.end]
        return isinstance(node, Alias) or (node.inline and bool(raw) and "\n" not in raw)


def _new_names(node: Mapping, new: Plain) -> dict[str, str]:
    """The name of each entry -> its name from now on: another one where only the name of one entry was changed."""
    names = {entry.key.text: entry.key.text for entry in node.entries}
    gone = [entry for entry in node.entries if entry.key.text not in new]
    added = [key for key in new if key not in names]
    if len(gone) == len(added) == 1 and is_same(data_of(gone[0].value), new[added[0]]):
        names[gone[0].key.text] = added[0]
    return names


def _order(old: list[str], new: list[str], *, is_ordered: bool) -> list[str]:
    """The names in the order in which they are written: as in the file, with new ones behind those they follow."""
    if is_ordered:
        return new
    wanted = set(new)
    order = [key for key in old if key in wanted]
    for number, key in enumerate(new):
        if key not in order:
            before = next((known for known in reversed(new[:number]) if known in order), None)
            order.insert(order.index(before) + 1 if before is not None else 0, key)
    return order
