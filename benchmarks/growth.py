"""Whether a text costs more in a larger database: the same texts with a small and a large one, in turn."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks.parts import STEPS, open_app, run
from benchmarks.residents import Text, dialogs

ROUNDS, A_ROUND, WARM_UP = 25, 8, 40
MESSAGES_EACH = 10
"""Messages of one stored conversation; people are a tenth of the messages."""

# Texts as long as real ones and all different: compressible data would make the measurement too good.
_FILL = """
insert into person (created_at) select now() from generate_series(1, %(people)s);
insert into conversation (person_id, channel, lookup, sealed_address, line, sealed_state, holder, in_danger, opted_out,
                          created_at, updated_at)
select id, 'sms', substring(sha256(('person ' || id)::bytea) for 16), encode(sha256(id::text::bytea), 'base64'),
       '+13145550100',
       (select string_agg(encode(sha256((id || '.' || n)::bytea), 'base64'), '') from generate_series(1, 12) n),
       'bot', false, false, now(), now()
  from person;
insert into message (conversation_id, outbound, sid, sealed_body, at, state, segments)
select c.id, n %% 2 = 0, case when n %% 2 = 1 then 'SM' || md5(c.id || '.' || n) end,
       encode(sha256((c.id || '.' || n)::bytea) || sha256((n || '.' || c.id)::bytea), 'base64'), now(),
       case when n %% 2 = 1 then 'received' else 'delivered' end, 1
  from conversation c, generate_series(1, %(each)s) n;
insert into outcome (conversation_id, flow, outcome, at) select id, 'intake', 'saved', now() from conversation;
"""


@dataclass
class Side:
    """One database: the application over it, and what its rounds took in microseconds a text."""

    name: str
    turn: Callable[[list[list[Text]]], float]
    backends: Callable[[], float]
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def measure(env: Mapping[str, str], few: int, many: int) -> str:
    """A report with the ratios of large to small: Warmline's processor time, PostgreSQL's, and how long a text waits."""
    sides = [_side(env, name, messages) for name, messages in (("small", few), ("large", many))]
    people = dialogs(int(time.time()) % 100_000)
    for side in sides:
        side.turn(list(islice(people, WARM_UP)))
    for _ in range(ROUNDS):
        for side in sides:
            _round(side, list(islice(people, A_ROUND)))
    small, large = sides
    lines = [f"{few} and {many} messages stored, {ROUNDS} rounds of {A_ROUND * STEPS} texts in turn:"]
    for label, what in (("our processor time", "ours"), ("PostgreSQL's processor time", "theirs"), ("wait", "waits")):
        a, b = (statistics.median(getattr(side, what)) for side in (small, large))
        ratios = [y / x for x, y in zip(getattr(small, what), getattr(large, what), strict=True) if x]
        lines.append(f"  {label:28s}{a:7.0f} us {b:7.0f} us   x{statistics.median(ratios):.2f} (median of the rounds)")
    return "\n".join(lines)


def _round(side: Side, people: list[list[Text]]) -> None:
    texts, server, began = len(people) * STEPS, side.backends(), time.perf_counter()
    side.ours.append(side.turn(people))
    side.waits.append((time.perf_counter() - began) / texts * 1e6)
    side.theirs.append((side.backends() - server) / texts)


def _side(env: Mapping[str, str], name: str, messages: int) -> Side:
    """A copy of the template database with this many messages."""
    template = env["DATABASE_URL"]
    url = template.replace("/warmline?", f"/{name}?")
    with psycopg.connect(template.replace("/warmline?", "/postgres?"), autocommit=True) as admin:
        admin.execute(f"drop database if exists {name}")
        admin.execute(f"create database {name} template warmline")
    numbers = {"people": str(messages // MESSAGES_EACH), "each": str(MESSAGES_EACH)}
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(re.sub(r"%\((\w+)\)s", lambda found: numbers[found[1]], _FILL).replace("%%", "%"))
        # As autovacuum leaves it: statistics, and pages whose rows are known to be visible.
        db.execute("vacuum analyze")
    app = open_app({**env, "DATABASE_URL": url})
    return Side(name, lambda people: run(app, people), lambda: _backends(url))


def _backends(url: str) -> float:
    """The CPU time so far, in microseconds, of this database's backends other than this connection's."""
    with psycopg.connect(url, autocommit=True) as db:
        rows = db.execute(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    ticks = 0
    for (pid,) in rows:
        try:
            ticks += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return ticks / 1000
