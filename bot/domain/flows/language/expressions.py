"""What is allowed in `{{ }}`, `{% if %}` and `when`, and which names a text or condition uses.

There are two sets of rules on purpose. `template_problems` says why something can't run at all; a file with such a problem
is not read. `unpublishable_parts` lists what no text needs or what may do harm: a flow with it can no longer be
published, but one
published before the rule can still be read, and `flow_sandbox.py` limits what it does.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateError, nodes
from jinja2.parser import Parser

from bot.domain.flows.language.sandbox import ENVIRONMENT

NAMES = frozenset({"channel", "language", "line_name", "today", "offered", "offered_count", "offered_list"})
"""Names that a text or condition may use besides the answers."""
FUNCTIONS = frozenset({"days_until"})
FILTERS = (
    "day", "upper", "lower", "capitalize", "title", "trim", "default", "d", "length", "count", "first", "last", "join",
    "truncate", "int", "float", "round", "abs",
)  # fmt: skip
"""The filters that texts and conditions may use; `day` is our own."""
MAX_CONDITION_LENGTH = 1000
MAX_TEXT_LENGTH = 8000
"""Characters of a translation; the source of a text has 1,600 at most."""
_DEEPEST = 60
_LARGEST_NUMBER = 1_000_000
_SIMPLE = (
    nodes.Output, nodes.TemplateData, nodes.If, nodes.Name, nodes.Const, nodes.And, nodes.Or, nodes.Not, nodes.Compare,
    nodes.Operand, nodes.Call, nodes.List, nodes.Tuple,
)  # fmt: skip
_COUNTING = frozenset({"int", "float", "round", "abs", "length", "count"})
_DIVIDING = (nodes.Div, nodes.FloorDiv, nodes.Mod)
_KEPT = 20_000
"""Size of the cache: every check, page and preview analyses the same texts."""


def parse_template(source: str, *, is_condition: bool = False) -> nodes.Template:
    """The parsed text or condition. Raises TemplateError, or RecursionError where it is nested too deeply."""
    return ENVIRONMENT.parse(f"{{{{ ({source}\n) }}}}" if is_condition else source)


@dataclass(frozen=True, slots=True)
class TemplateAnalysis:
    """All about a text or condition, from one parse: parsing is expensive, and there are thousands to check."""

    problems: tuple[str, ...] = ()
    """Why it can't be used, in words for an admin."""
    names: tuple[str, ...] = ()
    """All names that it uses, without functions, sorted."""
    unpublishable: tuple[tuple[str, str], ...] = ()
    """(what, remedy) of each part that may not be published, except arithmetic."""
    has_arithmetic: bool = False
    parts: tuple[str | nodes.Expr, ...] | None = None
    """The pieces of a text with only plain answers (`{{ zip or 'your area' }}`); None for any other text."""


@lru_cache(maxsize=_KEPT)
def analyse_template(source: str, *, is_condition: bool = False) -> TemplateAnalysis:
    """Analyse a text or condition without running it."""
    if not is_condition and "{" not in source:
        return TemplateAnalysis(parts=(source,))
    longest = MAX_CONDITION_LENGTH if is_condition else MAX_TEXT_LENGTH
    if len(source) > longest:
        return TemplateAnalysis((f"it has {len(source):,} characters, and {longest:,} are the most.",))
    if is_condition and ("{{" in source or "{%" in source):
        return TemplateAnalysis(("a condition is written without {{ }}.",))
    try:
        if is_condition:
            _parse_condition(source)
        tree = parse_template(source, is_condition=is_condition)
        found = _all_nodes(tree)
        if found is None:
            return TemplateAnalysis(("it is nested too deeply.",))
        if not all(isinstance(node, _SIMPLE) for node in found):
            # Jinja finds an unknown filter only when it compiles; the result is not run.
            ENVIRONMENT.compile(tree, raw=True)
    except (TemplateError, RecursionError, ValueError, OverflowError) as error:
        return TemplateAnalysis((_explain_template_error(error, is_condition),))
    return TemplateAnalysis(
        tuple(dict.fromkeys(_forbidden(found))),
        tuple(sorted({node.name for node in found if isinstance(node, nodes.Name)} - FUNCTIONS)),
        tuple(
            dict.fromkeys([*_filters(found), *_power_operators(found), *_large_numbers(found), *_attribute_access(found)])
        ),
        any(isinstance(node, (nodes.Mul, *_DIVIDING)) for node in found),
        _plain_parts(tree),
    )


