"""Reads definitions in the newer format (spec 13 and 14, and the drafts before it): nodes, exits, routers with categories.

What RapidPro's engine refuses is refused here too, with the place: a file that the engine would not run is damaged, and a
draft made from it would lack parts that no report could name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from bot.domain.flows.importing.drafting.draft import language_code
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
from bot.domain.languages import english_names

FLOW_KINDS = frozenset({"messaging", "messaging_background", "messaging_offline", "voice", ""})
MAX_NODES, MAX_PARTS, MAX_ARGUMENTS = 1000, 100, 10
MAX_NAME_LENGTH, MAX_KEY_LENGTH = 128, 64
Exits = Mapping[str, tuple[str, str | None]]
"""Identifier of an exit -> its name (older drafts have one) and the node that it leads to."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def read_definition(flow: Mapping[str, object], file: FilePlace) -> SourceFlow:
    """Reads one flow. Raises NotImportable where RapidPro's engine would refuse it too."""
    name = as_text(flow.get("name"))
    place = file.inside("flow", name or flow.get("uuid") or "")
    if len(name) > MAX_NAME_LENGTH:
        raise place.error(f"The name has {len(name)} characters; {MAX_NAME_LENGTH} are allowed.", "Shorten it.")
    if (kind := as_text(flow.get("type"))) not in FLOW_KINDS:
        raise place.error(f"`{kind[:60]}` is no kind of flow.", "It is messaging, messaging_background or voice.")
    reader = _GoflowReader(place, kind, is_strict=bool(flow.get("spec_version")))
    nodes = reader.nodes(flow)
    language = as_text(flow.get("language"))
    return SourceFlow(
        as_text(flow.get("uuid")), name, kind, language, next(iter(nodes), ""), nodes,
        _localization(flow.get("localization"), place), as_number(flow.get("expire_after_minutes")),
    )  # fmt: skip


