"""Warmline's web server compared with other systems: the same texts on the same machine, in turn, as ratios.

The systems compared and the load generator are not in this repository; their folder is copied and set up here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from benchmarks import instance

YARDSTICKS = instance.HERE.parent.parent / "shared" / "bench"
BARE = "bare"
FIRST_SEED, RESIDENTS = 100, 3000
"""The residents that the comparison's own script generates for each of our rounds."""


class NotThere(Exception):
    """The systems to compare with, or a database made for measuring, are missing; the message says what to do."""


def set_up(folder: Path, arms: Sequence[str]) -> Path:
    """Copy the yardsticks to `folder` and install what they need. Raises NotThere, CalledProcessError."""
    if not YARDSTICKS.is_dir():
        raise NotThere(f"{YARDSTICKS.name} is not beside this repository. `serve` starts our arm for a script of your own.")
    place = folder / "yardsticks"
    if not place.exists():
        shutil.copytree(YARDSTICKS, place)
        for part in (place, *place.rglob("*")):
            part.chmod(part.stat().st_mode | 0o200)
        for name in ("logs", "results", "data"):
            (place / name).mkdir(exist_ok=True)
        _run(place, "gcc", "-O2", "-o", "loadgen/loadgen", "loadgen/loadgen.c")
        _run(place, sys.executable, "-m", "venv", "venv")
        _run(place, "venv/bin/pip", "install", "--quiet", "-r", "requirements.txt")
    for peer in ("botkit", "bottender"):
        if any(arm.startswith(peer) for arm in arms) and not (place / "peers" / peer / "node_modules").exists():
            _run(place / "peers" / peer, "npm", "install", "--ignore-scripts", "--silent")
    return place


def measure(folder: Path, arms: Sequence[str], rounds: int, cores: int, dialogs: int) -> None:
    """Alternate Warmline's web server with `arms` and print the table. The bare arm uses the same PostgreSQL."""
    place = set_up(folder, arms)
    with instance.opened(folder / "data") as env:
        bare = env["DATABASE_URL"].replace("/warmline?", f"/{BARE}?")
        with psycopg.connect(env["DATABASE_URL"], autocommit=True) as db:
            if not db.execute("select 1 from pg_database where datname = %s", [BARE]).fetchone():
                db.execute(f"create database {BARE}")
        for number in range(rounds):
            _make_residents(place, FIRST_SEED + number)
        ours = env | {"WEB_WORKERS": str(cores)}
        options = ["--server", "granian", "--cores", str(cores), "--reps", str(rounds), "--n", str(dialogs)]
        options += ["--only", ",".join(arms), "--ours", shlex.join(instance.web_command(ours))]
        options += ["--cwd", str(instance.HERE.parent), "--reset", shlex.join([sys.executable, "-m", "benchmarks", "empty"])]
        options += [part for name, value in ours.items() for part in ("--env", f"{name}={value}")]
        there = os.environ | {"DSN": bare, "DATABASE_URL": ours["DATABASE_URL"], "PYTHONPATH": str(instance.HERE.parent)}
        subprocess.run(["../venv/bin/python", "side_by_side.py", *options], cwd=place / "run", env=there, check=True)


def _make_residents(place: Path, seed: int) -> None:
    """The same texts that the others get, except that the digits of the phone number after the reference are not expected:
    a flow cannot see the number."""
    file = place / "loadgen" / "wl" / f"intake-{RESIDENTS}-{seed}-127.0.0.1_8000_twilio_sms.bin"
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        made = ["loadgen/gen_workload.py", str(file), "-n", str(RESIDENTS), "--seed", str(seed), "--short-ref"]
        _run(place, "venv/bin/python", *made)


def _run(place: Path, *command: str) -> None:
    subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)


def empty(database_url: str) -> None:
    """Delete all people and keep the flow. Raises NotThere for a database that holds other flows."""
    with psycopg.connect(database_url, autocommit=True) as db:
        # A production database has its own flows and must never be emptied because of a wrong environment variable.
        if [flow for (flow,) in db.execute("select distinct flow from flow_version")] != ["intake"]:
            raise NotThere("DATABASE_URL names a database that was not made for measuring. Nothing was deleted.")
        db.execute("truncate person, conversation, message restart identity cascade")
        db.execute("vacuum analyze person, conversation, message")
