"""Flows as files: a folder of YAML, PO translations and transcripts, like `flows/`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from bot.domain.conversation.transcript import Transcript, read_transcript
from bot.domain.flows.checks import checks
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import lines_of, read_flow
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.translations import Translations, read_translations
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowError, FlowProblem
from bot.domain.languages import SOURCE_LANGUAGE
from bot.domain.suggestion import nearest
from bot.usecases.flows.library import DraftLibrary


@dataclass(frozen=True, slots=True)
class FlowFile:
    """The files of one flow. `translations` are PO texts by language, `transcripts` texts by name (`en/food`)."""

    file: str
    source: str
    script: Script
    translations: dict[str, str]
    parsed_translations: dict[str, Translations]
    transcripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> FlowContent:
        """The content as versions and drafts store it."""
        return FlowContent(self.source, self.translations, self.transcripts)


@dataclass(frozen=True, slots=True)
class FlowFolder:
    """What could be read of a folder, and the problems with the rest."""

    flows: Mapping[str, FlowFile]
    transcripts: Mapping[str, Transcript]
    problems: tuple[FlowProblem, ...]


def read_folder(root: Path) -> FlowFolder:
    """Read `root` (`*.yaml`, `translations/<language>/<flow>.po`, `transcripts/**/*.txt`). Problems are returned."""
    problems: list[FlowProblem] = []
    flows: dict[str, FlowFile] = {}
    for path in sorted(root.glob("*.yaml")):
        name = f"{root.name}/{path.name}"
        try:
            flow = _read_flow_file(root, path, name)
        except FlowError as error:
            problems += error.problems
            continue
        if flow.script.flow in flows:
            other = flows[flow.script.flow].file
            problems.append(FlowProblem(name, 1, f"The flow `{flow.script.flow}` is in {other} too.", "Rename one of them."))
        flows[flow.script.flow] = flow
    transcripts: dict[str, Transcript] = {}
    texts: dict[str, str] = {}
    for path in sorted((root / "transcripts").rglob("*.txt")):
        name = str(path.relative_to(root.parent))
        try:
            texts[name] = _read_text(path, name)
            transcripts[name] = read_transcript(texts[name], name)
        except FlowError as error:
            problems += error.problems
    if not flows and not problems:
        problems.append(FlowProblem(str(root.name), 1, "There is no flow in this folder.", "Put a .yaml file into it."))
    owned = _assign_transcripts(flows, transcripts, problems)
    below = f"{root.name}/transcripts/"
    whole = {
        flow: replace(file, transcripts={name[len(below) : -len(".txt")]: texts[name] for name in owned.get(flow, ())})
        for flow, file in flows.items()
    }
    return FlowFolder(whole, transcripts, tuple(problems))


def _assign_transcripts(
    flows: Mapping[str, FlowFile], transcripts: Mapping[str, Transcript], problems: list[FlowProblem]
) -> dict[str, list[str]]:
    """Transcripts by flow: the one named in their head, else the menu flow. Appends a problem for each unknown flow."""
    menu = next((name for name, flow in flows.items() if flow.script.menu), None)
    owned: dict[str, list[str]] = {}
    is_whole = not problems
    for name, transcript in transcripts.items():
        flow = transcript.flow or menu
        if flow in flows:
            owned.setdefault(str(flow), []).append(name)
        elif is_whole and transcript.flow:
            near = nearest(transcript.flow, list(flows))
            remedy = f"Did you mean `{near}`?" if near else f"It is one of: {', '.join(flows)}."
            problems.append(FlowProblem(name, 1, f"There is no flow `{transcript.flow}` here.", remedy))
    return owned


def _read_bytes(path: Path, name: str) -> bytes:
    """The file's bytes. Raises FlowError for one that is too large, which is not read to the end, or cannot be read."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        size = path.stat().st_size
    except OSError as error:
        what = f"The file can't be read: {error.strerror}."
        raise FlowError([FlowProblem(name, 1, what, "Allow it to be read, or take it out of the folder.")]) from error
    if len(raw) > MAX_BYTES:
        what, remedy = f"The file has {size:,} bytes.", f"Keep it under {MAX_BYTES:,}, or take it out of the folder."
        raise FlowError([FlowProblem(name, 1, what, remedy)])
    return raw