class _GoflowReader:
    def __init__(self, place: FilePlace, kind: str, *, is_strict: bool) -> None:
        self.place = place
        self.kind = kind
        self.is_strict = is_strict

    def nodes(self, flow: Mapping[str, object]) -> dict[str, SourceNode]:
        shown = get_key(flow.get("_ui"), "nodes")
        found: dict[str, SourceNode] = {}
        for at, row in enumerate(as_list(flow.get("nodes"), self.place.inside("nodes"), MAX_NODES), 1):
            node = as_mapping(row, self.place.inside("node", at))
            uuid = as_text(node.get("uuid"))
            if not uuid or uuid in found:
                why = f"The identifier `{uuid}` stands at two nodes." if uuid else "The node has no identifier (uuid)."
                raise self.place.inside("node", at).error(why)
            found[uuid] = self._node(uuid, node, as_text(get_key(get_key(shown, uuid), "type")))
        for node_ in found.values():
            ways = [node_.target, *(category.target for category in (node_.router.categories if node_.router else ()))]
            for way in ways:
                if way is not None and way not in found:
                    raise self.place.inside("node", node_.uuid).error(f"It leads to the node `{way}`, which is not there.")
        return found

    def _node(self, uuid: str, node: dict[str, object], shown: str) -> SourceNode:
        place = self.place.inside("node", uuid)
        exits: dict[str, tuple[str, str | None]] = {}
        for row in as_list(node.get("exits"), place.inside("exits"), MAX_PARTS):
            way = as_mapping(row, place.inside("exits"))
            exits[as_text(way.get("uuid"))] = (as_text(way.get("name")), as_text(way.get("destination_uuid")) or None)
        if not exits:
            raise place.error("The node has no exit.")
        given = as_list(node.get("actions"), place.inside("actions"), MAX_PARTS)
        actions = tuple(self._action(row, place) for row in given)
        router = None
        if node.get("router") is not None:
            router = self._router(node, exits, shown, place.inside("router"))
        return SourceNode(uuid, actions, router, next(iter(exits.values()))[1])

    def _action(self, row: object, node: FilePlace) -> FlowAction:
        data = as_mapping(row, node.inside("action"))
        kind = as_text(data.get("type"))
        place = node.inside("action", kind)
        if not kind:
            raise place.error("The action has no type.")
        if kind in ("say_msg", "play_audio") and self.kind != "voice" and self.is_strict:
            raise place.error(f"A flow of the kind `{self.kind or 'messaging'}` can't speak.", "Take the action out.")
        if kind == "send_msg" and not any(data.get(key) for key in ("text", "attachments", "quick_replies", "template")):
            raise place.error("The message has no text.", "Write one, or take the action out.")
        if kind in ("call_webhook",) and isinstance(headers := data.get("headers"), dict):
            for header in headers:
                if not _HEADER.fullmatch(header):
                    raise place.error(f"`{header[:60]}` can't be the name of a header.")
        for group in as_list(data.get("groups"), place.inside("groups")):
            if len(as_text(get_key(group, "name"))) > MAX_KEY_LENGTH:
                raise place.error(f"The name of a group is longer than {MAX_KEY_LENGTH} characters.", "Shorten it.")
        return FlowAction(kind, kind, as_text(data.get("uuid")), data)

    # Routers.

    def _router(self, node: dict[str, object], exits: Exits, shown: str, place: FilePlace) -> Router:
        router = as_mapping(node["router"], place)
        kind = as_text(router.get("type"))
        if kind not in ("switch", "random"):
            raise place.error(f"`{kind[:60]}` is no kind of router.", "It is switch or random.")
        categories = self._categories(node, router, exits, place)
        known = {category.uuid for category in categories}
        cases, lost = self._cases(router, known, exits, place)
        default = as_text(router.get("default_category_uuid"))
        if default and default not in known:
            if self.is_strict:
                raise place.error(f"The default category `{default}` is not there.")
            default = ""
        if not default and router.get("default_exit_uuid"):
            default = next((c.uuid for c in categories if c.uuid.endswith("\n" + as_text(router["default_exit_uuid"]))), "")
            default = default or self._category_by_exit(router, exits, categories)
        wait, seconds, timeout = self._wait(router, known, place)
        source_kind = shown if shown.startswith(("split_by", "wait_for")) else ""
        usual = "split_by_random" if kind == "random" else "wait_for_response" if wait else "split_by_expression"
        source_kind = source_kind or usual
        return Router(
            kind, source_kind, as_text(router.get("operand")).strip(), wait, seconds, timeout, categories, cases, default,
            as_text(router.get("result_name")).strip(), lost,
        )  # fmt: skip

    def _category_by_exit(self, router: Mapping[str, object], exits: Exits, categories: tuple[RouterCategory, ...]) -> str:
        way = exits.get(as_text(router.get("default_exit_uuid")), ("", None))[1]
        return next((category.uuid for category in reversed(categories) if category.target == way), "")

    def _categories(
        self, node: Mapping[str, object], router: Mapping[str, object], exits: Exits, place: FilePlace
    ) -> tuple[RouterCategory, ...]:
        given = router.get("categories") or (node.get("categories") if not self.is_strict else None)
        if not given and not self.is_strict:
            return tuple(RouterCategory(uuid, name or "Other", way) for uuid, (name, way) in exits.items())
        made: list[RouterCategory] = []
        for row in as_list(given, place.inside("categories"), MAX_PARTS):
            category = as_mapping(row, place.inside("categories"))
            name, way = as_text(category.get("name")), as_text(category.get("exit_uuid"))
            if way not in exits:
                raise place.inside("category", name).error("Its exit is not there." if way else "It has no exit.")
            made.append(RouterCategory(as_text(category.get("uuid")), name, exits[way][1]))
        if not made:
            raise place.error("The router has no categories.")
        return tuple(made)

    def _cases(
        self, router: Mapping[str, object], known: set[str], exits: Mapping[str, object], place: FilePlace
    ) -> tuple[tuple[RouterCase, ...], tuple[str, ...]]:
        made: list[RouterCase] = []
        lost: list[str] = []
        for row in as_list(router.get("cases"), place.inside("cases"), MAX_PARTS):
            case = as_mapping(row, place.inside("cases"))
            kind = as_text(case.get("type"))
            at = place.inside("test", kind)
            category = as_text(case.get("category_uuid")) or as_text(case.get("exit_uuid"))
            arguments = as_list(case.get("arguments"), at)
            if len(arguments) > MAX_ARGUMENTS:
                raise at.error(f"It has {len(arguments)} arguments; at most {MAX_ARGUMENTS} are allowed.")
            if category in known:
                made.append(RouterCase(kind, tuple(map(as_text, arguments)), category, as_text(case.get("uuid"))))
            elif self.is_strict:
                raise at.error(f"Its category `{category}` is not there.")
            else:
                lost.append(kind)
        return tuple(made), tuple(lost)

    def _wait(self, router: Mapping[str, object], known: set[str], place: FilePlace) -> tuple[str, float, str]:
        if router.get("wait") is None:
            return "", 0, ""
        wait = as_mapping(router["wait"], place.inside("wait"))
        if self.kind == "messaging_background":
            raise place.inside("wait").error("A flow in the background can't wait for an answer.")
        hint = as_text(get_key(wait.get("hint"), "type"))
        kind = hint if hint not in ("", "digits") else as_text(wait.get("type")) or "msg"
        if wait.get("timeout") is None:
            return kind, 0, ""
        timeout = as_mapping(wait["timeout"], place.inside("timeout"))
        category = as_text(timeout.get("category_uuid"))
        if category not in known:
            raise place.inside("timeout").error(f"Its category `{category}` is not there.")
        return kind, as_number(timeout.get("seconds")), category


