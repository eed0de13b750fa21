"""What a test says of an act that must not be possible."""

from __future__ import annotations

import pytest

from bot.domain.refused import Refused


def refuses(reason: str) -> pytest.RaisesExc[Refused]:
    """Like `pytest.raises`: the block must be refused for exactly this reason."""
    return pytest.raises(Refused, check=lambda error: error.reason == reason)
