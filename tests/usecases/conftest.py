from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from bot.usecases.flow_files import drafts, read_directory, read_folder
from bot.usecases.library import DraftLibrary
from bot.usecases.line import Line, read_line
from tests.shipped import ROOT

ST_LOUIS = ZoneInfo("America/Chicago")


@pytest.fixture(scope="session")
def line() -> Line:
    """The line's own words and rules."""
    return read_line(("en", "es"))


@pytest.fixture(scope="session")
def library() -> DraftLibrary:
    """The shipped flows, straight from their files."""
    folder = read_folder(ROOT / "flows")
    assert not folder.problems, folder.problems
    return drafts(folder, read_directory(ROOT / "directory", ST_LOUIS), ST_LOUIS, "STL Help")
