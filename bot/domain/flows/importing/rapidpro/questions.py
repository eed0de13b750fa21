"""Turns a waiting router into an `ask`: choices or answer type, what follows, no reply, and answers not understood."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from bot.domain.flows.importing.drafting.draft import DraftBuilder, format_seconds
from bot.domain.flows.importing.rapidpro.decisions import RouterBranch, content_branches, never_condition
from bot.domain.flows.importing.rapidpro.forms import QuestionForm, choices_of, explicit_cases, form_of, words_of_case
from bot.domain.flows.importing.rapidpro.kinds import DATE_TESTS, NUMBER_TESTS, TESTS, WORD_TESTS
from bot.domain.flows.importing.rapidpro.model import FlowAction, Router, RouterCategory, SourceFlow, SourceNode
from bot.domain.flows.importing.rapidpro.routes import FlowGraph
from bot.domain.flows.importing.report import ImportStatus
from bot.domain.listening.understanding import words_of

MAX_TRIES = 5
NO_QUESTION_REMARK = "It waits for an answer, but no message stands before it; write the question."
_ANSWER_TYPES = {
    QuestionForm.NUMBER: "number",
    QuestionForm.DATE: "date",
    QuestionForm.PHONE: "phone",
    QuestionForm.TEXT: "text",
    QuestionForm.MIXED: "text",
}


_UNDERSTOOD_TESTS: dict[QuestionForm, Collection[str]] = {
    QuestionForm.CHOICES: WORD_TESTS | {"has_number_eq", "has_text"},
    QuestionForm.MIXED: WORD_TESTS | NUMBER_TESTS,
    QuestionForm.NUMBER: NUMBER_TESTS,
    QuestionForm.DATE: DATE_TESTS,
    QuestionForm.PHONE: {"has_phone"},
    QuestionForm.TEXT: {"has_text"},
}
"""The tests that a form of question evaluates exactly as meant."""


class StepSource(Protocol):
    """What a question needs of the flow that is being built; `building.py` has it."""

    source: SourceFlow
    draft: DraftBuilder
    routes: FlowGraph
    codes: dict[str, str]

    def step_for(self, uuid: str | None) -> str:
        """The name of the step that a node of theirs leads to."""

    def save_name(self, node: SourceNode, step: str) -> str:
        """The name under which the node's answer is saved."""

    def message_text(self, action: FlowAction, context: str, step: str) -> str:
        """A message as a text of the draft, with its translations set."""

    def quick_replies(self, action: FlowAction) -> list[str]:
        """The quick replies of a message."""


def add_question(builder: StepSource, node: SourceNode, message: FlowAction | None, name: str) -> None:
    """Adds the `ask` step `name` for this node's router; `message` asks, None if no message stands before it."""
    router = node.router
    assert router is not None
    form = form_of(router)
    data: dict[str, Any] = {"ask": ""}
    if message is None:
        builder.draft.report_missing(f"The step `{name}` waits for an answer, but no question stands before it; write one.")
        builder.draft.report(node.uuid, router.source_kind, ImportStatus.APPROXIMATED, NO_QUESTION_REMARK, name)
    else:
        data["ask"] = builder.message_text(message, f"{name}.ask", name)
        _quick_replies(builder, node, message, router, form, name)
    save = builder.save_name(node, name) if router.result or form in (QuestionForm.NUMBER, QuestionForm.MIXED) else None
    if form is QuestionForm.CHOICES:
        data["choices"] = _choices(builder, node, name)
    else:
        data["answer"] = _ANSWER_TYPES[form]
    if save:
        data["save"] = save
    _add_transitions(builder, node, router, form, data, save or "", name)
    _add_wait(builder, node, router, data, name)
    builder.draft.add(name, data, node=node.uuid, kind=router.source_kind)
    _report(builder, node, router, form, name)


# Choices.


