"""Single words and texts replaced where they stand, with their quotes and their line breaks kept where that is possible."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import yaml

from bot.domain.flow_editing import emitting
from bot.domain.flow_editing.anchors import Edit
from bot.domain.flow_editing.mentions import Path
from bot.domain.flow_editing.places import Alias, Mapping, Node, Scalar, Sequence, line_start

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


def node_at(node: Node | None, path: Path) -> Node | None:
    """The node at this path, through aliases; None where there is none."""
    for part in path:
        node = node.of if isinstance(node, Alias) else node
        if isinstance(node, Mapping):
            entry = node.get(str(part))
            node = entry.value if entry else None
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node.of if isinstance(node, Alias) else node


def rewritten(text: str, node: Node | None, new: str) -> list[Edit]:
    """The edit that puts another text in place of this one."""
    if not isinstance(node, Scalar) or node.text == new:
        return []
    raw = text[node.start : node.end]
    for made in (_word_by_word(raw, node.text, new), _anew(text, node, new)):
        if made is not None and _reads(made, node, new):
            return [(node.start, node.end, made)]
    return [(node.start, node.end, emitting.scalar(new, '"'))]


def _word_by_word(raw: str, old: str, new: str) -> str | None:
    """The text as it is written, with those words replaced in which old and new differ; None where they can't be found
    one by one, because a quote or a line break is written otherwise than it reads.
    """
    before, after, written = (_WORDS.findall(part) for part in (old, new, raw))
    # Where a text stands in more than one line, its spaces are other ones; only the words are counted.
    count = [number for number, word in enumerate(written) if re.match(r"\w", word)]
    words = [word for word in before if re.match(r"\w", word)]
    if [written[number] for number in count] != words:
        return None
    wanted = [word for word in after if re.match(r"\w", word)]
    if len(wanted) != len(words):
        return None
    for act, low, high, left, _ in SequenceMatcher(None, words, wanted, autojunk=False).get_opcodes():
        for offset in range(high - low if act != "equal" else 0):
            written[count[low + offset]] = wanted[left + offset]
    return "".join(written)


def _anew(text: str, node: Scalar, new: str) -> str | None:
    if node.is_block:
        start = line_start(text, node.start)
        at = len(text[start:]) - len(text[start:].lstrip(" -"))
        return emitting.long_text(new, at + emitting.INDENT)
    return emitting.scalar(new, node.style) if node.inline or node.style else emitting.block_scalar(new)


def _reads(raw: str, node: Scalar, new: str) -> bool:
    """Whether this, written in the place of the node, reads as the text."""
    around = ("{x: ", "}") if node.inline else ("x: ", "\n")
    try:
        root = yaml.compose(around[0] + raw + around[1], Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return False
    return root is not None and len(root.value) == 1 and bool(root.value[0][1].value == new)
