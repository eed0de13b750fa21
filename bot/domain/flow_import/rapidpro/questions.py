"""A router that waits as an `ask`: its choices or its answer, what follows, silence, and what is not understood."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from bot.domain.flow_import.drafting import duration
from bot.domain.flow_import.rapidpro.decisions import Branch, looks_into, never
from bot.domain.flow_import.rapidpro.forms import Form, choices_of, form_of, told_cases, words_of_case
from bot.domain.flow_import.rapidpro.kinds import DATE_TESTS, NUMBER_TESTS, TESTS, WORD_TESTS
from bot.domain.flow_import.rapidpro.model import Action, Category, Node, Router
from bot.domain.flow_import.report import Fate
from bot.domain.understanding import words_of

if TYPE_CHECKING:
    from bot.domain.flow_import.rapidpro.building import Builder

MOST_TRIES = 5
NO_QUESTION = "It waits for an answer, but no message stands before it; write the question."
_ANSWERS = {Form.NUMBER: "number", Form.DATE: "date", Form.PHONE: "phone", Form.TEXT: "text", Form.MIXED: "text"}


_HEARS: dict[Form, Collection[str]] = {
    Form.CHOICES: WORD_TESTS | {"has_number_eq", "has_text"}, Form.MIXED: WORD_TESTS | NUMBER_TESTS,
    Form.NUMBER: NUMBER_TESTS, Form.DATE: DATE_TESTS, Form.PHONE: {"has_phone"}, Form.TEXT: {"has_text"},
}  # fmt: skip
"""The tests that a form of question reads as they are meant."""


def write_question(builder: Builder, node: Node, message: Action | None, name: str) -> None:
    """Adds the `ask` step `name` for the router of this node; `message` asks, None where no message stands before it."""
    router = node.router
    assert router is not None
    form = form_of(router)
    data: dict[str, Any] = {"ask": ""}
    if message is None:
        builder.draft.miss(f"The step `{name}` waits for an answer, but no question stands before it; write one.")
        builder.draft.tell(node.uuid, router.theirs, Fate.APPROXIMATED, NO_QUESTION, name)
    else:
        data["ask"] = builder.spoken(message, f"{name}.ask", name)
        _quick_replies(builder, node, message, router, form, name)
    save = builder.save_name(node, name) if router.result or form in (Form.NUMBER, Form.MIXED) else None
    if form is Form.CHOICES:
        data["choices"] = _choices(builder, node, name)
    else:
        data["answer"] = _ANSWERS[form]
    if save:
        data["save"] = save
    _ways(builder, node, router, form, data, save or "", name)
    _silence(builder, node, router, data, name)
    builder.draft.add(name, data, node=node.uuid, kind=router.theirs)
    _tell(builder, node, router, form, name)


# Choices.


def _choices(builder: Builder, node: Node, name: str) -> dict[str, Any]:
    assert node.router is not None
    made: dict[str, Any] = {}
    for key, (category, cases) in choices_of(node.router).items():
        heard = [word for case in cases for word in words_of_case(case)]
        distinct = {" ".join(words_of(word)) or word: word for word in reversed(heard)}
        made[key] = {"label": category.name or key, "words": list(distinct.values())[::-1], "go": builder.entry(category.go)}
        for language, parts in builder.source.words.items():
            code = builder.codes.get(language)
            if code is None:
                continue
            if label := parts.get(category.uuid, {}).get("name", ()):
                builder.draft.translate(code, f"{name}.choices.{key}.label", label[0])
            said: list[str] = []
            for case in cases:
                fields = parts.get(case.uuid, {})
                for argument in (fields.get("arguments") or fields.get("test") or ())[:1]:
                    said += argument.replace(",", " ").split() if case.kind == "has_any_word" else [argument]
            if said:
                builder.draft.translate(code, f"{name}.choices.{key}.words", ", ".join(dict.fromkeys(said)))
    return made


def _quick_replies(builder: Builder, node: Node, message: Action, router: Router, form: Form, name: str) -> None:
    replies = builder.quick_replies(message)
    if not replies:
        return
    heard = {
        " ".join(words_of(word))
        for category, cases in choices_of(router).values()
        for word in (category.name, *(word for case in cases for word in words_of_case(case)))
    }
    lost = [reply for reply in replies if form is not Form.CHOICES or not any(_hears(heard, reply))]
    fate, how = Fate.CARRIED, "They are the choices of the question."
    if lost:
        fate = Fate.APPROXIMATED
        how = f"There are no buttons here; name these in the question or add choices: {', '.join(lost)[:300]}."
    builder.draft.tell(node.uuid, "quick_replies", fate, how, name)


def _hears(heard: set[str], reply: str) -> list[str]:
    said = words_of(reply)
    return [word for word in heard if word and (word == " ".join(said) or word in said)]


# Ways on.


def _ways(builder: Builder, node: Node, router: Router, form: Form, data: dict[str, Any], save: str, name: str) -> None:
    default = router.category(router.default)
    told = [category for case in told_cases(router) if (category := router.category(case.category))]
    if not told:
        data["next"] = [{"go": builder.entry(default.go if default else None)}]
        return
    if form in (Form.NUMBER, Form.MIXED):
        data["next"] = []
        for branch in [*looks_into(router, save, form), Branch(None, default or told[0], True)]:
            data["next"].append(_branch(builder, branch))
            if branch.when is None:
                break
        if form is Form.NUMBER:
            _not_understood(builder, node, default, data, name)
        return
    rest = [one for one in dict.fromkeys(told) if one not in [category for category, _ in choices_of(router).values()]]
    if form is Form.CHOICES:
        if rest:
            data["not_understood"] = {"tries": 1, "go": builder.entry(rest[0].go)}
            _keep(builder, data, [*rest[1:], *([default] if default else [])], rest[0])
        else:
            _not_understood(builder, node, default, data, name)
        return
    first, *others = dict.fromkeys(told)
    ways = [_branch(builder, Branch(never(one.name), one, False)) for one in others]
    data["next"] = [*ways, {"go": builder.entry(first.go)}]
    _not_understood(builder, node, default, data, name)


def _branch(builder: Builder, branch: Branch) -> dict[str, str]:
    go = builder.entry(branch.category.go)
    return {"when": branch.when, "go": go} if branch.when else {"go": go}


def _keep(builder: Builder, data: dict[str, Any], lost: list[Category], last: Category) -> None:
    """Ways that no answer takes here stay in the draft behind a condition that never holds."""
    ways = [_branch(builder, Branch(never(one.name), one, False)) for one in lost if one.go is not None]
    if ways:
        data["next"] = [*ways, {"go": builder.entry(last.go)}]


def _not_understood(builder: Builder, node: Node, default: Category | None, data: dict[str, Any], name: str) -> None:
    assert node.router is not None
    if default is None:
        return
    again = builder.routes.again(node)
    following = builder.routes.resolve(default.go)
    if again is not None:
        text = builder.spoken(again, f"{name}.not_understood.say", name)
        data["not_understood"] = {"tries": MOST_TRIES, **({"say": text} if text != data["ask"] else {})}
    elif isinstance(following, Node) and following.uuid == node.uuid:
        data["not_understood"] = {"tries": MOST_TRIES}
    else:
        data["not_understood"] = {"tries": 1, "go": builder.entry(default.go)}
        return
    how = f"There it is asked again without end; here {MOST_TRIES} times, then a human is called."
    builder.draft.tell(node.uuid, node.router.theirs, Fate.APPROXIMATED, how, name)


def _silence(builder: Builder, node: Node, router: Router, data: dict[str, Any], name: str) -> None:
    category = router.category(router.timeout)
    if category is not None:
        data["wait"] = {"after": duration(router.seconds), "go": builder.entry(category.go)}
        builder.draft.tell(node.uuid, "timeout", Fate.CARRIED, "", name)


# What is told of it.


def _tell(builder: Builder, node: Node, router: Router, form: Form, name: str) -> None:
    fate, how = Fate.CARRIED, ""
    if router.wait != "msg":
        fate, how = Fate.APPROXIMATED, f"It waits for `{router.wait[:20]}`; here any text is taken as the answer."
    elif form is Form.MIXED:
        fate = Fate.APPROXIMATED
        how = "Words and numbers in one question: the whole answer is compared with the words, then with the numbers."
    told = {(item.node, item.kind, item.step) for item in builder.draft.items}
    if fate is not Fate.CARRIED or (node.uuid, router.theirs, name) not in told:
        builder.draft.tell(node.uuid, router.theirs, fate, how, name)
    known = _HEARS[form]
    for case in router.cases:
        row = TESTS.get(case.kind)
        fate, how = row or (Fate.LEFT_OUT, f"The test `{case.kind[:40]}` is not known here; any text counts.")
        if case.kind not in known and fate is Fate.CARRIED:
            fate, how = Fate.APPROXIMATED, "It stands beside tests of another kind; any text counts for it."
        if case.category == router.default and len(router.cases) > 0:
            fate, how = Fate.APPROXIMATED, "It leads where all other answers lead, so it is not listened for."
        if fate is not Fate.CARRIED:
            builder.draft.tell(node.uuid, case.kind, fate, how, name)
    for kind in router.lost:
        builder.draft.tell(node.uuid, kind, Fate.LEFT_OUT, "Its category is not in the file.", name)


def tell_unasked(builder: Builder, node: Node, message: Action, name: str) -> None:
    """Quick replies of a message that nothing waits behind."""
    if replies := builder.quick_replies(message):
        how = f"Nothing is asked here, so there are no choices: {', '.join(replies)[:300]}."
        builder.draft.tell(node.uuid, "quick_replies", Fate.LEFT_OUT, how, name)
