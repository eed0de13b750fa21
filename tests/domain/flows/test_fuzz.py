"""Randomly generated flows: those without errors never fail for a person, and never leave them without an answer."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from bot.domain.conversation.effects import NotifyStaff, RaiseAlarm, Reply, StaySilent
from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.checks.reachability import reachable
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.yaml_source import Severity
from bot.usecases.conversation.rehearsal import Rehearsal
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.system_texts import read_system_texts

LINE = read_system_texts(("en", "es"))
KINDS = ["zip", "number", "date", "yes_no", "text", "phone", "name", "language"]
TEXTS = ["1", "2", "rent", "food, rent", "63118", "0", "dec 3", "no", "yes", "hello it is me", "X", "spanish", "back",
         "menu", "inf", "9" * 400, "4", "bosanski", "skip", "more", "nan", "{{ v0 }}"]  # fmt: skip
CONDITIONS = ["{n}", "not {n}", "{n} == 'c1'", "{n} in ['c0', 'c1']", "{n} and {n} > 3", "{n} > 2", "language == 'es'",
              "{n} and days_until({n}) <= 7", "{n} and {n} / 2 > 1", "{n}|int > 4", "{n} and {n}|length > 3",
              "{n} and 10 / ({n} - 5) > 1", "{n} and {n}[2] == '1'", "'a' in {n}"]  # fmt: skip
WORDS = ["Hello there", "You said {{{{ {n} }}}}", "{{{{ {n} or 'words' }}}}", "{{{{ {n}|day }}}} it is", "{{{{ {n} }}}}",
         "{{% if {n} %}}{{{{ days_until({n}) }}}}{{% endif %}} days", "{{{{ {n}|int + 1 }}}} ok", "{{{{ {n}[5] + 'x' }}}}",
         "{{{{ {n}|truncate(9) }}}} ok", "{{{{ {n}|float|int }}}} ok", "{{{{ {n}|round|int }}}} ok"]  # fmt: skip


class ScriptGenerator:
    """Generates random scripts, as an author in a hurry might write them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def script(self, name: str, inner: list[str]) -> Script | None:
        self.steps = [f"s{number}" for number in range(self.dice.randint(2, 6))]
        made = {step: self.step(inner) for step in self.steps}
        head = {"flow": name, "title": "T", "start": "s0", "segments": 10, "menu": name == "menu"}
        whole = read_flow(yaml.safe_dump({**head, "steps": made}), name)
        kept = {step: data for step, data in made.items() if step in reachable(whole)}
        return read_flow(yaml.safe_dump({**head, "steps": kept}), name)

    def names(self, pattern: str) -> str:
        one, other = self.dice.choices(["v0", "v1"], k=2)
        return pattern.format(n=one, m=other)

    def words(self) -> str:
        return self.names(self.dice.choice(WORDS)) if self.dice.random() < 0.2 else "Hello there"

    def next(self) -> Any:
        if self.dice.random() < 0.6:
            return self.dice.choice(self.steps)
        when = self.names(self.dice.choice(CONDITIONS) if self.dice.random() < 0.4 else "not {n}")
        return [{"when": when, "go": self.dice.choice(self.steps)}, {"go": self.dice.choice(self.steps)}]

    def step(self, inner: list[str]) -> dict[str, Any]:
        go = self.dice.choice(self.steps)
        choices = {f"c{at}": {"label": label} for at, label in enumerate(("Rent", "Food"))}
        on = {"next": self.next()}
        read = {"answer": self.dice.choice(KINDS), "save": self.dice.choice(["v0", "v1"])}
        kinds: list[dict[str, Any]] = [
            {"ask": self.words(), **read, "optional": self.dice.random() < 0.2, **on},
            *({"ask": self.words(), **read, **on} for _ in range(4)),
            {"ask": self.words(), "choices": {**choices, "c2": {"label": "Heat", "go": go}}, "save": "v0", **on},
            {"ask": self.words(), "choices": choices, "not_understood": {"tries": 1, "go": go}, **on},
            {"say": self.words(), **on},
            {"say": self.words(), "end": "done"},
            {"decide": True, **on},
            {"refer": {"need": "food", "near": self.words()}, "none": go, **on},
            {"handoff": {"team": "anyone", "because": self.words()}, "say": "Somebody is called."},
            {"handoff": {"team": "anyone"}, **on},
            {"measure": {"name": "housed", "value": self.words()}, **on},
            {"referral": {"outcome": "helped", "which": self.words()}, **on},
            *({"run": one, **on} for one in inner),
        ]
        return self.dice.choice(kinds)


def clean(seed: int) -> dict[str, Script] | None:
    """Two flows, one of which may run the other; None where a check finds something that a person would notice."""
    maker = ScriptGenerator(seed)
    inner = maker.script("inner", [])
    menu = maker.script("menu", ["inner"])
    assert inner is not None and menu is not None
    scripts = {"inner": inner, "menu": menu}
    for one in scripts.values():
        for problem in check_flow(one, {}, scripts):
            if problem.severity is Severity.ERROR or "nothing is said" in problem.what or "without a word" in problem.what:
                return None
    return scripts


@pytest.mark.parametrize("first", range(0, 900, 300))
def test_it_never_fails_or_falls_silent_where_the_checks_found_nothing(first: int) -> None:
    played = 0
    for seed in range(first, first + 300):
        scripts = clean(seed)
        if scripts is None:
            continue
        played += 1
        flows = {name: Flow(one, {}, at, ZoneInfo("UTC")) for at, (name, one) in enumerate(scripts.items(), 1)}
        library = DraftLibrary(flows, lambda need, *_: ((1, "Card: here"), (2, "Card: there")))
        dice = random.Random(seed)
        talk = Rehearsal(LINE, library, datetime(2026, 11, 23, 16, tzinfo=UTC))
        for text in dice.choices(TEXTS, k=25):
            effects = talk.say(text)
            talk.now += timedelta(minutes=1)
            failed = [effect for effect in effects if isinstance(effect, RaiseAlarm)]
            assert failed == [], (seed, text)
            assert any(isinstance(effect, (Reply, StaySilent, NotifyStaff)) for effect in effects), (seed, text)
    assert played >= 5
