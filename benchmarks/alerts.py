"""How soon a social worker is called: from sending a crisis text until the carrier has the alert."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from math import ceil
from urllib.parse import parse_qs

import psycopg

from benchmarks import instance, team
from benchmarks.residents import Text, dialogs, signed
from benchmarks.wire import Connection, posting

ON_DUTY = 25
RATE = 50
"""Texts a second."""
ONE_IN = 10
"""One in this many texts is a crisis text from a new person."""
GOAL_SECONDS = 1.0
CONNECTIONS = 64
AT_ONCE = 90
"""Residents in a dialog at the same time; each writes again after about two seconds."""
PATIENCE = 60.0

# Invented. Either of the first two calls one social worker; the last calls all of them, by text and by telephone.
CRISES = ("I want to kill myself", "I'm going to kill myself tonight")
_DYING = "I just took all the pills"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ALERTS = """
select heard.sid, array_agg(alert.id)
  from handoff
  join message heard on heard.id = handoff.message_id
  join message alert on alert.handoff_id = handoff.id and alert.outbound and alert.key in ('alert', 'voice_alert')
 where alert.at = handoff.alerted_at
 group by heard.sid
"""


class StandIn(asyncio.Protocol):
    """A fake of the carrier's REST API: accepts everything and records when. One instance for each connection.

    `taken`: message row id -> time on this process's performance counter.
    """

    def __init__(self, taken: dict[int, float]) -> None:
        self._taken = taken
        self._heard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return
        self._heard = b""
        if body:
            self._answer("201 Created", self._take(body, at))
        else:
            self._answer("200 OK", {"messages": [], "calls": []})

    def _answer(self, status: str, said: dict[str, object]) -> None:
        text = json.dumps(said).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        assert self._transport is not None
        self._transport.write(head.encode() + text)

    def _take(self, body: bytes, at: float) -> dict[str, object]:
        row = int(parse_qs(body.decode())["StatusCallback"][0].rpartition("=")[2])
        self._taken.setdefault(row, at)
        return {"sid": f"SM{secrets.token_hex(16)}", "status": "queued", "num_segments": "1"}


@dataclass
class Sent:
    """One posted text: when it was due to be sent, when it was answered, and whether the answer was right."""

    text: Text
    is_crisis: bool = False
    at: float = 0.0
    answered: float = 0.0
    is_right: bool = False


def measure(env: Mapping[str, str], seconds: int) -> str:
    """A table: when the alert of a crisis text was committed and when the carrier had it, under a busy hour's load."""
    team.hire(env, ON_DUTY)
    port = instance.free_port()
    here = {
        **env,
        "PORT": str(instance.free_port()),
        "TWILIO_API_URL": f"http://127.0.0.1:{port}",
        "TWILIO_STAFF_NUMBERS": ",".join(team.POOL),
        # The stand-in reports nothing, and asking after every answer is not what is measured.
        "RESEND_AFTER": "3600",
    }
    with instance.running(here, "the web", "the worker"):
        return asyncio.run(_storm(here, port, seconds))


async def _storm(env: Mapping[str, str], port: int, seconds: int) -> str:
    taken: dict[int, float] = {}
    server = await asyncio.get_running_loop().create_server(lambda: StandIn(taken), "127.0.0.1", port)
    lines = [await Connection.open(int(env["PORT"])) for _ in range(CONNECTIONS)]
    seed = int(time.time()) % 100_000
    # Warm-up: waits until the worker is running, and warms up every process.
    await send(lines, list(islice(_mixed(seed), ONE_IN * 12)), RATE)
    await until_taken(env, taken)
    storm = await send(lines, list(islice(_mixed(seed + 1), RATE * seconds)), RATE)
    await until_taken(env, taken)
    (dying,) = await send(lines, [crisis(seed + 2, 0, _DYING)], RATE)
    await until_taken(env, taken)
    for line in lines:
        line.close()
    server.close()
    return _table(storm, dying, raised(env), taken)


def _mixed(seed: int) -> Iterator[Sent]:
    """Endless texts: residents in their dialogs, and every tenth a crisis text from a new person."""
    ordinary, people = _ordinary(seed), count()
    while True:
        yield from (Sent(text) for text in islice(ordinary, ONE_IN - 1))
        number = next(people)
        yield crisis(seed, number, CRISES[number % len(CRISES)])


