"""A folder of flows as it may be on a disk: too large, of the wrong kind, half translated. The problem names the file."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from bot.domain.conversation.transcript import read_transcript
from bot.domain.flows.language.yaml_source import MAX_BYTES, FlowError, Severity
from bot.domain.refused import Refused
from bot.usecases.flows.files import check_folder, read_folder
from bot.usecases.studio.zipped_translations import MAX_ZIP_BYTES, read_zip
from tests.paths import ROOT

FLOW = "flow: x\ntitle: X\nmenu: true\nstart: a\nsteps:\n  a: {handoff: {team: crisis, urgency: now}, say: Call 911.}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "flows"
    (root / "transcripts").mkdir(parents=True)
    (root / "translations" / "es").mkdir(parents=True)
    (root / "x.yaml").write_text(FLOW, "utf-8")
    return root


@pytest.mark.parametrize("name", ["y.yaml", "transcripts/y.txt", "translations/es/x.po"])
def test_it_names_a_file_of_fifty_megabytes_and_reads_no_more_of_it_than_it_takes(folder: Path, name: str) -> None:
    with (folder / name).open("wb") as large:
        large.truncate(50_000_000)
    (problem,) = read_folder(folder).problems
    assert str(problem).startswith(f"flows/{name}:1: The file has 50,000,000 bytes. Keep it under 1,000,000")


def test_it_names_what_is_not_a_file(folder: Path) -> None:
    (folder / "y.yaml").mkdir()
    (problem,) = read_folder(folder).problems
    assert str(problem).startswith("flows/y.yaml:1: The file can't be read: ")


def test_it_refuses_a_transcript_that_is_too_large() -> None:
    with pytest.raises(FlowError, match="Keep it under 1,000,000"):
        read_transcript("title: T\nperson: " + "a" * MAX_BYTES, "t.txt")


def test_it_reads_a_transcript_of_windows_like_any_other(folder: Path) -> None:
    (folder / "transcripts" / "t.txt").write_bytes(b"title: T\r\nperson: hi\r\nline: Call 911.\r\n")
    found = read_folder(folder)
    assert found.problems == () and found.flows["x"].transcripts == {"t": "title: T\nperson: hi\nline: Call 911.\n"}


def test_it_wants_safety_texts_in_each_language_of_the_line(folder: Path) -> None:
    def errors(*languages: str) -> list[str]:
        return [
            problem.what for problem in check_folder(read_folder(folder), languages) if problem.severity is Severity.ERROR
        ]

    assert errors("en") == []
    assert errors("en", "es") == ["Nothing of this flow is translated into Spanish, and one of its texts is about safety."]


def test_it_finds_no_gap_in_the_shipped_flows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    assert [str(problem) for problem in check_folder(read_folder(tmp_path / "flows"), ("en", "es"))] == []


def test_it_refuses_a_zip_whose_inside_is_damaged() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.es.po", "msgid" * 1000)
    raw = bytearray(held.getvalue())
    raw[40:60] = b"\xff" * 20
    with pytest.raises(Refused, match="no zip file that can be read"):
        read_zip(bytes(raw))


def test_it_refuses_a_zip_whose_files_are_too_large_together() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MAX_ZIP_BYTES // MAX_BYTES + 1):
            archive.writestr(f"flow_{number}.es.po", b" " * MAX_BYTES)
    with pytest.raises(Refused, match="20,000,000 bytes together"):
        read_zip(held.getvalue())
