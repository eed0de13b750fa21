"""The project's folder, and the shared data beside it; tests that need the shared data skip where it is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SHARED_DATA: Final = ROOT.parent / "shared" / "data"
