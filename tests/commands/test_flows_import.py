"""`warmline flows import`: exit code 0 with drafts, 1 with the reason, and no file is ever overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bot.usecases.flows.files import check_folder, read_folder
from tests.domain.flows.importing.studio_files import flow, widget
from tests.paths import ROOT


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bot", "flows", "import", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def studio_file(folder: Path, name: str = "night_line.json") -> str:
    path = folder / name
    path.write_text(json.dumps(flow(widget("hello", "send-message", {"sent": None}, body="Hello"))), "utf-8")
    return str(path)


def test_it_writes_drafts_that_the_checks_can_read(tmp_path: Path) -> None:
    done = run(tmp_path, studio_file(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "carried over: hello (send-message) -> hello" in done.stdout
    found = read_folder(tmp_path / "imported")
    assert list(found.flows) == ["night_line"]
    assert [
        problem for problem in check_folder(found) if "menu: true" not in problem.what and problem.severity == "error"
    ] == []


def test_it_never_overwrites_a_file(tmp_path: Path) -> None:
    file = studio_file(tmp_path)
    run(tmp_path, file, "--into", "out")
    before = (tmp_path / "out" / "night_line.yaml").read_text("utf-8")
    done = run(tmp_path, file, "--into", "out")
    assert "there is a `night_line` already" in done.stdout
    assert (tmp_path / "out" / "night_line.yaml").read_text("utf-8") == before
    assert (tmp_path / "out" / "night_line_2.yaml").read_text("utf-8").startswith("flow: night_line_2\n")


def test_it_refuses_with_the_reason_and_keeps_the_drafts_of_the_rest(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"states": [', "utf-8")
    done = run(tmp_path, "broken.json", studio_file(tmp_path), "gone.json")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "broken.json, line 1, column 13: the file breaks off" in done.stderr and "gone.json can't be read" in done.stderr
    assert len(list((tmp_path / "imported").glob("*.yaml"))) == 1


def test_it_reports_as_json(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("", "utf-8")
    done = run(tmp_path, studio_file(tmp_path), "empty.json", "--report", "json")
    good, bad = json.loads(done.stdout)["files"]
    assert (good["ok"], good["reason"], bad["ok"], bad["reason"], bad["flows"]) == (
        True,
        "",
        False,
        "empty.json is empty.",
        [],
    )
    (made,) = good["flows"]
    assert set(made) == {"name", "title", "draft", "clean", "missing", "problems", "items"}
    assert made["clean"] is True and made["items"][0].keys() == {"node", "kind", "fate", "how", "step"}


def test_it_reports_as_json_also_where_no_warmline_runs(tmp_path: Path) -> None:
    done = run(tmp_path, studio_file(tmp_path), "--line", "--report", "json")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    (row,) = json.loads(done.stdout)["files"]
    assert (row["ok"], row["flows"]) == (False, []) and row["reason"] in done.stderr
