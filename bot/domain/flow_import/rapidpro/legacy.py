"""Definitions of the older shape (spec 3 to 12): action_sets and rule_sets, read into the same model as the newer ones.

Old exports are full of small faults that their own migrations forgive (a group without a name, a text without its
language, a rule set that leads to nothing), so they are forgiven here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flow_import.rapidpro.kinds import OLDER_ACTIONS, OLDER_TESTS
from bot.domain.flow_import.rapidpro.model import (
    Action,
    Case,
    Category,
    Node,
    Place,
    Router,
    Source,
    Words,
    mapping,
    number,
    part,
    rows,
    words,
)  # fmt: skip

_WAITS = {
    "wait_message": "msg", "wait_digits": "msg", "wait_digit": "msg", "wait_recording": "audio", "wait_audio": "audio",
    "wait_photo": "image", "wait_video": "video", "wait_gps": "location",
}  # fmt: skip
_OPERANDS = {"subflow": "@child.status", "group": "@contact.groups", "webhook": "@webhook.status",
             "resthook": "@webhook.status", "airtime": "@results.transfer"}  # fmt: skip


def read_legacy(flow: Mapping[str, object], file: Place) -> Source:
    """One flow; `flow` holds the definition itself or under `definition`. Raises NotImportable where it is no flow."""
    inner = flow.get("definition")
    body = inner if isinstance(inner, dict) else flow
    about = body.get("metadata")
    name = words(part(about, "name")) or words(flow.get("name"))
    uuid = words(part(about, "uuid")) or words(flow.get("uuid"))
    return _Legacy(file.of("flow", name or uuid), words(body.get("base_language")) or "base").read(body, flow, uuid, name)


@dataclass(slots=True)
class _Legacy:
    place: Place
    language: str
    said: dict[str, dict[str, dict[str, Words]]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    def read(self, body: Mapping[str, object], flow: Mapping[str, object], uuid: str, name: str) -> Source:
        tops: dict[str, float] = {}
        for key, read in (("action_sets", self._action_set), ("rule_sets", self._rule_set)):
            for at, row in enumerate(rows(body.get(key), self.place.of(key), 1000), 1):
                place = self.place.of(key.removesuffix("s"), at)
                data = mapping(row, place)
                node_uuid = words(data.get("uuid"))
                if not node_uuid or node_uuid in self.nodes:
                    raise place.refuse("It has no identifier (uuid), or one that stands at another place too.")
                self.nodes[node_uuid] = read(node_uuid, data, place)
                tops[node_uuid] = number(data.get("y"))
        start = words(body.get("entry")) or words(flow.get("entry"))
        if start not in self.nodes:
            start = min(tops, key=lambda one: tops[one], default="")
        kind = {"V": "voice"}.get(words(body.get("flow_type")) or words(flow.get("flow_type")), "messaging")
        minutes = number(part(body.get("metadata"), "expires"))
        return Source(uuid, name, kind, self.language, start, self.nodes, self.said, minutes)

    def _text(self, given: object, uuid: str, key: str) -> str:
        """The text in the flow's own language; the others are remembered as translations of this part."""
        if not isinstance(given, dict):
            return words(given)
        texts = {words(language): words(text) for language, text in given.items() if words(text)}
        base = next((code for code in (self.language, "base", *texts) if code in texts), "")
        for language, text in texts.items():
            if language != base:
                self.said.setdefault(language, {}).setdefault(uuid, {})[key] = (text,)
        return texts.get(base, "")

    # Actions.

    def _action_set(self, uuid: str, data: Mapping[str, object], place: Place) -> Node:
        actions = tuple(
            self._action(mapping(row, place.of("actions")), f"{uuid}:{at}", place)
            for at, row in enumerate(rows(data.get("actions"), place.of("actions"), 100))
        )
        return Node(uuid, actions, None, words(data.get("destination")) or None)

    def _action(self, data: Mapping[str, object], at: str, place: Place) -> Action:
        theirs = words(data.get("type"))
        if not theirs:
            raise place.of("actions").refuse("An action has no type.")
        uuid = words(data.get("uuid")) or at
        made: dict[str, object] = dict(data)
        if "msg" in data:
            made["text"] = self._text(data["msg"], uuid, "text")
        if isinstance(data.get("media"), dict) and (media := self._text(data["media"], uuid, "attachments")):
            made["attachments"] = [media]
        replies = data.get("quick_replies")
        if isinstance(replies, list):
            made["quick_replies"] = [self._text(reply, f"{uuid}:{n}", "quick_replies") for n, reply in enumerate(replies)]
        if theirs == "flow":
            made["terminal"] = True
        if theirs == "save":
            made["field"] = {"key": data.get("field"), "name": data.get("label")}
        if theirs == "lang":
            made["language"] = data.get("lang")
        if theirs in ("add_group", "del_group") and "groups" not in data:
            made["groups"] = [data.get("group")]
        return Action(OLDER_ACTIONS.get(theirs, theirs), theirs, uuid, made)

    # Rules.

    def _rule_set(self, uuid: str, data: Mapping[str, object], place: Place) -> Node:
        theirs = words(data.get("ruleset_type")) or self._kind(data)
        categories: dict[str, Category] = {}
        cases: list[Case] = []
        default = timeout = ""
        seconds = 0.0
        for at, row in enumerate(rows(data.get("rules"), place.of("rules"), 100)):
            rule = mapping(row, place.of("rules"))
            test = rule.get("test")
            key = words(rule.get("uuid")) or f"{uuid}:{at}"
            category = self._category(rule, key, categories)
            kind = words(part(test, "type"))
            if kind == "true":
                default = category.uuid
            elif kind == "timeout":
                timeout, seconds = category.uuid, number(part(test, "minutes")) * 60
            else:
                cases.append(Case(OLDER_TESTS.get(kind, kind), self._arguments(kind, test, key), category.uuid, key))
        router = Router(
            "random" if theirs == "random" else "switch", theirs, self._operand(theirs, data), _WAITS.get(theirs, ""),
            seconds, timeout, tuple(categories.values()), tuple(cases), default, words(data.get("label")).strip(),
        )  # fmt: skip
        return Node(uuid, self._called(theirs, data, uuid), router if categories else None, None)

    def _kind(self, data: Mapping[str, object]) -> str:
        """Before version 5 the operand told which kind it is."""
        operand = words(data.get("operand"))
        if data.get("webhook"):
            return "webhook"
        if "step.value" in operand or not operand:
            return "wait_message"
        return "contact_field" if operand.startswith("@contact.") else "expression"

    def _operand(self, theirs: str, data: Mapping[str, object]) -> str:
        return _OPERANDS.get(theirs) or words(data.get("operand")).strip()

    def _category(self, rule: Mapping[str, object], key: str, known: dict[str, Category]) -> Category:
        name = self._text(rule.get("category"), key, "name") or "Other"
        go = words(rule.get("destination")) or None
        for category in known.values():
            if category.name.casefold() == name.casefold() and category.go == go:
                return category
        known[key] = Category(key, name, go)
        return known[key]

    def _arguments(self, kind: str, test: object, key: str) -> Words:
        if kind == "between":
            return (words(part(test, "min")), words(part(test, "max")))
        if kind == "subflow":
            return (words(part(test, "exit_type")),)
        if kind == "in_group":
            return (words(part(part(test, "test"), "uuid")), words(part(part(test, "test"), "name")))
        given = part(test, "test")
        value = self._text(given if given is not None else part(test, "status"), key, "arguments")
        return (value,) if value else ()

    def _called(self, theirs: str, data: Mapping[str, object], uuid: str) -> tuple[Action, ...]:
        """What a rule set does before it decides, as an action of its own."""
        config = data.get("config")
        kind = {"subflow": "enter_flow", "webhook": "call_webhook", "resthook": "call_resthook",
                "airtime": "transfer_airtime"}.get(theirs)  # fmt: skip
        if kind is None:
            return ()
        flow = part(config, "flow")
        return (Action(kind, theirs, f"{uuid}:call", {"flow": flow, "url": part(config, "webhook") or data.get("webhook")}),)
