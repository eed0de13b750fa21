"""The flows that a draft lives among: what is published, with drafts in the place of some."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from json import dumps
from pathlib import Path
from threading import Lock
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.flow import Flow
from bot.domain.flow_content import FlowContent
from bot.domain.flow_reader import lines_of, read_flow
from bot.domain.flow_translations import Translation, read_translations
from bot.domain.flow_watch import Watch, watched
from bot.domain.flow_yaml import FlowError, Lines, Problem
from bot.domain.script import Script
from bot.storage import flows
from bot.usecases.flow_files import Folder, read_directory
from bot.usecases.flow_files import drafts as files_as_drafts
from bot.usecases.library import DraftLibrary

Cards = Callable[[str, str | None, int, str, datetime], tuple[tuple[int, str], ...]]
"""Services for (need, near, limit, language, now), as `DraftLibrary` asks for them."""
ROOT = Path(__file__).parent.parent.parent.parent
MOST_KEPT = 200
"""Read flows that the process keeps; a line has some ten flows, and each is drafted a few times an hour."""


@dataclass(frozen=True, slots=True)
class ReadFlow:
    """A flow as the studio works with it: its texts, and what was read of them. `version` is 0 for a draft."""

    name: str
    content: FlowContent
    script: Script
    translations: dict[str, Translation]
    lines: Lines
    version: int = 0


class _Kept:
    """What was read, by the digest of its texts: a page of the studio reads eight flows, and seven have not changed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[str, ReadFlow] = OrderedDict()

    def get(self, digest: str) -> ReadFlow | None:
        with self._lock:
            found = self._read.get(digest)
            if found is not None:
                self._read.move_to_end(digest)
            return found

    def put(self, digest: str, flow: ReadFlow) -> None:
        with self._lock:
            self._read[digest] = flow
            while len(self._read) > MOST_KEPT:
                self._read.popitem(last=False)


_kept = _Kept()


def digest_of(name: str, content: FlowContent, version: int = 0) -> str:
    """The same for the same texts of the same flow, and for nothing else."""
    texts = [name, version, content.source, dict(content.translations), dict(content.transcripts)]
    return sha256(dumps(texts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def read(name: str, content: FlowContent, version: int = 0) -> ReadFlow:
    """Read a flow's source and translations. Raises FlowError; its places are in `<name>.yaml`, `<name>.<language>.po`."""
    digest = digest_of(name, content, version)
    found = _kept.get(digest)
    if found is not None:
        return found
    file = f"{name}.yaml"
    script, lines = read_source(content.source, file)
    if script.flow != name:
        what = f"The file says `flow: {script.flow}`, and this is the flow `{name}`."
        raise FlowError([Problem(file, lines.of(("flow",)), what, f"Write `flow: {name}`.")])
    translations = {
        language: read_translations(po, f"{name}.{language}.po") for language, po in sorted(content.translations.items())
    }
    flow = ReadFlow(name, content, script, translations, lines, version)
    _kept.put(digest, flow)
    return flow


@lru_cache(maxsize=64)
def read_source(source: str, file: str) -> tuple[Script, Lines]:
    """The source alone, kept: the checks, the drawing and the trial of one page read the same. Raises FlowError."""
    return read_flow(source, file), lines_of(source, file)


@dataclass(frozen=True, slots=True)
class World:
    """Flows that live together, by name; `problems` say why the rest could not be read."""

    flows: Mapping[str, ReadFlow]
    problems: tuple[Problem, ...] = ()

    @property
    def scripts(self) -> dict[str, Script]:
        return {name: flow.script for name, flow in self.flows.items()}

    def library(self, zone: ZoneInfo, line_name: str, cards: Cards, watch: Watch | None = None) -> DraftLibrary:
        """The flows ready to be played without a database; with `watch`, what is played is written down there."""
        made = {}
        for number, (name, read_one) in enumerate(sorted(self.flows.items()), 1):
            # A draft has no row: numbers below zero are never those of a row.
            flow = Flow(read_one.script, read_one.translations, read_one.version or -number, zone, line_name)
            made[name] = watched(flow, watch) if watch is not None else flow
        return DraftLibrary(made, cards)


def published_world(db: Session) -> World:
    """All that is published."""
    return world_with(db, {})


def world_with(db: Session, contents: Mapping[str, FlowContent]) -> World:
    """What is published, with these contents in place of flows of the same name, or beside them."""
    found: dict[str, ReadFlow] = {}
    problems: list[Problem] = []
    for version in flows.all_published(db):
        stored = flows.load(db, version)
        if stored is not None and stored.name not in contents:
            # What is published was read once before it was published, by this code or an older one.
            _read_into(found, problems, stored.name, stored.content, version)
    for name, content in contents.items():
        _read_into(found, problems, name, content, 0)
    return World(found, tuple(problems))


def _read_into(found: dict[str, ReadFlow], problems: list[Problem], name: str, content: FlowContent, version: int) -> None:
    try:
        found[name] = read(name, content, version)
    except FlowError as error:
        problems += error.problems


@cache
def rehearsal_cards(zone: ZoneInfo) -> Cards:
    """The services of the repository's own `directory/*.yaml`, which are the same everywhere: so is a transcript then."""
    services = read_directory(ROOT / "directory", zone)
    return files_as_drafts(Folder({}, {}, ()), services, zone, "")._cards
