"""Moves flows between a folder (a repository) and a running Warmline without losing changes.

Both sides change: files in an editor, flows in the console. `.line.json` in the folder records their last common state, as
git does for a branch and its remote: what changed on one side only may move; what changed on both is refused until the
caller says which side wins. Without that record (a fresh checkout, a CI machine) the published history serves: a file equal
to a published version has not been changed since, and a version that came from files may be replaced by files.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.script import STEP_NAME
from bot.domain.flows.wording.translating import LANGUAGE
from bot.domain.refused import Refused
from bot.storage.flows import drafts, flows
from bot.storage.flows.drafts import Draft, DraftAuthor
from bot.storage.flows.flows import PublicationMethod, StoredFlow
from bot.usecases.flows.files import FlowFile, FlowFolder
from bot.usecases.studio import edit_draft

SYNC_FILE = ".line.json"
PUSH = DraftAuthor("push")
_PATH = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*")
_SYNC_FILE_NOTE = "What this folder and the line had in common when they last met; `warmline flows pull` and `push` keep it."


class Conflict(Exception):
    """Both sides have changed; each sentence names a flow and the remedy. Nothing has been written."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """A flow at the last common state of folder and line: the digests of what was published and of the files.

    They are equal unless the files were pushed as a draft.
    """

    line: str
    folder: str


def read_sync_records(root: Path) -> dict[str, SyncRecord]:
    """The folder's record by flow; empty if the file is missing. Raises Conflict if it can't be read."""
    try:
        kept = json.loads((root / SYNC_FILE).read_text("utf-8"))["flows"]
        return {str(flow): SyncRecord(str(met["line"]), str(met["folder"])) for flow, met in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{root.name}/{SYNC_FILE} can't be read. Delete it: the line's own history serves instead."
        raise Conflict([said]) from error


def sync_file_text(records: Mapping[str, SyncRecord]) -> str:
    kept = {flow: {"line": met.line, "folder": met.folder} for flow, met in sorted(records.items())}
    return json.dumps({"about": _SYNC_FILE_NOTE, "flows": kept}, indent=2) + "\n"


def published_flows(db: Session) -> dict[str, StoredFlow]:
    """Every published flow, by name."""
    found = (flows.load_version(db, version) for version in flows.current_version_ids(db))
    return {stored.name: stored for stored in sorted((one for one in found if one), key=lambda one: one.name)}


# Pulling from the line into the folder.


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull writes: path below the folder -> text, None to delete the file. `changed` names the flows."""

    changed: tuple[str, ...]
    files: Mapping[str, str | None]
    records: Mapping[str, SyncRecord]


def pull(db: Session, folder: FlowFolder, records: Mapping[str, SyncRecord], *, overwrite: bool = False) -> PullResult:
    """What was published since the last common state, and the resulting files. Raises Conflict if files changed too."""
    known, files, changed, clashes = dict(records), dict[str, str | None](), list[str](), list[str]()
    live = published_flows(db)
    for name, stored in live.items():
        published_digest, file = flows.content_digest(stored.content), folder.flows.get(name)
        folder_digest = flows.content_digest(file.content) if file else ""
        if folder_digest != published_digest:
            record = records.get(name)
            if not overwrite and record is not None and record.line == published_digest:
                continue
            if not overwrite and not _is_untouched(db, name, folder_digest, record):
                clashes.append(_conflict_text(name, "pull", file is None))
                continue
            changed.append(name)
            files |= _files_to_write(name, stored.content, file)
        known[name] = SyncRecord(published_digest, published_digest)
    clashes += _path_problems(folder, {name: live[name].content for name in changed})
    if clashes:
        raise Conflict(clashes)
    return PullResult(tuple(changed), files, known)


def _is_untouched(db: Session, name: str, folder_digest: str, record: SyncRecord | None) -> bool:
    """Whether the files of a flow hold nothing that was never published."""
    if record is not None:
        return folder_digest == record.folder
    return not folder_digest or folder_digest in _published_digests(db, name)


def _published_digests(db: Session, name: str) -> set[str]:
    stored = (flows.load_version(db, version) for version, _, _ in flows.list_versions(db, name))
    return {flows.content_digest(one.content) for one in stored if one}


