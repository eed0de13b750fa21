"""Definitions of the newer shape (spec 13 and 14, and the drafts before it): nodes, exits, routers with categories.

What their engine refuses is refused here too, with the place: a file that it would not run is damaged, and a draft made
of it would be missing parts that nobody can name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from babel import Locale

from bot.domain.flow_import.drafting import language_code
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

FLOW_KINDS = frozenset({"messaging", "messaging_background", "messaging_offline", "voice", ""})
MOST_NODES, MOST_PARTS, MOST_ARGUMENTS = 1000, 100, 10
LONGEST_NAME, LONGEST_KEY = 128, 64
Exits = Mapping[str, tuple[str, str | None]]
"""Identifier of an exit -> its name (older drafts have one) and the node that it leads to."""
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def read_definition(flow: Mapping[str, object], file: Place) -> Source:
    """One flow. Raises NotImportable where their engine would refuse it too."""
    name = words(flow.get("name"))
    place = file.of("flow", name or flow.get("uuid") or "")
    if len(name) > LONGEST_NAME:
        raise place.refuse(f"The name has {len(name)} characters; {LONGEST_NAME} are allowed.", "Shorten it.")
    if (kind := words(flow.get("type"))) not in FLOW_KINDS:
        raise place.refuse(f"`{kind[:60]}` is no kind of flow.", "It is messaging, messaging_background or voice.")
    reader = _Reader(place, kind, is_strict=bool(flow.get("spec_version")))
    nodes = reader.nodes(flow)
    language = words(flow.get("language"))
    return Source(
        words(flow.get("uuid")), name, kind, language, next(iter(nodes), ""), nodes,
        _localization(flow.get("localization"), place), number(flow.get("expire_after_minutes")),
    )  # fmt: skip


class _Reader:
    def __init__(self, place: Place, kind: str, *, is_strict: bool) -> None:
        self.place = place
        self.kind = kind
        self.is_strict = is_strict

    def nodes(self, flow: Mapping[str, object]) -> dict[str, Node]:
        shown = part(flow.get("_ui"), "nodes")
        found: dict[str, Node] = {}
        for at, row in enumerate(rows(flow.get("nodes"), self.place.of("nodes"), MOST_NODES), 1):
            node = mapping(row, self.place.of("node", at))
            uuid = words(node.get("uuid"))
            if not uuid or uuid in found:
                why = f"The identifier `{uuid}` stands at two nodes." if uuid else "The node has no identifier (uuid)."
                raise self.place.of("node", at).refuse(why)
            found[uuid] = self._node(uuid, node, words(part(part(shown, uuid), "type")))
        for node_ in found.values():
            ways = [node_.go, *(category.go for category in (node_.router.categories if node_.router else ()))]
            for way in ways:
                if way is not None and way not in found:
                    raise self.place.of("node", node_.uuid).refuse(f"It leads to the node `{way}`, which is not there.")
        return found

    def _node(self, uuid: str, node: dict[str, object], shown: str) -> Node:
        place = self.place.of("node", uuid)
        exits: dict[str, tuple[str, str | None]] = {}
        for row in rows(node.get("exits"), place.of("exits"), MOST_PARTS):
            way = mapping(row, place.of("exits"))
            exits[words(way.get("uuid"))] = (words(way.get("name")), words(way.get("destination_uuid")) or None)
        if not exits:
            raise place.refuse("The node has no exit.")
        given = rows(node.get("actions"), place.of("actions"), MOST_PARTS)
        actions = tuple(self._action(row, place) for row in given)
        router = None
        if node.get("router") is not None:
            router = self._router(node, exits, shown, place.of("router"))
        return Node(uuid, actions, router, next(iter(exits.values()))[1])

    def _action(self, row: object, node: Place) -> Action:
        data = mapping(row, node.of("action"))
        kind = words(data.get("type"))
        place = node.of("action", kind)
        if not kind:
            raise place.refuse("The action has no type.")
        if kind in ("say_msg", "play_audio") and self.kind != "voice" and self.is_strict:
            raise place.refuse(f"A flow of the kind `{self.kind or 'messaging'}` can't speak.", "Take the action out.")
        if kind == "send_msg" and not any(data.get(key) for key in ("text", "attachments", "quick_replies", "template")):
            raise place.refuse("The message has no text.", "Write one, or take the action out.")
        if kind in ("call_webhook",) and isinstance(headers := data.get("headers"), dict):
            for header in headers:
                if not _HEADER.fullmatch(header):
                    raise place.refuse(f"`{header[:60]}` can't be the name of a header.")
        for group in rows(data.get("groups"), place.of("groups")):
            if len(words(part(group, "name"))) > LONGEST_KEY:
                raise place.refuse(f"The name of a group is longer than {LONGEST_KEY} characters.", "Shorten it.")
        return Action(kind, kind, words(data.get("uuid")), data)

    # Routers.

    def _router(self, node: dict[str, object], exits: Exits, shown: str, place: Place) -> Router:
        router = mapping(node["router"], place)
        kind = words(router.get("type"))
        if kind not in ("switch", "random"):
            raise place.refuse(f"`{kind[:60]}` is no kind of router.", "It is switch or random.")
        categories = self._categories(node, router, exits, place)
        known = {category.uuid for category in categories}
        cases, lost = self._cases(router, known, exits, place)
        default = words(router.get("default_category_uuid"))
        if default and default not in known:
            if self.is_strict:
                raise place.refuse(f"The default category `{default}` is not there.")
            default = ""
        if not default and router.get("default_exit_uuid"):
            default = next((c.uuid for c in categories if c.uuid.endswith("\n" + words(router["default_exit_uuid"]))), "")
            default = default or self._by_exit(router, exits, categories)
        wait, seconds, timeout = self._wait(router, known, place)
        theirs = shown if shown.startswith(("split_by", "wait_for")) else ""
        usual = "split_by_random" if kind == "random" else "wait_for_response" if wait else "split_by_expression"
        theirs = theirs or usual
        return Router(
            kind, theirs, words(router.get("operand")).strip(), wait, seconds, timeout, categories, cases, default,
            words(router.get("result_name")).strip(), lost,
        )  # fmt: skip

    def _by_exit(self, router: Mapping[str, object], exits: Exits, categories: tuple[Category, ...]) -> str:
        way = exits.get(words(router.get("default_exit_uuid")), ("", None))[1]
        return next((category.uuid for category in reversed(categories) if category.go == way), "")

    def _categories(
        self, node: Mapping[str, object], router: Mapping[str, object], exits: Exits, place: Place
    ) -> tuple[Category, ...]:
        given = router.get("categories") or (node.get("categories") if not self.is_strict else None)
        if not given and not self.is_strict:
            return tuple(Category(uuid, name or "Other", way) for uuid, (name, way) in exits.items())
        made: list[Category] = []
        for row in rows(given, place.of("categories"), MOST_PARTS):
            category = mapping(row, place.of("categories"))
            name, way = words(category.get("name")), words(category.get("exit_uuid"))
            if way not in exits:
                raise place.of("category", name).refuse("Its exit is not there." if way else "It has no exit.")
            made.append(Category(words(category.get("uuid")), name, exits[way][1]))
        if not made:
            raise place.refuse("The router has no categories.")
        return tuple(made)

    def _cases(
        self, router: Mapping[str, object], known: set[str], exits: Mapping[str, object], place: Place
    ) -> tuple[tuple[Case, ...], tuple[str, ...]]:
        made: list[Case] = []
        lost: list[str] = []
        for row in rows(router.get("cases"), place.of("cases"), MOST_PARTS):
            case = mapping(row, place.of("cases"))
            kind = words(case.get("type"))
            at = place.of("test", kind)
            category = words(case.get("category_uuid")) or words(case.get("exit_uuid"))
            arguments = rows(case.get("arguments"), at)
            if len(arguments) > MOST_ARGUMENTS:
                raise at.refuse(f"It has {len(arguments)} arguments; at most {MOST_ARGUMENTS} are allowed.")
            if category in known:
                made.append(Case(kind, tuple(map(words, arguments)), category, words(case.get("uuid"))))
            elif self.is_strict:
                raise at.refuse(f"Its category `{category}` is not there.")
            else:
                lost.append(kind)
        return tuple(made), tuple(lost)

    def _wait(self, router: Mapping[str, object], known: set[str], place: Place) -> tuple[str, float, str]:
        if router.get("wait") is None:
            return "", 0, ""
        wait = mapping(router["wait"], place.of("wait"))
        if self.kind == "messaging_background":
            raise place.of("wait").refuse("A flow in the background can't wait for an answer.")
        hint = words(part(wait.get("hint"), "type"))
        kind = hint if hint not in ("", "digits") else words(wait.get("type")) or "msg"
        if wait.get("timeout") is None:
            return kind, 0, ""
        timeout = mapping(wait["timeout"], place.of("timeout"))
        category = words(timeout.get("category_uuid"))
        if category not in known:
            raise place.of("timeout").refuse(f"Its category `{category}` is not there.")
        return kind, number(timeout.get("seconds")), category


# Translations.


def _localization(given: object, flow: Place) -> dict[str, dict[str, dict[str, Words]]]:
    if given is None:
        return {}
    place = flow.of("localization")
    made: dict[str, dict[str, dict[str, Words]]] = {}
    for language, items in mapping(given, place).items():
        if not is_language(language):
            raise place.refuse(f"`{language[:20]}` is no language.", "Use the three letters of ISO 639-3.")
        for uuid, fields in mapping(items, place.of("language", language)).items():
            at = place.of("language", language).of("part", uuid)
            if not _is_identifier(uuid):
                raise at.refuse("This is no identifier (uuid) of a part of the flow.")
            for key, said in mapping(fields, at).items():
                if len(key) > LONGEST_KEY:
                    raise at.refuse(f"The name of a property is longer than {LONGEST_KEY} characters.")
                if isinstance(said, list):
                    made.setdefault(language, {}).setdefault(uuid, {})[key] = tuple(map(words, said))
    return made


def is_language(code: str) -> bool:
    """Whether a translation may be in it: a language that is known, or their marks for none (`base`, `und`)."""
    return code in ("base", "und") or language_code(code) is not None or code in Locale("en").languages


def _is_identifier(uuid: str) -> bool:
    try:
        UUID(uuid)
    except ValueError:
        return False
    return True


# Groups and templates that are not in the file.


def refuse_missing_assets(data: Mapping[str, object], flows: list[Source], place: Place) -> None:
    """Refuses bare definitions that name a group which the file does not hold.

    Only a file that is neither an export (it has a version) nor saved by the editor (`_ui`) must hold all it names.
    """
    given = rows(data.get("flows"), place.of("flows"))
    if data.get("version") or not given or any(part(flow, "_ui") or not part(flow, "spec_version") for flow in given):
        return
    held = {words(part(group, "uuid")) for group in rows(data.get("groups"), place.of("groups"))}
    for flow in flows:
        for node in flow.nodes.values():
            for action in node.actions:
                for group in rows(action.data.get("groups"), place.of("groups")):
                    if (uuid := words(part(group, "uuid"))) and uuid not in held:
                        at = place.of("flow", flow.name).of("node", node.uuid).of("action", action.kind)
                        raise at.refuse(f"The group `{words(part(group, 'name'))}` is not in the file.",
                                        "Export the flow with all that it needs.")  # fmt: skip
