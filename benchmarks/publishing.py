"""Sets of two flows are published every second while people text: whether a turn mixes two of them, and what it costs."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from benchmarks import instance, studio
from benchmarks.alerts import StandIn, percentile
from benchmarks.publisher import Publisher, publishing, sets_in
from benchmarks.residents import signed
from benchmarks.wire import Connection, posting

RATE = 20
"""Texts a second, half of them by people who have not written before."""
EVERY = 1.0
"""Seconds from one publication to the next."""
SECOND_TEXT = 3
"""Seconds after the first text at which a worker texts those who have not answered (`publisher.contents`)."""
SILENT = 0.25
WEBS, WORKERS = 2, 3
CONNECTIONS = 16


@dataclass
class Sent:
    """One text: its sender, its web process, its time (monotonic clock), and the numbers of the sets that answered."""

    person: int
    web: int
    body: str
    at: float = 0.0
    answered: float = 0.0
    status: int = 0
    sets: list[int] = field(default_factory=list)


@dataclass
class Round:
    """What was sent, and the publications in it as (number, seconds it took, moment after its commit)."""

    sent: list[Sent] = field(default_factory=list)
    published: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def took(self) -> list[float]:
        return [each.answered - each.at for each in self.sent]


class RecordingCarrier(StandIn):
    """The carrier's API; notes the words of every text that a worker hands it, by the id of its outbox row."""

    def __init__(self, taken: dict[int, float], said: dict[int, str]) -> None:
        super().__init__(taken)
        self._said = said

    def _take(self, body: bytes, at: float) -> dict[str, object]:
        form = parse_qs(body.decode())
        self._said[int(form["StatusCallback"][0].rpartition("=")[2])] = form["Body"][0]
        return super()._take(body, at)


def measure(env: Mapping[str, str], rounds: int, seconds: float) -> str:
    """A table of `rounds` rounds, each without publications and then with them."""
    return asyncio.run(_measure(studio.database(env, "publishing"), rounds, seconds))


async def _measure(env: Mapping[str, str], rounds: int, seconds: float) -> str:
    said: dict[int, str] = {}
    taken: dict[int, float] = {}
    port = instance.free_port()
    server = await asyncio.get_running_loop().create_server(lambda: RecordingCarrier(taken, said), "127.0.0.1", port)
    here = {**env, "TWILIO_API_URL": f"http://127.0.0.1:{port}", "RESEND_AFTER": "3600", "SENDER_MPS": "1000"}
    with studio.opened(here) as database:
        viewer = studio.admin(database).viewer
    with ExitStack() as stack:
        publisher = stack.enter_context(publishing(here, viewer))
        publisher.begin(0)
        await asyncio.to_thread(publisher.done)
        # Starting the processes blocks for seconds; nothing else is waited for meanwhile.
        ports = stack.enter_context(processes(here))
        calm, busy = await _rounds(publisher, ports, rounds, seconds)
        # People who have not answered get a text from a worker process; the last of them in a few seconds.
        await asyncio.sleep(12)
    server.close()
    return _table(calm, busy, list(said.values()))


@contextmanager
def processes(env: Mapping[str, str], workers: int = WORKERS) -> Iterator[list[int]]:
    """Two web processes of one host each, queue workers and a sweep; gives the ports."""
    hosts = [{**env, "PORT": str(instance.free_port())} for _ in range(WEBS)]
    with ExitStack() as stack:
        stack.enter_context(instance.running(hosts[0], "the web", "the worker"))
        for host in hosts[1:]:
            stack.enter_context(instance.running(host, "the web"))
        for number in range(1, workers):
            command = [sys.executable, "worker.py", "--queue"]
            whole = {**os.environ, **env}
            stack.enter_context(instance.started(f"worker {number}", command, whole, lambda: True))
        yield [int(host["PORT"]) for host in hosts]


async def _rounds(
    publisher: Publisher, ports: Sequence[int], rounds: int, seconds: float
) -> tuple[list[Round], list[Round]]:
    people, numbers = iter(range(10**7)), iter(range(1, 10**6))
    calm, busy = [], []
    await text_them(ports, people, seconds / 2)
    for _ in range(rounds):
        calm.append(await text_them(ports, people, seconds))
        published: list[tuple[int, float, float]] = []
        over = asyncio.Event()
        task = asyncio.create_task(_publish(publisher, lambda: next(numbers), published, over))
        made = await text_them(ports, people, seconds)
        over.set()
        await task
        made.published = published
        busy.append(made)
    return calm, busy


async def _publish(
    publisher: Publisher, number: Callable[[], int], published: list[tuple[int, float, float]], over: asyncio.Event
) -> None:
    while not over.is_set():
        began = time.monotonic()
        publisher.begin(number())
        published.append(await asyncio.to_thread(publisher.done))
        await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))


