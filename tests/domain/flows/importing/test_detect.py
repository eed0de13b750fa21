"""Files that give no draft are refused with the reason and the place, and never with a traceback."""

from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.flows.importing.detect import MAX_BYTES, read_flows
from bot.domain.flows.importing.report import NotImportable
from tests.domain.flows.importing.studio_files import flow, real_files, split, widget


@cache
def whole() -> str:
    """A small flow with one widget of each of several kinds."""
    return json.dumps(
        flow(
            widget("menu", "send-and-wait-for-reply", {"incomingMessage": "which"}, body="Food or rent?", timeout="60"),
            split("which", "{{widgets.menu.inbound.Body}}", [("equal_to", "food", "bye"), ("equal_to", "rent", "bye")]),
            widget("bye", "send-message", {"sent": None}, body="Bye {{flow.variables.x}}"),
        ),
        indent=1,
    )


def refusal(raw: bytes | str) -> str:
    with pytest.raises(NotImportable) as refused:
        read_flows(raw.encode() if isinstance(raw, str) else raw, "theirs.json")
    return str(refused.value)


def test_it_reads_a_complete_flow() -> None:
    assert [made.name for made in read_flows(whole().encode(), "theirs.json")] == ["theirs"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ('{"states": [', "line 1, column 13: the file breaks off"),
        ('{"a": 1,\n "b": tru}', "line 2, column 7"),
        ('{"a": "b', "breaks off"),
        ('{"a": NaN}', "line 1, column 7: `NaN`"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ('{"name": "x", "a": 1, "a": 2}', "`a` stands twice in the part named `x`"),
        ("[" * 5000, "nested more than"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested more than"),
        ("flow: x\nstart: a\nsteps:\n  a: {end: b}\n", "our own language"),
        ("name: x\nstates: []\n", "YAML"),
        ("<html>", "HTML"),
        (b"PK\x03\x04", "zip"),
        (b'{"a": "\xff"}', "UTF-8"),
        ("hello", "no JSON"),
        ("{}", "empty object"),
        ("[]", "a list of 0"),
        ('{"states": []}', "`states`"),
        ('{"groups": [], "edges": [], "version": "6"}', "Typebot"),
        ('{"intents": [], "entityTypes": []}', "Dialogflow"),
        ('{"diagrams": {}, "version": {}}', "Voiceflow"),
        ('{"nodes": [], "connections": {}}', "n8n"),
        ('{"$schema": "x", "definitions": {}}', "JSON schema"),
    ],
)
def test_it_refuses_with_the_reason(raw: bytes | str, reason: str) -> None:
    assert reason in refusal(raw)


def test_it_refuses_a_file_that_is_too_large_without_reading_it() -> None:
    assert f"{MAX_BYTES + 1:,} bytes" in refusal(b"[" * (MAX_BYTES + 1))


def test_it_refuses_every_broken_file_of_rapidpro() -> None:
    for path in real_files("rapidpro_broken"):
        with pytest.raises(NotImportable, match=path.name):
            read_flows(path.read_bytes(), path.name)


def test_it_reads_flows_of_flow_interop_and_refuses_their_schema() -> None:
    refused = 0
    for path in real_files("floip"):
        try:
            made = read_flows(path.read_bytes(), path.name)
        except NotImportable:
            refused += 1
        else:
            assert all(flow.items for flow in made)
    assert refused == 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_never_fails_otherwise_on_a_damaged_file(data: st.DataObject) -> None:
    raw = bytearray(whole().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        size = data.draw(st.integers(0, 30))
        raw[at : at + size] = data.draw(
            st.sampled_from([b"", b"null", b"[]", b"{}", b'"', b"0", b"\\ud800", b"{{", b"\xff"])
        )
    try:
        read_flows(bytes(raw), "theirs.json")
    except NotImportable as refused:
        assert "theirs.json" in str(refused) or "flow" in str(refused)


VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, 0, -1.5, True, "", "x", [], {}, [None], {"a": []}, "{{", "\ud800", 10**30, "Trigger", "menu"]
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_never_fails_otherwise_on_a_value_of_another_kind(data: st.DataObject) -> None:
    made = json.loads(whole())
    state = data.draw(st.sampled_from(made["states"]))
    part = data.draw(st.sampled_from(["name", "type", "transitions", "properties", "inner", "way"]))
    if part == "inner" and state["properties"]:
        state["properties"][data.draw(st.sampled_from(sorted(state["properties"])))] = data.draw(VALUES)
    elif part == "way":
        way = data.draw(st.sampled_from(state["transitions"]))
        way[data.draw(st.sampled_from(["event", "next", "conditions"]))] = data.draw(VALUES)
    else:
        state[part] = data.draw(VALUES)
    try:
        assert read_flows(json.dumps(made).encode(), "theirs.json")
    except NotImportable as refused:
        assert str(refused)
