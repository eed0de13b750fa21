from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from bot.usecases.flows.files import build_draft_library, read_directory_files
from bot.usecases.flows.library import DraftLibrary
from bot.usecases.system_texts import SystemTexts, read_system_texts
from tests.paths import ROOT
from tests.support.console import make_staff
from tests.support.shipped_content import shipped_flows

ST_LOUIS = ZoneInfo("America/Chicago")


@pytest.fixture(scope="session")
def line() -> SystemTexts:
    """The line's system texts and safety rules."""
    return read_system_texts(("en", "es"))


@pytest.fixture(scope="session")
def library() -> DraftLibrary:
    """The shipped flows, read from their files."""
    folder = shipped_flows()
    assert not folder.problems, folder.problems
    return build_draft_library(folder, read_directory_files(ROOT / "directory", ST_LOUIS), ST_LOUIS, "STL Help")


@pytest.fixture
def rosa(db: Session) -> int:
    """A social worker of the housing team."""
    return make_staff(db, "rosa@example.org", teams=["housing"])
