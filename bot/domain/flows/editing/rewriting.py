"""Rewrites the whole file with ruamel.yaml, which keeps comments and order but not all spacing: the last resort when a
change can't be made within its own lines.
"""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bot.domain.flows.editing import emitting
from bot.domain.flows.editing.patching import is_same_under


def rewrite_file(text: str, old: object, new: object) -> str | None:
    """Changes the file `text`, which reads as `old`, so that it reads as `new`; None if the library can't."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = emitting.WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    made = StringIO()
    try:
        document = yaml.load(text)
        yaml.dump(_merge(document, old, new), made)
    except (YAMLError, ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, NotImplementedError):
        return None
    return made.getvalue()


def _merge(node: Any, old: object, new: object, name: str = "") -> Any:
    if is_same_under(name, old, new):
        return node
    is_shared = getattr(getattr(node, "anchor", None), "value", None) is not None
    if isinstance(node, CommentedMap) and isinstance(old, dict) and isinstance(new, dict) and not is_shared:
        return _merge_mapping(node, old, new)
    return _to_ruamel(new)


def _merge_mapping(node: CommentedMap, old: dict[str, object], new: dict[str, object]) -> CommentedMap:
    # ruamel reads some names as numbers or booleans; `old` has the names as written, in the same order.
    names = dict(zip(old, list(node), strict=True))
    values = {key: _merge(node[names[key]], old[key], new[key], key) for key in old if key in new}
    for name in names.values():
        del node[name]
    for place, (key, value) in enumerate(new.items()):
        node.insert(place, names.get(key, key), values[key] if key in values else _to_ruamel(value))
    return node


def _to_ruamel(value: object) -> Any:
    if isinstance(value, dict):
        return CommentedMap((key, _to_ruamel(item)) for key, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(_to_ruamel(item) for item in value)
    if isinstance(value, str):
        return value if emitting.is_plain_in_block(value) else DoubleQuotedScalarString(value)
    return value
