"""Imported flows become drafts under free names, and those that run each other still do."""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from bot.domain.flows.language.reader import read_flow
from bot.storage.flows import drafts
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import import_flows
from tests.domain.flows.importing.studio_files import flow, widget
from tests.support.clock import MONDAY_MORNING as NOW

ANA = DraftAuthor("Ana Ruiz")


def block(name: str, kind: str, **config: object) -> dict[str, object]:
    return {"uuid": name, "name": name, "label": name, "type": kind, "config": config, "exits": []}


def test_it_begins_a_draft_with_what_was_imported(db: Session) -> None:
    raw = json.dumps(flow(widget("hello", "send-message", {"sent": None}, body="Hello"))).encode()
    result = import_flows.import_file(raw, "night_line.json")
    assert import_flows.create_drafts(db, None, result, ANA, NOW) == ["night_line"]
    draft = drafts.find(db, "night_line")
    assert draft is not None and draft.revision.content == result.flows[0].content
    assert result.flows[0].is_clean and result.flows[0].count("carried") == 2


def test_it_takes_another_name_where_there_is_such_a_flow(db: Session) -> None:
    inner = {"uuid": "u2", "name": "Inner", "blocks": [block("hi", "MobilePrimitives.OpenResponse", prompt="p")]}
    outer = {"uuid": "u1", "name": "Outer", "blocks": [block("go", "Core.RunFlow", flow_id="u2")]}
    raw = json.dumps({"flows": [outer, inner]}).encode()
    placed = [import_flows.create_drafts(db, None, import_flows.import_file(raw, "x.json"), ANA, NOW) for _ in range(2)]
    assert placed == [["outer", "inner"], ["outer_2", "inner_2"]]
    second = drafts.find(db, "outer_2")
    assert second is not None
    script = read_flow(second.revision.content.source, "outer_2.yaml")
    assert script.flow == "outer_2" and "run: inner_2" in second.revision.content.source
