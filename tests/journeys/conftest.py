from __future__ import annotations

import pytest

from tests.support.help_line import HelpLine
from tests.support.team import Worker, hire

DANA = "+13145550121"
"""Her telephone."""


@pytest.fixture
def dana(line: HelpLine) -> Worker:
    """The first member of the team whom an alert goes to."""
    return hire(line, "Dana", DANA, place=1)
