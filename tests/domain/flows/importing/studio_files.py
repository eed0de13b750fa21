"""Small Studio flows for the tests, and access to real ones where their folder exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.paths import SHARED_DATA

FLOWS = SHARED_DATA / "flows"


def real_files(folder: str) -> list[Path]:
    """The real files of one product; skips the test where there are none."""
    found = sorted((FLOWS / folder).glob("*.json"))
    if not found:
        pytest.skip("the folder of real flows is not there")
    return found


def widget(name: str, kind: str, ways: dict[str, str | None], **properties: Any) -> dict[str, Any]:
    """One widget; `ways` maps each event to the widget that it leads to."""
    transitions = [{"event": event, "next": target} if target else {"event": event} for event, target in ways.items()]
    return {"name": name, "type": kind, "transitions": transitions, "properties": properties}


def split(name: str, input: str, matches: list[tuple[str, str, str]], otherwise: str | None = None) -> dict[str, Any]:
    """A split widget; `matches` are (type, value, the widget it leads to)."""
    made = widget(name, "split-based-on", {"noMatch": otherwise}, input=input)
    for kind, value, target in matches:
        condition = {"type": kind, "value": value, "arguments": [input], "friendly_name": f"If value {kind} {value}"}
        made["transitions"].append({"event": "match", "next": target, "conditions": [condition]})
    return made


def flow(*widgets: dict[str, Any], start: str | None = None) -> dict[str, Any]:
    """A complete flow that starts with the first widget, or with `start`."""
    first = start or (widgets[0]["name"] if widgets else None)
    trigger = widget("Trigger", "trigger", {"incomingMessage": first, "incomingCall": None})
    return {"description": "A test", "states": [trigger, *widgets], "initial_state": "Trigger", "flags": {}}
