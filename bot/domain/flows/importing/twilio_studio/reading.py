"""Reads flows of Twilio Studio (the JSON of "Show flow JSON") into drafts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from bot.domain.flows.importing.drafting.draft import DraftBuilder, NameAllocator, make_identifier
from bot.domain.flows.importing.drafting.finish import finish_drafts
from bot.domain.flows.importing.report import ImportedDraft, ImportStatus, NotImportable
from bot.domain.flows.importing.twilio_studio.kinds import normalize_kind
from bot.domain.flows.importing.twilio_studio.model import Exit, Widget
from bot.domain.flows.importing.twilio_studio.steps import StudioBuilder

MAX_WIDGETS = 3000
_REMOTE_CALL_KINDS = ("make-http-request", "run-function")
_WRAPPERS = ("definition", "flow", "flow_definition", "flowDefinition", "studio_flow")


@dataclass(frozen=True, slots=True)
class _Definition:
    title: str
    body: Mapping[str, Any]


def is_studio(data: object) -> bool:
    """Whether this looks like a Studio flow, possibly nested in another object."""
    return any(True for _ in _definitions(data, ""))


def read_studio(data: object, file: str) -> list[ImportedDraft]:
    """Reads the flows of a Studio file as drafts. Raises NotImportable."""
    drafts = []
    names = NameAllocator(fallback="flow")
    for found in _definitions(data, PurePath(file).stem):
        drafts.append(_build_draft(found, names))
    if not drafts:
        raise NotImportable(f"{file} holds no flow of Twilio Studio: there are no `states` with a name and a type.")
    return finish_drafts(drafts)


def _definitions(data: object, title: str, depth: int = 0) -> Iterator[_Definition]:
    """The flow itself, or flows nested in another object (a backup, the API, a deployment tool)."""
    if depth > 4:
        return
    if isinstance(data, str) and data.lstrip()[:1] == "{":
        try:
            data = json.loads(data)
        except (ValueError, RecursionError):
            return
    if isinstance(data, list):
        for at, inner in enumerate(data, 1):
            yield from _definitions(inner, f"{title} {at}" if at > 1 else title, depth + 1)
    if not isinstance(data, dict):
        return
    title = str(data.get("friendly_name") or data.get("friendlyName") or title)
    states = data.get("states") or data.get("widgets")
    rows = list(states.values()) if isinstance(states, dict) else states
    if isinstance(rows, list) and any(isinstance(row, dict) and "type" in row and "transitions" in row for row in rows):
        yield _Definition(title, data)
        return
    for key in (*_WRAPPERS, "flows"):
        yield from _definitions(data.get(key), title, depth + 1)


def _build_draft(found: _Definition, names: NameAllocator) -> DraftBuilder:
    description = " ".join(str(found.body.get("description") or "").split())
    is_telling = bool(description) and "${" not in description and description != "A New Flow"
    stem = found.title.split("__")[-1]
    title = description if is_telling and len(description) <= 80 else stem.replace("_", " ")
    draft = DraftBuilder(names.name_for(found.title, make_identifier(stem, "flow")), title or "Imported flow")
    if is_telling and len(description) > 80:
        draft.purpose = description
    widgets = _widgets(found.body, draft)
    if len(widgets) > MAX_WIDGETS:
        raise NotImportable(
            f"The flow `{title}` has {len(widgets)} widgets; keep it to {MAX_WIDGETS} and import it in parts."
        )
    for widget in widgets.values():
        if widget.kind not in _REMOTE_CALL_KINDS:
            for key in ("body", "say"):
                draft.record_source_text(widget.name, widget.source_kind, widget.properties.get(key))
    StudioBuilder(draft, widgets, str(found.body.get("initial_state") or found.body.get("initialState") or "")).build()
    return draft


def _widgets(body: Mapping[str, Any], draft: DraftBuilder) -> dict[str, Widget]:
    states = body.get("states") or body.get("widgets")
    rows = [{"name": name, **row} if isinstance(row, dict) else row for name, row in states.items()] \
        if isinstance(states, dict) else list(states or ())  # fmt: skip
    widgets: dict[str, Widget] = {}
    for at, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            draft.report(f"widget {at}", "unknown", ImportStatus.LEFT_OUT, "It is no widget: there is no name and no type.")
            continue
        name, kind = str(row.get("name") or f"widget {at}"), str(row.get("type") or "unknown")
        if name in widgets:
            draft.report(name, kind, ImportStatus.LEFT_OUT, "Another widget has the same name, and that one was taken.")
            if isinstance(given := row.get("properties"), dict) and normalize_kind(kind) not in _REMOTE_CALL_KINDS:
                for key in ("body", "say"):
                    draft.record_source_text(name, kind, given.get(key))
            continue
        properties = row.get("properties")
        widgets[name] = Widget(
            name,
            kind,
            normalize_kind(kind),
            properties if isinstance(properties, dict) else {},
            tuple(_exits(row.get("transitions"))),
        )
    return widgets


def _exits(rows: object) -> Iterator[Exit]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            target = row.get("next")
            conditions = row.get("conditions")
            given = conditions if isinstance(conditions, list) else []
            yield Exit(
                str(row.get("event") or ""),
                str(target) if target else None,
                tuple(one for one in given if isinstance(one, dict)),
            )
