"""What many open consoles take from the residents: the webhook's texts a second with and without them, in turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import instance, pages, team
from benchmarks.pages import news_request
from benchmarks.residents import Text, dialogs
from benchmarks.stored import Stored
from benchmarks.team import Team
from benchmarks.wire import Connection, http_request, posting
from bot.operations.children import ChildProcess

CONVERSATIONS = 1000
AT_ONCE = 32
EVERY = 1.2
"""Seconds between two requests of an open page (bot/web/static/console.js)."""
GOAL = 0.9


@dataclass
class Round:
    """One arm's round: texts a second, the web's processor time in seconds a second, and what the consoles counted."""

    texts: float
    processor: float
    watched: Mapping[str, float] = field(default_factory=dict)


def measure(env: Mapping[str, str], consoles: int, rounds: int, seconds: float) -> str:
    """A table: the webhook alone and beside `many` open consoles, half on the inbox, half on handoffs."""
    staff = team.hire(env, pages.ON_DUTY)
    here, place = pages.filled(env, staff, "crowd", CONVERSATIONS)
    residents = dialogs(int(time.time()) % 100_000)
    with instance.running(here, "the web") as children:
        web, port = children["the web"], int(here["PORT"])
        asyncio.run(_drive(port, residents, seconds / 2))
        alone, beside = [], []
        for _ in range(rounds):
            alone.append(_round(web, port, residents, seconds))
            with _consoles(here, staff, place, consoles) as said:
                counted = _round(web, port, residents, seconds)
            beside.append(Round(counted.texts, counted.processor, said))
        only = _only(web, here, staff, place, consoles, seconds)
    return _table(alone, beside, only, consoles)


def _only(web: ChildProcess, env: Mapping[str, str], staff: Team, place: Stored, consoles: int, seconds: float) -> float:
    """The web server's CPU time in seconds for each request of the consoles, while no person texts."""
    with _consoles(env, staff, place, consoles) as said:
        before = instance.processor_seconds(web)
        time.sleep(seconds)
        used = instance.processor_seconds(web) - before
    return used / seconds / (said["questions"] / said["seconds"])


def _round(web: ChildProcess, port: int, residents: Iterator[list[Text]], seconds: float) -> Round:
    before, began = instance.processor_seconds(web), time.perf_counter()
    texts = asyncio.run(_drive(port, residents, seconds))
    took = time.perf_counter() - began
    return Round(texts / took, (instance.processor_seconds(web) - before) / took)


async def _drive(port: int, residents: Iterator[list[Text]], seconds: float) -> int:
    """Let many residents text at once, dialog after dialog, until the time is over; how many texts were answered."""
    ends = time.perf_counter() + seconds

    async def one() -> int:
        line, texts = await Connection.open(port), 0
        while time.perf_counter() < ends:
            for text in next(residents):
                answer = await line.ask(posting(text))
                assert answer.status == 200 and text.expected in answer.text, "a text was not answered as it should be"
                texts += 1
        line.close()
        return texts

    return sum(await asyncio.gather(*(one() for _ in range(AT_ONCE))))


@contextlib.contextmanager
def _consoles(env: Mapping[str, str], staff: Team, place: Stored, many: int) -> Iterator[dict[str, float]]:
    """Open consoles in a process of their own until the block ends; the dict then holds what they counted."""
    asked = asyncio.run(_open_pages(env, staff, place, many))
    said: dict[str, float] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.crowd", env["PORT"]],
        cwd=instance.HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([each.decode() for each in asked]) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "open\n", "the consoles could not be opened"
        yield said
        process.stdin.close()
        said |= json.loads(process.stdout.read())


async def _open_pages(env: Mapping[str, str], staff: Team, place: Stored, many: int) -> list[bytes]:
    """Open the inbox and every open handoff once; the request that each of `many` pages repeats from then on."""
    signed_in = team.cookie(env, staff)
    line = await Connection.open(int(env["PORT"]))
    inbox = news_request((await line.ask(http_request("GET", "/console", signed_in))).text)
    handoffs = [
        news_request((await line.ask(http_request("GET", f"/console/handoffs/{number}", signed_in))).text)
        for number in place.open
    ]
    line.close()
    return [inbox if number % 2 else handoffs[number // 2 % len(handoffs)] for number in range(many)]


def _table(alone: Sequence[Round], beside: Sequence[Round], only: float, consoles: int) -> str:
    ratios = [b.texts / a.texts for a, b in zip(alone, beside, strict=True)]
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    questions, unchanged, changed = (
        sum(each.watched[name] for each in beside) for name in ("questions", "unchanged", "changed")
    )
    asked = statistics.median(each.watched["questions"] / each.watched["seconds"] for each in beside)
    theirs = statistics.median(each.watched["processor"] / each.watched["seconds"] for each in beside)
    lines = [
        f"{AT_ONCE} residents at once, alone and beside {consoles} consoles that ask every {EVERY} s, {len(alone)} rounds:",
        f"  {'':24s}{'texts a second':>16s}{'web, cores':>14s}{'us a text':>12s}",
        *(_arm(label, arm) for label, arm in (("alone", alone), ("beside the consoles", beside))),
        f"  throughput beside to alone: x{ratio:.2f} ({spread}); goal x{GOAL:.2f}: {'met' if ratio > GOAL else 'MISSED'}",
        f"  the consoles: {asked:.0f} requests a second, each {only * 1e6:.0f} us of the web when no person texts;"
        f" answered in {statistics.median(each.watched['p95'] for each in beside):.0f} ms (p95)",
        f"  no news (204): {unchanged / questions:.1%}, news (200): {changed / questions:.1%};"
        f" the consoles' own processor time: {theirs:.3f} cores",
    ]
    return "\n".join(lines)


def _arm(label: str, rounds: Sequence[Round]) -> str:
    texts, cores = (statistics.median(getattr(each, name) for each in rounds) for name in ("texts", "processor"))
    return f"  {label:24s}{texts:16.0f}{cores:14.2f}{cores / texts * 1e6:12.0f}"


async def watch(port: int, asked: Sequence[bytes]) -> None:
    """Play the open consoles until standard input ends; then print what was counted."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    lines = [await Connection.open(port) for _ in asked]
    took: list[float] = []
    statuses: list[int] = []

    async def one(line: Connection, question: bytes, place: int) -> None:
        # Pages are not opened all at the same moment.
        await asyncio.sleep(EVERY * place / len(asked))
        while not over.is_set():
            began = time.perf_counter()
            statuses.append((await line.ask(question)).status)
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(EVERY)

    tasks = [loop.create_task(one(line, each, place)) for place, (line, each) in enumerate(zip(lines, asked, strict=True))]
    print("open", flush=True)
    began, before = time.perf_counter(), time.process_time()
    await loop.run_in_executor(None, sys.stdin.read)
    seconds, processor = time.perf_counter() - began, time.process_time() - before
    # Both: waiting with a time limit swallows a cancellation that comes together with the answer.
    over.set()
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    failed = [each for each in ended if isinstance(each, Exception)]
    assert not failed, f"{len(failed)} consoles failed, the first by {type(failed[0]).__name__}"
    counted = {
        "questions": len(statuses),
        "unchanged": statuses.count(204),
        "changed": statuses.count(200),
        "seconds": seconds,
        "processor": processor,
        "p95": sorted(took)[int(len(took) * 0.95)] if took else 0.0,
    }
    print(json.dumps(counted), flush=True)


if __name__ == "__main__":
    asyncio.run(watch(int(sys.argv[1]), [each.encode() for each in json.loads(sys.stdin.readline())]))
