"""Drafts made into flows that read and check: everything that a reader of another product's file need not care for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any

import yaml
from babel.messages.pofile import read_po, write_po

from bot.domain.flow_checks import check
from bot.domain.flow_content import FlowContent
from bot.domain.flow_import.drafting import Drafting, StepDraft, ways
from bot.domain.flow_import.drafting_choices import mend_choices
from bot.domain.flow_import.drafting_left import tell_left_texts
from bot.domain.flow_import.drafting_texts import (
    MOST_SEGMENTS,
    clean,
    forget_unknown,
    mend_texts,
    rows_of,
    segments_of,
    spoken,
)
from bot.domain.flow_import.drafting_ways import (
    call_human,
    circle_edge,
    drop_unreached,
    kind_of,
    mend_circles,
    mend_conditions,
    mend_ends,
    mend_targets,
)  # fmt: skip
from bot.domain.flow_import.report import Fate, Imported, Item, NotImportable
from bot.domain.flow_reader import read_flow, read_translations, template_po
from bot.domain.flow_yaml import FlowError, Problem, Severity
from bot.domain.script import Script

USUAL_SEGMENTS = 2


def finish(drafts: Sequence[Drafting]) -> list[Imported]:
    """The flows of one file as drafts that read and check, or say in `missing` what they lack.

    The drafts are changed on the way. Raises NotImportable where a flow is too large to be one of ours.
    """
    for draft in drafts:
        if not draft.steps:
            draft.add(draft.names.fresh("ended"), {"end": "done"})
            draft.tell(
                draft.title, "flow", Fate.APPROXIMATED, "It holds nothing that can be carried over; the draft just ends."
            )
        for step in draft.steps.values():
            list(ways(step.data))
        mend_targets(draft)
        mend_choices(draft)
        mend_texts(draft)
        mend_ends(draft)
    flows = {draft.name: draft for draft in drafts}
    _mend_runs(flows)
    _settle(flows)
    _tell_missing(flows)
    sources = {draft.name: _source(draft) for draft in drafts}
    scripts = {draft.name: _script(draft, sources[draft.name]) for draft in drafts}
    return [_imported(draft, scripts, sources[draft.name]) for draft in drafts]


def _settle(flows: Mapping[str, Drafting]) -> None:
    """Answers, circles and what is never reached: each may bring another about, so until nothing changes."""
    changed = True
    while changed:
        changed = False
        for draft in flows.values():
            known = _known(draft.name, flows)
            forget_unknown(draft, known)
            mend_conditions(draft, known, _options(flows))
            mend_ends(draft)
            mend_circles(draft, lambda step: _waits(step, flows))
        for draft in flows.values():
            changed = drop_unreached(draft) or changed


# Flows that run each other.


def _run_by(draft: Drafting) -> list[str]:
    return [step.data["run"] for step in draft.steps.values() if "run" in step.data]


def _mend_runs(flows: Mapping[str, Drafting]) -> None:
    """Flows that run each other without end call a human in place of the last run."""
    while (edge := circle_edge(list(flows), lambda name: [one for one in _run_by(flows[name]) if one in flows])) is not None:
        draft = flows[edge[0]]
        human = ""
        for step in [step for step in draft.steps.values() if step.data.get("run") == edge[1]]:
            human = human or call_human(draft, "run_again", f"The imported flow runs {edge[1]} again, without end.")
            step.data = {"decide": True, "next": [{"go": human}]}
            how = f"It runs `{edge[1]}`, which leads back into this flow without end; a human is called in place of that."
            draft.tell(step.node, step.kind, Fate.APPROXIMATED, how, step.name)


def _tell_missing(flows: Mapping[str, Drafting]) -> None:
    for draft in flows.values():
        for step in draft.steps.values():
            for name in (step.data.get("run"), (step.data.get("check_in") or {}).get("flow")):
                if name and name not in flows:
                    theirs = f" (there: {draft.outside[name]})" if draft.outside.get(name) else ""
                    draft.miss(f"The step `{step.name}` runs the flow `{name}`{theirs}, which is not in this file.")


def _waits(step: StepDraft, flows: Mapping[str, Drafting]) -> bool:
    if (name := step.data.get("run")) is not None:
        return name not in flows or any(kind_of(inner) in ("ask", "wait") for inner in flows[name].steps.values())
    return kind_of(step) in ("ask", "wait")


# Answers.


def _saved(draft: Drafting) -> dict[str, StepDraft]:
    kept = [
        step for step in draft.steps.values() if "ask" in step.data and (step.data.get("save") or step.data.get("choices"))
    ]
    return {step.data.get("save") or step.name: step for step in kept}


def _known(name: str, flows: Mapping[str, Drafting]) -> set[str]:
    """The answers that may be kept when this flow runs: its own, and those of flows inside and around it."""
    inside = _closure(name, flows)
    around = {other for other in flows if name in _closure(other, flows)}
    return {answer for flow in inside | around if flow in flows for answer in _saved(flows[flow])}


def _closure(name: str, flows: Mapping[str, Drafting]) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        here = waiting.pop()
        for other in _run_by(flows[here]) if here in flows else ():
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _options(flows: Mapping[str, Drafting]) -> dict[str, set[str]]:
    """For answers that are always one of some choices: which."""
    options: dict[str, set[str]] = {}
    free: set[str] = set()
    for draft in flows.values():
        for step in draft.steps.values():
            if "ask" in step.data and step.data.get("choices"):
                options.setdefault(step.data.get("save") or step.name, set()).update(step.data["choices"])
            elif "ask" in step.data and step.data.get("save"):
                free.add(step.data["save"])
    return {name: choices for name, choices in options.items() if name not in free}


# Writing.


def _head(draft: Drafting) -> dict[str, Any]:
    title = " ".join(clean(draft.title).split())[:80].strip() or draft.name
    purpose = " ".join(clean(draft.purpose).split())
    head: dict[str, Any] = {"flow": draft.name, "title": title}
    if purpose:
        head["purpose"] = purpose
    return {**head, "start": draft.start, "segments": _segments(draft)}


def _segments(draft: Drafting) -> int:
    most = USUAL_SEGMENTS
    for step in draft.steps.values():
        for context, holder, key in spoken(step):
            for texts in ({}, *draft.translations.values()):
                text = texts.get(f"{step.name}.{context}") or holder[key]
                most = max(most, segments_of(text, rows_of(step, texts) if context == "ask" else ()))
    return min(most, MOST_SEGMENTS)


_ORDER = ("note", "say", "ask", "choices", "handoff", "refer", "referral", "check_in", "measure", "run", "consent", "decide",
          "answer", "save", "optional", "private", "not_understood", "wait", "none", "next", "end")  # fmt: skip


def _data(step: StepDraft) -> dict[str, Any]:
    """The step as it is written: in the order that people read, a single way on in its short form."""
    data = {key: step.data[key] for key in sorted(step.data, key=lambda key: _ORDER.index(key) if key in _ORDER else 99)}
    # A value that no file can hold is in nobody's answer, and a branch that asks for it is told already.
    data["next"] = [{**way, "when": clean(way["when"])} if "when" in way else way for way in data.get("next") or ()]
    if not data["next"]:
        del data["next"]
    if len(data.get("next") or ()) == 1 and "when" not in data["next"][0]:
        data["next"] = data["next"][0]["go"]
    note = clean(step.note)
    if "handoff" in data and "say" in data:
        data = {"handoff": data.pop("handoff"), **data}
    return {"note": note, **data} if note else data


class _Dumper(yaml.CSafeDumper):
    """libyaml's writer, some ten times quicker than the others; it writes emoji as `\\U0001F44B`."""