def _conflict_text(name: str, command: str, is_gone: bool = False) -> str:
    did = "its file was deleted here" if is_gone else "the files here were changed"
    other = "the line's version" if command == "pull" else "the files"
    return (
        f"`{name}`: {did}, and so was the flow on the line. Look with `warmline flows diff`, bring the two together, or "
        f"take {other} with `warmline flows {command} --overwrite`."
    )


def _files_to_write(name: str, content: FlowContent, file: FlowFile | None) -> dict[str, str | None]:
    """Path -> new text, for a flow's files that differ; None for one to delete."""
    stem = Path(file.file).stem if file else name
    before = _files_of(stem, file.content) if file else {}
    after = _files_of(stem, content)
    changed: dict[str, str | None] = {path: text for path, text in after.items() if before.get(path) != text}
    return changed | {path: None for path in before if path not in after}


def _files_of(stem: str, content: FlowContent) -> dict[str, str]:
    """A flow's files: path below the folder -> text."""
    return {
        f"{stem}.yaml": content.source,
        **{f"translations/{language}/{stem}.po": text for language, text in sorted(content.translations.items())},
        **{f"transcripts/{name}.txt": text for name, text in sorted(content.transcripts.items())},
    }


def _path_problems(folder: FlowFolder, contents: Mapping[str, FlowContent]) -> list[str]:
    """Why these flows can't be stored side by side: names that are not valid file names, transcripts of the same name."""
    said = []
    owners = {name: flow for flow, file in folder.flows.items() if flow not in contents for name in file.content.transcripts}
    for flow, content in contents.items():
        if not re.fullmatch(STEP_NAME, flow) or not all(LANGUAGE.fullmatch(one) for one in content.translations):
            said.append(f"`{flow}`: the name of the flow or of one of its languages can't be the name of a file.")
        for name in content.transcripts:
            if not _PATH.fullmatch(name):
                said.append(f"`{flow}`: its transcript `{name}` can't be the name of a file. Rename it in the console.")
            if name in owners:
                where = f"`{owners[name]}` has a transcript of that name too"
                said.append(f"`{flow}`: its transcript `{name}` has no place: {where}. Rename one of them.")
            owners[name] = flow
    return said


def write_files(root: Path, files: Mapping[str, str | None], records: Mapping[str, SyncRecord]) -> None:
    """Writes files below `root` (None deletes), then the record. Raises OSError, and then nothing has changed: everything is
    written to temporary files first and moved into place once the last one is on disk.
    """
    texts = {path: text for path, text in files.items() if text is not None} | {SYNC_FILE: sync_file_text(records)}
    if (root / SYNC_FILE).is_file() and (root / SYNC_FILE).read_text("utf-8") == texts[SYNC_FILE]:
        del texts[SYNC_FILE]
    ready: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            ready.append(_write_temporary(root / path, text))
        for temporary, target in ready:
            temporary.replace(target)
    finally:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)
    for path in (path for path, text in files.items() if text is None):
        (root / path).unlink(missing_ok=True)


