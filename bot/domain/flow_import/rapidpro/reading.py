"""The door of this room: one file's data in, its flows as drafts out."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.flow_import.drafting import RESERVED, Drafting, Names
from bot.domain.flow_import.finish import finish
from bot.domain.flow_import.rapidpro.answers import kept_answers
from bot.domain.flow_import.rapidpro.building import build
from bot.domain.flow_import.rapidpro.goflow import read_definition, refuse_missing_assets
from bot.domain.flow_import.rapidpro.legacy import read_legacy
from bot.domain.flow_import.rapidpro.model import Place, Source, mapping, part, rows
from bot.domain.flow_import.rapidpro.surroundings import campaign_flows, tell_surroundings
from bot.domain.flow_import.report import Imported

MOST_FLOWS = 500


def read_rapidpro(data: object, file: str) -> list[Imported]:
    """The flows of an export (`{"flows": [...]}`), of a test of the engine (`{"assets": ...}`), or a bare flow.

    `file` only names it in complaints. Raises NotImportable and nothing else.
    """
    place = Place(file)
    try:
        return _read(mapping(data, place), place)
    except RecursionError as error:
        raise place.refuse("It is nested too deeply.") from error


def _read(data: Mapping[str, object], place: Place) -> list[Imported]:
    assets = part(data, "assets")
    wrapped: Mapping[str, object] = assets if isinstance(assets, dict) else data
    given = rows(wrapped["flows"], place.of("flows"), MOST_FLOWS) if "flows" in wrapped else [data]
    flows = [_flow(mapping(row, place.of("flow", at)), place.of("flow", at), place) for at, row in enumerate(given, 1)]
    flows = flows or campaign_flows(wrapped)
    if not flows:
        raise place.refuse("It holds no flow.", "Choose the flows in the export.")
    refuse_missing_assets(wrapped, flows, place)
    sources = {f"{at}:{flow.uuid}": flow for at, flow in enumerate(flows)}
    names = Names(otherwise="flow")
    drafts: dict[str, Drafting] = {}
    kept = kept_answers(sources, Names(RESERVED, "answer"))
    for key, flow in sources.items():
        title = flow.name or flow.uuid or "Imported flow"
        drafts[key] = Drafting(names.of(key, title), title, answers=kept.names)
    for key in sources:
        build(key, sources, drafts, kept, names)
    tell_surroundings(wrapped, sources, drafts)
    return finish(list(drafts.values()))


def _flow(flow: dict[str, object], at: Place, file: Place) -> Source:
    inner = flow.get("definition")
    body = inner if isinstance(inner, dict) else flow
    if "nodes" in body:
        return read_definition({**flow, **body}, file)
    if "action_sets" in body or "rule_sets" in body:
        return read_legacy(flow, file)
    raise at.refuse("It has neither `nodes` nor `action_sets`, so it is no flow of RapidPro.")
