"""Steps for one flow of theirs, node by node in the order in which a person comes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.flow_import.drafting import Drafting, Names, language_code, ways
from bot.domain.flow_import.rapidpro.answers import Answers, alias_of, called_flow
from bot.domain.flow_import.rapidpro.decisions import Branch, branches, is_child, simple_path
from bot.domain.flow_import.rapidpro.expressions import Path, convert
from bot.domain.flow_import.rapidpro.hearing import hear
from bot.domain.flow_import.rapidpro.kinds import ACTIONS, OTHER_ACTION, OTHERS
from bot.domain.flow_import.rapidpro.model import Action, Node, Router, Source, part, words
from bot.domain.flow_import.rapidpro.questions import tell_unasked, write_question
from bot.domain.flow_import.rapidpro.routes import SPOKEN, STEPS, Message, Routes, is_terminal, routes_of
from bot.domain.flow_import.report import Fate

TEAM = "anyone"
_NOWHERE = "No way of the draft leads here."
_NOWHERE_THERE = "Nothing leads to it in the imported flow either."


def build(
    key: str, sources: Mapping[str, Source], drafts: Mapping[str, Drafting], answers: Answers, flow_names: Names
) -> None:
    """Fills the draft of this flow with steps, and tells of every node and action."""
    Builder(key, sources, drafts, answers, flow_names).build()


@dataclass(slots=True)
class Builder:
    key: str
    sources: Mapping[str, Source]
    drafts: Mapping[str, Drafting]
    answers: Answers
    flow_names: Names
    routes: Routes = field(init=False)
    source: Source = field(init=False)
    draft: Drafting = field(init=False)
    codes: dict[str, str] = field(default_factory=dict)
    """Language of theirs -> ours, for those that are carried over."""
    todo: list[tuple[str, Message | None]] = field(default_factory=list)
    """Nodes to make steps of; with a message (or with none, number -1) the question that a node waits behind."""
    found: list[tuple[str, Message | None]] = field(default_factory=list)
    seen: set[tuple[str, Message | None]] = field(default_factory=set)
    at: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source, self.draft = self.sources[self.key], self.drafts[self.key]
        self.routes = routes_of(self.source)
        self.at = {id(action): node.uuid for node in self.source.nodes.values() for action in node.actions}

    def build(self) -> None:
        hear(self.draft, self.source)
        self._languages()
        if self.source.nodes:
            self.draft.start = self.entry(self.source.start)
        self._take_found()
        while self.todo:
            uuid, message = self.todo.pop()
            node = self.routes.nodes[uuid]
            if message is None:
                self._node(node)
            else:
                asked = self._action(message)
                write_question(self, node, asked, self._question_name(node, message))
            self._take_found()
        self._add_end()
        self._tell_rest()

    # Names of ours for places of theirs.

    def entry(self, uuid: str | None) -> str:
        """The step that a way to this node leads to; the step is made later."""
        node = self.routes.resolve(uuid)
        if node is None:
            return self._end()
        if isinstance(node, str):
            return self.draft.names.of(node, "not_in_the_file")
        return self._part_name(node, 0)

    def _part_name(self, node: Node, at: int) -> str:
        """The step of this part of a node; behind the last one what its router makes, or where its exit leads."""
        parts = self.routes.parts(node)
        asked = self.routes.asked_by(node)
        if at < len(parts):
            if asked is not None and at == len(parts) - 1:
                return self._ask(asked, Message(node.uuid, at))
            self._find(node.uuid, None)
            return self.draft.names.of(f"{node.uuid}:{at}", self._wish(parts[at]))
        if node.router is None:
            return self.entry(node.go)
        if node.router.wait:
            return self._ask(node, self.routes.first_question.get(node.uuid, Message(node.uuid, -1)))
        self._find(node.uuid, None)
        return self.draft.names.of(f"{node.uuid}:router", self._router_wish(node.router))

    def _ask(self, node: Node, message: Message) -> str:
        self._find(node.uuid, message)
        return self._question_name(node, message)

    def _question_name(self, node: Node, message: Message) -> str:
        action = self._action(message)
        router = node.router
        wish = (router.result if router else "") or (self._wish(action) if action else "question")
        return self.draft.names.of(f"ask:{node.uuid}:{message.node}:{message.at}", wish)

    def _end(self) -> str:
        return self.draft.names.of(":end", "ended")

    def _add_end(self) -> None:
        name = self.draft.names.known(":end")
        mentions = (holder[key] for step in self.draft.steps.values() for holder, key in ways(step.data))
        if name is not None and (name == self.draft.start or name in mentions):
            self.draft.add(name, {"end": "done"})

    def _wish(self, action: Action) -> str:
        if action.kind == "enter_flow":
            return f"run_{self._called_name(action)}"
        if action.kind == "open_ticket":
            return "person"
        return "_".join(words(action.data.get("text")).split()[:4])[:28] or "say"

    def _router_wish(self, router: Router) -> str:
        path = simple_path(router.operand)
        return router.result or (f"by_{path.key}" if path and path.key else router.theirs)

    def save_name(self, node: Node, step: str) -> str:
        """The name under which a question's answer is kept."""
        assert node.router is not None
        path = Path("results", "".join(c if c.isascii() and c.isalnum() else "_" for c in node.router.result.lower()))
        kept = self.answers.find(self.key, path) if node.router.result else None
        return kept.name if kept else self.answers.names.of(f"{self.key}:{node.uuid}", step)

    def _called_name(self, action: Action) -> str:
        key = called_flow(action, self.sources)
        if key is not None:
            return self.drafts[key].name
        target = action.data.get("flow")
        theirs = words(part(target, "name")) or words(part(target, "uuid")) or words(target) or "a flow without a name"
        name = self.flow_names.of(f"outside:{theirs}", theirs)
        self.draft.outside[name] = theirs
        return name

    def _find(self, uuid: str, message: Message | None) -> None:
        if (uuid, message) not in self.seen:
            self.seen.add((uuid, message))
            self.found.append((uuid, message))

    def _take_found(self) -> None:
        self.todo += reversed(self.found)
        self.found = []

    def _action(self, message: Message) -> Action | None:
        return self.routes.parts(self.routes.nodes[message.node])[message.at] if message.at >= 0 else None

    # Steps.

    def _node(self, node: Node) -> None:
        parts = self.routes.parts(node)
        asked = self.routes.asked_by(node)
        router = node.router
        joins = bool(router and parts and parts[-1].kind == "enter_flow" and is_child(router) and not is_terminal(parts[-1]))
        for at, action in enumerate(parts):
            if asked is not None and at == len(parts) - 1:
                self._part_name(node, at)
                break
            name = self._part_name(node, at)
            is_last = at == len(parts) - 1
            following: object = None
            if is_terminal(action):
                following = self._end()
            elif is_last and joins and router:
                following = self._branches(node, router, name)
            else:
                following = self._part_name(node, at + 1)
            self._step(node, action, name, following)
        if router is not None and not router.wait and not joins and not any(map(is_terminal, parts)):
            name = self._part_name(node, len(parts))
            data = {"decide": True, "next": self._branches(node, router, name)}
            self.draft.add(name, data, node=node.uuid, kind=router.theirs)

    def _step(self, node: Node, action: Action, name: str, following: object) -> None:
        fate, how = ACTIONS[action.kind]
        if action.kind in SPOKEN:
            data: dict[str, Any] = {"say": self.spoken(action, f"{name}.say", name), "next": following}
            if following == self.draft.names.known(":end"):
                data = {"say": data["say"], "end": "done"}
            tell_unasked(self, node, action, name)
        elif action.kind == "enter_flow":
            data = {"run": self._called_name(action), "next": following}
            self.draft.tell(node.uuid, action.theirs, fate, "", name)
        else:
            data = {"handoff": {"team": TEAM, "because": self._because(node, action, name)}, "next": following}
            self.draft.tell(node.uuid, action.theirs, fate, how, name)
        self.draft.add(name, data, node=node.uuid, kind=action.theirs)

    def _because(self, node: Node, action: Action, name: str) -> str:
        topic = words(part(action.data.get("topic"), "name"))
        body = words(action.data.get("body")) or words(action.data.get("note"))
        told = self._converted(": ".join(filter(None, (topic, body))), node, name)
        return told or "The imported flow opens a ticket here."

    def _branches(self, node: Node, router: Router, name: str) -> list[dict[str, str]]:
        """The ways of a router that does not wait; those that lead where the last one leads need no condition."""
        ways = branches(router, self.answers, self.key)
        last = self.entry(ways[-1].category.go) if ways else self._end()
        made = []
        untold: list[Branch] = []
        for branch in ways[:-1]:
            go = self.entry(branch.category.go)
            if go == last and not branch.is_told:
                continue
            made.append({"when": branch.when or "", "go": go})
            if not branch.is_told:
                untold.append(branch)
        fate, how = Fate.CARRIED, ""
        if untold:
            fate = Fate.APPROXIMATED
            names = ", ".join(dict.fromkeys(f"`{branch.category.name[:60]}`" for branch in untold))
            how = f"What leads to {names} can't be known here: write a condition in place of the one that never holds; "
            how += f"until then `{ways[-1].category.name[:60]}` is taken."
        elif router.kind == "random" or not router.operand:
            fate, how = Fate.APPROXIMATED, "One way is always taken here."
        self.draft.tell(node.uuid, router.theirs, fate, how, name)
        for kind in router.lost:
            self.draft.tell(node.uuid, kind, Fate.LEFT_OUT, "Its category is not in the file.", name)
        return [*made, {"go": last}]

    # Texts.

    def spoken(self, action: Action, context: str, step: str) -> str:
        """The text of a message as one of ours, its translations too; tells of all that the message carries."""
        node = self.routes.nodes[self.at[id(action)]]
        fate, how = ACTIONS[action.kind]
        self.draft.tell(node.uuid, action.theirs, fate, "" if fate is Fate.CARRIED else how, step)
        self._tell_extras(action, node, step)
        for language, code in self.codes.items():
            said = self.source.words[language].get(action.uuid, {}).get("text", ()) if action.uuid else ()
            if said and said[0].strip():
                self.draft.translate(code, context, self._converted(said[0], node, step))
        return self._converted(words(action.data.get("text")), node, step)

    def _tell_extras(self, action: Action, node: Node, step: str | None) -> None:
        given = action.data.get("attachments")
        attachments = [words(one) for one in given if words(one)] if isinstance(given, list) else []
        if attachments:
            how = f"{OTHERS['attachments'][1]} ({', '.join(attachments)[:300]})"
            self.draft.tell(node.uuid, "attachments", Fate.LEFT_OUT, how, step)
        if action.data.get("templating") or action.data.get("template"):
            self.draft.tell(node.uuid, "template", Fate.LEFT_OUT, OTHERS["template"][1], step)
        if action.data.get("all_urns") is True or action.data.get("send_all") is True:
            self.draft.tell(node.uuid, "all_urns", Fate.LEFT_OUT, OTHERS["all_urns"][1], step)

    def quick_replies(self, action: Action) -> list[str]:
        """The buttons below a message."""
        given = action.data.get("quick_replies")
        found = [words(one) or words(part(one, "text")) for one in given] if isinstance(given, list) else []
        return [one for one in found if one]

    def _converted(self, text: str, node: Node, step: str) -> str:
        said = convert(text, self._known)
        for lost in said.lost:
            how = f"`@{lost}` can't be filled in here; the text says [{lost}]: write it in other words."
            self.draft.tell(node.uuid, "expressions", Fate.LEFT_OUT, how, step)
        if any(self.answers.is_choice(self.key, path) for path in said.filled):
            how = "The answer is a choice, and its short name is filled in."
            self.draft.tell(node.uuid, "expressions", Fate.APPROXIMATED, how, step)
        return said.text

    def _known(self, path: Path) -> str | None:
        kept = self.answers.find(self.key, path)
        return kept.name if kept else None

    # What is told of the flow as a whole, and of all that made no step.

    def _languages(self) -> None:
        base = language_code(self.source.language) if self.source.language not in ("", "base", "und") else "en"
        if base != "en":
            how = f"It is written in `{self.source.language[:20]}`. Its texts stand as the source, which is read as English "
            how += "here: put English in their place, and theirs among the translations."
            self.draft.tell(self.draft.title, "language", Fate.APPROXIMATED, how)
        for language in self.source.words:
            code = language_code(language) if language not in ("base", "und") else None
            if code is None or code == base:
                how = "It is no language that is known here, or the one that the flow is written in."
                self.draft.tell(language, "translations", Fate.LEFT_OUT, how)
            elif code not in self.codes.values():
                self.codes[language] = code
                self.draft.tell(language, "translations", Fate.CARRIED, "")
        if self.source.minutes:
            how = f"There a silence of {self.source.minutes:.0f} minutes ends it. {OTHERS['expiry'][1]}"
            self.draft.tell(self.draft.title, "expiry", Fate.LEFT_OUT, how)

    def _tell_rest(self) -> None:
        told = {(item.node, item.kind) for item in self.draft.items}
        reached = set(self.routes.reached)
        for node in self.source.nodes.values():
            for action in node.actions:
                if (node.uuid, action.theirs) not in told or action.kind not in STEPS:
                    self._tell_silent(node, action, _NOWHERE if node.uuid in reached else _NOWHERE_THERE)
            if node.router is not None and (node.uuid, node.router.theirs) not in told:
                why = _NOWHERE if node.uuid in reached else _NOWHERE_THERE
                self.draft.tell(node.uuid, node.router.theirs, Fate.LEFT_OUT, why)
            if not node.actions and node.router is None:
                self.draft.tell(node.uuid, "node", *OTHERS["node"])

    def _tell_silent(self, node: Node, action: Action, why: str) -> None:
        fate, how = ACTIONS.get(action.kind, OTHER_ACTION)
        if why is _NOWHERE_THERE or action.kind in STEPS:
            fate, how = Fate.LEFT_OUT, why
            if action.kind in SPOKEN:
                said = words(action.data.get("text")).strip()
                how = f"{why} It says: {said}" if said else "It has no text."
                self._tell_extras(action, node, None)
        elif fate is Fate.APPROXIMATED and (alias := alias_of(action)) is not None:
            kept = self._known(Path("results", alias[1]))
            fate, how = (fate, f"{how} (`{kept}`)") if kept else (Fate.LEFT_OUT, ACTIONS["set_run_local"][1])
        elif fate is Fate.APPROXIMATED:
            fate, how = Fate.LEFT_OUT, ACTIONS["set_run_local"][1]
        self.draft.tell(node.uuid, action.theirs, fate, how)
