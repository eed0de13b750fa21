from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.settings import Settings
from tests.doubles import FrozenClock
from tests.helpline import HelpLine, open_line


@pytest.fixture
def line(settings: Settings, clock: FrozenClock) -> Iterator[HelpLine]:
    """The whole line, with Twilio's stand-in at its edge."""
    with open_line(settings, clock) as opened:
        yield opened
