"""Finds where a step names other steps, answers and choices: in transitions, conditions and text templates.

Works on plain data and not on the models of `script.py`, because a draft may be incomplete while it is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto

from jinja2 import TemplateError

from bot.domain.flows.language.sandbox import ENVIRONMENT

Path = tuple[str | int, ...]


class MentionKind(Enum):
    """What kind of text names something."""

    STEP = auto()
    CONDITION = auto()
    TEMPLATE = auto()


_TEMPLATES: tuple[Path, ...] = (
    ("ask",), ("say",), ("not_understood", "say"), ("refer", "need"), ("refer", "near"), ("referral", "which"),
    ("measure", "value"), ("handoff", "because"), ("handoff", "community"),
)  # fmt: skip
_TRANSITIONS: tuple[Path, ...] = (("none",), ("not_understood", "go"), ("wait", "go"))


def mentions(step: object) -> Iterator[tuple[MentionKind, Path, str]]:
    """Every text in a step that may name a step, an answer or a choice, with its kind and path."""
    for kind, paths in ((MentionKind.TEMPLATE, _TEMPLATES), (MentionKind.STEP, _TRANSITIONS)):
        for path in paths:
            yield from _text_mention(step, kind, path)
    choices = value_at(step, ("choices",))
    for key in choices if isinstance(choices, Mapping) else ():
        yield from _text_mention(step, MentionKind.STEP, ("choices", key, "go"))
    yield from _text_mention(step, MentionKind.STEP, ("next",))
    ways = value_at(step, ("next",))
    for number in range(len(ways) if isinstance(ways, list) else 0):
        yield from _text_mention(step, MentionKind.STEP, ("next", number, "go"))
        yield from _text_mention(step, MentionKind.CONDITION, ("next", number, "when"))


def _text_mention(step: object, kind: MentionKind, path: Path) -> Iterator[tuple[MentionKind, Path, str]]:
    found = value_at(step, path)
    if isinstance(found, str):
        yield kind, path, found


def value_at(value: object, path: Path) -> object:
    """The value at this path of plain data; None if there is none."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def replace_at(value: object, path: Path, new: object) -> object:
    """A copy of plain data with another value at this path."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: replace_at(item, rest, new) if key == first else item for key, item in value.items()}
    if isinstance(value, list):
        return [replace_at(item, rest, new) if number == first else item for number, item in enumerate(value)]
    return value


def saved_answer(name: str, step: object) -> str | None:
    """The name under which a step saves an answer; None if it saves none."""
    if not isinstance(step, Mapping) or "ask" not in step:
        return None
    if isinstance(step.get("save"), str):
        return str(step["save"])
    return name if step.get("choices") else None


# Names within conditions and templates, found with Jinja's own lexer.

Token = tuple[int, str, str]
TokenChange = Callable[[list[Token], int], str]


def _map_tokens(source: str, change: TokenChange, *, is_condition: bool) -> str:
    """The source with `change` applied to each token; unchanged if Jinja can't read it."""
    whole = f"{{{{{source}}}}}" if is_condition else source
    try:
        tokens = list(ENVIRONMENT.lex(whole))
    except (TemplateError, RecursionError):
        return source
    if "".join(token[2] for token in tokens) != whole.removesuffix("\n"):
        return source
    made = "".join(change(tokens, number) for number in range(len(tokens)))
    made += "\n" if whole.endswith("\n") else ""
    return made[2:-2] if is_condition else made


def rename_answer_in(source: str, old: str, new: str, *, is_condition: bool = False) -> str:
    """A condition or template with the answer `old` renamed to `new`."""

    def change(tokens: list[Token], number: int) -> str:
        _, kind, text = tokens[number]
        return new if kind == "name" and text == old and _is_variable(tokens, number) else text

    return _map_tokens(source, change, is_condition=is_condition) if old in source else source


def _is_variable(tokens: list[Token], number: int) -> bool:
    """Whether a name is a variable: not an attribute, a filter, a test, or the name of an argument."""
    before, after = _neighbour_token(tokens, number, -1), _neighbour_token(tokens, number, 1)
    if before[2] in {".", "|"} or (before[1] == "name" and before[2] == "is"):
        return False
    return after[2] != "="


def _neighbour_token(tokens: list[Token], number: int, direction: int) -> Token:
    """The nearest token on this side that is not whitespace."""
    number += direction
    while 0 <= number < len(tokens) and tokens[number][1] == "whitespace":
        number += direction
    return tokens[number] if 0 <= number < len(tokens) else (0, "", "")


def rename_choice_in(source: str, answers: Iterable[str], old: str, new: str, *, is_condition: bool = False) -> str:
    """A condition or template with the choice `old` of these answers renamed to `new` in plain comparisons: `need ==
    'rent'`, `need != 'rent'`, `need in ['rent', 'food']`.
    """
    names = frozenset(answers)

    def change(tokens: list[Token], number: int) -> str:
        _, kind, text = tokens[number]
        if kind != "string" or text[1:-1] != old or not (_compared_names(tokens, number) & names):
            return text
        return f"{text[0]}{new}{text[-1]}"

    return _map_tokens(source, change, is_condition=is_condition) if old in source else source


def _compared_names(tokens: list[Token], number: int) -> set[str]:
    """The names that this literal is compared with."""
    rest = [token for token in tokens[:number] if token[1] != "whitespace"]
    follows = [token for token in tokens[number + 1 :] if token[1] != "whitespace"]
    found: set[str] = set()
    if len(follows) > 1 and follows[0][2] in {"==", "!="} and follows[1][1] == "name":
        found.add(follows[1][2])
    if len(rest) > 1 and rest[-1][2] in {"==", "!="} and rest[-2][1] == "name":
        found.add(rest[-2][2])
    while rest and (rest[-1][1] == "string" or rest[-1][2] == ","):
        rest.pop()
    if len(rest) > 2 and rest[-1][2] in {"[", "("} and rest[-2][2] == "in":
        names = rest[:-2]
        named = names[-2] if names[-1][2] == "not" and len(names) > 1 else names[-1]
        found |= {named[2]} if named[1] == "name" else set()
    return found