def _choices(builder: StepSource, node: SourceNode, name: str) -> dict[str, Any]:
    assert node.router is not None
    made: dict[str, Any] = {}
    for key, (category, cases) in choices_of(node.router).items():
        heard = [word for case in cases for word in words_of_case(case)]
        distinct = {" ".join(words_of(word)) or word: word for word in reversed(heard)}
        made[key] = {
            "label": category.name or key,
            "words": list(distinct.values())[::-1],
            "go": builder.step_for(category.target),
        }
        for language, parts in builder.source.translations.items():
            code = builder.codes.get(language)
            if code is None:
                continue
            if label := parts.get(category.uuid, {}).get("name", ()):
                builder.draft.set_translation(code, f"{name}.choices.{key}.label", label[0])
            translated_words: list[str] = []
            for case in cases:
                fields = parts.get(case.uuid, {})
                for argument in (fields.get("arguments") or fields.get("test") or ())[:1]:
                    translated_words += argument.replace(",", " ").split() if case.kind == "has_any_word" else [argument]
            if translated_words:
                builder.draft.set_translation(
                    code, f"{name}.choices.{key}.words", ", ".join(dict.fromkeys(translated_words))
                )
    return made


def _quick_replies(
    builder: StepSource, node: SourceNode, message: FlowAction, router: Router, form: QuestionForm, name: str
) -> None:
    replies = builder.quick_replies(message)
    if not replies:
        return
    heard = {
        " ".join(words_of(word))
        for category, cases in choices_of(router).values()
        for word in (category.name, *(word for case in cases for word in words_of_case(case)))
    }
    lost = [reply for reply in replies if form is not QuestionForm.CHOICES or not any(_words_in_reply(heard, reply))]
    fate, how = ImportStatus.CARRIED, "They are the choices of the question."
    if lost:
        fate = ImportStatus.APPROXIMATED
        how = f"There are no buttons here; name these in the question or add choices: {', '.join(lost)[:300]}."
    builder.draft.report(node.uuid, "quick_replies", fate, how, name)


def _words_in_reply(words: set[str], reply: str) -> list[str]:
    reply_words = words_of(reply)
    return [word for word in words if word and (word == " ".join(reply_words) or word in reply_words)]


# Transitions.


def _add_transitions(
    builder: StepSource,
    node: SourceNode,
    router: Router,
    form: QuestionForm,
    data: dict[str, Any],
    save: str,
    name: str,
) -> None:
    default = router.category(router.default)
    notes = [category for case in explicit_cases(router) if (category := router.category(case.category))]
    if not notes:
        data["next"] = [{"go": builder.step_for(default.target if default else None)}]
        return
    if form in (QuestionForm.NUMBER, QuestionForm.MIXED):
        data["next"] = []
        for branch in [*content_branches(router, save, form), RouterBranch(None, default or notes[0], True)]:
            data["next"].append(_branch_data(builder, branch))
            if branch.when is None:
                break
        if form is QuestionForm.NUMBER:
            _add_not_understood(builder, node, default, data, name)
        return
    rest = [one for one in dict.fromkeys(notes) if one not in [category for category, _ in choices_of(router).values()]]
    if form is QuestionForm.CHOICES:
        if rest:
            data["not_understood"] = {"tries": 1, "go": builder.step_for(rest[0].target)}
            _keep_unreachable(builder, data, [*rest[1:], *([default] if default else [])], rest[0])
        else:
            _add_not_understood(builder, node, default, data, name)
        return
    first, *others = dict.fromkeys(notes)
    ways = [_branch_data(builder, RouterBranch(never_condition(one.name), one, False)) for one in others]
    data["next"] = [*ways, {"go": builder.step_for(first.target)}]
    _add_not_understood(builder, node, default, data, name)


def _branch_data(builder: StepSource, branch: RouterBranch) -> dict[str, str]:
    go = builder.step_for(branch.category.target)
    return {"when": branch.when, "go": go} if branch.when else {"go": go}


