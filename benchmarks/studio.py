"""What the flow studio's pages cost beside a bare page of Flask, for a shipped flow and for one of two hundred steps."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

import psycopg

from benchmarks import big_flow, instance, pages, team
from benchmarks.pages import BARE, Page, Side, ratio
from benchmarks.team import Team
from benchmarks.wire import Answer, Connection, http_request
from bot.domain.staff.permissions import Role
from bot.operations.clock import SystemClock
from bot.storage.database import Database
from bot.storage.flows import flows
from bot.storage.schema import migrate
from bot.storage.staff import staff
from bot.usecases.flows.files import read_folder
from bot.usecases.flows.publish_flows import publish_flows

SHIPPED = "emergency_assistance"
"""The longest flow that Warmline comes with."""
STEPS = {SHIPPED: "need", big_flow.NAME: "topic_7"}
"""The step that is open in the editor: one that asks, with choices."""
SAVED = "a step is saved"
SHOWN = "and the editor after it"
GOAL_MS = 500


@dataclass
class Editing:
    """Saving a step of one flow again and again: by what was done, the median of each round in milliseconds."""

    flow: str
    took: dict[str, list[float]] = field(default_factory=dict)


def measure(env: Mapping[str, str], rounds: int, each: int, tests: int) -> str:
    """A table of the studio's pages for both flows: `rounds` rounds of `each` requests to every page."""
    here = database(env, "studio")
    viewer = publish_both_flows(here, tests)
    with ExitStack() as stack:
        bare = Side(stack.enter_context(pages.bare(env)), [Page(BARE, http_request("GET", "/"))])
        stack.enter_context(instance.running(here, "the web"))
        sides = {flow: Side(int(here["PORT"]), _pages(here, viewer, flow)) for flow in STEPS}
        saving = {flow: Editing(flow) for flow in STEPS}
        for editing in saving.values():
            # So that both flows have a draft, and every page shows one.
            asyncio.run(_save(here, viewer, editing, 2, -1))
            editing.took.clear()
        for number in range(rounds):
            asyncio.run(pages.ask_all([bare, *sides.values()], 1, each))
            for editing in saving.values():
                asyncio.run(_save(here, viewer, editing, max(2, each // 4), number))
    return _table(bare, sides, saving)


def database(env: Mapping[str, str], name: str) -> dict[str, str]:
    """Create an empty migrated database; gives the environment of a web server for it on a free port."""
    with psycopg.connect(env["DATABASE_URL"].replace("/warmline?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}".encode())
        admin.execute(f"create database {name}".encode())
    url = env["DATABASE_URL"].replace("/warmline?", f"/{name}?")
    migrate(url)
    languages = ",".join(big_flow.LANGUAGES)
    return {**env, "DATABASE_URL": url, "PORT": str(instance.free_port()), "LANGUAGES": languages, "WEB_WORKERS": "1"}


def publish_both_flows(env: Mapping[str, str], tests: int) -> Team:
    """Publish the shipped flows and the large one; gives an admin who is signed in."""
    with opened(env) as database:
        with database.transaction() as db:
            now = SystemClock().now()
            publish_flows(db, read_folder(instance.HERE.parent / "flows"), "benchmarks", now)
            flows.publish(db, big_flow.NAME, big_flow.content(tests=tests, is_menu=False), "benchmarks", now)
        return admin(database)


@contextmanager
def opened(env: Mapping[str, str]) -> Iterator[Database]:
    """The database of this environment, until the block ends."""
    database = Database(env["DATABASE_URL"], connections=2)
    try:
        yield database
    finally:
        database.close()


def admin(database: Database) -> Team:
    """Add an admin, who may change and publish flows."""
    with database.transaction() as db:
        staff.get_or_add_team(db, big_flow.TEAM, "Crisis")
        row = staff.add(db, "admin@example.org", "Admin", SystemClock().now(), roles=(Role.ADMIN,))
        return Team((), row.id, row.fs_uniquifier)


def _pages(env: Mapping[str, str], viewer: Team, flow: str) -> list[Page]:
    signed_in = team.cookie(env, viewer)
    paths = {
        "steps and drawing": "",
        "steps, one open": f"?step={STEPS[flow]}",
        "YAML": "/source",
        "try it": "/try",
        "transcripts": "/transcripts",
        "translations": "/words",
        "publish": "/publish",
        "history": "/history",
        "drawing as a file": "/diagram.svg",
    }
    return [Page(name, http_request("GET", f"/console/flows/{flow}{path}", signed_in)) for name, path in paths.items()]


# Saving.


class _Form(HTMLParser):
    """The fields of the form whose address ends like this, as a browser would post them."""

    def __init__(self, page: str, ending: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._ending, self._is_in, self._textarea, self._select = ending, False, "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name, value = found.get("name") or "", found.get("value") or ""
        if tag == "form":
            self._is_in = (found.get("action") or "").endswith(self._ending)
        elif not self._is_in:
            return
        elif tag == "input" and name and (found.get("type") != "checkbox" or "checked" in found):
            self.fields[name] = value
        elif tag == "textarea":
            self._textarea, self.fields[name] = name, ""
        elif tag == "select":
            self._select, self.fields[name] = name, ""
        elif tag == "option" and ("selected" in found or not self.fields.get(self._select)):
            self.fields[self._select] = value

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""
        elif tag == "form":
            self._is_in = False


async def _save(env: Mapping[str, str], viewer: Team, editing: Editing, times: int, round_: int) -> None:
    """Change the open step's question `times` times, each time to other words, and request the page that results."""
    signed_in = team.cookie(env, viewer)
    connection = await Connection.open(int(env["PORT"]))
    path = f"/console/flows/{editing.flow}"
    page = http_request("GET", f"{path}?step={STEPS[editing.flow]}", signed_in)
    shown = (await connection.ask(page)).text
    saved, after = [], []
    for time_ in range(times):
        fields = _Form(shown, "/step").fields | {"csrf_token": team.form_secret(env)}
        fields["text.ask"] = f"Which of these is it ({round_} {time_})?"
        took, answer = await _timed(connection, http_request("POST", f"{path}/step", signed_in, urlencode(fields).encode()))
        assert answer.status == 303, f"saving was answered with {answer.status}"
        saved.append(took)
        took, answer = await _timed(connection, page)
        shown = answer.text
        assert f"({round_} {time_})?" in unescape(shown), "what was saved is not on the page"
        after.append(took)
    connection.close()
    editing.took.setdefault(SAVED, []).append(statistics.median(saved))
    editing.took.setdefault(SHOWN, []).append(statistics.median(after))


async def _timed(connection: Connection, asked: bytes) -> tuple[float, Answer]:
    began = time.perf_counter()
    answer = await connection.ask(asked)
    return (time.perf_counter() - began) * 1000, answer


# The table.


def _table(bare: Side, sides: Mapping[str, Side], saving: Mapping[str, Editing]) -> str:
    plain = bare.took[BARE]
    shown = {flow: side.took | saving[flow].took for flow, side in sides.items()}
    many = {SHIPPED: "shipped", big_flow.NAME: f"{big_flow.PARTS * big_flow.STEPS_OF_A_PART} steps"}
    lines = [
        f"times of a bare page of Flask with 30 rows ({statistics.median(plain):.1f} ms), medians of {len(plain)} rounds:",
        f"  {'':24s}" + "".join(f"{many[flow]:>24s}" for flow in shown),
    ]
    for name in shown[SHIPPED]:
        cells = [f"{statistics.median(took[name]):.0f} ms  x{ratio(took[name], plain):.0f}" for took in shown.values()]
        lines.append(f"  {name:24s}" + "".join(f"{each:>24s}" for each in cells))
    worst = max(statistics.median(took) for took in shown[big_flow.NAME].values())
    lines.append(f"  goal, each of them under {GOAL_MS} ms: {'met' if worst < GOAL_MS else 'MISSED'}")
    return "\n".join(lines)
