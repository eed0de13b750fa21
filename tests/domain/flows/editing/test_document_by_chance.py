"""Random edits in any order: the file always reads as was intended."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.flows.editing import document
from bot.domain.flows.editing.patching import is_same
from tests.domain.flows.editing.test_document import SMALL, SOURCES

TEXTS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text(alphabet="ab :#,'\"{}[]&*!|>%@-?\n\\~", min_size=1, max_size=30),
    st.sampled_from(
        ["yes", "no", "true", "null", "0631", "{{ need }}", "x " * 90 + "y", "a\nb", "{% if zip %}a{% endif %}"]
    ),
)
NAMES = st.sampled_from(["need", "zip", "bye", "one", "two", "three", "yes", "no", "quiet"])
LABELS = st.fixed_dictionaries({"label": TEXTS}, optional={"words": st.lists(TEXTS, max_size=5), "go": NAMES})
WAYS = st.one_of(NAMES, st.lists(st.fixed_dictionaries({"go": NAMES}, optional={"when": TEXTS}), min_size=1, max_size=3))
STEPS = st.fixed_dictionaries(
    {"ask": TEXTS},
    optional={
        "choices": st.dictionaries(NAMES, LABELS, min_size=1, max_size=4),
        "next": WAYS,
        "note": TEXTS,
        "optional": st.booleans(),
        "wait": st.fixed_dictionaries({"after": st.just("3d"), "go": NAMES}),
        "not_understood": st.fixed_dictionaries({"tries": st.just("2")}, optional={"say": TEXTS, "go": NAMES}),
    },
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_it_reads_as_intended_after_any_edits(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from([SMALL, SOURCES["household_check_in"]]))
    meant: dict[str, Any] = dict(document.steps_data(source))
    for _ in range(data.draw(st.integers(1, 4))):
        act = data.draw(st.sampled_from(["set", "add", "move", "delete", "mix"]))
        name = data.draw(st.sampled_from(list(meant)))
        other = data.draw(st.sampled_from([*meant, None]))
        if act == "set" or act == "mix":
            new = data.draw(STEPS)
            new = {**meant[name], **new} if act == "mix" else new
            source = document.set_step(source, name, new)
            meant[name] = document.to_plain(new)
        elif act == "add" and (fresh := data.draw(NAMES)) not in meant:
            new = data.draw(STEPS)
            source = document.add_step(source, fresh, new, other)
            order = list(meant)
            order.insert(order.index(other) + 1 if other else len(order), fresh)
            meant[fresh] = document.to_plain(new)
            meant = {key: meant[key] for key in order}
        elif act == "move" and other != name:
            source = document.move_step(source, name, other)
            order = [key for key in meant if key != name]
            order.insert(order.index(other) if other else len(order), name)
            meant = {key: meant[key] for key in order}
        elif act == "delete" and len(meant) > 1:
            source = document.delete_step(source, name)
            del meant[name]
        read = document.steps_data(source)
        assert list(read) == list(meant)
        assert is_same(read, meant)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["need", "zip", "bye"]), STEPS)
def test_it_leaves_the_lines_of_other_steps_to_the_letter(name: str, new: dict[str, Any]) -> None:
    source = SMALL.replace("&quiet ", "").replace("*quiet", "{after: 1d, go: bye}")
    made = document.set_step(source, name, new)
    others = [
        row for row in source.split("\n") if row.startswith("  ") and row.split(":")[0].strip() in {"need", "zip", "bye"}
    ]
    for row in others:
        assert row in made.split("\n") or row.strip().startswith(f"{name}:")
    for remark in ("# A flow of our own.", "# shown to staff", "# Where it begins.", "# The end."):
        assert remark in made


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SOURCES)), st.data())
def test_it_gives_the_same_letters_after_a_rename_and_back(flow: str, data: st.DataObject) -> None:
    source = SOURCES[flow]
    name = data.draw(st.sampled_from(list(document.steps_data(source))))
    there = document.rename_step(source, name, "somewhere_else")
    assert document.rename_step(there, "somewhere_else", name) == source
