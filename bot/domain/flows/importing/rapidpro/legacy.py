"""Reads definitions in the older format (spec 3 to 12), action_sets and rule_sets, into the same model as the newer ones.

Old exports are full of small faults that RapidPro's own migrations forgive (a group without a name, a text without its
language, a rule set that leads nowhere), so they are forgiven here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flows.importing.rapidpro.kinds import OLDER_ACTIONS, OLDER_TESTS
from bot.domain.flows.importing.rapidpro.model import (  # fmt: skip
    FilePlace,
    FlowAction,
    Router,
    RouterCase,
    RouterCategory,
    SourceFlow,
    SourceNode,
    TextList,
    as_list,
    as_mapping,
    as_number,
    as_text,
    get_key,
)

_WAITS = {
    "wait_message": "msg", "wait_digits": "msg", "wait_digit": "msg", "wait_recording": "audio", "wait_audio": "audio",
    "wait_photo": "image", "wait_video": "video", "wait_gps": "location",
}  # fmt: skip
_OPERANDS = {"subflow": "@child.status", "group": "@contact.groups", "webhook": "@webhook.status",
             "resthook": "@webhook.status", "airtime": "@results.transfer"}  # fmt: skip


def read_legacy(flow: Mapping[str, object], file: FilePlace) -> SourceFlow:
    """Reads one flow; `flow` is the definition or holds it under `definition`. Raises NotImportable if it is not a flow."""
    inner = flow.get("definition")
    body = inner if isinstance(inner, dict) else flow
    about = body.get("metadata")
    name = as_text(get_key(about, "name")) or as_text(flow.get("name"))
    uuid = as_text(get_key(about, "uuid")) or as_text(flow.get("uuid"))
    return _LegacyReader(file.inside("flow", name or uuid), as_text(body.get("base_language")) or "base").read(
        body, flow, uuid, name
    )


@dataclass(slots=True)
class _LegacyReader:
    place: FilePlace
    language: str
    translations: dict[str, dict[str, dict[str, TextList]]] = field(default_factory=dict)
    nodes: dict[str, SourceNode] = field(default_factory=dict)

    def read(self, body: Mapping[str, object], flow: Mapping[str, object], uuid: str, name: str) -> SourceFlow:
        tops: dict[str, float] = {}
        for key, read in (("action_sets", self._action_set), ("rule_sets", self._rule_set)):
            for at, row in enumerate(as_list(body.get(key), self.place.inside(key), 1000), 1):
                place = self.place.inside(key.removesuffix("s"), at)
                data = as_mapping(row, place)
                node_uuid = as_text(data.get("uuid"))
                if not node_uuid or node_uuid in self.nodes:
                    raise place.error("It has no identifier (uuid), or one that stands at another place too.")
                self.nodes[node_uuid] = read(node_uuid, data, place)
                tops[node_uuid] = as_number(data.get("y"))
        start = as_text(body.get("entry")) or as_text(flow.get("entry"))
        if start not in self.nodes:
            start = min(tops, key=lambda one: tops[one], default="")
        kind = {"V": "voice"}.get(as_text(body.get("flow_type")) or as_text(flow.get("flow_type")), "messaging")
        minutes = as_number(get_key(body.get("metadata"), "expires"))
        return SourceFlow(uuid, name, kind, self.language, start, self.nodes, self.translations, minutes)

    def _text(self, value: object, uuid: str, key: str) -> str:
        """The text in the flow's own language; the others are stored as translations of this part."""
        if not isinstance(value, dict):
            return as_text(value)
        texts = {as_text(language): as_text(text) for language, text in value.items() if as_text(text)}
        base = next((code for code in (self.language, "base", *texts) if code in texts), "")
        for language, text in texts.items():
            if language != base:
                self.translations.setdefault(language, {}).setdefault(uuid, {})[key] = (text,)
        return texts.get(base, "")

    # Actions.

    def _action_set(self, uuid: str, data: Mapping[str, object], place: FilePlace) -> SourceNode:
        actions = tuple(
            self._action(as_mapping(row, place.inside("actions")), f"{uuid}:{at}", place)
            for at, row in enumerate(as_list(data.get("actions"), place.inside("actions"), 100))
        )
        return SourceNode(uuid, actions, None, as_text(data.get("destination")) or None)

    def _action(self, data: Mapping[str, object], at: str, place: FilePlace) -> FlowAction:
        source_kind = as_text(data.get("type"))
        if not source_kind:
            raise place.inside("actions").error("An action has no type.")
        uuid = as_text(data.get("uuid")) or at
        made: dict[str, object] = dict(data)
        if "msg" in data:
            made["text"] = self._text(data["msg"], uuid, "text")
        if isinstance(data.get("media"), dict) and (media := self._text(data["media"], uuid, "attachments")):
            made["attachments"] = [media]
        replies = data.get("quick_replies")
        if isinstance(replies, list):
            made["quick_replies"] = [self._text(reply, f"{uuid}:{n}", "quick_replies") for n, reply in enumerate(replies)]
        if source_kind == "flow":
            made["terminal"] = True
        if source_kind == "save":
            made["field"] = {"key": data.get("field"), "name": data.get("label")}
        if source_kind == "lang":
            made["language"] = data.get("lang")
        if source_kind in ("add_group", "del_group") and "groups" not in data:
            made["groups"] = [data.get("group")]
        return FlowAction(OLDER_ACTIONS.get(source_kind, source_kind), source_kind, uuid, made)

    # Rules.

    def _rule_set(self, uuid: str, data: Mapping[str, object], place: FilePlace) -> SourceNode:
        source_kind = as_text(data.get("ruleset_type")) or self._kind(data)
        categories: dict[str, RouterCategory] = {}
        cases: list[RouterCase] = []
        default = timeout = ""
        seconds = 0.0
        for at, row in enumerate(as_list(data.get("rules"), place.inside("rules"), 100)):
            rule = as_mapping(row, place.inside("rules"))
            test = rule.get("test")
            key = as_text(rule.get("uuid")) or f"{uuid}:{at}"
            category = self._category(rule, key, categories)
            kind = as_text(get_key(test, "type"))
            if kind == "true":
                default = category.uuid
            elif kind == "timeout":
                timeout, seconds = category.uuid, as_number(get_key(test, "minutes")) * 60
            else:
                cases.append(RouterCase(OLDER_TESTS.get(kind, kind), self._arguments(kind, test, key), category.uuid, key))
        router = Router(
            "random" if source_kind == "random" else "switch", source_kind, self._operand(source_kind, data),
            _WAITS.get(source_kind, ""),
            seconds, timeout, tuple(categories.values()), tuple(cases), default, as_text(data.get("label")).strip(),
        )  # fmt: skip
        return SourceNode(uuid, self._called_action(source_kind, data, uuid), router if categories else None, None)

    def _kind(self, data: Mapping[str, object]) -> str:
        """Before version 5 the operand determined the kind."""
        operand = as_text(data.get("operand"))
        if data.get("webhook"):
            return "webhook"
        if "step.value" in operand or not operand:
            return "wait_message"
        return "contact_field" if operand.startswith("@contact.") else "expression"

    def _operand(self, source_kind: str, data: Mapping[str, object]) -> str:
        return _OPERANDS.get(source_kind) or as_text(data.get("operand")).strip()

    def _category(self, rule: Mapping[str, object], key: str, known: dict[str, RouterCategory]) -> RouterCategory:
        name = self._text(rule.get("category"), key, "name") or "Other"
        go = as_text(rule.get("destination")) or None
        for category in known.values():
            if category.name.casefold() == name.casefold() and category.target == go:
                return category
        known[key] = RouterCategory(key, name, go)
        return known[key]

    def _arguments(self, kind: str, test: object, key: str) -> TextList:
        if kind == "between":
            return (as_text(get_key(test, "min")), as_text(get_key(test, "max")))
        if kind == "subflow":
            return (as_text(get_key(test, "exit_type")),)
        if kind == "in_group":
            return (as_text(get_key(get_key(test, "test"), "uuid")), as_text(get_key(get_key(test, "test"), "name")))
        given = get_key(test, "test")
        value = self._text(given if given is not None else get_key(test, "status"), key, "arguments")
        return (value,) if value else ()

    def _called_action(self, source_kind: str, data: Mapping[str, object], uuid: str) -> tuple[FlowAction, ...]:
        """What a rule set does before it decides, as an action."""
        config = data.get("config")
        kind = {"subflow": "enter_flow", "webhook": "call_webhook", "resthook": "call_resthook",
                "airtime": "transfer_airtime"}.get(source_kind)  # fmt: skip
        if kind is None:
            return ()
        flow = get_key(config, "flow")
        return (
            FlowAction(
                kind, source_kind, f"{uuid}:call", {"flow": flow, "url": get_key(config, "webhook") or data.get("webhook")}
            ),
        )
