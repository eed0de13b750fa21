"""The entry point of the package: one file's data in, its flows as drafts out."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flows.importing.drafting.draft import RESERVED_ANSWER_NAMES, DraftBuilder, NameAllocator
from bot.domain.flows.importing.drafting.finish import finish_drafts
from bot.domain.flows.importing.rapidpro.answers import index_answers
from bot.domain.flows.importing.rapidpro.building import build_steps
from bot.domain.flows.importing.rapidpro.goflow import read_definition, refuse_missing_assets
from bot.domain.flows.importing.rapidpro.legacy import read_legacy
from bot.domain.flows.importing.rapidpro.model import FilePlace, SourceFlow, as_list, as_mapping, get_key
from bot.domain.flows.importing.rapidpro.surroundings import campaign_flows, report_surroundings
from bot.domain.flows.importing.report import ImportedDraft

MAX_FLOWS = 500


def read_rapidpro(data: object, file: str) -> list[ImportedDraft]:
    """Reads the flows of an export (`{"flows": [...]}`), of an engine test (`{"assets": ...}`), or a bare flow.

    `file` only names it in error messages. Raises NotImportable and nothing else.
    """
    place = FilePlace(file)
    try:
        return _read(as_mapping(data, place), place)
    except RecursionError as error:
        raise place.error("It is nested too deeply.") from error


def _read(data: Mapping[str, object], place: FilePlace) -> list[ImportedDraft]:
    assets = get_key(data, "assets")
    wrapped: Mapping[str, object] = assets if isinstance(assets, dict) else data
    given = as_list(wrapped["flows"], place.inside("flows"), MAX_FLOWS) if "flows" in wrapped else [data]
    flows = [
        _flow(as_mapping(row, place.inside("flow", at)), place.inside("flow", at), place) for at, row in enumerate(given, 1)
    ]
    flows = flows or campaign_flows(wrapped)
    if not flows:
        raise place.error("It holds no flow.", "Choose the flows in the export.")
    refuse_missing_assets(wrapped, flows, place)
    sources = {f"{at}:{flow.uuid}": flow for at, flow in enumerate(flows)}
    names = NameAllocator(fallback="flow")
    drafts: dict[str, DraftBuilder] = {}
    kept = index_answers(sources, NameAllocator(RESERVED_ANSWER_NAMES, "answer"))
    for key, flow in sources.items():
        title = flow.name or flow.uuid or "Imported flow"
        drafts[key] = DraftBuilder(names.name_for(key, title), title, answers=kept.names)
    for key in sources:
        build_steps(key, sources, drafts, kept, names)
    report_surroundings(wrapped, sources, drafts)
    return finish_drafts(list(drafts.values()))


def _flow(flow: dict[str, object], at: FilePlace, file: FilePlace) -> SourceFlow:
    inner = flow.get("definition")
    body = inner if isinstance(inner, dict) else flow
    if "nodes" in body:
        return read_definition({**flow, **body}, file)
    if "action_sets" in body or "rule_sets" in body:
        return read_legacy(flow, file)
    raise at.error("It has neither `nodes` nor `action_sets`, so it is no flow of RapidPro.")
