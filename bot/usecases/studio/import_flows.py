"""Turns files of other products into checked drafts with free names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bot.domain.flows.checks.checks import check_flow
from bot.domain.flows.importing.detect import read_flows
from bot.domain.flows.importing.drafting.draft import MAX_NAME_LENGTH
from bot.domain.flows.importing.report import ImportedDraft, ImportItem, NotImportable
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.reader import lines_of, read_flow, read_translations
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.yaml_source import FlowProblem, Severity
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import edit_draft


@dataclass(slots=True)
class ImportedFlow:
    """One flow of the file, with the check results of its draft. `stored_name` is the name under which it is stored."""

    name: str
    title: str
    content: FlowContent
    items: tuple[ImportItem, ...]
    missing: tuple[str, ...]
    problems: tuple[FlowProblem, ...]
    stored_name: str

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing and no check finds an error."""
        return not self.missing and all(problem.severity is not Severity.ERROR for problem in self.problems)

    def count(self, status: str) -> int:
        """The number of items with this status (`carried`, `approximated`, `left_out`)."""
        return sum(item.status == status for item in self.items)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """All flows of one file, in file order."""

    file: str
    flows: tuple[ImportedFlow, ...]


def import_file(raw: bytes, file: str) -> ImportResult:
    """Reads the flows of this file as checked drafts; stores nothing. Raises NotImportable with a sentence for the admin."""
    made = read_flows(raw, file)
    scripts = {flow.name: read_flow(flow.content.source, f"{flow.name}.yaml") for flow in made}

    return ImportResult(file, tuple(_check_flow(flow, scripts) for flow in made))


def _check_flow(flow: ImportedDraft, scripts: Mapping[str, Script]) -> ImportedFlow:
    file = f"{flow.name}.yaml"
    read = {code: read_translations(text, f"{code}/{flow.name}.po") for code, text in flow.content.translations.items()}
    problems = check_flow(scripts[flow.name], read, scripts, file=file, lines=lines_of(flow.content.source, file))
    return ImportedFlow(flow.name, flow.title, flow.content, flow.items, flow.missing, tuple(problems), flow.name)


def assign_names(imported: ImportResult, is_free: Callable[[str], bool]) -> None:
    """Gives every flow a free name, in its source too; other flows of the file that run it follow."""
    names: dict[str, str] = {}
    for flow in imported.flows:
        names[flow.name] = _free_name(flow.name, lambda name: is_free(name) and name not in names.values())
    for flow in imported.flows:
        flow.stored_name = names[flow.name]
        flow.content = rename_flows(flow.content, names)


def _free_name(name: str, is_free: Callable[[str], bool]) -> str:
    number, found = 1, name
    while not is_free(found):
        number += 1
        found = f"{name[: MAX_NAME_LENGTH - len(str(number)) - 1]}_{number}"
    return found


def rename_flows(content: FlowContent, names: dict[str, str]) -> FlowContent:
    """The content of an import with flows renamed. Only for sources that the import itself has written."""

    def other(found: re.Match[str]) -> str:
        return f"{found[1]}{names.get(found[2], found[2])}"

    source = re.sub(r"\A(flow: )([a-z0-9_]+)$", other, content.source, count=1, flags=re.MULTILINE)
    return replace(content, source=re.sub(r"^(    run: )([a-z0-9_]+)$", other, source, flags=re.MULTILINE))


def create_drafts(db: Session, context: object, imported: ImportResult, by: DraftAuthor, now: datetime) -> list[str]:
    """Begins a draft for every flow and returns the names, which may differ from those in the file.

    Raises NotImportable if another admin took a name at the same moment.
    """
    assign_names(imported, lambda name: flows.current_version(db, name) is None and drafts.find(db, name) is None)
    for flow in imported.flows:
        try:
            edit_draft.new_flow(db, flow.stored_name, flow.content, f"Imported from {imported.file}"[:200], by, now)
        except Refused as refused:
            raise NotImportable(f"{refused} Import the file once more.") from refused
    return stored_names(imported.flows)


def stored_names(imported: Iterable[ImportedFlow]) -> list[str]:
    """The names under which the flows are stored."""
    return [flow.stored_name for flow in imported]
