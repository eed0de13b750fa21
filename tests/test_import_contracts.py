"""The rooms' import contract, the same that `make lint` checks."""

from __future__ import annotations

from importlinter import cli


def test_it_keeps_every_import_contract() -> None:
    assert cli.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True) == 0
