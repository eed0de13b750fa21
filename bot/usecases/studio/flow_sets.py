"""The set of flows around a draft: the published ones, some of them replaced by drafts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from json import dumps
from threading import Lock
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from bot.domain.flows.checks.coverage import UsageLog, watch_flow
from bot.domain.flows.language.content import FlowContent
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import lines_of, read_flow
from bot.domain.flows.language.script import Script
from bot.domain.flows.language.translations import Translations, read_translations
from bot.domain.flows.language.yaml_source import FlowError, FlowProblem, LineIndex
from bot.paths import ROOT
from bot.storage.flows import drafts, flows
from bot.usecases.flows.files import FlowFolder, read_directory_files
from bot.usecases.flows.files import build_draft_library as files_as_drafts
from bot.usecases.flows.library import DraftLibrary

CardLookup = Callable[[str, str | None, int, str, datetime], tuple[tuple[int, str], ...]]
"""Services for (need, near, limit, language, now), as `DraftLibrary` requests them."""
MAX_CACHED = 200
"""Parsed flows cached per process; there are some ten flows, and each is drafted a few times an hour."""


@dataclass(frozen=True, slots=True)
class ParsedFlow:
    """A parsed flow. `version` is 0 for a draft."""

    name: str
    content: FlowContent
    script: Script
    translations: dict[str, Translations]
    lines: LineIndex
    version: int = 0


class _FlowCache:
    """Parsed flows by the digest of their texts: a studio page reads eight flows, of which seven have not changed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[str, ParsedFlow] = OrderedDict()

    def get(self, digest: str) -> ParsedFlow | None:
        with self._lock:
            found = self._read.get(digest)
            if found is not None:
                self._read.move_to_end(digest)
            return found

    def put(self, digest: str, flow: ParsedFlow) -> None:
        with self._lock:
            self._read[digest] = flow
            while len(self._read) > MAX_CACHED:
                self._read.popitem(last=False)


_flow_cache = _FlowCache()


def flow_digest(name: str, content: FlowContent, version: int = 0) -> str:
    """Equal exactly for the same texts of the same flow."""
    texts = [name, version, content.source, dict(content.translations), dict(content.transcripts)]
    return sha256(dumps(texts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def parse_flow(name: str, content: FlowContent, version: int = 0) -> ParsedFlow:
    """Reads a flow's source and translations. Raises FlowError with places in `<name>.yaml` and `<name>.<language>.po`."""
    digest = flow_digest(name, content, version)
    found = _flow_cache.get(digest)
    if found is not None:
        return found
    file = f"{name}.yaml"
    script, lines = parse_source(content.source, file)
    if script.flow != name:
        what = f"The file says `flow: {script.flow}`, and this is the flow `{name}`."
        raise FlowError([FlowProblem(file, lines.of(("flow",)), what, f"Write `flow: {name}`.")])
    translations = {
        language: read_translations(po, f"{name}.{language}.po") for language, po in sorted(content.translations.items())
    }
    flow = ParsedFlow(name, content, script, translations, lines, version)
    _flow_cache.put(digest, flow)
    return flow


@lru_cache(maxsize=64)
def parse_source(source: str, file: str) -> tuple[Script, LineIndex]:
    """Reads the source alone, cached: the checks, the diagram and the trial of one page need the same. Raises FlowError."""
    return read_flow(source, file), lines_of(source, file)


@dataclass(frozen=True, slots=True)
class FlowSet:
    """Flows that run together, by name; `problems` say why the rest could not be read."""

    flows: Mapping[str, ParsedFlow]
    problems: tuple[FlowProblem, ...] = ()

    @property
    def scripts(self) -> dict[str, Script]:
        return {name: flow.script for name, flow in self.flows.items()}

    def library(self, zone: ZoneInfo, line_name: str, cards: CardLookup, watch: UsageLog | None = None) -> DraftLibrary:
        """The flows ready to be played without a database; `watch` records what is played."""
        made = {}
        for number, (name, read_one) in enumerate(sorted(self.flows.items()), 1):
            # A draft has no row, so it gets a negative number, which no row has.
            flow = Flow(read_one.script, read_one.translations, read_one.version or -number, zone, line_name)
            made[name] = watch_flow(flow, watch) if watch is not None else flow
        return DraftLibrary(made, cards)


def flow_set_with(db: Session, contents: Mapping[str, FlowContent]) -> FlowSet:
    """The published flows, with these contents replacing or joining them."""
    found: dict[str, ParsedFlow] = {}
    problems: list[FlowProblem] = []
    for version in flows.current_version_ids(db):
        stored = flows.load_version(db, version)
        if stored is not None and stored.name not in contents:
            # A published flow was readable when it was published, by this code or an older version.
            _parse_into(found, problems, stored.name, stored.content, version)
    for name, content in contents.items():
        _parse_into(found, problems, name, content, 0)
    return FlowSet(found, tuple(problems))


def flow_set_with_drafts(
    db: Session, flow: str, content: FlowContent, others: Iterable[str]
) -> tuple[FlowSet, dict[str, FlowContent]]:
    """The published flows with this content of `flow`, and with the drafts of those of the `others` that have one; and
    those drafts' contents, by flow."""
    named = {name: drafts.find(db, name) for name in others}
    contents = {name: draft.revision.content for name, draft in named.items() if draft is not None}
    return flow_set_with(db, {**contents, flow: content}), contents


def _parse_into(
    found: dict[str, ParsedFlow], problems: list[FlowProblem], name: str, content: FlowContent, version: int
) -> None:
    try:
        found[name] = parse_flow(name, content, version)
    except FlowError as error:
        problems += error.problems


@cache
def rehearsal_cards(zone: ZoneInfo) -> CardLookup:
    """The services of the repository's `directory/*.yaml`, which are the same everywhere; so are transcripts then."""
    services = read_directory_files(ROOT / "directory", zone)
    return files_as_drafts(FlowFolder({}, {}, ()), services, zone, "")._cards
