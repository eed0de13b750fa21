"""Where Warmline's own files are: flows, words, safety rules, templates, migrations."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