class _PlainDumper(yaml.SafeDumper):
    """PyYAML's own writer, for flows with emoji."""


def _text(dumper: yaml.SafeDumper | yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
_PlainDumper.add_representer(str, _text)


def _source(draft: Drafting) -> str:
    # A copy through JSON: where two steps share a part, an anchor would be written.
    data = json.loads(json.dumps({**_head(draft), "steps": {name: _data(step) for name, step in draft.steps.items()}}))
    has_emoji = any(ord(character) > 0xFFFF for character in json.dumps(data, ensure_ascii=False))
    dumper = _PlainDumper if has_emoji else _Dumper
    return str(yaml.dump(data, Dumper=dumper, allow_unicode=True, sort_keys=False, width=110))


def _script(draft: Drafting, source: str) -> Script:
    segments = _segments(draft)
    if segments > USUAL_SEGMENTS:
        how = f"Its longest text takes {segments} SMS segments, so the draft allows that many; make it shorter."
        draft.tell(draft.title, "flow", Fate.APPROXIMATED, how)
    try:
        return read_flow(source, f"{draft.name}.yaml")
    except FlowError as error:
        first = error.problems[0]
        raise NotImportable(
            f"The flow `{draft.title[:80]}` can't be made into one of ours: {first.what} {first.remedy}"
        ) from error


def _imported(draft: Drafting, scripts: Mapping[str, Script], source: str) -> Imported:
    script = scripts[draft.name]
    translations = {code: _po(script, code, texts) for code, texts in sorted(draft.translations.items()) if texts}
    read = {code: read_translations(text, f"{code}/{draft.name}.po") for code, text in translations.items()}
    for problem in check(script, read, scripts):
        if problem.severity is Severity.ERROR and not _is_told(problem, draft, scripts):
            draft.miss(f"{problem.what} {problem.remedy}")
    texts = {code: {context: text for (context, _), text in found.items()} for code, found in read.items()}
    tell_left_texts(draft, texts)
    content = FlowContent(source, translations)
    items = tuple(Item(_line(i.node)[:200], _line(i.kind)[:80], i.fate, _line(i.how), i.step) for i in draft.items)
    return Imported(draft.name, script.title, content, items, tuple(map(_line, draft.missing)))


def _line(text: str) -> str:
    """Words of their file in one line of a report, without characters that can't be printed."""
    return " ".join(clean(text).split())


def _is_told(problem: Problem, draft: Drafting, scripts: Collection[str]) -> bool:
    """Whether it only says again that a flow is run which is not in the file."""
    outside = {*_run_by(draft), *((s.data.get("check_in") or {}).get("flow") for s in draft.steps.values())} - set(scripts)
    return any(problem.what == f"There is no flow `{name}`." for name in outside if name)


def _po(script: Script, language: str, texts: Mapping[str, str]) -> str:
    catalog = read_po(StringIO(template_po(script, None, language)), locale=language)
    for message in catalog:
        if message.id and message.context and texts.get(message.context):
            message.string = texts[message.context]
    written = BytesIO()
    write_po(written, catalog, width=100)
    return written.getvalue().decode("utf-8")
