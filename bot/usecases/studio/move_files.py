"""Flows move between a folder (a repository) and a running line, and nobody's work is lost on the way.

Both sides change: files in an editor, flows in the console. `.line.json` in the folder keeps what the two had in common when
they last met, as git does for a branch and its remote: what changed on one side only may move, what changed on both is
refused until somebody says whose wins. Without such a memory (a fresh checkout, a CI machine) the line's own history
serves: a file that the line once published has not been changed since, and a version that came from files may be followed
by files.
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

from bot.domain.flow_content import FlowContent
from bot.domain.flow_words import LANGUAGE
from bot.domain.script import STEP_NAME
from bot.storage import drafts, flows
from bot.storage.drafts import Author, Draft
from bot.storage.flows import How, StoredFlow
from bot.usecases.flow_files import FlowFile, Folder
from bot.usecases.studio import edit_draft

MEMORY = ".line.json"
PUSH = Author("push")
_PATH = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*")
_WORDS = "What this folder and the line had in common when they last met; `warmline flows pull` and `push` keep it."


class Conflict(Exception):
    """Both sides have changed; each sentence names a flow and the remedy. Nothing has happened."""

    def __init__(self, sentences: Iterable[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(self.sentences))


@dataclass(frozen=True, slots=True)
class Met:
    """A flow as it was when folder and line last met: the digests of what was published and of what the files held.

    The two are the same unless the files were pushed as a draft.
    """

    line: str
    folder: str


def read_memory(root: Path) -> dict[str, Met]:
    """What the folder remembers, by flow; nothing where the file is missing. Raises Conflict where it cannot be read."""
    try:
        kept = json.loads((root / MEMORY).read_text("utf-8"))["flows"]
        return {str(flow): Met(str(met["line"]), str(met["folder"])) for flow, met in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"{root.name}/{MEMORY} can't be read. Delete it: the line's own history serves instead."
        raise Conflict([said]) from error


def memory_text(memory: Mapping[str, Met]) -> str:
    """The text of `.line.json`."""
    kept = {flow: {"line": met.line, "folder": met.folder} for flow, met in sorted(memory.items())}
    return json.dumps({"about": _WORDS, "flows": kept}, indent=2) + "\n"


def published_flows(db: Session) -> dict[str, StoredFlow]:
    """Every flow of the line as it is published, by name."""
    found = (flows.load(db, version) for version in flows.all_published(db))
    return {stored.name: stored for stored in sorted((one for one in found if one), key=lambda one: one.name)}


# From the line into the folder.


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull is to write: path below the folder -> text, None for a file that goes. `changed` names the flows."""

    changed: tuple[str, ...]
    files: Mapping[str, str | None]
    memory: Mapping[str, Met]


def pull(db: Session, folder: Folder, memory: Mapping[str, Met], *, overwrite: bool = False) -> Pulled:
    """What was published on the line since, and what the files become by it. Raises Conflict where files changed too."""
    known, files, changed, clashes = dict(memory), dict[str, str | None](), list[str](), list[str]()
    live = published_flows(db)
    for name, stored in live.items():
        theirs, file = flows.digest_of(stored.content), folder.flows.get(name)
        mine = flows.digest_of(file.content) if file else ""
        if mine != theirs:
            met = memory.get(name)
            if not overwrite and met is not None and met.line == theirs:
                continue
            if not overwrite and not _is_untouched(db, name, mine, met):
                clashes.append(_both(name, "pull", file is None))
                continue
            changed.append(name)
            files |= _writing(name, stored.content, file)
        known[name] = Met(theirs, theirs)
    clashes += _unfit_paths(folder, {name: live[name].content for name in changed})
    if clashes:
        raise Conflict(clashes)
    return Pulled(tuple(changed), files, known)


def _is_untouched(db: Session, name: str, mine: str, met: Met | None) -> bool:
    """Whether the files of a flow hold nothing that the line has never had."""
    if met is not None:
        return mine == met.folder
    return not mine or mine in _history(db, name)


def _history(db: Session, name: str) -> set[str]:
    stored = (flows.load(db, version) for version, _, _ in flows.versions(db, name))
    return {flows.digest_of(one.content) for one in stored if one}


def _both(name: str, command: str, is_gone: bool = False) -> str:
    did = "its file was deleted here" if is_gone else "the files here were changed"
    other = "the line's version" if command == "pull" else "the files"
    return (
        f"`{name}`: {did}, and so was the flow on the line. Look with `warmline flows diff`, bring the two together, or "
        f"take {other} with `warmline flows {command} --overwrite`."
    )


def _writing(name: str, content: FlowContent, file: FlowFile | None) -> dict[str, str | None]:
    """Path -> new text, for those of a flow's files that differ; None for one that is no more."""
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


def _unfit_paths(folder: Folder, contents: Mapping[str, FlowContent]) -> list[str]:
    """Why these flows cannot lie side by side as files: names that are no file names, and transcripts of the same name."""
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


def write(root: Path, files: Mapping[str, str | None], memory: Mapping[str, Met]) -> None:
    """Write files below `root` (None deletes), then what is remembered. Raises OSError, and then nothing was changed: all is
    written beside its place first, and only moved there once the last of it is on the disk."""
    texts = {path: text for path, text in files.items() if text is not None} | {MEMORY: memory_text(memory)}
    if (root / MEMORY).is_file() and (root / MEMORY).read_text("utf-8") == texts[MEMORY]:
        del texts[MEMORY]
    ready: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            ready.append(_beside(root / path, text))
        for temporary, target in ready:
            temporary.replace(target)
    finally:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)
    for path in (path for path, text in files.items() if text is None):
        (root / path).unlink(missing_ok=True)


