"""Where the processor time of one text goes, in one process and without a web server, and what a process holds."""

from __future__ import annotations

import cProfile
import gc
import os
import pstats
import time
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import instance
from benchmarks.residents import Text, Wsgi, dialogs, post
from bot.operations import logs
from bot.runtime import Runtime
from bot.web.app import create_app

WARM_UP = 50
STEPS = 6
STAGES = (
    ("the whole text", "web/app.py", "whole"),
    ("form and signature", "web/twilio/signed.py", "verified_form"),
    ("transaction, all of it", "usecases/conversation/receive_message.py", "receive_message"),
    ("load and lock", "storage/conversation/turns.py", "load_for_update"),
    ("record and save", "storage/conversation/turns.py", "save"),
    ("decide", "usecases/conversation/answer.py", "answer"),
    ("  the safety net", "domain/safety/assessing.py", "assess"),
    ("  the language", "usecases/conversation/answer.py", "_settle_language"),
    ("  keywords", "usecases/conversation/answer_keywords.py", "answer_keyword"),
    ("  the flow", "usecases/conversation/answer_in_flow.py", "answer_from_flow"),
    ("seal", "storage/sealing.py", "seal"),
    ("open", "storage/sealing.py", "open"),
    ("the conversation to JSON", "domain/conversation/state.py", "dump"),
    ("the conversation from JSON", "domain/conversation/state.py", "load"),
    ("write the answer", "carriers/twilio/webhook.py", "replies_twiml"),
)


def measure(env: Mapping[str, str], count: int) -> str:
    """A report of `count` dialogs against the instance of `env`."""
    before = resident_mb()
    app = open_app(env)
    after = resident_mb()
    residents = dialogs(int(time.time()) % 100_000)
    run(app, list(islice(residents, WARM_UP)))
    bare = run(app, list(islice(residents, count)))
    # The profiler's own cost is left out by scaling: its shares are true to a few percent, its sum is not.
    profile = cProfile.Profile(time.thread_time)
    some = list(islice(residents, max(1, count // 3)))
    profile.runcall(run, app, some)
    stats: dict[tuple[str, int, str], tuple[Any, ...]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    lines = [
        f"processor time: {bare:.0f} us a text (one thread, without the web server)",
        f"memory: {after:.0f} MB when ready to serve, {resident_mb():.0f} MB after {(WARM_UP + count) * STEPS} texts"
        f" ({before:.0f} MB were the interpreter's and this program's)",
        *_stages(stats, len(some) * STEPS, bare),
        *_owners(stats, bare),
    ]
    return "\n".join(lines)


def open_app(env: Mapping[str, str]) -> Wsgi:
    """The application as the web server gets it, in this process."""
    os.environ.update(env)
    logs.set_up("warning")
    return create_app(Runtime.start(instance.settings(env)))


def run(app: Wsgi, people: list[list[Text]]) -> float:
    """Let the people text one after the other; the processor time per text, in microseconds."""
    gc.collect()
    began = time.thread_time()
    for dialog in people:
        for text in dialog:
            post(app, text)
    return (time.thread_time() - began) / len(people) / STEPS * 1e6


def resident_mb() -> float:
    """The memory that this process holds, in MB, including libraries shared with other processes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stages(stats: Mapping[tuple[str, int, str], tuple[Any, ...]], texts: int, bare: float) -> list[str]:
    found = {(file.rpartition("/bot/")[2], name): (row[0], row[3]) for (file, _, name), row in stats.items()}
    whole = next(row[3] for (_, _, name), row in stats.items() if name == "wsgi_app")
    lines = ["", "what each stage takes (a stage includes those that it calls):"]
    for label, file, name in STAGES:
        calls, seconds = (texts, whole) if name == "whole" else found.get((file, name), (0, 0.0))
        lines.append(f"  {label:28s}{seconds / whole * bare:7.0f} us {seconds / whole:6.1%} {calls / texts:6.2f} times")
    return lines


def _owners(stats: Mapping[tuple[str, int, str], tuple[Any, ...]], bare: float) -> list[str]:
    """The own time of each library and of each of Warmline's modules; built-in functions count for their caller."""
    own: Counter[str] = Counter()
    for (file, _, _), (_, _, seconds, _, callers) in stats.items():
        if file == "~":
            for (caller, _, _), row in callers.items():
                own[_owner(caller)] += row[2]
        else:
            own[_owner(file)] += seconds
    own.pop("benchmarks", None)
    total = sum(own.values())
    lines = ["", "whose own time:"]
    lines += [f"  {name:28s}{time / total * bare:7.0f} us {time / total:6.1%}" for name, time in own.most_common(24)]
    return lines


def _owner(file: str) -> str:
    if "site-packages/" in file:
        return file.split("site-packages/")[1].split("/")[0]
    if "/bot/" in file:
        return f"bot/{file.rpartition('/bot/')[2]}"
    return "benchmarks" if "/benchmarks/" in file else "Python's library"
