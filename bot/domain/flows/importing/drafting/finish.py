"""Turns drafts into flows that read and check, so that the readers of each product need not care about our limits."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any

import yaml
from babel.messages.pofile import read_po, write_po

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.importing.drafting.choices import fix_choices
from bot.domain.flows.importing.drafting.draft import DraftBuilder, StepDraft, step_references
from bot.domain.flows.importing.drafting.leftovers import report_lost_texts
from bot.domain.flows.importing.drafting.targets import (  # fmt: skip
    add_handoff,
    break_cycles,
    drop_unreachable,
    find_cycle_edge,
    fix_conditions,
    fix_ends,
    fix_targets,
    step_kind,
)
from bot.domain.flows.importing.drafting.texts import (
    MAX_SEGMENTS,
    choice_rows,
    clean_text,
    count_filled_segments,
    fix_texts,
    mark_unknown_answers,
    sent_texts,
)
from bot.domain.flows.importing.report import ImportedDraft, ImportItem, ImportStatus, NotImportable
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import build_po, read_flow, read_translations
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, Severity

DEFAULT_SEGMENTS = 2


def finish_drafts(drafts: Sequence[DraftBuilder]) -> list[ImportedDraft]:
    """Turns the flows of one file into drafts that read and check, or that say in `missing` what they lack.

    Changes the drafts. Raises NotImportable if a flow is too large for Warmline.
    """
    for draft in drafts:
        if not draft.steps:
            draft.add(draft.names.allocate("ended"), {"end": "done"})
            draft.report(
                draft.title,
                "flow",
                ImportStatus.APPROXIMATED,
                "It holds nothing that can be carried over; the draft just ends.",
            )
        for step in draft.steps.values():
            list(step_references(step.data))
        fix_targets(draft)
        fix_choices(draft)
        fix_texts(draft)
        fix_ends(draft)
    flows = {draft.name: draft for draft in drafts}
    _break_run_cycles(flows)
    _fix_until_stable(flows)
    _report_missing(flows)
    sources = {draft.name: _yaml_source(draft) for draft in drafts}
    scripts = {draft.name: _read_script(draft, sources[draft.name]) for draft in drafts}
    return [_imported_draft(draft, scripts, sources[draft.name]) for draft in drafts]


def _fix_until_stable(flows: Mapping[str, DraftBuilder]) -> None:
    """Fixes unknown answers, cycles and unreachable steps; repeats, because one fix may require another."""
    changed = True
    while changed:
        changed = False
        for draft in flows.values():
            known = _known_answers(draft.name, flows)
            mark_unknown_answers(draft, known)
            fix_conditions(draft, known, _choice_values(flows))
            fix_ends(draft)
            break_cycles(draft, lambda step: _waits_for_person(step, flows))
        for draft in flows.values():
            changed = drop_unreachable(draft) or changed


# Flows that run each other.


def _flows_run_by(draft: DraftBuilder) -> list[str]:
    return [step.data["run"] for step in draft.steps.values() if "run" in step.data]


def _break_run_cycles(flows: Mapping[str, DraftBuilder]) -> None:
    """Where flows run each other endlessly, replaces the last run by a handoff."""
    while (
        edge := find_cycle_edge(list(flows), lambda name: [one for one in _flows_run_by(flows[name]) if one in flows])
    ) is not None:
        draft = flows[edge[0]]
        human = ""
        for step in [step for step in draft.steps.values() if step.data.get("run") == edge[1]]:
            human = human or add_handoff(draft, "run_again", f"The imported flow runs {edge[1]} again, without end.")
            step.data = {"decide": True, "next": [{"go": human}]}
            how = f"It runs `{edge[1]}`, which leads back into this flow without end; a human is called in place of that."
            draft.report(step.node, step.kind, ImportStatus.APPROXIMATED, how, step.name)


def _report_missing(flows: Mapping[str, DraftBuilder]) -> None:
    for draft in flows.values():
        for step in draft.steps.values():
            for name in (step.data.get("run"), (step.data.get("check_in") or {}).get("flow")):
                if name and name not in flows:
                    source_name = f" (there: {draft.external_flows[name]})" if draft.external_flows.get(name) else ""
                    draft.report_missing(
                        f"The step `{step.name}` runs the flow `{name}`{source_name}, which is not in this file."
                    )


def _waits_for_person(step: StepDraft, flows: Mapping[str, DraftBuilder]) -> bool:
    if (name := step.data.get("run")) is not None:
        return name not in flows or any(step_kind(inner) in ("ask", "wait") for inner in flows[name].steps.values())
    return step_kind(step) in ("ask", "wait")


# Answers.


def _saving_steps(draft: DraftBuilder) -> dict[str, StepDraft]:
    kept = [
        step for step in draft.steps.values() if "ask" in step.data and (step.data.get("save") or step.data.get("choices"))
    ]
    return {step.data.get("save") or step.name: step for step in kept}


def _known_answers(name: str, flows: Mapping[str, DraftBuilder]) -> set[str]:
    """The answers that may exist when this flow runs: its own, and those of flows inside and around it."""
    inside = _reachable_flows(name, flows)
    around = {other for other in flows if name in _reachable_flows(other, flows)}
    return {answer for flow in inside | around if flow in flows for answer in _saving_steps(flows[flow])}


def _reachable_flows(name: str, flows: Mapping[str, DraftBuilder]) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        here = waiting.pop()
        for other in _flows_run_by(flows[here]) if here in flows else ():
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _choice_values(flows: Mapping[str, DraftBuilder]) -> dict[str, set[str]]:
    """Answers that are always one of a set of choices -> the choices."""
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


def _head_data(draft: DraftBuilder) -> dict[str, Any]:
    title = " ".join(clean_text(draft.title).split())[:80].strip() or draft.name
    purpose = " ".join(clean_text(draft.purpose).split())
    head: dict[str, Any] = {"flow": draft.name, "title": title}
    if purpose:
        head["purpose"] = purpose
    return {**head, "start": draft.start, "segments": _segment_limit(draft)}


def _segment_limit(draft: DraftBuilder) -> int:
    most = DEFAULT_SEGMENTS
    for step in draft.steps.values():
        for context, holder, key in sent_texts(step):
            for texts in ({}, *draft.translations.values()):
                text = texts.get(f"{step.name}.{context}") or holder[key]
                most = max(most, count_filled_segments(text, choice_rows(step, texts) if context == "ask" else ()))
    return min(most, MAX_SEGMENTS)


_KEY_ORDER = (
    "note",
    "say",
    "ask",
    "choices",
    "handoff",
    "refer",
    "referral",
    "check_in",
    "measure",
    "run",
    "consent",
    "decide",
    "answer",
    "save",
    "optional",
    "private",
    "not_understood",
    "wait",
    "none",
    "next",
    "end",
)


def _step_data(step: StepDraft) -> dict[str, Any]:
    """The step as written to the file: keys in reading order, a single unconditional transition in its short form."""
    data = {
        key: step.data[key] for key in sorted(step.data, key=lambda key: _KEY_ORDER.index(key) if key in _KEY_ORDER else 99)
    }
    # No answer can equal a value that no file can hold, and the branch that tests for it is already reported.
    data["next"] = [{**way, "when": clean_text(way["when"])} if "when" in way else way for way in data.get("next") or ()]
    if not data["next"]:
        del data["next"]
    if len(data.get("next") or ()) == 1 and "when" not in data["next"][0]:
        data["next"] = data["next"][0]["go"]
    note = clean_text(step.note)
    if "handoff" in data and "say" in data:
        data = {"handoff": data.pop("handoff"), **data}
    return {"note": note, **data} if note else data


class _FastDumper(yaml.CSafeDumper):
    """libyaml's writer, some ten times faster than PyYAML's own, but it writes emoji as `\\U0001F44B`."""


class _PlainDumper(yaml.SafeDumper):
    """PyYAML's own writer, for flows with emoji."""