def template_problems(source: str, *, is_condition: bool = False) -> tuple[str, ...]:
    """Why a text or condition can't be used, in words for an admin; empty where it can."""
    return analyse_template(source, is_condition=is_condition).problems


def names_in(source: str, *, is_condition: bool = False) -> frozenset[str]:
    """The answers that a valid text or condition names."""
    return frozenset(analyse_template(source, is_condition=is_condition).names) - NAMES


def unpublishable_parts(source: str, number_answers: Container[str], *, is_condition: bool = False) -> list[tuple[str, str]]:
    """(what, remedy) for each part of a valid text or condition that may not be published.

    `number_answers` are the answers that are saved as numbers.
    """
    found = analyse_template(source, is_condition=is_condition)
    if not found.has_arithmetic:
        return list(found.unpublishable)
    return [
        *found.unpublishable,
        *dict.fromkeys(_arithmetic(parse_template(source, is_condition=is_condition), number_answers)),
    ]


_Nodes = list[nodes.Node]


def _all_nodes(tree: nodes.Template) -> _Nodes | None:
    """All nodes, or None where the compiled template would be nested too deeply for Python. Iterative, not recursive."""
    found: _Nodes = []
    level: _Nodes = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return found
        found += level
    return None


def _plain_parts(tree: nodes.Template) -> tuple[str | nodes.Expr, ...] | None:
    found: list[str | nodes.Expr] = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for part in node.nodes:
            if not isinstance(part, nodes.TemplateData) and not _is_plain(part):
                return None
            found.append(part.data if isinstance(part, nodes.TemplateData) else part)
    return tuple(found)


def _is_plain(node: nodes.Node) -> bool:
    if isinstance(node, (nodes.And, nodes.Or)):
        return _is_plain(node.left) and _is_plain(node.right)
    return isinstance(node, (nodes.Name, nodes.Const))


def _parse_condition(condition: str) -> None:
    """Parse a condition without brackets around it, in which a comma would make it a tuple. Raises TemplateError."""
    if not condition.strip():
        raise TemplateError("it is empty; leave `when` out where it always holds")
    parser = Parser(ENVIRONMENT, condition, state="variable")
    parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateError("chunk after expression")


def _explain_template_error(error: BaseException, is_condition: bool) -> str:
    said = str(getattr(error, "message", "") or "it is nested too deeply")
    if is_condition and ("got '='" in said or "chunk after expression" in said):
        return "it compares with two signs, ==, not one."
    if said.startswith("No filter named"):
        return f"{said.split(chr(39))[1]} is not a known filter."
    return said.rstrip(".") + "."


def _forbidden(every: _Nodes) -> Iterator[str]:
    """What the sandbox would allow, but no text needs."""
    for node in every:
        if isinstance(node, nodes.Stmt) and not isinstance(node, (nodes.Output, nodes.If)):
            yield "only {{ }} and {% if %} are allowed."
        if isinstance(node, nodes.Call) and not (isinstance(node.node, nodes.Name) and node.node.name in FUNCTIONS):
            yield f"only {', '.join(sorted(FUNCTIONS))}() can be called."


