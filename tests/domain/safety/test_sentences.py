from __future__ import annotations

import pytest

from bot.domain.safety import Level, assess, must_alert_staff
from tests.domain.safety.example_files import rules
from tests.paths import ROOT


def sentences(name: str) -> list[str]:
    lines = (ROOT / "safety" / "sentences" / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("text", sentences("must_react.txt"))
def test_it_never_passes_over(text: str) -> None:
    found = assess(rules(), text)
    assert must_alert_staff(found) or found.ask is not None


@pytest.mark.parametrize("text", sentences("must_pass.txt"))
def test_it_lets_pass(text: str) -> None:
    found = assess(rules(), text)
    assert found.level <= Level.DISTRESS
    assert found.ask is None