def _represent_text(dumper: yaml.SafeDumper | yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_FastDumper.add_representer(str, _represent_text)
_PlainDumper.add_representer(str, _represent_text)


def _yaml_source(draft: DraftBuilder) -> str:
    # A copy through JSON: if two steps shared a part, YAML would write an anchor.
    data = json.loads(
        json.dumps({**_head_data(draft), "steps": {name: _step_data(step) for name, step in draft.steps.items()}})
    )
    has_emoji = any(ord(character) > 0xFFFF for character in json.dumps(data, ensure_ascii=False))
    dumper = _PlainDumper if has_emoji else _FastDumper
    return str(yaml.dump(data, Dumper=dumper, allow_unicode=True, sort_keys=False, width=110))


def _read_script(draft: DraftBuilder, source: str) -> Script:
    segments = _segment_limit(draft)
    if segments > DEFAULT_SEGMENTS:
        how = f"Its longest text takes {segments} SMS segments, so the draft allows that many; make it shorter."
        draft.report(draft.title, "flow", ImportStatus.APPROXIMATED, how)
    try:
        return read_flow(source, f"{draft.name}.yaml")
    except FlowError as error:
        first = error.problems[0]
        raise NotImportable(
            f"The flow `{draft.title[:80]}` can't be made into one of ours: {first.what} {first.remedy}"
        ) from error


def _imported_draft(draft: DraftBuilder, scripts: Mapping[str, Script], source: str) -> ImportedDraft:
    script = scripts[draft.name]
    translations = {code: _po_text(script, code, texts) for code, texts in sorted(draft.translations.items()) if texts}
    read = {code: read_translations(text, f"{code}/{draft.name}.po") for code, text in translations.items()}
    for problem in check_flow(script, read, scripts):
        if problem.severity is Severity.ERROR and not _is_already_reported(problem, draft, scripts):
            draft.report_missing(f"{problem.what} {problem.remedy}")
    texts = {code: {context: text for (context, _), text in found.items()} for code, found in read.items()}
    report_lost_texts(draft, texts)
    content = FlowContent(source, translations)
    items = tuple(
        ImportItem(_one_line(i.node)[:200], _one_line(i.kind)[:80], i.status, _one_line(i.remark), i.step)
        for i in draft.items
    )
    return ImportedDraft(draft.name, script.title, content, items, tuple(map(_one_line, draft.missing)))


def _one_line(text: str) -> str:
    """Text from the source file on one line of a report, without unprintable characters."""
    return " ".join(clean_text(text).split())


def _is_already_reported(problem: FlowProblem, draft: DraftBuilder, scripts: Collection[str]) -> bool:
    """Whether the problem only repeats that the flow runs another one which is not in the file."""
    outside = {*_flows_run_by(draft), *((s.data.get("check_in") or {}).get("flow") for s in draft.steps.values())} - set(
        scripts
    )
    return any(problem.what == f"There is no flow `{name}`." for name in outside if name)


def _po_text(script: Script, language: str, texts: Mapping[str, str]) -> str:
    catalog = read_po(StringIO(build_po(script, None, language)), locale=language)
    for message in catalog:
        if message.id and message.context and texts.get(message.context):
            message.string = texts[message.context]
    written = BytesIO()
    write_po(written, catalog, width=100)
    return written.getvalue().decode("utf-8")
