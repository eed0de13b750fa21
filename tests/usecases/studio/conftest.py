from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from bot.settings import Settings
from tests.demo import Demo, open_demo


@pytest.fixture
def demo(settings: Settings) -> Iterator[Demo]:
    with open_demo(settings) as opened:
        yield opened


@pytest.fixture
def db(demo: Demo) -> Iterator[Session]:
    with demo.db() as session:
        yield session
