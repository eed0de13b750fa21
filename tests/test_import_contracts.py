"""The import contracts of the packages, the same that `make lint` checks, and what import-linter cannot tell apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from importlinter import cli

from bot.paths import ROOT

SESSION = "sqlalchemy.orm.Session"
"""All that use cases import from SQLAlchemy: they pass it on to storage."""


def test_it_keeps_every_import_contract() -> None:
    assert cli.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True) == 0


def test_use_cases_leave_sql_to_storage() -> None:
    files = sorted((ROOT / "bot/usecases").rglob("*.py"))
    assert files
    forbidden = [f"{path.relative_to(ROOT)}: {name}" for path in files for name in imported_names(path) if builds_sql(name)]
    assert forbidden == []


def builds_sql(name: str) -> bool:
    """Whether an import of this full name lets its module build or run SQL itself."""
    return (name.startswith("sqlalchemy") and name != SESSION) or name == "bot.storage.database.driver_connection"


def imported_names(path: Path) -> Iterator[str]:
    """The full name of each import of this file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
