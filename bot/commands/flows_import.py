"""`warmline flows import`: import flows of other products as drafts, with a report on each of their parts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from bot.commands.common import load_attached_settings, open_database
from bot.domain.flows.importing.detect import MAX_BYTES
from bot.domain.flows.importing.report import NotImportable
from bot.domain.refused import Refused
from bot.operations.clock import SystemClock
from bot.storage.flows.drafts import DraftAuthor
from bot.usecases.studio import import_flows
from bot.usecases.studio.import_flows import ImportedFlow, ImportResult

_FATES = {"carried": "carried over", "approximated": "approximated", "left_out": "left out"}


@dataclass(slots=True)
class _FileResult:
    """The result for one file: its flows and where each was put (`places`), or the reason why it was refused."""

    file: str
    result: ImportResult | None = None
    reason: str = ""
    places: tuple[str, ...] = ()


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--report", type=click.Choice(["text", "json"]), default="text", help="How the report is written.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="The folder for the drafts (imported/). No file is overwritten."
)
@click.option("--line", "to_line", is_flag=True, help="Make drafts on the running line, in place of files.")
def import_command(files: tuple[Path, ...], report: str, into: Path | None, to_line: bool) -> None:
    """Make drafts of flows of Twilio Studio, RapidPro, TextIt or Flow Interop, and tell what became of each part."""
    if to_line and into:
        raise Refused("Give --into or --line, not both.")
    outcomes = [_read(path) for path in files]
    if to_line:
        try:
            _save_drafts(outcomes)
        except Refused as refusal:
            # Warmline is not running here. The JSON report must say so too, for each file.
            for outcome in outcomes:
                outcome.result, outcome.reason = None, outcome.reason or str(refusal)
    else:
        for outcome in outcomes:
            _write_files(outcome, into or Path("imported"))
    click.echo(_as_json(outcomes) if report == "json" else _as_text(outcomes))
    refused = [outcome for outcome in outcomes if outcome.result is None]
    if refused:
        raise Refused("\n".join(_replace_unencodable(outcome.reason) for outcome in refused))


def _read(path: Path) -> _FileResult:
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise NotImportable(f"{path.name} has {path.stat().st_size:,} bytes. Keep it under {MAX_BYTES:,}.")
        return _FileResult(str(path), import_flows.import_file(raw, path.name))
    except OSError as error:
        return _FileResult(str(path), reason=f"{path.name} can't be read: {error.strerror}.")
    except NotImportable as refusal:
        return _FileResult(str(path), reason=str(refusal))


# Writing the drafts.


def _save_drafts(outcomes: list[_FileResult]) -> None:
    now = SystemClock().now()
    with open_database(load_attached_settings()) as opened:
        for outcome in outcomes:
            if outcome.result is None:
                continue
            try:
                with opened.transaction() as db:
                    names = import_flows.create_drafts(db, None, outcome.result, DraftAuthor("import"), now)
            except NotImportable as refusal:
                outcome.result, outcome.reason = None, str(refusal)
            else:
                outcome.places = tuple(f"the draft {name} on the line" for name in names)


def _write_files(outcome: _FileResult, folder: Path) -> None:
    """Write YAML and PO files under unused names."""
    if outcome.result is None:
        return
    try:
        import_flows.assign_names(outcome.result, lambda name: _is_free(folder, name))
        for flow in outcome.result.flows:
            _write(folder / f"{flow.stored_name}.yaml", flow.content.source)
            for language, text in flow.content.translations.items():
                _write(folder / "translations" / language / f"{flow.stored_name}.po", text)
    except OSError as error:
        outcome.result, outcome.reason = None, f"{folder}: can't be written: {error.strerror}."
    else:
        outcome.places = tuple(str(folder / f"{flow.stored_name}.yaml") for flow in outcome.result.flows)


def _is_free(folder: Path, name: str) -> bool:
    return not (folder / f"{name}.yaml").exists() and not any(folder.glob(f"translations/*/{name}.po"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as opened:
        opened.write(text)


# The report.


def _as_json(outcomes: list[_FileResult]) -> str:
    return json.dumps({"files": [_file_row(outcome) for outcome in outcomes]}, indent=1)


def _file_row(outcome: _FileResult) -> dict[str, object]:
    result = outcome.result
    rows = [_flow_row(flow, place) for flow, place in zip(result.flows, outcome.places, strict=True)] if result else []
    return {"file": outcome.file, "ok": result is not None, "reason": outcome.reason, "flows": rows}


def _flow_row(flow: ImportedFlow, place: str) -> dict[str, object]:
    return {
        "name": flow.stored_name,
        "title": flow.title,
        "draft": place,
        "clean": flow.is_clean,
        "missing": list(flow.missing),
        "problems": [f"{problem.severity.value}: {problem}" for problem in flow.problems],
        "items": [
            {"node": item.node, "kind": item.kind, "fate": item.status.value, "how": item.remark, "step": item.step}
            for item in flow.items
        ],
    }


def _as_text(outcomes: list[_FileResult]) -> str:
    rows: list[str] = []
    for outcome in outcomes:
        rows.append(
            f"{outcome.file}: {'refused' if outcome.result is None else _pluralize(len(outcome.result.flows), 'flow')}"
        )
        if outcome.result is not None:
            for flow, place in zip(outcome.result.flows, outcome.places, strict=True):
                rows += _flow_text(flow, place)
    return _replace_unencodable("\n".join(rows))


def _flow_text(flow: ImportedFlow, place: str) -> list[str]:
    counts = ", ".join(f"{flow.count(fate)} {words}" for fate, words in _FATES.items())
    other = f" (there is a `{flow.name}` already)" if flow.stored_name != flow.name else ""
    rows = [f"  {flow.title} -> {place}{other}: {counts}"]
    rows += [f"    missing: {what}" for what in flow.missing]
    for item in flow.items:
        step = f" -> {item.step}" if item.step else ""
        rows.append(
            f"    {_FATES[item.status.value]}: {item.node} ({item.kind}){step}{': ' + item.remark if item.remark else ''}"
        )
    warnings = len(flow.problems)
    if warnings:
        rows.append(f"    {_pluralize(warnings, 'thing')} for your judgement; `warmline flows check` names them.")
    return rows


def _pluralize(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _replace_unencodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


COMMANDS = (import_command,)