def _beside(target: Path, text: str) -> tuple[Path, Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    with os.fdopen(number, "wb") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
    # mkstemp closes a file to others; a repository's files are everybody's.
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    Path(name).chmod(mode)
    return Path(name), target


# From the folder onto the line.


def to_push(db: Session, folder: Folder, memory: Mapping[str, Met], *, overwrite: bool = False) -> dict[str, FlowContent]:
    """The flows whose files say something that the line does not have. Raises Conflict where the line has moved on since.

    The publishing lock is to be held by who publishes them.
    """
    live = published_flows(db)
    found: dict[str, FlowContent] = {}
    clashes: list[str] = []
    for name, file in folder.flows.items():
        stored, draft, met = live.get(name), drafts.find(db, name), memory.get(name)
        mine = flows.digest_of(file.content)
        theirs = flows.digest_of(stored.content) if stored else ""
        if mine == theirs:
            continue
        if not overwrite:
            if met is not None and mine == met.folder and theirs != met.line:
                # Nothing was done to the files: they are behind, and a pull brings them on.
                continue
            if not _may_follow(db, name, theirs, met):
                clashes.append(_both(name, "push"))
                continue
            if draft is not None and (said := _in_the_way(draft, stored, mine, met)):
                clashes.append(said)
                continue
        found[name] = file.content
    if clashes:
        raise Conflict(clashes)
    return found


def _may_follow(db: Session, name: str, theirs: str, met: Met | None) -> bool:
    """Whether files may follow what is published: it is as it was when they last met, or it came from files itself."""
    if met is not None:
        return theirs == met.line
    holds = flows.holding(db, name)
    return holds is None or holds.how in flows.OF_FILES


def _in_the_way(draft: Draft, stored: StoredFlow | None, mine: str, met: Met | None) -> str:
    """Why a draft in the console must not be written over; "" where it holds nobody's work."""
    holds = flows.digest_of(draft.revision.content)
    pushed_before = draft.revision.by == PUSH.name and (met is None or holds == met.folder)
    if holds == mine or pushed_before or (stored is not None and holds == flows.digest_of(stored.content)):
        return ""
    return (
        f"`{draft.flow}`: {draft.revision.by} works on a draft of it in the console. Have it published or thrown away "
        "there, or say that the files win with `warmline flows push --overwrite`; the draft keeps its history."
    )


def push_drafts(db: Session, contents: Mapping[str, FlowContent], now: datetime, by: Author = PUSH) -> tuple[str, ...]:
    """Make each of these the draft of its flow; returns the names of those that it was not already."""
    changed = []
    for name, content in contents.items():
        before = drafts.lock(db, name)
        if before is None and flows.published(db, name) is None:
            try:
                edit_draft.new_flow(db, name, content, "Pushed from files", by, now)
            except edit_draft.Unfit as unfit:
                raise Conflict([str(unfit)]) from unfit
            changed.append(name)
            continue
        number = before.revision.number if before else 0
        edit_draft.change(db, name, number, "Pushed from files", _becomes(content), by, now)
        if before is None or before.revision.content != content:
            changed.append(name)
    return tuple(changed)


def _becomes(content: FlowContent) -> edit_draft.Act:
    return lambda _before: content


def push_published(
    db: Session, contents: Mapping[str, FlowContent], now: datetime, *, why: str, reasons: Mapping[str, Mapping[str, str]],
    by: Author = PUSH,
) -> tuple[str, ...]:  # fmt: skip
    """Publish these, which were checked under the publishing lock; drafts of them follow.

    `reasons` are kept as `publish_drafts` keeps them.
    """
    changed = []
    for name, content in contents.items():
        if drafts.lock(db, name) is not None:
            push_drafts(db, {name: content}, now, by)
        version = flows.publish(db, name, content, by.name, now, how=How.PUSHED, why=why, reasons=reasons)
        if version is None:
            continue
        changed.append(name)
        if drafts.find(db, name) is not None:
            drafts.base_on(db, name, version)
    return tuple(changed)


def met_after(db: Session, folder: Folder, memory: Mapping[str, Met], pushed: Collection[str]) -> dict[str, Met]:
    """What the folder is to remember after a push: those that were pushed, and those that are alike."""
    known = dict(memory)
    live = published_flows(db)
    for name, file in folder.flows.items():
        mine = flows.digest_of(file.content)
        theirs = flows.digest_of(live[name].content) if name in live else ""
        if name in pushed or mine == theirs:
            known[name] = Met(theirs, mine)
    return known


# What differs.


@dataclass(frozen=True, slots=True)
class Difference:
    """A flow that is not the same on both sides. `files` is path -> (text on the line, text here), None for no such file."""

    flow: str
    only: str
    """"here", "there", or "" where both have it."""
    files: Mapping[str, tuple[str | None, str | None]]


def differences(db: Session, folder: Folder) -> list[Difference]:
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
            found.append(Difference(name, only, {path: (there.get(path), here.get(path)) for path in paths}))
    return found