def _filters(every: _Nodes) -> Iterator[tuple[str, str]]:
    for node in every:
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield f"the filter `{node.name}` is not for texts to people.", f"Use one of: {', '.join(FILTERS)}."
        if isinstance(node, nodes.Filter) and node.name == "join" and not all(map(_is_constant, node.args)):
            yield "`join` writes an answer again and again.", "Put a text in quotes between, like `join(', ')`."
        elif isinstance(node, nodes.Filter) and node.name not in ("default", "d") and not _has_constant_arguments(node):
            what = f"what stands in the brackets of `{node.name}` is an answer, and not every answer will do there."
            yield what, f"Write a number there, like `{node.name}(20)`."


def _has_constant_arguments(node: nodes.Filter) -> bool:
    given = [*node.args, *(named.value for named in node.kwargs)]
    return not node.dyn_args and not node.dyn_kwargs and all(isinstance(each, (nodes.Const, nodes.Neg)) for each in given)


def _is_constant(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const)


def _power_operators(every: _Nodes) -> Iterator[tuple[str, str]]:
    if any(isinstance(node, nodes.Pow) for node in every):
        yield "`**` is not allowed.", "Write the number that is meant, or leave it out."


def _arithmetic(tree: nodes.Template, numbers: Container[str]) -> Iterator[tuple[str, str]]:
    for kind, sign in ((nodes.Mul, "*"), (nodes.Mod, "%")):
        for node in tree.find_all(kind):
            if not (_is_number(node.left, numbers) and _is_number(node.right, numbers)):
                what = f"`{sign}` is only for numbers."
                yield what, "Write the text out, or use an answer that is read with `answer: number`."
    for node in tree.find_all(_DIVIDING):
        # 10 / (people - 3) fails for a single number only.
        if not (isinstance(node.right, nodes.Const) and node.right.value):
            yield (
                "an answer is divided by, and it may be 0.",
                "Divide by a number that you write yourself, like `people / 2`.",
            )


def _is_number(node: nodes.Node, numbers: Container[str]) -> bool:
    match node:
        case nodes.Const(value=value):
            return isinstance(value, (int, float))
        case nodes.Name(name=name):
            return name in numbers or name == "offered_count"
        case nodes.Filter(name=name):
            return name in _COUNTING
        case nodes.Call():
            return True
        case nodes.BinExpr() if not isinstance(node, (nodes.And, nodes.Or)):
            return _is_number(node.left, numbers) and _is_number(node.right, numbers)
        case nodes.Neg() | nodes.Pos():
            return _is_number(node.node, numbers)
    return False


def _large_numbers(every: _Nodes) -> Iterator[tuple[str, str]]:
    for node in every:
        if isinstance(node, nodes.Const) and isinstance(node.value, (int, float)) and not abs(node.value) <= _LARGEST_NUMBER:
            what = f"a number here is larger than {_LARGEST_NUMBER:,}."
            yield what, "Write a smaller one; put a telephone number or a code in quotes."


def _attribute_access(every: _Nodes) -> Iterator[tuple[str, str]]:
    """Attribute and item access: answers are plain texts and numbers, and have only characters inside."""
    called = {id(node.node) for node in every if isinstance(node, nodes.Call)}
    for node in every:
        if isinstance(node, nodes.Name) and node.name in FUNCTIONS and id(node) not in called:
            yield f"`{node.name}` stands alone.", f"Put the answer behind it, like `{node.name}(court_date)`."
        if isinstance(node, nodes.Getattr):
            remedy = "Write the name of the answer alone, or a filter behind it, like `zip|upper`."
            yield f"`.{node.attr[:40]}` reaches into an answer.", remedy
        if isinstance(node, nodes.Getitem) and not all(map(_is_count, _bounds(node.arg))):
            yield "`[ ]` behind a name reaches into an answer.", "Only letters can be counted off, like `zip[:3]`."


def _bounds(at: nodes.Expr) -> list[nodes.Expr | None]:
    return [at.start, at.stop, at.step] if isinstance(at, nodes.Slice) else [at]


def _is_count(bound: nodes.Expr | None) -> bool:
    return bound is None or (isinstance(bound, nodes.Const) and isinstance(bound.value, int))
