"""Sets of two flows are published while people text, and a publisher is killed half-way: no turn mixes two sets."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psycopg
import pytest

from benchmarks import instance, studio
from benchmarks.publisher import FIRST, SECOND, Publisher, publishing, sets_in
from benchmarks.publishing import RecordingCarrier, Round, Sent, processes, text_them
from bot.storage.flows import flows
from tests.faults.running_system import eventually

pytestmark = pytest.mark.faults

SECONDS = 7.0
PATIENCE_SECONDS = 60.0
KILLED_AT = 4
"""The set that is half published when its publisher is killed."""
STALLED_SECONDS = 1.5
_HALF = """
select count(*) from pg_locks join pg_stat_activity using (pid) where not granted and query ilike '%insert into audit%'
"""


@pytest.fixture
def env(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return instance.environment(tmp_path, database_url, redis_url) | {
        "WEB_WORKERS": "1",
        "RESEND_AFTER": "3600",
        "SENDER_MPS": "1000",
    }


@contextmanager
def stalled(env: dict[str, str]) -> Iterator[Callable[[], bool]]:
    """Any publisher stops after the audit of the first flow, before the second; gives whether one has."""
    with psycopg.connect(env["DATABASE_URL"]) as db, psycopg.connect(env["DATABASE_URL"], autocommit=True) as looking:
        db.execute("lock table audit in share mode")
        yield lambda: bool((looking.execute(_HALF).fetchone() or (0,))[0])


def held(env: dict[str, str]) -> dict[str, int]:
    """Flow -> the number of the set that its published version carries."""
    with studio.opened(env) as database, database.transaction() as db:
        stored = {flow: flows.load_version(db, version) for flow, version in flows.current_versions(db).items()}
    return {flow: set_of(version.source) for flow, version in stored.items() if version}


def set_of(source: str) -> int:
    (number,) = set(sets_in(source))
    return number


def publish_all(env: dict[str, str], doomed: Publisher, other: Publisher, over: Event) -> int:
    """Publish set after set; `doomed` is killed half-way through one, and the other goes on. Gives the last number."""
    for number in range(1, KILLED_AT):
        doomed.begin(number)
        doomed.done()
    kill_half_way(env, doomed)
    assert held(env) == {FIRST: KILLED_AT - 1, SECOND: KILLED_AT - 1}
    for number in itertools.count(KILLED_AT + 1):
        other.begin(number)
        other.done()
        assert held(env) == {FIRST: number, SECOND: number}
        if over.wait(0.2):
            return number
    raise AssertionError


def kill_half_way(env: dict[str, str], publisher: Publisher) -> None:
    with stalled(env) as is_half_way:
        publisher.begin(KILLED_AT)
        eventually(is_half_way, 20, "no publisher came half-way")
        # Texts go on meanwhile, and none of them may wait for it.
        time.sleep(STALLED_SECONDS)
        publisher.process.kill()
        publisher.process.wait(10)


async def play(env: dict[str, str], staff_id: int) -> tuple[Round, dict[int, str]]:
    """People text while sets are published; gives what was sent, and what workers handed to the carrier."""
    said: dict[int, str] = {}
    taken: dict[int, float] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RecordingCarrier(taken, said), "127.0.0.1", 0)
    here = env | {"TWILIO_API_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    with publishing(here, staff_id) as doomed, publishing(here, staff_id) as other:
        doomed.begin(0)
        doomed.done()
        with processes(here, workers=1) as ports:
            over = Event()
            publications = asyncio.create_task(asyncio.to_thread(publish_all, here, doomed, other, over))
            texted = await text_until_enough_sets(ports)
            over.set()
            assert await publications > KILLED_AT + 1
            await silent_ones_are_texted(texted, said)
    server.close()
    await server.wait_closed()
    return texted, said


async def text_until_enough_sets(ports: Sequence[int]) -> Round:
    """Text for SECONDS, and on a busy machine for longer: until sets from before and after the kill have answered."""
    people, deadline = itertools.count(), time.monotonic() + PATIENCE_SECONDS
    texted = await text_them(ports, people, SECONDS)
    while len({sent.sets[0] for sent in texted.sent if sent.sets}) <= KILLED_AT and time.monotonic() < deadline:
        texted.sent += (await text_them(ports, people, 2.0)).sent
    return texted


async def silent_ones_are_texted(texted: Round, said: dict[int, str]) -> None:
    deadline = time.monotonic() + 20
    while len(late(said)) < len(silent(texted)) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)


def silent(texted: Round) -> set[int]:
    """People who never answered the flow's question."""
    return {sent.person for sent in texted.sent} - {sent.person for sent in texted.sent if sent.body != "hi"}


def late(said: dict[int, str]) -> list[str]:
    return [body for body in said.values() if "Late" in body]


def test_it_never_mixes_two_sets_of_flows_in_a_turn_when_a_publisher_is_killed(env: dict[str, str]) -> None:
    with studio.opened(env) as database:
        staff_id = studio.admin(database).viewer
    # In a separate thread: a browser that another test has opened leaves its event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        texted, said = thread.submit(asyncio.run, play(env, staff_id)).result()
    assert [sent for sent in texted.sent if not answered_whole(sent)] == []
    assert {number for sent in texted.sent for number in sent.sets}.isdisjoint({KILLED_AT})
    assert len({sent.sets[0] for sent in texted.sent}) > KILLED_AT
    began = {sent.person: sent.sets[0] for sent in texted.sent if sent.body == "hi"}
    assert [sent for sent in texted.sent if sent.sets[0] != began[sent.person]] == []
    assert all(len(set(sets_in(body))) == 1 for body in said.values())
    assert Counter(kept(env, outbound=False).values()) == {1: len(texted.sent)}
    assert len(late(said)) == len(silent(texted))


def answered_whole(sent: Sent) -> bool:
    """Both texts of the answer, of one set."""
    return sent.status == 200 and len(sent.sets) == 2 and len(set(sent.sets)) == 1


def kept(env: dict[str, str], *, outbound: bool) -> dict[str, int]:
    """How often each text is in the database, by the carrier's id."""
    with psycopg.connect(env["DATABASE_URL"]) as db:
        rows = db.execute("select sid, count(*) from message where outbound = %s group by sid", (outbound,))
        return {str(sid): count for sid, count in rows}
