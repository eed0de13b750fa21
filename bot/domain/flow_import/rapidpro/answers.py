"""Which answers the questions of a file keep, and under which names: what texts and conditions may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.flow_import.drafting import Names
from bot.domain.flow_import.rapidpro.expressions import Path, read_path
from bot.domain.flow_import.rapidpro.forms import Form, form_of
from bot.domain.flow_import.rapidpro.model import Action, Router, Source, part, words

_REST = "abcdefghijklmnopqrstuvwxyz0123456789"


def result_key(name: str) -> str:
    """`Favorite Color` as their expressions write it: `favorite_color`."""
    return "".join(sign if sign in _REST else "_" for sign in name.lower())


@dataclass(slots=True)
class Kept:
    """An answer: our name for it, and the questions that keep it."""

    name: str
    asked: list[tuple[Router, Form]] = field(default_factory=list)


@dataclass(slots=True)
class Answers:
    """The answers of one file.

    `kept`: flow -> key of a result -> its answer. `aliases`: flow -> (family, key) -> the result that it is made of.
    """

    names: Names
    kept: dict[str, dict[str, Kept]] = field(default_factory=dict)
    aliases: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    around: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, flow: str, path: Path) -> Kept | None:
        """The answer that this flow can see under this path: its own, or one of a flow inside or around it."""
        for other in self.around.get(flow, (flow,)):
            key = path.key if path.family == "results" else None
            if key is None or key not in self.kept.get(other, {}):
                key = self.aliases.get(other, {}).get((path.family, path.key))
            if key is None:
                continue
            found = [self.kept[one][key] for one in self.around[flow] if key in self.kept.get(one, {})]
            if found:
                return Kept(found[0].name, [asked for one in found for asked in one.asked])
        return None

    def is_choice(self, flow: str, path: Path) -> bool:
        """Whether the answer is kept as the name of a choice, at least by one question."""
        kept = self.find(flow, path)
        return kept is not None and any(form is Form.CHOICES for _, form in kept.asked)


def kept_answers(flows: Mapping[str, Source], names: Names) -> Answers:
    """Looks through all flows of a file (by their key) before any step is made."""
    made = Answers(names)
    for key, flow in flows.items():
        made.kept[key] = {}
        made.aliases[key] = {}
        for node in flow.nodes.values():
            router = node.router
            if router is not None and router.wait and router.result:
                result = result_key(router.result)
                kept = made.kept[key].setdefault(result, Kept(names.of(result, result)))
                kept.asked.append((router, form_of(router)))
            for action in node.actions:
                _alias(made.aliases[key], action)
    made.around = _around(flows)
    return made


def alias_of(action: Action) -> tuple[tuple[str, str], str] | None:
    """What an action that writes a value names, and the result that the value is made of; None for any other value."""
    value = words(action.data.get("value") or (action.data.get("name") if action.kind == "set_contact_name" else ""))
    path = read_path(value) if value.startswith("@") and "(" not in value else None
    if path is None or path.family != "results" or not path.key:
        return None
    if action.kind in ("set_contact_name", "set_contact_property"):
        return ("contact", "name"), path.key
    if action.kind == "set_run_result":
        return ("results", result_key(words(action.data.get("name")))), path.key
    if action.kind == "set_contact_field":
        return ("fields", words(part(action.data.get("field"), "key"))), path.key
    return None


def _alias(aliases: dict[tuple[str, str], str], action: Action) -> None:
    found = alias_of(action)
    if found is not None and found[0] != ("results", found[1]):
        aliases.setdefault(*found)
        if found[0][0] == "fields":
            aliases.setdefault(("contact", found[0][1]), found[1])


def called_flow(action: Action, flows: Mapping[str, Source]) -> str | None:
    """The key of the flow that an `enter_flow` runs; None where it is not in the file."""
    target = action.data.get("flow")
    uuid, name = words(part(target, "uuid")), _name(target)
    by_uuid = next((key for key, flow in flows.items() if uuid and flow.uuid == uuid), None)
    return by_uuid or next((key for key, flow in flows.items() if name and flow.name == name), None)


def _name(target: object) -> str:
    return words(part(target, "name")) or words(target)


def _around(flows: Mapping[str, Source]) -> dict[str, tuple[str, ...]]:
    """For each flow itself first, then those that may be running with it: all that it runs, and all that run it."""
    backwards = list(flows.items())[::-1]
    by_uuid = {flow.uuid: key for key, flow in backwards if flow.uuid}
    by_name = {flow.name: key for key, flow in backwards if flow.name}
    runs: dict[str, set[str]] = {}
    for key, flow in flows.items():
        targets = [a.data.get("flow") for n in flow.nodes.values() for a in n.actions if a.kind == "enter_flow"]
        found = [by_uuid.get(words(part(one, "uuid"))) or by_name.get(_name(one)) for one in targets]
        runs[key] = {one for one in found if one is not None}
    inside = {key: _reach(key, runs) for key in flows}
    return {
        key: (key, *(other for other in flows if other != key and (other in inside[key] or key in inside[other])))
        for key in flows
    }


def _reach(start: str, runs: Mapping[str, set[str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for other in runs.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def of_kinds(kept: Kept, kinds: Sequence[Form]) -> bool:
    """Whether all questions that keep the answer are of these forms."""
    return all(form in kinds for _, form in kept.asked)