def _read_text(path: Path, name: str) -> str:
    try:
        # Line ends as `read_text` normalises them.
        return _read_bytes(path, name).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        what = "A character in this file is not UTF-8."
        raise FlowError([FlowProblem(name, 1, what, "Save the file with the encoding UTF-8.")]) from error


def _read_flow_file(root: Path, path: Path, name: str) -> FlowFile:
    source = _read_bytes(path, name)
    script = read_flow(source, name)
    translations: dict[str, str] = {}
    read: dict[str, Translations] = {}
    for po in sorted(root.glob(f"translations/*/{path.stem}.po")):
        language, file = po.parent.name, str(po.relative_to(root.parent))
        translations[language] = _read_text(po, file)
        read[language] = read_translations(translations[language], file)
    return FlowFile(name, source.decode("utf-8"), script, translations, read)


def check_folder(folder: FlowFolder, languages: Collection[str] = ()) -> list[FlowProblem]:
    """What the checks say about every flow of the folder, in the order of files and lines.

    Safety texts must exist in each of `languages`.
    """
    scripts = {name: flow.script for name, flow in folder.flows.items()}
    problems = list(folder.problems)
    for flow in folder.flows.values():
        lines = lines_of(flow.source, flow.file)
        problems += checks.check_flow(
            flow.script, flow.parsed_translations, scripts, file=flow.file, lines=lines, languages=languages
        )
    menus = [flow.file for flow in folder.flows.values() if flow.script.menu]
    if len(menus) != 1 and folder.flows:
        said = "Two flows have `menu: true`: " + ", ".join(menus) if menus else "No flow has `menu: true`"
        problems.append(
            FlowProblem(menus[0] if menus else "flows", 1, f"{said}.", "Set it in the one that people meet first.")
        )
    return problems


def build_draft_library(
    folder: FlowFolder, services: list[dict[str, Any]], timezone: ZoneInfo, line_name: str
) -> DraftLibrary:
    """The folder's flows ready to run without a database, with the directory's cards."""
    flows = {
        name: Flow(flow.script, flow.parsed_translations, number, timezone, line_name)
        for number, (name, flow) in enumerate(sorted(folder.flows.items()), 1)
    }

    def cards(need: str, near: str | None, limit: int, language: str, now: datetime) -> tuple[tuple[int, str], ...]:
        fitting = [
            (number, service)
            for number, service in enumerate(services, 1)
            if need in service["needs"] and service["verified"] and service["review_by"] > now and _serves(service, near)
        ]
        fitting.sort(key=lambda item: (not item[1]["zips"], item[0]))
        return tuple(
            (n, service["cards"].get(language) or service["cards"][SOURCE_LANGUAGE]) for n, service in fitting[:limit]
        )

    return DraftLibrary(flows, cards)


def _serves(service: Mapping[str, Any], near: str | None) -> bool:
    return not service["zips"] or any((near or "").startswith(prefix) for prefix in service["zips"])


def read_directory_files(root: Path, timezone: ZoneInfo) -> list[dict[str, Any]]:
    """The services of `directory/*.yaml` as rows of `storage.services`. Raises FlowError naming file and remedy."""
    rows: list[dict[str, Any]] = []
    for path in sorted(root.glob("*.yaml")):
        name = f"{root.name}/{path.name}"
        for service in yaml.safe_load(path.read_text("utf-8")).get("services", []):
            rows.append(_service_row(service, name, timezone))
    return rows


def _service_row(row: Mapping[str, Any], file: str, timezone: ZoneInfo) -> dict[str, Any]:
    missing = [key for key in ("slug", "name", "needs", "area", "card", "source", "review_by", "verified") if key not in row]
    if missing or SOURCE_LANGUAGE not in row["card"] or not isinstance(row["review_by"], date):
        what = f"The service {row.get('slug', '?')} lacks {', '.join(missing) or 'an English card or a date of review'}."
        raise FlowError(
            [FlowProblem(file, 1, what, "Every service has slug, name, needs, area, card, source, review_by, verified.")]
        )
    area = row["area"]
    return {
        "slug": row["slug"],
        "name": row["name"],
        "needs": list(row["needs"]),
        "zips": [] if area == "everywhere" else [str(zip_code) for zip_code in area],
        "cards": dict(row["card"]),
        "verified": row["verified"] in (True, "yes"),
        # Valid to the end of that day, in the city's time.
        "review_by": datetime.combine(row["review_by"], time(23, 59), timezone),
        "source": row["source"],
    }