async def text_them(ports: Sequence[int], people: Iterator[int], seconds: float) -> Round:
    """Send texts at a steady pace, each at its scheduled time, however long the earlier ones take."""
    draw = random.Random(seconds)
    planned: list[tuple[float, Sent]] = []
    for place in range(int(seconds * RATE / 2)):
        person, at = next(people), 2 * place / RATE
        planned.append((at, Sent(person, person % len(ports), "hi")))
        if draw.random() > SILENT:
            # To the other web process: the conversation is in the database, not in a process.
            planned.append((at + SECOND_TEXT, Sent(person, (person + 1) % len(ports), "fine")))
    free: list[asyncio.Queue[Connection]] = []
    for port in ports:
        queue: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            queue.put_nowait(await Connection.open(port))
        free.append(queue)
    began = time.monotonic() + 0.1
    async with asyncio.TaskGroup() as group:
        for at, sent in sorted(planned, key=lambda each: each[0]):
            sent.at = began + at
            await asyncio.sleep(max(0.0, sent.at - time.monotonic()))
            group.create_task(_post(free[sent.web], sent))
    for queue in free:
        while not queue.empty():
            queue.get_nowait().close()
    return Round([sent for _, sent in planned])


async def _post(free: asyncio.Queue[Connection], sent: Sent) -> None:
    line = await free.get()
    phone = f"+1816{sent.person:07d}"
    answer = await line.ask(posting(signed(phone, sent.body, "", f"SM{secrets.token_hex(16)}")))
    sent.answered = time.monotonic()
    sent.status, sent.sets = answer.status, sets_in(answer.text)
    free.put_nowait(line)


# The table.


def _table(calm: Sequence[Round], busy: Sequence[Round], by_workers: Sequence[str]) -> str:
    texts = [sent for made in (*calm, *busy) for sent in made.sent]
    published = [each for made in busy for each in made.published]
    p95 = [(percentile(one.took, 0.95), percentile(other.took, 0.95)) for one, other in zip(calm, busy, strict=True)]
    medians = [statistics.median(each) * 1000 for each in zip(*p95, strict=True)]
    slower = statistics.median(other / one for one, other in p95)
    mixed = sum(len(set(sent.sets)) > 1 for sent in texts)
    unanswered = sum(sent.status != 200 or not sent.sets for sent in texts)
    began = {sent.person: sent.sets[:1] for sent in texts if sent.body == "hi"}
    strayed = sum(sent.sets[:1] != began[sent.person] for sent in texts)
    mixed_by_workers = sum(len(set(sets_in(body))) > 1 for body in by_workers)
    late, first = _seen(busy)
    return "\n".join([
        f"{len(published)} publications of two flows, one a second, among {len(texts)} texts at {RATE} a second to {WEBS}"
        f" web processes, {WORKERS} workers; {len(calm)} rounds without and with them in turn:",
        f"  answers, 95 of 100 within: {medians[0]:.0f} ms without, {medians[1]:.0f} ms with, x{slower:.2f}",
        f"  answers that mix two sets: {mixed}; texts without their answer: {unanswered}",
        f"  conversations that left the set on which they began: {strayed}",
        f"  texts that workers sent to who was silent: {len(by_workers)}; that mix two sets: {mixed_by_workers}",
        f"  sent after the commit and answered with an older set: {late[0]} of {late[1]} first texts",
        f"  the first answer with the new set, of each web process, after the commit: median"
        f" {percentile(first, 0.5) * 1000:.0f} ms, 95 of 100 {percentile(first, 0.95) * 1000:.0f} ms (a new person texts"
        f" each every {2000 * WEBS / RATE:.0f} ms)",
        f"  publishing both, with its check: median {statistics.median(took for _, took, _ in published) * 1000:.0f} ms",
    ])  # fmt: skip


def _seen(busy: Sequence[Round]) -> tuple[tuple[int, int], list[float]]:
    """First texts that were answered with an older set than was committed when they were sent, of how many; and for each
    publication and web process the seconds from the commit to the first answer with it."""
    late, counted, first = 0, 0, []
    for made in busy:
        commits = sorted((at, number) for number, _, at in made.published)
        news = [sent for sent in made.sent if sent.body == "hi"]
        for sent in news:
            holds = max((number for at, number in commits if at <= sent.at), default=0)
            counted += 1
            late += bool(sent.sets) and sent.sets[0] < holds
        for at, number in commits:
            for web in range(WEBS):
                seen = [sent.answered for sent in news if sent.web == web and sent.sets and sent.sets[0] >= number]
                first += [max(0.0, min(seen) - at)] if seen else []
    return (late, counted), first
