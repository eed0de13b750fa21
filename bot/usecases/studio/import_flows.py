"""Files of other products become drafts, checked, under names that are free."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flow_checks import check
from bot.domain.flow_content import FlowContent
from bot.domain.flow_import.detect import read_any
from bot.domain.flow_import.drafting import LONGEST_NAME
from bot.domain.flow_import.report import Imported, Item, NotImportable
from bot.domain.flow_reader import lines_of, read_flow, read_translations
from bot.domain.flow_yaml import Problem, Severity
from bot.domain.script import Script
from bot.storage import drafts, flows
from bot.storage.drafts import Author
from bot.usecases.studio import edit_draft


@dataclass(slots=True)
class ImportedFlow:
    """One flow of the file, and what the checks say of its draft. `placed` is the name that it got where it was put."""

    name: str
    title: str
    content: FlowContent
    items: tuple[Item, ...]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]
    placed: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing and no check finds an error."""
        return not self.missing and all(problem.severity is not Severity.ERROR for problem in self.problems)

    def count(self, fate: str) -> int:
        """How many things are told of this fate (`carried`, `approximated`, `left_out`)."""
        return sum(item.fate == fate for item in self.items)


@dataclass(frozen=True, slots=True)
class Result:
    """All flows of one file, in its order."""

    file: str
    flows: tuple[ImportedFlow, ...]


def import_file(raw: bytes, file: str) -> Result:
    """The flows of this file as checked drafts; nothing is kept yet. Raises NotImportable with a sentence for an admin."""
    made = read_any(raw, file)
    scripts = {flow.name: read_flow(flow.content.source, f"{flow.name}.yaml") for flow in made}

    return Result(file, tuple(_checked(flow, scripts) for flow in made))


def _checked(flow: Imported, scripts: Mapping[str, Script]) -> ImportedFlow:
    file = f"{flow.name}.yaml"
    read = {code: read_translations(text, f"{code}/{flow.name}.po") for code, text in flow.content.translations.items()}
    problems = check(scripts[flow.name], read, scripts, file=file, lines=lines_of(flow.content.source, file))
    return ImportedFlow(flow.name, flow.title, flow.content, flow.items, flow.missing, tuple(problems), flow.name)


def place(imported: Result, is_free: Callable[[str], bool]) -> None:
    """Gives every flow a name that is free, in its source too; flows of the file that run it follow."""
    names: dict[str, str] = {}
    for flow in imported.flows:
        names[flow.name] = _free(flow.name, lambda name: is_free(name) and name not in names.values())
    for flow in imported.flows:
        flow.placed = names[flow.name]
        flow.content = renamed(flow.content, names)


def _free(name: str, is_free: Callable[[str], bool]) -> str:
    number, found = 1, name
    while not is_free(found):
        number += 1
        found = f"{name[: LONGEST_NAME - len(str(number)) - 1]}_{number}"
    return found


def renamed(content: FlowContent, names: dict[str, str]) -> FlowContent:
    """The content of an import with other names of flows. Only for sources that the import itself has written."""

    def other(found: re.Match[str]) -> str:
        return f"{found[1]}{names.get(found[2], found[2])}"

    source = re.sub(r"\A(flow: )([a-z0-9_]+)$", other, content.source, count=1, flags=re.MULTILINE)
    return replace(content, source=re.sub(r"^(    run: )([a-z0-9_]+)$", other, source, flags=re.MULTILINE))


def put_drafts(db: Session, desk: object, imported: Result, by: Author, now: datetime) -> list[str]:
    """Begins a draft for every flow and gives their names, which may differ from those of the file.

    `desk` is the line that they are for. Raises NotImportable where somebody took a name in this very moment.
    """
    place(imported, lambda name: flows.published(db, name) is None and drafts.find(db, name) is None)
    for flow in imported.flows:
        try:
            edit_draft.new_flow(db, flow.placed, flow.content, f"Imported from {imported.file}"[:200], by, now)
        except edit_draft.Unfit as unfit:
            raise NotImportable(f"{unfit} Import the file once more.") from unfit
    return names_of(imported.flows)


def names_of(imported: Iterable[ImportedFlow]) -> list[str]:
    """The names that the flows were given."""
    return [flow.placed for flow in imported]
