"""Reads Flow Interop (FLOIP) flows into drafts: bare, in a container, or in the recorded state of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from bot.domain.flows.importing.drafting.draft import DraftBuilder, NameAllocator, escape_template_marks
from bot.domain.flows.importing.drafting.finish import finish_drafts
from bot.domain.flows.importing.report import ImportedDraft, ImportStatus, NotImportable

MAX_BLOCKS = 3000
_PLACEHOLDER = re.compile(r"@\(?(?:flow|results)\.([\w.]+?)(?:\.value)?\)?(?![\w.])")
_EQUAL = re.compile(r"(?:LOWER\()?block\.value\)? *= *'([^']*)'", re.IGNORECASE)

KINDS: dict[str, tuple[ImportStatus, str]] = {
    "MobilePrimitives.Message": (ImportStatus.CARRIED, "A step that says the text."),
    "MobilePrimitives.SelectOneResponse": (ImportStatus.CARRIED, "A question with choices."),
    "MobilePrimitives.SelectManyResponse": (
        ImportStatus.APPROXIMATED,
        "A question with choices, of which one can be picked, not several.",
    ),
    "MobilePrimitives.NumericResponse": (
        ImportStatus.APPROXIMATED,
        "A question for a number; the least and the most are left out.",
    ),
    "MobilePrimitives.OpenResponse": (ImportStatus.CARRIED, "A question with a free answer."),
    "Core.RunFlow": (ImportStatus.CARRIED, "A step that runs the other flow."),
    "Core.Case": (ImportStatus.APPROXIMATED, "A step that decides; its tests never hold, until you write conditions."),
    "Core.Output": (ImportStatus.LEFT_OUT, "A flow hands nothing to other systems; it goes on."),
    "Core.Log": (ImportStatus.LEFT_OUT, "A flow hands nothing to other systems; it goes on."),
    "Core.SetContactProperty": (ImportStatus.LEFT_OUT, "Only answers are kept of a person; it goes on."),
    "Core.SetGroupMembership": (ImportStatus.LEFT_OUT, "There are no groups of people here; it goes on."),
}
"""Kind of block -> the best possible result, and the explanation."""
_UNUSED_RESOURCE = "No block of the flow names it."
_UNKNOWN = (ImportStatus.LEFT_OUT, "This kind of block is not known here; it goes on by its first way.")


def is_floip(data: object) -> bool:
    """Whether this contains a flow of blocks."""
    return any(True for _ in _flows(data))


def read_floip(data: object, file: str) -> list[ImportedDraft]:
    """Reads the flows of the file as drafts. Raises NotImportable."""
    flows = list({str(flow.get("uuid") or at): flow for at, flow in enumerate(_flows(data))}.values())
    if not flows:
        raise NotImportable(f"{file} holds no flow of Flow Interop: there are no `blocks` with a type and exits.")
    names, outer = NameAllocator(fallback="flow"), data if isinstance(data, dict) else {}
    drafts = []
    for at, flow in enumerate(flows, 1):
        # All names before the first step: a flow may run one that stands below it.
        title = str(flow.get("name") or flow.get("label") or f"{PurePath(file).stem} {at}")
        drafts.append(DraftBuilder(names.name_for(str(flow.get("uuid") or title), title), title))
    for draft, flow in zip(drafts, flows, strict=True):
        if len(flow["blocks"]) > MAX_BLOCKS:
            raise NotImportable(f"{file}: a flow has {len(flow['blocks'])} blocks; keep it to {MAX_BLOCKS}.")
        _FloipBuilder(draft, flow, names, outer).build()
    known = {one.text for draft in drafts for one in draft.source_texts}
    for uuid, language, text in _values(outer):
        if text not in known:
            drafts[0].record_source_text(uuid, "resource", text, language, _UNUSED_RESOURCE)
    for draft in drafts:
        for name in {step.data["run"] for step in draft.steps.values() if "run" in step.data} & {one.name for one in drafts}:
            draft.external_flows.pop(name, None)
    return finish_drafts(drafts)


def _flows(data: object, depth: int = 0) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict) and depth < 4:
        blocks = data.get("blocks")
        if isinstance(blocks, list) and any(isinstance(row, dict) and "exits" in row and "type" in row for row in blocks):
            yield data
        else:
            for inner in data["flows"] if isinstance(data.get("flows"), list) else ():
                yield from _flows(inner, depth + 1)


class _FloipBuilder:
    """Builds the steps of one flow."""

    def __init__(self, draft: DraftBuilder, flow: Mapping[str, Any], flows: NameAllocator, outer: Mapping[str, Any]) -> None:
        self.draft, self.flows = draft, flows
        self.first = str(flow.get("first_block_id") or "")
        self.blocks = {str(row.get("uuid") or at): row for at, row in enumerate(flow["blocks"]) if isinstance(row, dict)}
        self.resources = {**_resources(outer), **_resources(flow)}
        self._record_source_texts(outer if outer is not flow else {}, flow)
        self.by_name = {str(row.get("name")): key for key, row in self.blocks.items()}

    def _record_source_texts(self, outer: Mapping[str, Any], flow: Mapping[str, Any]) -> None:
        """Records every text of the file in every language; a draft keeps only the first one."""
        nodes: dict[str, str] = {}
        for key, block in self.blocks.items():
            config = _mapping(block.get("config"))
            for resource in (config.get("prompt"), *_mapping(config.get("choices")).values(), block.get("uuid")):
                nodes.setdefault(str(resource), key)
            for text in _all_vendor_texts(block):
                self.draft.record_source_text(self._label(key), str(block.get("type") or "unknown"), text)
        for holder in (outer, flow):
            for uuid, language, text in _values(holder):
                if uuid in nodes:
                    kind = str(self.blocks[nodes[uuid]].get("type") or "unknown")
                    self.draft.record_source_text(self._label(nodes[uuid]), kind, text, language)
                elif holder is flow:
                    self.draft.record_source_text(uuid, "resource", text, language, _UNUSED_RESOURCE)

    def build(self) -> None:
        makers: dict[str, Callable[[dict[str, Any], str], tuple[dict[str, Any], str]]] = {
            "MobilePrimitives.Message": self._say, "MobilePrimitives.SelectOneResponse": self._ask_choice,
            "MobilePrimitives.SelectManyResponse": self._ask_choice, "MobilePrimitives.NumericResponse": self._ask_number,
            "MobilePrimitives.OpenResponse": self._ask_text, "Core.RunFlow": self._run, "Core.Case": self._decide,
        }  # fmt: skip
        for key, block in self.blocks.items():
            kind = str(block.get("type") or "unknown")
            usual, how = KINDS.get(kind, _UNKNOWN)
            name, node = self._name(key), self._label(key)
            data, more = makers.get(kind, self._skip)(block, key)
            self.draft.add(name, data, node=node, kind=kind)
            fate = ImportStatus.APPROXIMATED if more and usual is ImportStatus.CARRIED else usual
            notes = " ".join([*([how] if usual is not ImportStatus.CARRIED else []), *([more] if more else [])])
            self.draft.report(node, kind, fate, notes, None if fate is ImportStatus.LEFT_OUT else name)
        entry = self.first if self.first in self.blocks else self._start_block()
        self.draft.start = self._name(entry) if entry else ""
        self.draft.put_in_reading_order()

    def _start_block(self) -> str:
        """The first block to which no other leads."""
        led = {str(exit.get("destination_block")) for block in self.blocks.values() for exit in _exits(block)}
        return next((key for key in self.blocks if key not in led), next(iter(self.blocks), ""))

    def _label(self, key: str) -> str:
        block = self.blocks[key]
        return str(block.get("label") or block.get("name") or key)[:200]

    def _name(self, key: str) -> str:
        return self.draft.names.name_for(key, self._label(key) if key in self.blocks else "elsewhere")

    def _first_target(self, block: Mapping[str, Any]) -> str | None:
        target = next((exit.get("destination_block") for exit in _exits(block) if exit.get("destination_block")), None)
        return self._name(str(target)) if target else None

    def _with_next(self, data: dict[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
        target = self._first_target(block)
        return {**data, "next": target} if target else data

    # Texts.

    def _text(self, block: Mapping[str, Any], key: str) -> tuple[str, str]:
        """The text of a block, from its resource or from the vendor's metadata, and remarks for the report."""
        config = _mapping(block.get("config"))
        notes = (
            self.resources.get(str(config.get("prompt")))
            or self.resources.get(str(block.get("uuid")))
            or _vendor_text(block)
        )
        if not notes:
            self.draft.report_missing(
                f"The text of `{self._name(key)}` is not in the file; write it in place of [{self._label(key)}]."
            )
            return escape_template_marks(
                f"[{self._label(key)}]"
            ), "Its text is not in the file; its label stands in square brackets."
        text = _PLACEHOLDER.sub(lambda found: self._convert_placeholder(found), escape_template_marks(notes))
        return text, "What it fills in stands in square brackets." if "[" in text and "@" in notes else ""

    def _convert_placeholder(self, found: re.Match[str]) -> str:
        source_name = self.by_name.get(found[1].split(".")[0])
        return f"{{{{ {self._answer(source_name)} }}}}" if source_name else f"[{found[0]}]"

    def _answer(self, key: str) -> str:
        return self.draft.answers.name_for(key, self._label(key))

    # Blocks.

    def _say(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        text, notes = self._text(block, key)
        return self._with_next({"say": text}, block), notes

    def _ask_text(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        text, notes = self._text(block, key)
        return self._with_next({"ask": text, "answer": "text", "save": self._answer(key)}, block), notes

    def _ask_number(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        text, notes = self._text(block, key)
        return self._with_next({"ask": text, "answer": "number", "save": self._answer(key)}, block), notes

    def _ask_choice(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        text, notes = self._text(block, key)
        given = _mapping(_mapping(block.get("config")).get("choices"))
        if not given:
            return self._with_next(
                {"ask": text, "answer": "text", "save": self._answer(key)}, block
            ), f"{notes} It has no choices.".strip()
        choices: dict[str, dict[str, Any]] = {}
        for tag, resource in given.items():
            label = self.resources.get(str(resource)) or self._tagged(block, str(tag)) or str(tag)
            target = self._choice_target(block, label, str(tag))
            choices[str(tag)] = {"label": label, "words": [], **({"go": target} if target else {})}
        return self._with_next({"ask": text, "choices": choices, "save": self._answer(key)}, block), notes

    def _tagged(self, block: Mapping[str, Any], tag: str) -> str | None:
        wanted = _bare(tag)
        return next((str(exit["tag"]) for exit in _exits(block) if _bare(str(exit.get("tag") or "")) == wanted), None)

    def _choice_target(self, block: Mapping[str, Any], label: str, tag: str) -> str | None:
        """Where a choice leads: the exit with its name, or the one whose test compares with it."""
        wanted = {_bare(label), _bare(tag)}
        for exit in _exits(block):
            labels = {
                _bare(str(exit.get("tag") or "")),
                *(_bare(word) for word in _EQUAL.findall(str(exit.get("test") or ""))),
            }
            if wanted & labels - {""}:
                target = exit.get("destination_block")
                return self._name(str(target)) if target else None
        return None

    def _run(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        source_name = str(_mapping(block.get("config")).get("flow_id") or "")
        name = self.flows.existing(source_name) or self.flows.name_for(source_name or key, self._label(key))
        self.draft.external_flows[name] = source_name or "no flow is named"
        return self._with_next({"run": name}, block), ""

    def _decide(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        ways = [(str(exit.get("test") or ""), exit.get("destination_block")) for exit in _exits(block)]
        named = ", ".join(f"`{test[:80]}`" for test, target in ways[:-1] if target and test)
        branches = [{"when": "false", "go": self._name(str(target))} for _, target in ways[:-1] if target]
        last = ways[-1][1] if ways else None
        data: dict[str, Any] = {"decide": True, "next": [*branches, *([{"go": self._name(str(last))}] if last else [])]}
        return data, f"There they were {named}." if named else ""

    def _skip(self, block: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        return self._with_next({"decide": True}, block), ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _exits(block: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = block.get("exits")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _bare(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).lower()


def _resources(holder: Mapping[str, Any]) -> dict[str, str]:
    """Identifier -> text, in the first language that has one."""
    found: dict[str, str] = {}
    for uuid, _, text in _values(holder):
        found.setdefault(uuid, text)
    return found


def _values(holder: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Identifier, language and text of each resource."""
    rows = holder.get("resources")
    for row in rows if isinstance(rows, list) else ():
        values = _mapping(row).get("values")
        for value in values if isinstance(values, list) else ():
            text = _mapping(value).get("value")
            if _mapping(value).get("content_type") in ("TEXT", "text", None) and isinstance(text, str) and text.strip():
                yield str(_mapping(row).get("uuid")), str(_mapping(value).get("language_id") or ""), text


def _vendor_text(block: Mapping[str, Any]) -> str:
    """The text that one vendor keeps in `vendor_metadata`: for an SMS, else for a screen."""
    return next(_all_vendor_texts(block), "")


def _all_vendor_texts(block: Mapping[str, Any]) -> Iterator[str]:
    for vendor in _mapping(block.get("vendor_metadata")).values():
        for field in ("sms_content", "social_content", "clipboard_content", "ussd_content"):
            texts = _mapping(_mapping(vendor).get(field)).values()
            yield from (text for text in texts if isinstance(text, str) and text.strip())
