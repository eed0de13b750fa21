from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.console import make_staff, signed_in
from tests.support.demo import Demo


@pytest.fixture
def rosa(demo: Demo) -> int:
    """A social worker of the housing team."""
    return make_staff(demo.runtime, "rosa@example.org", teams=["housing"])


@pytest.fixture
def browser(demo: Demo, rosa: int) -> FlaskClient:
    """A browser in which she is signed in."""
    return signed_in(demo.app, rosa)
