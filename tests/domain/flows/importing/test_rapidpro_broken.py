from __future__ import annotations

import copy
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bot.domain.flows.importing.rapidpro import read_rapidpro
from bot.domain.flows.importing.report import NotImportable
from tests.domain.flows.importing.rapidpro_flows import export, files, flow, load, need, node, say

BROKEN = files("rapidpro_broken")
SMALL = [path for path in files("rapidpro") if path.stat().st_size < 25_000]
JUNK: list[Any] = [
    None, True, 0, -1, 1e308, math.nan, math.inf, "", "x", "@(", "@((((", "{{ x }}", "{% for x in y %}", "{#", "\ud800",
    "\x00", "a" * 5000, [], {}, [None], [[]], {"a": None}, {"type": "send_msg"}, "@results.color", "@contact.name{{7*7}}",
    10**400, "1e400",
]  # fmt: skip


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_it_refuses_a_damaged_definition_and_names_the_place(path: Path) -> None:
    with pytest.raises(NotImportable) as refused:
        read_rapidpro(load(path), path.name)
    said = str(refused.value)
    assert said.startswith(f"{path.name}, ") and said.endswith(".")
    flows = load(path)["flows"]
    assert any(given_["name"][:40] in said for given_ in flows)


def test_all_damaged_definitions_are_there() -> None:
    need(BROKEN)
    assert len(BROKEN) == 29


@pytest.mark.parametrize(
    "data", [None, [], "flow", 3, {}, {"flows": []}, {"flows": {}}, {"flows": [None]}, {"nodes": 1}, {"action_sets": 1}]
)
def test_it_refuses_what_is_no_flow(data: object) -> None:
    with pytest.raises(NotImportable, match=r"^x\.json"):
        read_rapidpro(data, "x.json")


def test_it_refuses_too_many_flows() -> None:
    with pytest.raises(NotImportable, match="501 entries"):
        read_rapidpro(export(*[flow(node("a", say("A")))] * 501), "x.json")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_damage_gives_a_draft_or_a_reason_and_nothing_else(chance: Random) -> None:
    need(SMALL)
    data = copy.deepcopy(load(chance.choice(SMALL)))
    for _ in range(chance.choice([1, 1, 2, 4, 10])):
        damage(data, chance)
    try:
        drafts = read_rapidpro(data, "x.json")
    except NotImportable as refused:
        event("refused")
        assert str(refused).startswith(("x.json", "The flow"))
    else:
        event("drafts")
        assert drafts


def damage(data: Any, chance: Random) -> None:
    """Drop, swap, truncate or double one random part of the data."""
    places: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting:
        here = waiting.pop()
        for key in list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ():
            places.append((here, key))
            waiting.append(here[key])
    if not places:
        return
    holder, key = chance.choice(places)
    kind = chance.choice(["drop", "swap", "swap", "truncate", "double"])
    if kind == "swap":
        holder[key] = copy.deepcopy(chance.choice(JUNK))
    elif kind == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == "truncate" and isinstance(holder, list):
        del holder[key:]
    else:
        del holder[key]
