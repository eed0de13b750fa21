"""The command line as an admin or operator uses it: exit code 0 when done, 1 with the reason when refused, 2 misused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.operations.settings.settings import Settings
from tests.paths import ROOT


def warmline(*arguments: str, typed: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TWILIO")}
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=ROOT,
        env={**kept, **(env or {})},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def env(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": settings.database_url or "",
        "REDIS_URL": settings.redis_url or "",
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": ",".join(settings.encryption_keys),
    }


def test_it_checks_the_shipped_flows_and_plays_their_transcripts() -> None:
    done = warmline("flows", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "36 transcripts" in done.stdout or "transcripts: no errors" in done.stdout


def test_it_refuses_a_broken_flow_with_file_line_and_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "x.yaml").write_text(
        "flow: x\ntitle: X\nstart: a\nmenu: true\nsteps:\n  a: {say: Hi, next: bb}\n  b: {end: z}\n"
    )
    refused = warmline("flows", "check", str(folder))
    assert refused.returncode == 1
    assert "mine/x.yaml:6" in refused.stdout and "b" in refused.stdout and "Traceback" not in refused.stderr


def test_it_shows_a_transcript_that_no_longer_holds(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "transcripts").mkdir(parents=True)
    (folder / "x.yaml").write_text("flow: x\ntitle: X\nstart: a\nmenu: true\nsteps:\n  a: {say: Hi., end: done}\n")
    (folder / "transcripts/t.txt").write_text("title: T\n\nperson: hello\nline: Ho.\n")
    refused = warmline("flows", "check", str(folder))
    assert refused.returncode == 1 and "mine/transcripts/t.txt:4" in refused.stdout


def test_it_says_how_it_is_used() -> None:
    assert warmline("flows", "dance").returncode == 2
    assert warmline().returncode in (0, 2)
    assert warmline("talk", "--help").returncode == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "many"),
        ("ENCRYPTION_KEYS", "short"),
        ("TIMEZONE", "Mars/Base"),
        ("TWILIO_ACCOUNT_SID", "AC1"),
        ("PUBLIC_URL", "x"),
    ],
)
def test_it_names_the_variable_that_is_wrong(variable: str, value: str) -> None:
    refused = warmline("run", env={variable: value})
    assert refused.returncode == 1 and ("TWILIO" if variable.startswith("TWILIO") else variable) in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_saves_a_talk_as_a_transcript_that_replays(tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    shutil.copytree(ROOT / "flows", folder, ignore=shutil.ignore_patterns("transcripts"))
    (folder / "transcripts").mkdir()
    saved = folder / "transcripts/kept.txt"
    done = warmline("talk", "--save", str(saved), typed="i need food\n63118\n/wait 2h\nSTOP\n/quit\n")
    assert done.returncode == 0, done.stderr
    assert "person: i need food" in saved.read_text() and "effect: opted_out keyword" in saved.read_text()
    again = warmline("flows", "check", str(folder))
    assert again.returncode == 0 and "1 transcripts" in again.stdout, again.stdout


def test_it_migrates_publishes_and_refuses_a_wrong_key(env: dict[str, str]) -> None:
    assert warmline("migrate", env=env).returncode == 0
    published = warmline("flows", "publish", env=env)
    assert published.returncode == 0 and "welcome" in published.stdout
    assert "already" in warmline("flows", "publish", env=env).stdout
    other = {**env, "ENCRYPTION_KEYS": warmline("keys", "new").stdout.strip()}
    refused = warmline("migrate", env=other)
    assert refused.returncode == 1 and "ENCRYPTION_KEYS" in refused.stderr and "Traceback" not in refused.stderr


def test_it_prepares_a_demo_once(env: dict[str, str]) -> None:
    first = warmline("prepare", env=env)
    assert first.returncode == 0, first.stderr
    assert "Published: " in first.stdout and "A night was played." in first.stdout
    assert "Rosa Delgado" in warmline("staff", "list", env=env).stdout
    again = warmline("prepare", env=env)
    assert (again.returncode, again.stdout) == (0, "")


def test_it_rotates_keys(env: dict[str, str]) -> None:
    warmline("migrate", env=env)
    new = warmline("keys", "new").stdout.strip()
    both = {**env, "ENCRYPTION_KEYS": f"{new},{env['ENCRYPTION_KEYS']}"}
    assert warmline("keys", "rotate", env=both).returncode == 0
    assert warmline("migrate", env={**env, "ENCRYPTION_KEYS": new}).returncode == 0


def test_it_shows_what_the_safety_net_reads() -> None:
    read = warmline("safety", "read", "i want to die")
    assert read.returncode == 0 and "self_harm" in read.stdout


def test_it_counts_the_spool(env: dict[str, str]) -> None:
    assert "0 texts wait" in warmline("spool", env=env).stdout
