"""Replaces single words and texts in place, keeping their quotes and line breaks where possible."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import yaml

from bot.domain.flows.editing import emitting
from bot.domain.flows.editing.anchors import Edit
from bot.domain.flows.editing.mentions import Path
from bot.domain.flows.editing.places import YamlAlias, YamlMapping, YamlNode, YamlScalar, YamlSequence, line_start

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


def node_at(node: YamlNode | None, path: Path) -> YamlNode | None:
    """The node at this path, following aliases; None if there is none."""
    for part in path:
        node = node.target if isinstance(node, YamlAlias) else node
        if isinstance(node, YamlMapping):
            entry = node.get(str(part))
            node = entry.value if entry else None
        elif isinstance(node, YamlSequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node.target if isinstance(node, YamlAlias) else node


def replace_scalar(text: str, node: YamlNode | None, new: str) -> list[Edit]:
    """The edit that replaces this text by another one; none if they are equal."""
    if not isinstance(node, YamlScalar) or node.text == new:
        return []
    raw = text[node.start : node.end]
    for made in (_word_by_word(raw, node.text, new), _whole_text(text, node, new)):
        if made is not None and _reads_as(made, node, new):
            return [(node.start, node.end, made)]
    return [(node.start, node.end, emitting.scalar(new, '"'))]


def _word_by_word(raw: str, old: str, new: str) -> str | None:
    """The text as written, with only the words replaced that differ between old and new; None if the words can't be matched
    one by one because quoting or line breaks change how they are written.
    """
    before, after, written = (_WORDS.findall(part) for part in (old, new, raw))
    # A text over several lines has other spaces, so only the words are compared.
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


def _whole_text(text: str, node: YamlScalar, new: str) -> str | None:
    if node.is_block:
        start = line_start(text, node.start)
        at = len(text[start:]) - len(text[start:].lstrip(" -"))
        return emitting.long_text(new, at + emitting.INDENT)
    return emitting.scalar(new, node.style) if node.inline or node.style else emitting.block_scalar(new)


def _reads_as(raw: str, node: YamlScalar, new: str) -> bool:
    """Whether this, written in place of the node, reads as the text."""
    around = ("{x: ", "}") if node.inline else ("x: ", "\n")
    try:
        root = yaml.compose(around[0] + raw + around[1], Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return False
    return root is not None and len(root.value) == 1 and bool(root.value[0][1].value == new)