def _write_temporary(target: Path, text: str) -> tuple[Path, Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    with os.fdopen(number, "wb") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    # mkstemp creates private files; a repository's files are readable by all.
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    Path(name).chmod(mode)
    return Path(name), target


# Pushing from the folder to the line.


def flows_to_push(
    db: Session, folder: FlowFolder, records: Mapping[str, SyncRecord], *, overwrite: bool = False
) -> dict[str, FlowContent]:
    """The flows whose files differ from what is published. Raises Conflict if something newer has been published.

    The caller must hold the publishing lock if it publishes them.
    """
    live = published_flows(db)
    found: dict[str, FlowContent] = {}
    clashes: list[str] = []
    for name, file in folder.flows.items():
        stored, draft, record = live.get(name), drafts.find(db, name), records.get(name)
        folder_digest = flows.content_digest(file.content)
        published_digest = flows.content_digest(stored.content) if stored else ""
        if folder_digest == published_digest:
            continue
        if not overwrite:
            if record is not None and folder_digest == record.folder and published_digest != record.line:
                # The files are unchanged but behind; a pull updates them.
                continue
            if not _may_replace(db, name, published_digest, record):
                clashes.append(_conflict_text(name, "push"))
                continue
            if draft is not None and (obstacle := _draft_obstacle(draft, stored, folder_digest, record)):
                clashes.append(obstacle)
                continue
        found[name] = file.content
    if clashes:
        raise Conflict(clashes)
    return found


def _may_replace(db: Session, name: str, published_digest: str, record: SyncRecord | None) -> bool:
    """Whether files may replace the published version: it is the last common state, or it came from files itself."""
    if record is not None:
        return published_digest == record.line
    holds = flows.current_publication(db, name)
    return holds is None or holds.how in flows.FILE_METHODS


def _draft_obstacle(draft: Draft, stored: StoredFlow | None, folder_digest: str, record: SyncRecord | None) -> str:
    """Why a draft in the console must not be overwritten; "" if nothing in it would be lost."""
    holds = flows.content_digest(draft.revision.content)
    pushed_before = draft.revision.by == PUSH.name and (record is None or holds == record.folder)
    if holds == folder_digest or pushed_before or (stored is not None and holds == flows.content_digest(stored.content)):
        return ""
    return (
        f"`{draft.flow}`: {draft.revision.by} works on a draft of it in the console. Have it published or thrown away "
        "there, or say that the files win with `warmline flows push --overwrite`; the draft keeps its history."
    )


def push_drafts(db: Session, contents: Mapping[str, FlowContent], now: datetime, by: DraftAuthor = PUSH) -> tuple[str, ...]:
    """Makes each of these the draft of its flow; returns the names of those that changed."""
    changed = []
    for name, content in contents.items():
        before = drafts.lock(db, name)
        if before is None and flows.current_version(db, name) is None:
            try:
                edit_draft.new_flow(db, name, content, "Pushed from files", by, now)
            except Refused as refused:
                raise Conflict([str(refused)]) from refused
            changed.append(name)
            continue
        number = before.revision.number if before else 0
        edit_draft.change(db, name, number, "Pushed from files", _replace_with(content), by, now)
        if before is None or before.revision.content != content:
            changed.append(name)
    return tuple(changed)


def _replace_with(content: FlowContent) -> edit_draft.DraftEdit:
    return lambda _before: content


def push_published(
    db: Session, contents: Mapping[str, FlowContent], now: datetime, *, why: str, reasons: Mapping[str, Mapping[str, str]],
    by: DraftAuthor = PUSH,
) -> tuple[str, ...]:  # fmt: skip
    """Publishes these, which were checked under the publishing lock; their drafts follow.

    `reasons` are stored as in `publish_drafts`.
    """
    changed = []
    for name, content in contents.items():
        if drafts.lock(db, name) is not None:
            push_drafts(db, {name: content}, now, by)
        version = flows.publish(db, name, content, by.name, now, how=PublicationMethod.PUSHED, why=why, reasons=reasons)
        if version is None:
            continue
        changed.append(name)
        if drafts.find(db, name) is not None:
            drafts.set_base_version(db, name, version)
    return tuple(changed)


def records_after_push(
    db: Session, folder: FlowFolder, records: Mapping[str, SyncRecord], pushed: Collection[str]
) -> dict[str, SyncRecord]:
    """The folder's record after a push: the pushed flows, and those that are equal on both sides."""
    known = dict(records)
    live = published_flows(db)
    for name, file in folder.flows.items():
        folder_digest = flows.content_digest(file.content)
        published_digest = flows.content_digest(live[name].content) if name in live else ""
        if name in pushed or folder_digest == published_digest:
            known[name] = SyncRecord(published_digest, folder_digest)
    return known


# Differences.


@dataclass(frozen=True, slots=True)
class FlowDifference:
    """A flow that differs between the two sides. `files` is path -> (text on the line, text here), None if there is no such
    file.
    """

    flow: str
    only_on: str
    """"here", "there", or "" where both have it."""
    files: Mapping[str, tuple[str | None, str | None]]


def list_differences(db: Session, folder: FlowFolder) -> list[FlowDifference]:
    """How the folder differs from what is published, by flow."""
    live = published_flows(db)
    found = []
    for name in sorted({*live, *folder.flows}):
        stored, file = live.get(name), folder.flows.get(name)
        stem = Path(file.file).stem if file else name
        there = _files_of(stem, stored.content) if stored else {}
        here = _files_of(stem, file.content) if file else {}
        paths = [path for path in dict.fromkeys([*here, *there]) if here.get(path) != there.get(path)]
        if paths:
            only = "here" if stored is None else "there" if file is None else ""
            found.append(FlowDifference(name, only, {path: (there.get(path), here.get(path)) for path in paths}))
    return found