def _ordinary(seed: int) -> Iterator[Text]:
    residents = dialogs(seed)
    while True:
        for step in zip(*islice(residents, AT_ONCE), strict=True):
            yield from step


def crisis(seed: int, number: int, body: str) -> Sent:
    """A crisis text from a person who has never written before."""
    phone = f"+1{200 + (seed + 400) % 800:03d}{number:07d}"
    return Sent(signed(phone, body, "988", f"SM{secrets.token_hex(16)}"), is_crisis=True)


async def send(lines: Sequence[Connection], texts: Sequence[Sent], rate: float) -> Sequence[Sent]:
    """Post `rate` texts a second, each at its scheduled time, however long the earlier ones take."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    began = time.perf_counter() + 0.1
    async with asyncio.TaskGroup() as group:
        for place, sent in enumerate(texts):
            sent.at = began + place / rate
            await asyncio.sleep(max(0.0, sent.at - time.perf_counter()))
            group.create_task(_post(free, sent))
    return texts


async def _post(free: asyncio.Queue[Connection], sent: Sent) -> None:
    line = await free.get()
    answer = await line.ask(posting(sent.text))
    sent.answered = time.perf_counter()
    sent.is_right = answer.status == 200 and sent.text.expected in answer.text
    free.put_nowait(line)


async def until_taken(env: Mapping[str, str], taken: Mapping[int, float]) -> None:
    """Wait until the carrier has every enqueued alert, at most PATIENCE seconds; the table reports missing ones."""
    deadline = time.perf_counter() + PATIENCE
    wanted = {row for rows in (await asyncio.to_thread(raised, env)).values() for row in rows}
    while not wanted <= taken.keys() and time.perf_counter() < deadline:
        await asyncio.sleep(0.1)


def raised(env: Mapping[str, str]) -> dict[str, list[int]]:
    """Carrier id of a text -> outbox row ids of the alerts that it raised immediately."""
    with psycopg.connect(env["DATABASE_URL"]) as db:
        return {str(sid): rows for sid, rows in db.execute(_ALERTS)}


def _table(storm: Sequence[Sent], dying: Sent, alerts: Mapping[str, list[int]], taken: Mapping[int, float]) -> str:
    crises = [sent for sent in storm if sent.is_crisis]
    rows = {sent.text.sid: alerts.get(sent.text.sid, []) for sent in (*crises, dying)}
    committed = [sent.answered - sent.at for sent in crises if rows[sent.text.sid]]
    brought = [taken[row] - sent.at for sent in crises for row in rows[sent.text.sid] if row in taken]
    ordinary = [sent.answered - sent.at for sent in storm if not sent.is_crisis]
    calls = sorted(taken[row] - dying.at for row in rows[dying.text.sid] if row in taken)
    slower = statistics.median(committed) / statistics.median(ordinary)
    lines = [
        f"{len(storm)} texts at {RATE} a second, {len(crises)} of them in crisis and new, {ON_DUTY} workers on duty:",
        f"  {'from the sending of the text until':44s}{'p50':>10s}{'p95':>10s}{'p99':>10s}{'in 1 s':>10s}",
        _line("the alert is committed (the text is answered)", committed),
        _line("the carrier has the alert", brought),
        _line("an ordinary text is answered", ordinary),
        f"  a crisis text is answered in x{slower:.1f} of an ordinary text's time",
        f"  answered as they should be: {sum(sent.is_right for sent in storm)} of {len(storm)}; alerts with the carrier:"
        f" {len(brought)} of {len(crises)}",
    ]
    if calls:
        lines.append(
            f"  a person is dying, all on duty are called ({len(rows[dying.text.sid])} texts and calls): the carrier has the"
            f" first after {calls[0] * 1000:.0f} ms, {len(calls)} after {calls[-1] * 1000:.0f} ms"
        )
    lines.append(f"  goal, p95 of committed alerts under {GOAL_SECONDS:.0f} s: {_goal(committed)}")
    return "\n".join(lines)


def _line(label: str, took: Sequence[float]) -> str:
    shown = "".join(f"{percentile(took, share) * 1000:7.0f} ms" for share in (0.50, 0.95, 0.99))
    return f"  {label:45s}{shown}{sum(each <= GOAL_SECONDS for each in took) / max(1, len(took)):9.1%}"


def _goal(took: Sequence[float]) -> str:
    return "met" if percentile(took, 0.95) < GOAL_SECONDS else "MISSED"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of `values` does not exceed; infinity if there are none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else float("inf")