def _keep_unreachable(builder: StepSource, data: dict[str, Any], lost: list[RouterCategory], last: RouterCategory) -> None:
    """Branches that no answer can take are kept in the draft behind a condition that never holds."""
    ways = [
        _branch_data(builder, RouterBranch(never_condition(one.name), one, False)) for one in lost if one.target is not None
    ]
    if ways:
        data["next"] = [*ways, {"go": builder.step_for(last.target)}]


def _add_not_understood(
    builder: StepSource, node: SourceNode, default: RouterCategory | None, data: dict[str, Any], name: str
) -> None:
    assert node.router is not None
    if default is None:
        return
    again = builder.routes.repeat_message(node)
    following = builder.routes.resolve(default.target)
    if again is not None:
        text = builder.message_text(again, f"{name}.not_understood.say", name)
        data["not_understood"] = {"tries": MAX_TRIES, **({"say": text} if text != data["ask"] else {})}
    elif isinstance(following, SourceNode) and following.uuid == node.uuid:
        data["not_understood"] = {"tries": MAX_TRIES}
    else:
        data["not_understood"] = {"tries": 1, "go": builder.step_for(default.target)}
        return
    how = f"There it is asked again without end; here {MAX_TRIES} times, then a human is called."
    builder.draft.report(node.uuid, node.router.source_kind, ImportStatus.APPROXIMATED, how, name)


def _add_wait(builder: StepSource, node: SourceNode, router: Router, data: dict[str, Any], name: str) -> None:
    category = router.category(router.timeout_category)
    if category is not None:
        data["wait"] = {"after": format_seconds(router.timeout_seconds), "go": builder.step_for(category.target)}
        builder.draft.report(node.uuid, "timeout", ImportStatus.CARRIED, "", name)


# Reporting.


def _report(builder: StepSource, node: SourceNode, router: Router, form: QuestionForm, name: str) -> None:
    fate, how = ImportStatus.CARRIED, ""
    if router.wait != "msg":
        fate, how = ImportStatus.APPROXIMATED, f"It waits for `{router.wait[:20]}`; here any text is taken as the answer."
    elif form is QuestionForm.MIXED:
        fate = ImportStatus.APPROXIMATED
        how = "Words and numbers in one question: the whole answer is compared with the words, then with the numbers."
    notes = {(item.node, item.kind, item.step) for item in builder.draft.items}
    if fate is not ImportStatus.CARRIED or (node.uuid, router.source_kind, name) not in notes:
        builder.draft.report(node.uuid, router.source_kind, fate, how, name)
    known = _UNDERSTOOD_TESTS[form]
    for case in router.cases:
        row = TESTS.get(case.kind)
        fate, how = row or (ImportStatus.LEFT_OUT, f"The test `{case.kind[:40]}` is not known here; any text counts.")
        if case.kind not in known and fate is ImportStatus.CARRIED:
            fate, how = ImportStatus.APPROXIMATED, "It stands beside tests of another kind; any text counts for it."
        if case.category == router.default and len(router.cases) > 0:
            fate, how = ImportStatus.APPROXIMATED, "It leads where all other answers lead, so it is not listened for."
        if fate is not ImportStatus.CARRIED:
            builder.draft.report(node.uuid, case.kind, fate, how, name)
    for kind in router.unknown_tests:
        builder.draft.report(node.uuid, kind, ImportStatus.LEFT_OUT, "Its category is not in the file.", name)


def report_unasked_replies(builder: StepSource, node: SourceNode, message: FlowAction, name: str) -> None:
    """Reports the quick replies of a message that is not followed by a wait."""
    if replies := builder.quick_replies(message):
        how = f"Nothing is asked here, so there are no choices: {', '.join(replies)[:300]}."
        builder.draft.report(node.uuid, "quick_replies", ImportStatus.LEFT_OUT, how, name)
