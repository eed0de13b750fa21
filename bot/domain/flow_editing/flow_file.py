"""The YAML text of one flow taken apart, and the acts on it: each gives the whole new text, read back and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from bot.domain.flow_editing import emitting, places
from bot.domain.flow_editing.anchors import Anchors, Edit, edited
from bot.domain.flow_editing.anew import written_anew
from bot.domain.flow_editing.mentions import Kind, mentions, replaced, with_answer_renamed
from bot.domain.flow_editing.patching import Patch, Plain, has_own_line, is_same, lead
from bot.domain.flow_editing.scalars import node_at, rewritten
from bot.domain.flow_editing.unfit import Unfit
from bot.domain.flow_yaml import FlowError, load
from bot.domain.script import STEP_NAME

HEAD = ("flow", "title", "purpose", "start", "menu", "segments", "safety")
_YAML_WORDS = frozenset(["true", "false", "null"])
_FILE = "flow.yaml"


@lru_cache(maxsize=8)
def _loaded(text: str) -> object:
    """Kept for some texts, because what one act has read back is what the next one begins with. Never changed."""
    return load(text, _FILE)[0]


def read_data(source: str) -> Plain:
    """The file as plain data, only to be read: it is kept. Raises FlowError (no YAML), Unfit (no flow)."""
    data = _loaded(source)
    if not isinstance(data, dict):
        raise Unfit("The file holds no flow. Begin with `flow:` and its name.")
    return dict(data)


def must_be_name(name: str, said: str) -> None:
    if not re.fullmatch(STEP_NAME, name):
        raise Unfit(f"{said} can't be a name. Use small letters, digits and _, and begin with a letter; at most 40.")
    if name in _YAML_WORDS:
        raise Unfit(f"{said} is a word of YAML itself. Choose another name.")


class FlowFile:
    """One source, taken apart; each act gives the new source."""

    def __init__(self, source: str) -> None:
        self.data = read_data(source)
        steps = self.data.get("steps")
        self.steps: Plain = steps if isinstance(steps, dict) else {}
        self._source = source
        self._bom = "\ufeff" if source.startswith("\ufeff") else ""
        self._breaks = "\r\n" if "\r\n" in source else "\n"
        text = source.removeprefix("\ufeff").replace("\r\n", "\n")
        self._ends_open = not text.endswith("\n")
        self.text = text + "\n" if self._ends_open else text
        self.root = places.read(self.text)
        self.anchors = Anchors(self.text, self.root)
        self.patch = Patch(self.text, self.anchors.shared)
        found = self.root.get("steps")
        node = found.value if found else None
        is_in_lines = isinstance(node, places.Mapping) and not node.inline
        self.node = node if isinstance(node, places.Mapping) and is_in_lines and self._has_lines(node) else None

    def _has_lines(self, node: places.Mapping) -> bool:
        return all(has_own_line(self.text, entry) for entry in node.entries)

    def must_have(self, name: str) -> None:
        if name not in self.steps:
            raise Unfit(f"There is no step `{name}`.")

    def _kept(self, expected: Plain, ways: Iterable[Callable[[], str | None]]) -> str:
        """The text of the first way that reads back as what was meant. Raises Unfit where none does."""

        def last() -> str | None:
            return written_anew(self.text, self.data, expected)

        for way in (*ways, last):
            text = way()
            made = self._closed(text) if text is not None else None
            if made is not None and _reads_as(made, expected):
                return made
        raise Unfit("This change can't be written into the file safely. Make it in the YAML view.")

    def _closed(self, text: str) -> str:
        text = text.removesuffix("\n") if self._ends_open else text
        return self._bom + text.replace("\n", self._breaks)

    def _expected(self, steps: Plain) -> Plain:
        return {**self.data, "steps": steps}

    # A step's content.

    def set_step(self, name: str, new: Plain) -> str:
        self.must_have(name)
        if is_same(self.steps[name], new):
            return self._source
        return self._kept(
            self._expected({**self.steps, name: new}),
            [lambda: self._with_patched(name, new), lambda: self._with_rewritten(name, new)],
        )

    def _with_patched(self, name: str, new: Plain) -> str | None:
        if self.node is None:
            return None
        entry, start, end = self._place(name)
        return self._with_lines(entry, start, end, self.patch.entry(entry, start, end, new, name))

    def _with_rewritten(self, name: str, new: Plain) -> str | None:
        """The step without regard to how it was written; its remarks stay above it."""
        if self.node is None:
            return None
        entry, start, end = self._place(name)
        at = places.column(self.text, entry.key.anchor_start)
        written = emitting.entry(name, new, at) + "\n"
        above = self.text[start : places.line_start(self.text, entry.key.anchor_start)]
        remarks = "".join(f"{' ' * at}{one}\n" for one in self.patch.lost_remarks(entry, end, written))
        return self._with_lines(entry, start, end, above + remarks + written)

    def _with_lines(self, entry: places.Entry, start: int, end: int, lines: str) -> str:
        return edited(self.text, [(start, end, lines), *self.anchors.handed_on(entry.value, start, end, lines)])

    def _place(self, name: str) -> tuple[places.Entry, int, int]:
        """A step's entry, and from where to where its lines go: remarks above it included, empty lines below it not."""
        assert self.node is not None
        entries = self.node.entries
        number = next(at for at, entry in enumerate(entries) if entry.key.text == name)
        entry = entries[number]
        if number + 1 < len(entries):
            end = lead(self.text, entries[number + 1])
        else:
            end = places.line_end(self.text, entry.value.end)
        start = lead(self.text, entry)
        return entry, start, start + len(self.text[start:end].rstrip("\n")) + 1

    # Steps that come, go and move.

    def add_step(self, name: str, new: Plain, after: str | None) -> str:
        must_be_name(name, f"`{name}`")
        if name in self.steps:
            raise Unfit(f"There is a step `{name}` already. Choose another name.")
        if after is not None:
            self.must_have(after)
        names = list(self.steps)
        place = names.index(after) + 1 if after is not None else len(names)
        pairs = list(self.steps.items())
        expected = self._expected(dict([*pairs[:place], (name, new), *pairs[place:]]))
        return self._kept(expected, [lambda: self._with_added(name, new, names[place - 1] if place else None)])

    def _with_added(self, name: str, new: Plain, after: str | None) -> str | None:
        if after is None:
            return self._with_first(name, new)
        if self.node is None:
            return None
        entry, _, end = self._place(after)
        at = places.column(self.text, entry.key.anchor_start)
        return self.text[:end] + emitting.entry(name, new, at) + "\n" + self.text[end:]

    def _with_first(self, name: str, new: Plain) -> str | None:
        """The first step of a flow that had none."""
        lines = emitting.entry(name, new, emitting.INDENT) + "\n"
        found = self.root.get("steps")
        if found is None:
            return f"{self.text}steps:\n{lines}"
        end = places.line_end(self.text, found.value.end)
        return self.text[: found.colon] + "\n" + lines + self.text[end:]

    def delete_step(self, name: str) -> str:
        self.must_have(name)
        if len(self.steps) == 1:
            raise Unfit("A flow needs at least one step. Add another one first, or discard the draft.")
        rest = {key: step for key, step in self.steps.items() if key != name}
        return self._kept(self._expected(rest), [lambda: self._without(name)])

    def _without(self, name: str) -> str | None:
        if self.node is None:
            return None
        entry, start, end = self._place(name)
        return edited(self.text, [self._cut(start, end), *self.anchors.handed_on(entry.value, start, end, "")])

    def _cut(self, start: int, end: int) -> Edit:
        """The lines taken out; of two empty lines that then meet, one goes too."""
        meets = self.text[:start].endswith(("\n\n", ":\n")) and self.text[end : end + 1] == "\n"
        return start, end + 1 if meets else end, ""

    def move_step(self, name: str, before: str | None) -> str:
        self.must_have(name)
        if before is not None:
            self.must_have(before)
        rest = [key for key in self.steps if key != name]
        place = len(rest) if before is None else rest.index(before) if before != name else list(self.steps).index(name)
        order = [*rest[:place], name, *rest[place:]]
        if order == list(self.steps):
            return self._source
        expected = self._expected({key: self.steps[key] for key in order})
        return self._kept(expected, [lambda: self._moved(name, before)])

    def _moved(self, name: str, before: str | None) -> str | None:
        if self.node is None:
            return None
        _, start, end = self._place(name)
        target = self._place(before)[1] if before is not None else self._place(self.node.entries[-1].key.text)[2]
        swaps = self.anchors.swapped(start, end, target)
        inside = [(low - start, high - start, text) for low, high, text in swaps if start <= low < end]
        lines = edited(self.text[start:end], inside)
        outside = [edit for edit in swaps if not start <= edit[0] < end]
        return edited(self.text, [self._cut(start, end), (target, target, lines), *outside])

    # The head.

    def set_head(self, fields: Plain) -> str:
        unknown = [key for key in fields if key not in HEAD]
        if unknown:
            raise Unfit(f"`{unknown[0]}` is no field of a flow's head.")
        wanted = {key: fields.get(key, self.data.get(key)) for key in (*self.data, *fields)}
        gone = {key for key, value in fields.items() if value is None or (value is False and key not in self.data)}
        expected: Plain = {key: value for key, value in wanted.items() if key not in gone}
        places_of = {key: number for number, key in enumerate((*HEAD, "steps"))}
        new = [key for key in expected if key not in self.data]
        for key in new:
            value = expected.pop(key)
            earlier = [known for known in expected if places_of.get(known, 99) < places_of[key]]
            pairs = list(expected.items())
            place = list(expected).index(earlier[-1]) + 1 if earlier else 0
            expected = dict([*pairs[:place], (key, value), *pairs[place:]])
        return self._source if is_same(expected, self.data) else self._kept(expected, [lambda: self._with_head(expected)])

    def _with_head(self, expected: Plain) -> str | None:
        lines = self.patch.mapping(self.root, expected)
        if lines is None:
            return None
        first = places.line_start(self.text, self.root.start)
        return self.text[:first] + lines + self.text[places.line_end(self.text, self.root.end) :]

    # Names.

    def rename_step(self, old: str, new: str, answer: str | None) -> str:
        def change(kind: Kind, text: str) -> str:
            if kind is Kind.STEP:
                return new if text == old else text
            if answer is None:
                return text
            return with_answer_renamed(text, answer, new, is_condition=kind is Kind.CONDITION)

        steps, edits = self._renamed_in(change)
        expected: Plain = {**self.data, "steps": {new if key == old else key: step for key, step in steps.items()}}
        start = self.root.get("start")
        if self.data.get("start") == old:
            expected["start"] = new
            edits += rewritten(self.text, start.value, new) if start else []
        entry = self.node.get(old) if self.node else None
        if entry is not None:
            edits += rewritten(self.text, entry.key, new)
        return self._kept(expected, [lambda: edited(self.text, edits) if entry is not None else None])

    def rename_in_texts(self, rename: Callable[[str, bool], str]) -> str:
        """The file with other names in its conditions and texts; `rename` gets each and whether it is a condition."""
        steps, edits = self._renamed_in(
            lambda kind, text: text if kind is Kind.STEP else rename(text, kind is Kind.CONDITION)
        )
        if not edits:
            return self._source
        return self._kept(self._expected(steps), [lambda: edited(self.text, edits)])

    def _renamed_in(self, change: Callable[[Kind, str], str]) -> tuple[Plain, list[Edit]]:
        """All steps with each mention as `change` wants it, as plain data and as edits of the text."""
        steps: Plain = {}
        found = self.root.get("steps")
        edits: dict[int, Edit] = {}
        nodes = {entry.key.text: entry.value for entry in found.value.entries} if (
            found and isinstance(found.value, places.Mapping)) else {}  # fmt: skip
        for name, step in self.steps.items():
            for kind, path, text in mentions(step):
                wanted = change(kind, text)
                if wanted != text:
                    step = replaced(step, path, wanted)
                    for edit in rewritten(self.text, node_at(nodes.get(name), path), wanted):
                        edits[edit[0]] = edit
            steps[name] = step
        return steps, list(edits.values())


def _reads_as(text: str, expected: Plain) -> bool:
    try:
        data = _loaded(text)
    except FlowError:
        return False
    if not isinstance(data, dict) or not is_same(data, expected):
        return False
    one, other = data.get("steps"), expected.get("steps")
    return not isinstance(one, dict) or not isinstance(other, dict) or list(one) == list(other)
