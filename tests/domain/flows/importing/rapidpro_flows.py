"""Small definitions in RapidPro's formats, for the tests of the import, and access to the real exports."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from bot.domain.flows.importing.rapidpro import read_rapidpro
from bot.domain.flows.importing.report import ImportedDraft
from tests.paths import SHARED_DATA

FLOWS = SHARED_DATA / "flows"


def files(folder: str) -> list[Path]:
    """The exports in this folder of the shared data; none where the folder is absent."""
    return sorted((FLOWS / folder).glob("*.json"))


def need(found: list[Path]) -> None:
    if not found:
        pytest.skip("the shared flows are not here")


@cache
def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> list[ImportedDraft]:
    """The drafts imported from a file; each file is read once for all tests."""
    return read_rapidpro(load(path), path.name)


def uid(name: str) -> str:
    """A UUID that is always the same for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def node(name: str, *actions: dict[str, Any], to: str | None = None, **rest: Any) -> dict[str, Any]:
    """A node whose exit leads to the node with the name `to`."""
    exits = [{"uuid": uid(f"{name}.exit"), "destination_uuid": uid(to) if to else None}]
    return {"uuid": uid(name), "actions": list(actions), "exits": exits, **rest}


def say(text: str, **rest: Any) -> dict[str, Any]:
    return {"type": "send_msg", "uuid": uid(text), "text": text, **rest}


def split(
    name: str, ways: dict[str, str | None], tests: list[tuple[str, list[str], str]], *, operand: str = "@input.text",
    wait: bool = True, result: str = "", default: str | None = "Other", timeout: tuple[int, str] | None = None, **rest: Any,
) -> dict[str, Any]:  # fmt: skip
    """A node with a router. `ways`: category -> node or None; `tests`: kind, arguments, category."""
    categories = [{"uuid": uid(f"{name}.{way}"), "name": way, "exit_uuid": uid(f"{name}.{way}.exit")} for way in ways]
    exits = [{"uuid": uid(f"{name}.{way}.exit"), "destination_uuid": uid(to) if to else None} for way, to in ways.items()]
    cases = [
        {"uuid": uid(f"{name}.{kind}.{at}"), "type": kind, "arguments": arguments, "category_uuid": uid(f"{name}.{way}")}
        for at, (kind, arguments, way) in enumerate(tests)
    ]
    router: dict[str, Any] = {"type": "switch", "operand": operand, "categories": categories, "cases": cases}
    router |= {"result_name": result} if result else {}
    router |= {"default_category_uuid": uid(f"{name}.{default}")} if default else {}
    if wait:
        router["wait"] = {"type": "msg"}
        if timeout:
            router["wait"]["timeout"] = {"seconds": timeout[0], "category_uuid": uid(f"{name}.{timeout[1]}")}
    return {"uuid": uid(name), "actions": rest.get("actions", []), "router": router, "exits": exits}


def flow(*nodes: dict[str, Any], name: str = "Food", **rest: Any) -> dict[str, Any]:
    about = {"uuid": uid(name), "name": name, "spec_version": "13.1.0", "language": "eng", "type": "messaging", "_ui": {}}
    return {**about, "nodes": list(nodes), **rest}


def export(*flows: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"version": "13", "flows": list(flows), **rest}


def read(*nodes: dict[str, Any], **rest: Any) -> ImportedDraft:
    """Import one flow with these nodes; gives its draft."""
    return read_rapidpro(export(flow(*nodes, **rest)), "export.json")[0]
