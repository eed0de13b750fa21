"""The parsed YAML of one flow and the edits on it; each returns the whole new text, read back and compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from bot.domain.flows.editing import emitting, places
from bot.domain.flows.editing.anchors import Anchors, Edit, apply_edits
from bot.domain.flows.editing.mentions import MentionKind, mentions, rename_answer_in, replace_at
from bot.domain.flows.editing.patching import Patcher, Plain, entry_start, has_own_line, is_same
from bot.domain.flows.editing.rewriting import rewrite_file
from bot.domain.flows.editing.scalars import node_at, replace_scalar
from bot.domain.flows.language.script import STEP_NAME
from bot.domain.flows.language.yaml_source import FlowError, load_yaml
from bot.domain.refused import Refused

HEAD_FIELDS = ("flow", "title", "purpose", "start", "menu", "segments", "safety")
_YAML_WORDS = frozenset(["true", "false", "null"])
_FILE_NAME = "flow.yaml"


@lru_cache(maxsize=8)
def _load_cached(text: str) -> object:
    """Cached, because each edit starts from the text that the previous one read back. The result must not be changed."""
    return load_yaml(text, _FILE_NAME)[0]


def read_data(source: str) -> Plain:
    """The file as plain data. It is cached, so callers must not change it. Raises FlowError (no YAML), Refused (no flow)."""
    data = _load_cached(source)
    if not isinstance(data, dict):
        raise Refused("The file holds no flow. Begin with `flow:` and its name.")
    return dict(data)


def require_valid_name(name: str, said: str) -> None:
    if not re.fullmatch(STEP_NAME, name):
        raise Refused(f"{said} can't be a name. Use small letters, digits and _, and begin with a letter; at most 40.")
    if name in _YAML_WORDS:
        raise Refused(f"{said} is a word of YAML itself. Choose another name.")


class FlowDocument:
    """One parsed source; each edit returns the new source."""

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
        self.root = places.parse_tree(self.text)
        self.anchors = Anchors(self.text, self.root)
        self.patch = Patcher(self.text, self.anchors.shared)
        found = self.root.get("steps")
        node = found.value if found else None
        is_in_lines = isinstance(node, places.YamlMapping) and not node.inline
        self.node = node if isinstance(node, places.YamlMapping) and is_in_lines and self._has_lines(node) else None

    def _has_lines(self, node: places.YamlMapping) -> bool:
        return all(has_own_line(self.text, entry) for entry in node.entries)

    def require_step(self, name: str) -> None:
        if name not in self.steps:
            raise Refused(f"There is no step `{name}`.")

    def _first_valid(self, expected: Plain, attempts: Iterable[Callable[[], str | None]]) -> str:
        """The text of the first attempt that reads back as intended. Raises Refused if none does."""

        def last() -> str | None:
            return rewrite_file(self.text, self.data, expected)

        for way in (*attempts, last):
            text = way()
            made = self._restore_ending(text) if text is not None else None
            if made is not None and _reads_as(made, expected):
                return made
        raise Refused("This change can't be written into the file safely. Make it in the YAML view.")

    def _restore_ending(self, text: str) -> str:
        text = text.removesuffix("\n") if self._ends_open else text
        return self._bom + text.replace("\n", self._breaks)

    def _with_steps(self, steps: Plain) -> Plain:
        return {**self.data, "steps": steps}

    # A step's content.

    def set_step(self, name: str, new: Plain) -> str:
        self.require_step(name)
        if is_same(self.steps[name], new):
            return self._source
        return self._first_valid(
            self._with_steps({**self.steps, name: new}),
            [lambda: self._with_patched(name, new), lambda: self._with_rewritten(name, new)],
        )

    def _with_patched(self, name: str, new: Plain) -> str | None:
        if self.node is None:
            return None
        entry, start, end = self._step_span(name)
        return self._with_lines(entry, start, end, self.patch.entry_text(entry, start, end, new, name))

    def _with_rewritten(self, name: str, new: Plain) -> str | None:
        """Rewrites the step without regard to its old layout; the comments stay above it."""
        if self.node is None:
            return None
        entry, start, end = self._step_span(name)
        at = places.column_of(self.text, entry.key.anchor_start)
        written = emitting.entry(name, new, at) + "\n"
        above = self.text[start : places.line_start(self.text, entry.key.anchor_start)]
        remarks = "".join(f"{' ' * at}{one}\n" for one in self.patch.lost_comments(entry, end, written))
        return self._with_lines(entry, start, end, above + remarks + written)

    def _with_lines(self, entry: places.YamlEntry, start: int, end: int, lines: str) -> str:
        return apply_edits(
            self.text, [(start, end, lines), *self.anchors.edits_for_replacement(entry.value, start, end, lines)]
        )

    def _step_span(self, name: str) -> tuple[places.YamlEntry, int, int]:
        """A step's entry and the offsets of its lines, including comments above it but no empty lines below."""
        assert self.node is not None
        entries = self.node.entries
        number = next(at for at, entry in enumerate(entries) if entry.key.text == name)
        entry = entries[number]
        if number + 1 < len(entries):
            end = entry_start(self.text, entries[number + 1])
        else:
            end = places.line_end(self.text, entry.value.end)
        start = entry_start(self.text, entry)
        return entry, start, start + len(self.text[start:end].rstrip("\n")) + 1

    # Adding, deleting and moving steps.

    def add_step(self, name: str, new: Plain, after: str | None) -> str:
        require_valid_name(name, f"`{name}`")
        if name in self.steps:
            raise Refused(f"There is a step `{name}` already. Choose another name.")
        if after is not None:
            self.require_step(after)
        names = list(self.steps)
        place = names.index(after) + 1 if after is not None else len(names)
        pairs = list(self.steps.items())
        expected = self._with_steps(dict([*pairs[:place], (name, new), *pairs[place:]]))
        return self._first_valid(expected, [lambda: self._with_added(name, new, names[place - 1] if place else None)])

    def _with_added(self, name: str, new: Plain, after: str | None) -> str | None:
        if after is None:
            return self._with_first(name, new)
        if self.node is None:
            return None
        entry, _, end = self._step_span(after)
        at = places.column_of(self.text, entry.key.anchor_start)
        return self.text[:end] + emitting.entry(name, new, at) + "\n" + self.text[end:]

    def _with_first(self, name: str, new: Plain) -> str | None:
        """Adds the first step of a flow that had none."""
        lines = emitting.entry(name, new, emitting.INDENT) + "\n"
        found = self.root.get("steps")
        if found is None:
            return f"{self.text}steps:\n{lines}"
        end = places.line_end(self.text, found.value.end)
        return self.text[: found.colon] + "\n" + lines + self.text[end:]

    def delete_step(self, name: str) -> str:
        self.require_step(name)
        if len(self.steps) == 1:
            raise Refused("A flow needs at least one step. Add another one first, or discard the draft.")
        rest = {key: step for key, step in self.steps.items() if key != name}
        return self._first_valid(self._with_steps(rest), [lambda: self._with_deleted(name)])

    def _with_deleted(self, name: str) -> str | None:
        if self.node is None:
            return None
        entry, start, end = self._step_span(name)
        return apply_edits(
            self.text, [self._cut_edit(start, end), *self.anchors.edits_for_replacement(entry.value, start, end, "")]
        )

    def _cut_edit(self, start: int, end: int) -> Edit:
        """Removes the lines; of two empty lines that then meet, one is removed too."""
        meets = self.text[:start].endswith(("\n\n", ":\n")) and self.text[end : end + 1] == "\n"
        return start, end + 1 if meets else end, ""

    def move_step(self, name: str, before: str | None) -> str:
        self.require_step(name)
        if before is not None:
            self.require_step(before)
        rest = [key for key in self.steps if key != name]
        place = len(rest) if before is None else rest.index(before) if before != name else list(self.steps).index(name)
        order = [*rest[:place], name, *rest[place:]]
        if order == list(self.steps):
            return self._source
        expected = self._with_steps({key: self.steps[key] for key in order})
        return self._first_valid(expected, [lambda: self._with_moved(name, before)])

    def _with_moved(self, name: str, before: str | None) -> str | None:
        if self.node is None:
            return None
        _, start, end = self._step_span(name)
        target = self._step_span(before)[1] if before is not None else self._step_span(self.node.entries[-1].key.text)[2]
        swaps = self.anchors.edits_for_move(start, end, target)
        inside = [(low - start, high - start, text) for low, high, text in swaps if start <= low < end]
        lines = apply_edits(self.text[start:end], inside)
        outside = [edit for edit in swaps if not start <= edit[0] < end]
        return apply_edits(self.text, [self._cut_edit(start, end), (target, target, lines), *outside])

    # The head.

    def set_head(self, fields: Plain) -> str:
        unknown = [key for key in fields if key not in HEAD_FIELDS]
        if unknown:
            raise Refused(f"`{unknown[0]}` is no field of a flow's head.")
        wanted = {key: fields.get(key, self.data.get(key)) for key in (*self.data, *fields)}
        gone = {key for key, value in fields.items() if value is None or (value is False and key not in self.data)}
        expected: Plain = {key: value for key, value in wanted.items() if key not in gone}
        places_of = {key: number for number, key in enumerate((*HEAD_FIELDS, "steps"))}
        new = [key for key in expected if key not in self.data]
        for key in new:
            value = expected.pop(key)
            earlier = [known for known in expected if places_of.get(known, 99) < places_of[key]]
            pairs = list(expected.items())
            place = list(expected).index(earlier[-1]) + 1 if earlier else 0
            expected = dict([*pairs[:place], (key, value), *pairs[place:]])
        return (
            self._source
            if is_same(expected, self.data)
            else self._first_valid(expected, [lambda: self._with_head(expected)])
        )

    def _with_head(self, expected: Plain) -> str | None:
        lines = self.patch.mapping_lines(self.root, expected)
        if lines is None:
            return None
        first = places.line_start(self.text, self.root.start)
        return self.text[:first] + lines + self.text[places.line_end(self.text, self.root.end) :]

    # Names.

    def rename_step(self, old: str, new: str, answer: str | None) -> str:
        def change(kind: MentionKind, text: str) -> str:
            if kind is MentionKind.STEP:
                return new if text == old else text
            if answer is None:
                return text
            return rename_answer_in(text, answer, new, is_condition=kind is MentionKind.CONDITION)

        steps, edits = self._renamed_in(change)
        expected: Plain = {**self.data, "steps": {new if key == old else key: step for key, step in steps.items()}}
        start = self.root.get("start")
        if self.data.get("start") == old:
            expected["start"] = new
            edits += replace_scalar(self.text, start.value, new) if start else []
        entry = self.node.get(old) if self.node else None
        if entry is not None:
            edits += replace_scalar(self.text, entry.key, new)
        return self._first_valid(expected, [lambda: apply_edits(self.text, edits) if entry is not None else None])

    def rename_in_texts(self, rename: Callable[[str, bool], str]) -> str:
        """Renames in conditions and texts; `rename` gets each text and whether it is a condition."""
        steps, edits = self._renamed_in(
            lambda kind, text: text if kind is MentionKind.STEP else rename(text, kind is MentionKind.CONDITION)
        )
        if not edits:
            return self._source
        return self._first_valid(self._with_steps(steps), [lambda: apply_edits(self.text, edits)])

    def _renamed_in(self, change: Callable[[MentionKind, str], str]) -> tuple[Plain, list[Edit]]:
        """All steps with `change` applied to each mention, as plain data and as edits of the text."""
        steps: Plain = {}
        found = self.root.get("steps")
        edits: dict[int, Edit] = {}
        nodes = {entry.key.text: entry.value for entry in found.value.entries} if (
            found and isinstance(found.value, places.YamlMapping)) else {}  # fmt: skip
        for name, step in self.steps.items():
            for kind, path, text in mentions(step):
                wanted = change(kind, text)
                if wanted != text:
                    step = replace_at(step, path, wanted)
                    for edit in replace_scalar(self.text, node_at(nodes.get(name), path), wanted):
                        edits[edit[0]] = edit
            steps[name] = step
        return steps, list(edits.values())


def _reads_as(text: str, expected: Plain) -> bool:
    try:
        data = _load_cached(text)
    except FlowError:
        return False
    if not isinstance(data, dict) or not is_same(data, expected):
        return False
    one, other = data.get("steps"), expected.get("steps")
    return not isinstance(one, dict) or not isinstance(other, dict) or list(one) == list(other)
