from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from tests.support.demo import Demo


@pytest.fixture
def db(demo: Demo) -> Iterator[Session]:
    """One transaction of a line whose flows are published."""
    with demo.db() as session:
        yield session
