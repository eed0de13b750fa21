"""The graph of one flow as the builder walks it: which nodes are reached, which make steps, which message is a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flow_import.rapidpro.model import Action, Node, Source, words

SPOKEN = frozenset({"send_msg", "say_msg"})
STEPS = SPOKEN | {"enter_flow", "open_ticket"}
"""Kinds of actions that become a step."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message by its place: the node, and its number among the parts of the node that make steps."""

    node: str
    at: int


@dataclass(slots=True)
class Routes:
    source: Source
    reached: list[str] = field(default_factory=list)
    """The nodes that their own flow reaches, nearest to the start first."""
    first_question: dict[str, Message] = field(default_factory=dict)
    """Node that waits -> the message before it that comes first in the flow."""
    _parts: dict[str, tuple[Action, ...]] = field(default_factory=dict)

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self.source.nodes

    def parts(self, node: Node) -> tuple[Action, ...]:
        """The actions that make steps, up to a flow that does not come back."""
        if node.uuid not in self._parts:
            made: list[Action] = []
            for action in node.actions:
                if action.kind in STEPS and (action.kind not in SPOKEN or words(action.data.get("text")).strip()):
                    made.append(action)
                if is_terminal(action):
                    break
            self._parts[node.uuid] = tuple(made)
        return self._parts[node.uuid]

    def resolve(self, uuid: str | None) -> Node | str | None:
        """The next node from here on that makes a step; its identifier where it is not there, None where the flow ends."""
        seen: set[str] = set()
        while uuid is not None and uuid not in seen:
            node = self.nodes.get(uuid)
            if node is None:
                return uuid
            if node.router is not None or self.parts(node):
                return node
            seen.add(uuid)
            uuid = node.go
        return None

    def asked_by(self, node: Node) -> Node | None:
        """The node that waits for the answer to the last message of this node; None where its last part asks nothing."""
        parts = self.parts(node)
        if not parts or parts[-1].kind not in SPOKEN:
            return None
        if node.router is not None:
            return node if node.router.wait else None
        following = self.resolve(node.go)
        if isinstance(following, Node) and following.router and following.router.wait and not self.parts(following):
            return following
        return None

    def again(self, waiting: Node) -> Action | None:
        """The one message with which the node's last category asks again, as `not_understood.say` does; None for others."""
        router = waiting.router
        category = router.category(router.default) if router else None
        apology = self.resolve(category.go) if category else None
        if not isinstance(apology, Node) or apology.router is not None or apology.uuid == waiting.uuid:
            return None
        parts = self.parts(apology)
        if len(parts) == 1 and parts[0].kind in SPOKEN and self.asked_by(apology) is waiting:
            return parts[0]
        return None


def is_terminal(action: Action) -> bool:
    """Whether it runs a flow that does not come back."""
    return action.kind == "enter_flow" and action.data.get("terminal") is True


def routes_of(source: Source) -> Routes:
    """The graph of this flow, walked once."""
    made = Routes(source)
    waiting, seen = [source.start], {source.start}
    while waiting:
        node = source.nodes.get(waiting.pop(0))
        if node is None:
            continue
        made.reached.append(node.uuid)
        for way in (*((c.go for c in node.router.categories) if node.router else ()), node.go if not node.router else None):
            if way is not None and way not in seen:
                seen.add(way)
                waiting.append(way)
    for uuid in made.reached:
        node = source.nodes[uuid]
        asked = made.asked_by(node)
        if asked is not None:
            made.first_question.setdefault(asked.uuid, Message(uuid, len(made.parts(node)) - 1))
    return made
