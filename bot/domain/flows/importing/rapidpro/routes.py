"""The graph of one flow: which nodes are reached, which make steps, which message is a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.flows.importing.rapidpro.model import FlowAction, SourceFlow, SourceNode, as_text

MESSAGE_KINDS = frozenset({"send_msg", "say_msg"})
STEP_ACTION_KINDS = MESSAGE_KINDS | {"enter_flow", "open_ticket"}
"""Kinds of actions that become a step."""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A message by its position: the node, and its index among the parts of the node that make steps."""

    node: str
    index: int


@dataclass(slots=True)
class FlowGraph:
    source: SourceFlow
    reached: list[str] = field(default_factory=list)
    """The nodes that the source flow reaches, nearest to the start first."""
    first_question: dict[str, MessageRef] = field(default_factory=dict)
    """Node that waits -> the first message in the flow that leads to it."""
    _parts: dict[str, tuple[FlowAction, ...]] = field(default_factory=dict)

    @property
    def nodes(self) -> Mapping[str, SourceNode]:
        return self.source.nodes

    def parts(self, node: SourceNode) -> tuple[FlowAction, ...]:
        """The actions that make steps, up to a flow that does not return."""
        if node.uuid not in self._parts:
            made: list[FlowAction] = []
            for action in node.actions:
                if action.kind in STEP_ACTION_KINDS and (
                    action.kind not in MESSAGE_KINDS or as_text(action.data.get("text")).strip()
                ):
                    made.append(action)
                if is_terminal(action):
                    break
            self._parts[node.uuid] = tuple(made)
        return self._parts[node.uuid]

    def resolve(self, uuid: str | None) -> SourceNode | str | None:
        """The next node from here that makes a step; its identifier if it does not exist, None if the flow ends."""
        seen: set[str] = set()
        while uuid is not None and uuid not in seen:
            node = self.nodes.get(uuid)
            if node is None:
                return uuid
            if node.router is not None or self.parts(node):
                return node
            seen.add(uuid)
            uuid = node.target
        return None

    def waiting_node(self, node: SourceNode) -> SourceNode | None:
        """The node that waits for the answer to this node's last message; None if its last part asks nothing."""
        parts = self.parts(node)
        if not parts or parts[-1].kind not in MESSAGE_KINDS:
            return None
        if node.router is not None:
            return node if node.router.wait else None
        following = self.resolve(node.target)
        if isinstance(following, SourceNode) and following.router and following.router.wait and not self.parts(following):
            return following
        return None

    def repeat_message(self, waiting: SourceNode) -> FlowAction | None:
        """The one message by which the node's last category repeats the question, like `not_understood.say`; else None."""
        router = waiting.router
        category = router.category(router.default) if router else None
        apology = self.resolve(category.target) if category else None
        if not isinstance(apology, SourceNode) or apology.router is not None or apology.uuid == waiting.uuid:
            return None
        parts = self.parts(apology)
        if len(parts) == 1 and parts[0].kind in MESSAGE_KINDS and self.waiting_node(apology) is waiting:
            return parts[0]
        return None


def is_terminal(action: FlowAction) -> bool:
    """Whether it runs a flow that does not return."""
    return action.kind == "enter_flow" and action.data.get("terminal") is True


def build_graph(source: SourceFlow) -> FlowGraph:
    """The graph of this flow, walked once."""
    made = FlowGraph(source)
    waiting, seen = [source.start], {source.start}
    while waiting:
        node = source.nodes.get(waiting.pop(0))
        if node is None:
            continue
        made.reached.append(node.uuid)
        for way in (
            *((c.target for c in node.router.categories) if node.router else ()),
            node.target if not node.router else None,
        ):
            if way is not None and way not in seen:
                seen.add(way)
                waiting.append(way)
    for uuid in made.reached:
        node = source.nodes[uuid]
        asked = made.waiting_node(node)
        if asked is not None:
            made.first_question.setdefault(asked.uuid, MessageRef(uuid, len(made.parts(node)) - 1))
    return made
