"""Builds the steps of one source flow, node by node in the order in which a person passes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.flows.importing.drafting.draft import DraftBuilder, NameAllocator, language_code, step_references
from bot.domain.flows.importing.rapidpro.answers import AnswerIndex, called_flow, find_alias
from bot.domain.flows.importing.rapidpro.decisions import RouterBranch, router_branches, simple_path, tests_child_flow
from bot.domain.flows.importing.rapidpro.expressions import ExpressionPath, convert_text
from bot.domain.flows.importing.rapidpro.hearing import record_source_texts
from bot.domain.flows.importing.rapidpro.kinds import ACTIONS, OTHER_ACTION, OTHER_PARTS
from bot.domain.flows.importing.rapidpro.model import FlowAction, Router, SourceFlow, SourceNode, as_text, get_key
from bot.domain.flows.importing.rapidpro.questions import add_question, report_unasked_replies
from bot.domain.flows.importing.rapidpro.routes import (
    MESSAGE_KINDS,
    STEP_ACTION_KINDS,
    FlowGraph,
    MessageRef,
    build_graph,
    is_terminal,
)
from bot.domain.flows.importing.report import ImportStatus
from bot.domain.languages import SOURCE_LANGUAGE

TEAM = "anyone"
_UNREACHED_REMARK = "No way of the draft leads here."
_UNREACHED_IN_SOURCE_REMARK = "Nothing leads to it in the imported flow either."


def build_steps(
    key: str,
    sources: Mapping[str, SourceFlow],
    drafts: Mapping[str, DraftBuilder],
    answers: AnswerIndex,
    flow_names: NameAllocator,
) -> None:
    """Fills the draft of this flow with steps, and reports on every node and action."""
    RapidProBuilder(key, sources, drafts, answers, flow_names).build()


@dataclass(slots=True)
class RapidProBuilder:
    key: str
    sources: Mapping[str, SourceFlow]
    drafts: Mapping[str, DraftBuilder]
    answers: AnswerIndex
    flow_names: NameAllocator
    routes: FlowGraph = field(init=False)
    source: SourceFlow = field(init=False)
    draft: DraftBuilder = field(init=False)
    codes: dict[str, str] = field(default_factory=dict)
    """Source language -> draft language, for those that are carried over."""
    todo: list[tuple[str, MessageRef | None]] = field(default_factory=list)
    """Nodes that still need steps. With a message (number -1 stands for none): the question that the node waits for an
    answer to.
    """
    pending: list[tuple[str, MessageRef | None]] = field(default_factory=list)
    seen: set[tuple[str, MessageRef | None]] = field(default_factory=set)
    node_by_action: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source, self.draft = self.sources[self.key], self.drafts[self.key]
        self.routes = build_graph(self.source)
        self.node_by_action = {id(action): node.uuid for node in self.source.nodes.values() for action in node.actions}

    def build(self) -> None:
        record_source_texts(self.draft, self.source)
        self._languages()
        if self.source.nodes:
            self.draft.start = self.step_for(self.source.start)
        self._queue_pending()
        while self.todo:
            uuid, message = self.todo.pop()
            node = self.routes.nodes[uuid]
            if message is None:
                self._node(node)
            else:
                asked = self._action(message)
                add_question(self, node, asked, self._question_name(node, message))
            self._queue_pending()
        self._add_end()
        self._report_rest()

    # Names of steps for places in the source.

    def step_for(self, uuid: str | None) -> str:
        """The step that an edge to this node leads to; the step is made later."""
        node = self.routes.resolve(uuid)
        if node is None:
            return self._end()
        if isinstance(node, str):
            return self.draft.names.name_for(node, "not_in_the_file")
        return self._part_step(node, 0)

    def _part_step(self, node: SourceNode, at: int) -> str:
        """The step for this part of a node; after the last part, the router's step or the target of the node's exit."""
        parts = self.routes.parts(node)
        asked = self.routes.waiting_node(node)
        if at < len(parts):
            if asked is not None and at == len(parts) - 1:
                return self._ask(asked, MessageRef(node.uuid, at))
            self._visit(node.uuid, None)
            return self.draft.names.name_for(f"{node.uuid}:{at}", self._preferred_name(parts[at]))
        if node.router is None:
            return self.step_for(node.target)
        if node.router.wait:
            return self._ask(node, self.routes.first_question.get(node.uuid, MessageRef(node.uuid, -1)))
        self._visit(node.uuid, None)
        return self.draft.names.name_for(f"{node.uuid}:router", self._preferred_router_name(node.router))

    def _ask(self, node: SourceNode, message: MessageRef) -> str:
        self._visit(node.uuid, message)
        return self._question_name(node, message)

    def _question_name(self, node: SourceNode, message: MessageRef) -> str:
        action = self._action(message)
        router = node.router
        wish = (router.result if router else "") or (self._preferred_name(action) if action else "question")
        return self.draft.names.name_for(f"ask:{node.uuid}:{message.node}:{message.index}", wish)

    def _end(self) -> str:
        return self.draft.names.name_for(":end", "ended")

    def _add_end(self) -> None:
        name = self.draft.names.existing(":end")
        mentions = (holder[key] for step in self.draft.steps.values() for holder, key in step_references(step.data))
        if name is not None and (name == self.draft.start or name in mentions):
            self.draft.add(name, {"end": "done"})

    def _preferred_name(self, action: FlowAction) -> str:
        if action.kind == "enter_flow":
            return f"run_{self._called_flow_name(action)}"
        if action.kind == "open_ticket":
            return "person"
        return "_".join(as_text(action.data.get("text")).split()[:4])[:28] or "say"

    def _preferred_router_name(self, router: Router) -> str:
        path = simple_path(router.operand)
        return router.result or (f"by_{path.key}" if path and path.key else router.source_kind)

    def save_name(self, node: SourceNode, step: str) -> str:
        """The name under which a question's answer is saved."""
        assert node.router is not None
        path = ExpressionPath(
            "results", "".join(c if c.isascii() and c.isalnum() else "_" for c in node.router.result.lower())
        )
        kept = self.answers.find(self.key, path) if node.router.result else None
        return kept.name if kept else self.answers.names.name_for(f"{self.key}:{node.uuid}", step)

    def _called_flow_name(self, action: FlowAction) -> str:
        key = called_flow(action, self.sources)
        if key is not None:
            return self.drafts[key].name
        target = action.data.get("flow")
        source_name = (
            as_text(get_key(target, "name"))
            or as_text(get_key(target, "uuid"))
            or as_text(target)
            or "a flow without a name"
        )
        name = self.flow_names.name_for(f"outside:{source_name}", source_name)
        self.draft.external_flows[name] = source_name
        return name

    def _visit(self, uuid: str, message: MessageRef | None) -> None:
        if (uuid, message) not in self.seen:
            self.seen.add((uuid, message))
            self.pending.append((uuid, message))

    def _queue_pending(self) -> None:
        self.todo += reversed(self.pending)
        self.pending = []

    def _action(self, message: MessageRef) -> FlowAction | None:
        return self.routes.parts(self.routes.nodes[message.node])[message.index] if message.index >= 0 else None

    # Steps.

    def _node(self, node: SourceNode) -> None:
        parts = self.routes.parts(node)
        asked = self.routes.waiting_node(node)
        router = node.router
        joins = bool(
            router and parts and parts[-1].kind == "enter_flow" and tests_child_flow(router) and not is_terminal(parts[-1])
        )
        for at, action in enumerate(parts):
            if asked is not None and at == len(parts) - 1:
                self._part_step(node, at)
                break
            name = self._part_step(node, at)
            is_last = at == len(parts) - 1
            following: object = None
            if is_terminal(action):
                following = self._end()
            elif is_last and joins and router:
                following = self._branches(node, router, name)
            else:
                following = self._part_step(node, at + 1)
            self._step(node, action, name, following)
        if router is not None and not router.wait and not joins and not any(map(is_terminal, parts)):
            name = self._part_step(node, len(parts))
            data = {"decide": True, "next": self._branches(node, router, name)}
            self.draft.add(name, data, node=node.uuid, kind=router.source_kind)

    def _step(self, node: SourceNode, action: FlowAction, name: str, following: object) -> None:
        fate, how = ACTIONS[action.kind]
        if action.kind in MESSAGE_KINDS:
            data: dict[str, Any] = {"say": self.message_text(action, f"{name}.say", name), "next": following}
            if following == self.draft.names.existing(":end"):
                data = {"say": data["say"], "end": "done"}
            report_unasked_replies(self, node, action, name)
        elif action.kind == "enter_flow":
            data = {"run": self._called_flow_name(action), "next": following}
            self.draft.report(node.uuid, action.source_kind, fate, "", name)
        else:
            data = {"handoff": {"team": TEAM, "because": self._handoff_reason(node, action, name)}, "next": following}
            self.draft.report(node.uuid, action.source_kind, fate, how, name)
        self.draft.add(name, data, node=node.uuid, kind=action.source_kind)

    def _handoff_reason(self, node: SourceNode, action: FlowAction, name: str) -> str:
        topic = as_text(get_key(action.data.get("topic"), "name"))
        body = as_text(action.data.get("body")) or as_text(action.data.get("note"))
        notes = self._convert(": ".join(filter(None, (topic, body))), node, name)
        return notes or "The imported flow opens a ticket here."

    def _branches(self, node: SourceNode, router: Router, name: str) -> list[dict[str, str]]:
        """The branches of a router that does not wait; those with the same target as the last one need no condition."""
        ways = router_branches(router, self.answers, self.key)
        last = self.step_for(ways[-1].category.target) if ways else self._end()
        made = []
        untold: list[RouterBranch] = []
        for branch in ways[:-1]:
            go = self.step_for(branch.category.target)
            if go == last and not branch.is_exact:
                continue
            made.append({"when": branch.when or "", "go": go})
            if not branch.is_exact:
                untold.append(branch)
        fate, how = ImportStatus.CARRIED, ""
        if untold:
            fate = ImportStatus.APPROXIMATED
            names = ", ".join(dict.fromkeys(f"`{branch.category.name[:60]}`" for branch in untold))
            how = f"What leads to {names} can't be known here: write a condition in place of the one that never holds; "
            how += f"until then `{ways[-1].category.name[:60]}` is taken."
        elif router.kind == "random" or not router.operand:
            fate, how = ImportStatus.APPROXIMATED, "One way is always taken here."
        self.draft.report(node.uuid, router.source_kind, fate, how, name)
        for kind in router.unknown_tests:
            self.draft.report(node.uuid, kind, ImportStatus.LEFT_OUT, "Its category is not in the file.", name)
        return [*made, {"go": last}]

    # Texts.

    def message_text(self, action: FlowAction, context: str, step: str) -> str:
        """The converted text of a message, with its translations; reports everything else that the message carries."""
        node = self.routes.nodes[self.node_by_action[id(action)]]
        fate, how = ACTIONS[action.kind]
        self.draft.report(node.uuid, action.source_kind, fate, "" if fate is ImportStatus.CARRIED else how, step)
        self._report_extras(action, node, step)
        for language, code in self.codes.items():
            translated = self.source.translations[language].get(action.uuid, {}).get("text", ()) if action.uuid else ()
            if translated and translated[0].strip():
                self.draft.set_translation(code, context, self._convert(translated[0], node, step))
        return self._convert(as_text(action.data.get("text")), node, step)

    def _report_extras(self, action: FlowAction, node: SourceNode, step: str | None) -> None:
        given = action.data.get("attachments")
        attachments = [as_text(one) for one in given if as_text(one)] if isinstance(given, list) else []
        if attachments:
            how = f"{OTHER_PARTS['attachments'][1]} ({', '.join(attachments)[:300]})"
            self.draft.report(node.uuid, "attachments", ImportStatus.LEFT_OUT, how, step)
        if action.data.get("templating") or action.data.get("template"):
            self.draft.report(node.uuid, "template", ImportStatus.LEFT_OUT, OTHER_PARTS["template"][1], step)
        if action.data.get("all_urns") is True or action.data.get("send_all") is True:
            self.draft.report(node.uuid, "all_urns", ImportStatus.LEFT_OUT, OTHER_PARTS["all_urns"][1], step)

    def quick_replies(self, action: FlowAction) -> list[str]:
        """The buttons below a message."""
        given = action.data.get("quick_replies")
        found = [as_text(one) or as_text(get_key(one, "text")) for one in given] if isinstance(given, list) else []
        return [one for one in found if one]

    def _convert(self, text: str, node: SourceNode, step: str) -> str:
        converted = convert_text(text, self._answer_name)
        for lost in converted.lost:
            how = f"`@{lost}` can't be filled in here; the text says [{lost}]: write it in other words."
            self.draft.report(node.uuid, "expressions", ImportStatus.LEFT_OUT, how, step)
        if any(self.answers.is_choice(self.key, path) for path in converted.filled):
            how = "The answer is a choice, and its short name is filled in."
            self.draft.report(node.uuid, "expressions", ImportStatus.APPROXIMATED, how, step)
        return converted.text

    def _answer_name(self, path: ExpressionPath) -> str | None:
        kept = self.answers.find(self.key, path)
        return kept.name if kept else None

    # The report on the flow as a whole, and on everything that made no step.

    def _languages(self) -> None:
        base = language_code(self.source.language) if self.source.language not in ("", "base", "und") else SOURCE_LANGUAGE
        if base != SOURCE_LANGUAGE:
            how = f"It is written in `{self.source.language[:20]}`. Its texts stand as the source, which is read as English "
            how += "here: put English in their place, and theirs among the translations."
            self.draft.report(self.draft.title, "language", ImportStatus.APPROXIMATED, how)
        for language in self.source.translations:
            code = language_code(language) if language not in ("base", "und") else None
            if code is None or code == base:
                how = "It is no language that is known here, or the one that the flow is written in."
                self.draft.report(language, "translations", ImportStatus.LEFT_OUT, how)
            elif code not in self.codes.values():
                self.codes[language] = code
                self.draft.report(language, "translations", ImportStatus.CARRIED, "")
        if self.source.expiry_minutes:
            how = f"There a silence of {self.source.expiry_minutes:.0f} minutes ends it. {OTHER_PARTS['expiry'][1]}"
            self.draft.report(self.draft.title, "expiry", ImportStatus.LEFT_OUT, how)

    def _report_rest(self) -> None:
        notes = {(item.node, item.kind) for item in self.draft.items}
        reached = set(self.routes.reached)
        for node in self.source.nodes.values():
            for action in node.actions:
                if (node.uuid, action.source_kind) not in notes or action.kind not in STEP_ACTION_KINDS:
                    self._report_silent(
                        node, action, _UNREACHED_REMARK if node.uuid in reached else _UNREACHED_IN_SOURCE_REMARK
                    )
            if node.router is not None and (node.uuid, node.router.source_kind) not in notes:
                why = _UNREACHED_REMARK if node.uuid in reached else _UNREACHED_IN_SOURCE_REMARK
                self.draft.report(node.uuid, node.router.source_kind, ImportStatus.LEFT_OUT, why)
            if not node.actions and node.router is None:
                self.draft.report(node.uuid, "node", *OTHER_PARTS["node"])

    def _report_silent(self, node: SourceNode, action: FlowAction, why: str) -> None:
        fate, how = ACTIONS.get(action.kind, OTHER_ACTION)
        if why is _UNREACHED_IN_SOURCE_REMARK or action.kind in STEP_ACTION_KINDS:
            fate, how = ImportStatus.LEFT_OUT, why
            if action.kind in MESSAGE_KINDS:
                text = as_text(action.data.get("text")).strip()
                how = f"{why} It says: {text}" if text else "It has no text."
                self._report_extras(action, node, None)
        elif fate is ImportStatus.APPROXIMATED and (alias := find_alias(action)) is not None:
            kept = self._answer_name(ExpressionPath("results", alias[1]))
            fate, how = (fate, f"{how} (`{kept}`)") if kept else (ImportStatus.LEFT_OUT, ACTIONS["set_run_local"][1])
        elif fate is ImportStatus.APPROXIMATED:
            fate, how = ImportStatus.LEFT_OUT, ACTIONS["set_run_local"][1]
        self.draft.report(node.uuid, action.source_kind, fate, how)