# Translations.


def _localization(value: object, flow: FilePlace) -> dict[str, dict[str, dict[str, TextList]]]:
    if value is None:
        return {}
    place = flow.inside("localization")
    made: dict[str, dict[str, dict[str, TextList]]] = {}
    for language, items in as_mapping(value, place).items():
        if not is_language(language):
            raise place.error(f"`{language[:20]}` is no language.", "Use the three letters of ISO 639-3.")
        for uuid, fields in as_mapping(items, place.inside("language", language)).items():
            at = place.inside("language", language).inside("part", uuid)
            if not _is_identifier(uuid):
                raise at.error("This is no identifier (uuid) of a part of the flow.")
            for key, texts in as_mapping(fields, at).items():
                if len(key) > MAX_KEY_LENGTH:
                    raise at.error(f"The name of a property is longer than {MAX_KEY_LENGTH} characters.")
                if isinstance(texts, list):
                    made.setdefault(language, {}).setdefault(uuid, {})[key] = tuple(map(as_text, texts))
    return made


def is_language(code: str) -> bool:
    """Whether a translation may be in it: a known language, or their codes for none (`base`, `und`)."""
    return code in ("base", "und") or language_code(code) is not None or code in english_names()


def _is_identifier(uuid: str) -> bool:
    try:
        UUID(uuid)
    except ValueError:
        return False
    return True


# Groups and templates that are not in the file.


def refuse_missing_assets(data: Mapping[str, object], flows: list[SourceFlow], place: FilePlace) -> None:
    """Refuses bare definitions that name a group missing from the file.

    Only a file that is neither an export (those have a version) nor saved by the editor (`_ui`) must contain everything it
    names.
    """
    given = as_list(data.get("flows"), place.inside("flows"))
    if data.get("version") or not given or any(get_key(flow, "_ui") or not get_key(flow, "spec_version") for flow in given):
        return
    held = {as_text(get_key(group, "uuid")) for group in as_list(data.get("groups"), place.inside("groups"))}
    for flow in flows:
        for node in flow.nodes.values():
            for action in node.actions:
                for group in as_list(action.data.get("groups"), place.inside("groups")):
                    if (uuid := as_text(get_key(group, "uuid"))) and uuid not in held:
                        at = place.inside("flow", flow.name).inside("node", node.uuid).inside("action", action.kind)
                        raise at.error(f"The group `{as_text(get_key(group, 'name'))}` is not in the file.",
                                        "Export the flow with all that it needs.")  # fmt: skip
