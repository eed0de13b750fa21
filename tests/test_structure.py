"""What keeps the code easy to find one's way in: small folders, files and functions, and one class for each name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.paths import ROOT

MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 400
MAX_FOLDER_FILES = 20
ROW_AND_IDEA = {"CheckIn", "Consent", "Conversation", "Handoff", "Measure", "Role"}
"""A table's row and the step or state of the same name: one idea on two floors."""


def modules() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "bot").rglob("*.py")):
        yield path.relative_to(ROOT), path.read_text("utf-8")


def test_it_has_no_long_function() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_it_has_no_long_file_and_no_crowded_folder() -> None:
    files: dict[Path, int] = defaultdict(int)
    long = []
    for path, text in modules():
        files[path.parent] += path.name != "__init__.py"
        if text.count("\n") > MAX_FILE_LINES:
            long.append(path)
    assert long == []
    assert {folder: count for folder, count in files.items() if count > MAX_FOLDER_FILES} == {}


def test_it_uses_each_class_name_once() -> None:
    places: dict[str, list[Path]] = defaultdict(list)
    for path, text in modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in ROW_AND_IDEA} == {}


def test_it_says_what_each_package_is_for() -> None:
    silent = [path for path, text in modules() if path.name == "__init__.py" and not ast.get_docstring(ast.parse(text))]
    assert silent == []
