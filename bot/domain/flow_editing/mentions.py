"""Where a step names other steps, answers and choices: in the ways on, in conditions, and in texts that are filled in.

It works on plain data and not on the models of `script.py`, because a draft is edited while it is not yet whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto

from jinja2 import TemplateError

from bot.domain.flow_sandbox import ENVIRONMENT

Path = tuple[str | int, ...]


class Kind(Enum):
    """What stands at a place."""

    STEP = auto()
    CONDITION = auto()
    TEMPLATE = auto()


_TEMPLATES: tuple[Path, ...] = (
    ("ask",), ("say",), ("not_understood", "say"), ("refer", "need"), ("refer", "near"), ("referral", "which"),
    ("measure", "value"), ("handoff", "because"), ("handoff", "community"),
)  # fmt: skip
_WAYS: tuple[Path, ...] = (("none",), ("not_understood", "go"), ("wait", "go"))


def mentions(step: object) -> Iterator[tuple[Kind, Path, str]]:
    """Every place in a step that may name a step, an answer or a choice, with the text that stands there."""
    for kind, paths in ((Kind.TEMPLATE, _TEMPLATES), (Kind.STEP, _WAYS)):
        for path in paths:
            yield from _if_text(step, kind, path)
    choices = at(step, ("choices",))
    for key in choices if isinstance(choices, Mapping) else ():
        yield from _if_text(step, Kind.STEP, ("choices", key, "go"))
    yield from _if_text(step, Kind.STEP, ("next",))
    ways = at(step, ("next",))
    for number in range(len(ways) if isinstance(ways, list) else 0):
        yield from _if_text(step, Kind.STEP, ("next", number, "go"))
        yield from _if_text(step, Kind.CONDITION, ("next", number, "when"))


def _if_text(step: object, kind: Kind, path: Path) -> Iterator[tuple[Kind, Path, str]]:
    found = at(step, path)
    if isinstance(found, str):
        yield kind, path, found


def at(value: object, path: Path) -> object:
    """What stands at this path of plain data; None where nothing does."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def replaced(value: object, path: Path, new: object) -> object:
    """A copy of plain data in which another value stands at this path."""
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: replaced(item, rest, new) if key == first else item for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, rest, new) if number == first else item for number, item in enumerate(value)]
    return value


def kept_answer(name: str, step: object) -> str | None:
    """The name under which a step keeps an answer, or None where it keeps none."""
    if not isinstance(step, Mapping) or "ask" not in step:
        return None
    if isinstance(step.get("save"), str):
        return str(step["save"])
    return name if step.get("choices") else None


# Names within conditions and templates, by Jinja's own lexer.

Token = tuple[int, str, str]
Change = Callable[[list[Token], int], str]


def _changed(source: str, change: Change, *, is_condition: bool) -> str:
    """The source with each token as `change` wants it; as it is where Jinja can't read it."""
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


def with_answer_renamed(source: str, old: str, new: str, *, is_condition: bool = False) -> str:
    """A condition or template that names the answer `new` where it named `old`."""

    def change(tokens: list[Token], number: int) -> str:
        _, kind, text = tokens[number]
        return new if kind == "name" and text == old and _is_variable(tokens, number) else text

    return _changed(source, change, is_condition=is_condition) if old in source else source


def _is_variable(tokens: list[Token], number: int) -> bool:
    """Whether a name is looked up: not an attribute, a filter, a test, or the name of an argument."""
    before, after = _beside(tokens, number, -1), _beside(tokens, number, 1)
    if before[2] in {".", "|"} or (before[1] == "name" and before[2] == "is"):
        return False
    return after[2] != "="


def _beside(tokens: list[Token], number: int, way: int) -> Token:
    """The nearest token on this side that is no space."""
    number += way
    while 0 <= number < len(tokens) and tokens[number][1] == "whitespace":
        number += way
    return tokens[number] if 0 <= number < len(tokens) else (0, "", "")


def with_choice_renamed(source: str, answers: Iterable[str], old: str, new: str, *, is_condition: bool = False) -> str:
    """A condition or template in which an answer is compared with the choice `new` where it was with `old`: plainly, as in
    `need == 'rent'`, `need != 'rent'`, `need in ['rent', 'food']`.
    """
    names = frozenset(answers)

    def change(tokens: list[Token], number: int) -> str:
        _, kind, text = tokens[number]
        if kind != "string" or text[1:-1] != old or not (_left_of(tokens, number) & names):
            return text
        return f"{text[0]}{new}{text[-1]}"

    return _changed(source, change, is_condition=is_condition) if old in source else source


def _left_of(tokens: list[Token], number: int) -> set[str]:
    """The names with which this text is compared."""
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
