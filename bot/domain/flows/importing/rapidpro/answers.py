"""Which answers the questions of a file save and under which names, for use by texts and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.flows.importing.drafting.draft import NameAllocator
from bot.domain.flows.importing.rapidpro.expressions import ExpressionPath, read_path
from bot.domain.flows.importing.rapidpro.forms import QuestionForm, form_of
from bot.domain.flows.importing.rapidpro.model import FlowAction, Router, SourceFlow, as_text, get_key

_REST = "abcdefghijklmnopqrstuvwxyz0123456789"


def result_key(name: str) -> str:
    """`Favorite Color` as RapidPro expressions write it: `favorite_color`."""
    return "".join(sign if sign in _REST else "_" for sign in name.lower())


@dataclass(slots=True)
class SavedAnswer:
    """An answer: its name in the draft, and the questions that save it."""

    name: str
    questions: list[tuple[Router, QuestionForm]] = field(default_factory=list)


@dataclass(slots=True)
class AnswerIndex:
    """The answers of one file.

    `saved`: flow -> key of a result -> its answer. `aliases`: flow -> (family, key) -> the result that it copies.
    """

    names: NameAllocator
    saved: dict[str, dict[str, SavedAnswer]] = field(default_factory=dict)
    aliases: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    related_flows: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, flow: str, path: ExpressionPath) -> SavedAnswer | None:
        """The answer that this flow can read under this path: its own, or one of a flow inside or around it."""
        for other in self.related_flows.get(flow, (flow,)):
            key = path.key if path.family == "results" else None
            if key is None or key not in self.saved.get(other, {}):
                key = self.aliases.get(other, {}).get((path.family, path.key))
            if key is None:
                continue
            found = [self.saved[one][key] for one in self.related_flows[flow] if key in self.saved.get(one, {})]
            if found:
                return SavedAnswer(found[0].name, [asked for one in found for asked in one.questions])
        return None

    def is_choice(self, flow: str, path: ExpressionPath) -> bool:
        """Whether at least one question saves the answer as the name of a choice."""
        kept = self.find(flow, path)
        return kept is not None and any(form is QuestionForm.CHOICES for _, form in kept.questions)


def index_answers(flows: Mapping[str, SourceFlow], names: NameAllocator) -> AnswerIndex:
    """Collects the answers of all flows of a file (by key) before any step is made."""
    made = AnswerIndex(names)
    for key, flow in flows.items():
        made.saved[key] = {}
        made.aliases[key] = {}
        for node in flow.nodes.values():
            router = node.router
            if router is not None and router.wait and router.result:
                result = result_key(router.result)
                kept = made.saved[key].setdefault(result, SavedAnswer(names.name_for(result, result)))
                kept.questions.append((router, form_of(router)))
            for action in node.actions:
                _alias(made.aliases[key], action)
    made.related_flows = _related_flows(flows)
    return made


def find_alias(action: FlowAction) -> tuple[tuple[str, str], str] | None:
    """The name that a value-setting action writes, and the result that the value copies; None for any other value."""
    value = as_text(action.data.get("value") or (action.data.get("name") if action.kind == "set_contact_name" else ""))
    path = read_path(value) if value.startswith("@") and "(" not in value else None
    if path is None or path.family != "results" or not path.key:
        return None
    if action.kind in ("set_contact_name", "set_contact_property"):
        return ("contact", "name"), path.key
    if action.kind == "set_run_result":
        return ("results", result_key(as_text(action.data.get("name")))), path.key
    if action.kind == "set_contact_field":
        return ("fields", as_text(get_key(action.data.get("field"), "key"))), path.key
    return None


def _alias(aliases: dict[tuple[str, str], str], action: FlowAction) -> None:
    found = find_alias(action)
    if found is not None and found[0] != ("results", found[1]):
        aliases.setdefault(*found)
        if found[0][0] == "fields":
            aliases.setdefault(("contact", found[0][1]), found[1])


def called_flow(action: FlowAction, flows: Mapping[str, SourceFlow]) -> str | None:
    """The key of the flow that an `enter_flow` runs; None if it is not in the file."""
    target = action.data.get("flow")
    uuid, name = as_text(get_key(target, "uuid")), _name(target)
    by_uuid = next((key for key, flow in flows.items() if uuid and flow.uuid == uuid), None)
    return by_uuid or next((key for key, flow in flows.items() if name and flow.name == name), None)


def _name(target: object) -> str:
    return as_text(get_key(target, "name")) or as_text(target)


def _related_flows(flows: Mapping[str, SourceFlow]) -> dict[str, tuple[str, ...]]:
    """For each flow: itself first, then the flows that may be running with it (all that it runs, and all that run it)."""
    backwards = list(flows.items())[::-1]
    by_uuid = {flow.uuid: key for key, flow in backwards if flow.uuid}
    by_name = {flow.name: key for key, flow in backwards if flow.name}
    runs: dict[str, set[str]] = {}
    for key, flow in flows.items():
        targets = [a.data.get("flow") for n in flow.nodes.values() for a in n.actions if a.kind == "enter_flow"]
        found = [by_uuid.get(as_text(get_key(one, "uuid"))) or by_name.get(_name(one)) for one in targets]
        runs[key] = {one for one in found if one is not None}
    inside = {key: _reachable(key, runs) for key in flows}
    return {
        key: (key, *(other for other in flows if other != key and (other in inside[key] or key in inside[other])))
        for key in flows
    }


def _reachable(start: str, runs: Mapping[str, set[str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for other in runs.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def have_forms(kept: SavedAnswer, kinds: Sequence[QuestionForm]) -> bool:
    """Whether all questions that save the answer have one of these forms."""
    return all(form in kinds for _, form in kept.questions)
