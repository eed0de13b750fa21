"""What a page of the console costs compared with a bare Flask page, and whether it grows with the data stored."""

from __future__ import annotations

import asyncio
import http.client
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import quote, urlencode

import psycopg

from benchmarks import instance, stored, team
from benchmarks.stored import Stored
from benchmarks.team import Team
from benchmarks.wire import Connection, http_request

ON_DUTY = 25
WARM_UP = 5
BARE = "a bare page"


@dataclass(frozen=True, slots=True)
class Page:
    """A request, and the status that its response must have."""

    name: str
    asked: bytes
    status: int = 200


@dataclass
class Side:
    """One server: its port, the pages requested from it, and by page the median of each round in milliseconds."""

    port: int
    pages: Sequence[Page]
    took: dict[str, list[float]] = field(default_factory=dict)


def measure(env: Mapping[str, str], few: int, many: int, rounds: int, each: int) -> str:
    """A table of the pages over `few` and over `many` conversations: `rounds` rounds of `each` requests to every page."""
    staff = team.hire(env, ON_DUTY)
    with ExitStack() as stack:
        plain = Side(stack.enter_context(bare(env)), [Page(BARE, http_request("GET", "/"))])
        small = stack.enter_context(_line(env, staff, "few", few))
        large = stack.enter_context(_line(env, staff, "many", many))
        asyncio.run(ask_all([plain, small, large], rounds, each))
    return _table(plain, small, large, few, many)


@contextmanager
def bare(env: Mapping[str, str]) -> Iterator[int]:
    """The bare page behind the same server with the same settings; gives its port."""
    here = {**env, "PORT": str(instance.free_port()), "WEB_WORKERS": "1"}
    command = [*instance.web_command(here)[:-1], "benchmarks.bare:app"]
    with instance.started("the bare page", command, None, lambda: _answers(int(here["PORT"]))):
        yield int(here["PORT"])


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _line(env: Mapping[str, str], staff: Team, name: str, conversations: int) -> Iterator[Side]:
    """A Warmline web server over a copy of the template database with this many conversations."""
    here, place = filled(env, staff, name, conversations)
    with instance.running(here | {"WEB_WORKERS": "1"}, "the web"):
        yield Side(int(here["PORT"]), asyncio.run(_pages(here, staff, place)))


def filled(env: Mapping[str, str], staff: Team, name: str, conversations: int) -> tuple[dict[str, str], Stored]:
    """Fill a copy of the template database; gives the environment of a web server for it on a free port."""
    with psycopg.connect(env["DATABASE_URL"].replace("/warmline?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}".encode())
        admin.execute(f"create database {name} template warmline".encode())
    url = env["DATABASE_URL"].replace("/warmline?", f"/{name}?")
    here = {**env, "DATABASE_URL": url, "PORT": str(instance.free_port())}
    return here, stored.fill(here, staff, conversations)


async def _pages(env: Mapping[str, str], staff: Team, place: Stored) -> list[Page]:
    """The pages that the viewer opens, and the request that an open inbox keeps sending."""
    signed_in = team.cookie(env, staff)
    inbox = http_request("GET", "/console", signed_in)
    connection = await Connection.open(int(env["PORT"]))
    news = news_request((await connection.ask(inbox)).text)
    connection.close()
    sought = {"by": "telephone", "sought": stored.PHONE, "csrf_token": team.form_secret(env)}
    return [
        Page("inbox", inbox),
        Page("handoff", http_request("GET", f"/console/handoffs/{place.handoff}", signed_in)),
        Page("person", http_request("GET", f"/console/people/{place.conversation}", signed_in)),
        Page("search by telephone", http_request("POST", "/console/people", signed_in, urlencode(sought).encode()), 303),
        Page("list of people", http_request("GET", "/console/people?list=1", signed_in)),
        Page("board", http_request("GET", "/console/board", signed_in)),
        Page("is there news", news, 204),
    ]


def news_request(page: str) -> bytes:
    """The request by which an open page's script learns whether the page is still up to date."""
    held = {name: unescape(value) for name, value in re.findall(r'data-(news|seen|pass)="([^"]*)"', page)}
    return http_request("GET", f"{held['news']}?seen={quote(held['seen'])}", {"X-Pass": held["pass"]})


async def ask_all(sides: Sequence[Side], rounds: int, each: int) -> None:
    """Request every page of every side in turn, so that a slow moment of the machine affects all of them."""
    for number in range(-1, rounds):
        for side in sides:
            for page in side.pages:
                # A new connection: the server closes one that is idle while the other pages are requested.
                connection = await Connection.open(side.port)
                took = [await timed(connection, page) for _ in range(each if number >= 0 else WARM_UP)]
                connection.close()
                if number >= 0:
                    side.took.setdefault(page.name, []).append(statistics.median(took))


async def timed(connection: Connection, page: Page) -> float:
    """Milliseconds until the response is there. Raises AssertionError if it has another status."""
    began = time.perf_counter()
    answer = await connection.ask(page.asked)
    took = (time.perf_counter() - began) * 1000
    assert answer.status == page.status, f"{page.name}: {answer.status} instead of {page.status}"
    return took


def _table(bare: Side, small: Side, large: Side, few: int, many: int) -> str:
    plain = bare.took[BARE]
    lines = [
        f"times of a bare page of Flask with 30 rows ({statistics.median(plain):.1f} ms), medians of {len(plain)} rounds:",
        f"  {'':22s}{f'at {few:,} conversations':>28s}{f'at {many:,}':>20s}{'growth':>10s}",
    ]
    for page in large.pages:
        a, b = small.took[page.name], large.took[page.name]
        shown = [f"{statistics.median(took):.1f} ms  x{ratio(took, plain):.1f}" for took in (a, b)]
        lines.append(f"  {page.name:22s}{shown[0]:>28s}{shown[1]:>20s}{f'x{ratio(b, a):.2f}':>10s}")
    return "\n".join(lines)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
