from __future__ import annotations

import pytest

from tests.helpline import HelpLine
from tests.team import Worker, hire

DANA = "+13145550121"
"""Her telephone."""


@pytest.fixture
def dana(line: HelpLine) -> Worker:
    """The first of the team to be called."""
    return hire(line, "Dana", DANA, place=1)
